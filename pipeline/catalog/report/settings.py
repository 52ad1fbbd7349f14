"""The end of the page: the files, and every setting behind them."""

import json
from typing import Any

from pipeline.catalog.report import tables
from pipeline.catalog.report.findings import Findings
from pipeline.catalog.report.markup import Child, Html, el, join
from schemas.catalog import CAPTURES

_FILES = (
    ("README.md", "the lines of code that apply a direction with plain diffusers"),
    ("catalog.json", "the model, the sampling, the directions and every setting behind them"),
    ("directions.safetensors", "the vectors by name, float32"),
    ("directions.parquet", "one row a direction: how it was made, from what, n, thresholds, norms"),
    ("effects.parquet", "every effect at every strength by every judge, and those of the random directions"),
    ("preservation.parquet", "what every edit leaves alone: identity, MS-SSIM, background, the model's own manifold"),
    (
        "profiles.parquet",
        "one row a direction: its name by what it does, strength per standard deviation, valid range, rank",
    ),
    ("SHA256SUMS", "checked with sha256sum -c SHA256SUMS"),
)


def section(findings: Findings) -> Html:
    catalog = findings.catalog
    shape = " × ".join(map(str, (catalog.sampling.steps, *catalog.h_shape)))
    applying = join(
        "The catalog is the folder ",
        el("code", findings.folder),
        " in the store that this page lies in. A direction is an array of T × C × H × W = ",
        f"{shape}; adding strength × direction[step] to {CAPTURES[catalog.capture]} at every step applies it. ",
        "With any other model than the one below it means nothing.",
    )
    files: list[tuple[str, Child]] = [(name, said) for name, said in _FILES]
    identity: list[tuple[str, Child]] = [
        ("Model", catalog.model.name),
        ("Revision", catalog.model.revision or "none: a folder"),
        ("Weights, SHA-256", el("code", catalog.model.weights_sha256)),
        ("Images", "JPEG copies made for this page; the stages keep PNG"),
    ]
    model = {
        "unet": catalog.model.unet,
        "scheduler": catalog.model.scheduler,
        "sampling": catalog.sampling.model_dump(),
    }
    return join(
        el("p", applying, class_="note"),
        tables.definitions(files, "files"),
        tables.definitions(identity, "files"),
        _folded("U-Net, scheduler and sampling", "", model),
        *(_stage(stage) for stage in catalog.stages),
    )


def _stage(stage: dict[str, Any]) -> Html:
    said = f" version {stage['version']}, {stage['fingerprint']}"
    return _folded(stage["stage"], said, _readable(stage["settings"]))


def _folded(title: str, said: str, value: Any) -> Html:
    summary = el("summary", el("span", title), said)
    return el("details", summary, el("pre", json.dumps(value, indent=2, ensure_ascii=False)))


def _readable(value: Any) -> Any:
    """Settings that are JSON inside a string, as the JSON that they are."""
    if isinstance(value, dict):
        return {key: _readable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_readable(item) for item in value]
    if isinstance(value, str) and value.startswith("{"):
        try:
            return json.loads(value)
        except json.JSONDecodeError:
            return value
    return value
