"""Stability: how near a supervised direction is to the one that more samples would give, and how well h tells its attribute."""

from statistics import mean

from pipeline.catalog.explorer.findings import Findings
from pipeline.catalog.explorer.groups import Row
from pipeline.catalog.templates import Facts


def facts(findings: Findings) -> Facts | None:
    """The directions that it was measured of, each with means over the steps, and what the user of any should know."""
    rows = [row for row in findings.supervised if row["split_half_cosine"] is not None]
    if not rows:
        return None
    warnings = dict.fromkeys(warning for row in findings.supervised for warning in row["warnings"] or ())
    return {"rows": [(row, findings.at(row), _over_steps(row)) for row in rows], "warnings": list(warnings)}


def _over_steps(row: Row) -> dict[str, float | None]:
    values = {
        name: row[f"{name}_by_step"] for name in ("auc_all", "auc_extremes", "rank_correlation", "r2", "accuracy")
    }
    return {name: mean(by_step) if by_step else None for name, by_step in values.items()}
