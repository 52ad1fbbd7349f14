"""What changes over the reverse process: how well h tells each attribute, and how long the directions are."""

from dataclasses import dataclass

from pipeline.catalog.explorer.findings import Findings
from pipeline.catalog.explorer.groups import Row
from pipeline.catalog.templates import words
from pipeline.catalog.web.charts import SERIES, Chart, Line, Scale, by_step, step_ticks


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
    classifiers = [row for row in rows if row["auc_all_by_step"]]
    differences = [row for row in rows if row["method"] == "mean-difference"] or rows
    return AtPoint(
        findings.at(rows[0]),
        _auc(findings, classifiers, attributes) if classifiers else None,
        _norms(findings, differences, attributes),
    )


def _auc(findings: Findings, rows: list[Row], attributes: list[str]) -> Chart:
    lowest = min(0.5, *(min(row["auc_all_by_step"]) for row in rows))
    return Chart(_lines(rows, "auc_all_by_step", attributes), _steps(findings), Scale(lowest, 1.0), baseline=0.5)


def _norms(findings: Findings, rows: list[Row], attributes: list[str]) -> Chart:
    return Chart(_lines(rows, "norm_by_step", attributes), _steps(findings), Scale(low=0.0))


def _steps(findings: Findings) -> Scale:
    return Scale.of(step_ticks(findings.catalog.sampling.timesteps))


def _lines(rows: list[Row], column: str, attributes: list[str]) -> tuple[Line, ...]:
    """A line a direction; an attribute has one colour at every point."""
    colours = {name: f"c{i % SERIES}" for i, name in enumerate(attributes)}
    return tuple(by_step(words(row["attribute"]), row[column], colours[row["attribute"]]) for row in rows)
