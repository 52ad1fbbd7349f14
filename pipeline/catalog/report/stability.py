"""Stability: how much a supervised direction owes to the samples that it happened to be fitted on."""

from dataclasses import dataclass
from statistics import mean

from pipeline.catalog.report.findings import Findings, Row


@dataclass(frozen=True)
class Stability:
    """The directions that it was measured of, and what the user of any should know."""

    rows: list[tuple[Row, dict[str, float | None]]]  # and the means over the steps of what classifiers do
    warnings: list[str]


def facts(findings: Findings) -> Stability | None:
    rows = [row for row in findings.supervised if row["split_half_cosine"] is not None]
    if not rows:
        return None
    warnings = dict.fromkeys(warning for row in findings.supervised for warning in row["warnings"] or ())
    return Stability([(row, _over_steps(row)) for row in rows], list(warnings))


def _over_steps(row: Row) -> dict[str, float | None]:
    values = {name: row[f"{name}_by_step"] for name in ("auc", "r2", "accuracy")}
    return {name: mean(by_step) if by_step else None for name, by_step in values.items()}
