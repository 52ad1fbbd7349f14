"""What changes over the reverse process: how well h tells each attribute, and how long the directions are."""

from dataclasses import dataclass

from pipeline.catalog.report.charts import Chart, Line, by_step, chart, number_ticks, step_ticks
from pipeline.catalog.report.findings import Findings, Row
from pipeline.catalog.templates import words

COLOURS = 8  # classes c0, c1, ... of the style sheet


@dataclass(frozen=True)
class AtPoint:
    """What h tells at one capture point: norms at two points do not compare, h has other units there.

    `auc` is the held-out AUC of the linear classifiers, `norms` those of the mean differences, by step.
    """

    at: str | None  # where that is told
    auc: Chart | None
    norms: Chart


def facts(findings: Findings) -> list[AtPoint] | None:
    """Charts of the directions as they were fitted, a pair for each capture point."""
    entangled = [row for row in findings.supervised if row["parents"] is None]
    attributes = list(dict.fromkeys(row["attribute"] for row in entangled))
    points = dict.fromkeys(row["capture"] for row in entangled)
    own = [[row for row in entangled if row["capture"] == point] for point in points]
    return [_at_point(findings, rows, attributes) for rows in own] or None


def _at_point(findings: Findings, rows: list[Row], attributes: list[str]) -> AtPoint:
    classifiers = [row for row in rows if row["auc_by_step"]]
    differences = [row for row in rows if row["method"] == "mean-difference"] or rows
    return AtPoint(
        findings.at(rows[0]),
        _auc(findings, classifiers, attributes) if classifiers else None,
        _norms(findings, differences, attributes),
    )


def _auc(findings: Findings, rows: list[Row], attributes: list[str]) -> Chart:
    lowest = min(0.5, *(min(row["auc_by_step"]) for row in rows))
    x = step_ticks(findings.catalog.sampling.timesteps)
    return chart(_lines(rows, "auc_by_step", attributes), x, number_ticks(lowest, 1.0), baseline=0.5)


def _norms(findings: Findings, rows: list[Row], attributes: list[str]) -> Chart:
    top = max(max(row["norm_by_step"]) for row in rows)
    x = step_ticks(findings.catalog.sampling.timesteps)
    return chart(_lines(rows, "norm_by_step", attributes), x, number_ticks(0, top))


def _lines(rows: list[Row], column: str, attributes: list[str]) -> list[Line]:
    """A line a direction; an attribute has one colour at every point."""
    colours = {name: f"series c{i % COLOURS}" for i, name in enumerate(attributes)}
    return [by_step(words(row["attribute"]), row[column], colours[row["attribute"]]) for row in rows]
