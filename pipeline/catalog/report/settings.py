"""The end of the page: the files, and every setting behind them."""

import json
from dataclasses import dataclass
from typing import Any

from pipeline.catalog.report.findings import Findings
from schemas.catalog import CAPTURES
from schemas.catalog_files import CatalogFile, files_of


@dataclass(frozen=True)
class Settings:
    """Where the catalog lies, what is in it, and what its directions are added to."""

    folder: str
    capture: str
    files: list[CatalogFile]
    model: dict[str, Any]
    stages: list[dict[str, Any]]


def facts(findings: Findings) -> Settings:
    catalog = findings.catalog
    tables = {
        "transfer.parquet": findings.transfer,
        "locality.parquet": findings.locality,
        "learning_curve.parquet": findings.learning_curve,
    }
    return Settings(
        findings.folder,
        CAPTURES[catalog.capture],
        files_of([name for name, table in tables.items() if table is not None]),
        {
            "unet": catalog.model.unet,
            "scheduler": catalog.model.scheduler,
            "sampling": catalog.sampling.model_dump(),
        },
        [{**stage, "settings": _readable(stage["settings"])} for stage in catalog.stages],
    )


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
