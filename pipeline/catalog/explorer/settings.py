"""The end of the page: the files, and every setting behind them."""

import json
from typing import Any

from pipeline.catalog.explorer.findings import Findings
from pipeline.catalog.templates import Facts
from schemas.catalog import in_words
from schemas.published import files_of


def facts(findings: Findings) -> Facts:
    """What is in the catalog, and what its directions are added to."""
    catalog = findings.catalog
    there = {
        "transfer.parquet": findings.transfer,
        "locality.parquet": findings.locality,
        "learning_curve.parquet": findings.learning_curve,
        "carriage.parquet": findings.carriage,
        "choice.parquet": findings.choice,
        "provenance.parquet": findings.merged or None,
        "run.toml": findings.recorded or None,
        "samplers.parquet": findings.samplers or None,
        "verified.parquet": findings.verified,
        "confirmed.parquet": findings.confirmed,
        "best.parquet": findings.best,
        "selection.parquet": findings.best,  # the samples that it was chosen on
    }
    model = {"unet": catalog.model.unet, "scheduler": catalog.model.scheduler}
    return {
        "captures": [{"where": in_words(each.point), "shape": each.shape} for each in catalog.captures],
        "files": files_of([name for name, found in there.items() if found is not None]),
        "model": {**model, "sampling": catalog.sampling.model_dump()},
        "stages": [{**stage, "settings": _readable(stage["settings"])} for stage in catalog.stages],
    }


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
