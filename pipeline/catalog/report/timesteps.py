"""What changes over the reverse process: how well h tells each attribute, and how long the directions are."""

from pipeline.catalog.report.charts import Chart, Line, by_step, chart, number_ticks, step_ticks
from pipeline.catalog.report.findings import Findings, Row
from pipeline.catalog.templates import Facts, words

COLOURS = 8  # classes c0, c1, ... of the style sheet


def facts(findings: Findings) -> Facts | None:
    """Return the held-out AUC of the linear classifiers and the norms of the mean differences, by step."""
    entangled = [row for row in findings.supervised if row["parents"] is None]
    if not entangled:
        return None
    classifiers = [row for row in entangled if row["auc_by_step"]]
    differences = [row for row in entangled if row["method"] == "mean-difference"] or entangled
    return {"auc": _auc(findings, classifiers) if classifiers else None, "norms": _norms(findings, differences)}


def _auc(findings: Findings, rows: list[Row]) -> Chart:
    lowest = min(0.5, *(min(row["auc_by_step"]) for row in rows))
    x = step_ticks(findings.catalog.sampling.timesteps)
    return chart(_lines(rows, "auc_by_step"), x, number_ticks(lowest, 1.0), baseline=0.5)


def _norms(findings: Findings, rows: list[Row]) -> Chart:
    top = max(max(row["norm_by_step"]) for row in rows)
    return chart(_lines(rows, "norm_by_step"), step_ticks(findings.catalog.sampling.timesteps), number_ticks(0, top))


def _lines(rows: list[Row], column: str) -> list[Line]:
    return [by_step(words(row["attribute"]), row[column], f"series c{i % COLOURS}") for i, row in enumerate(rows)]
