"""What changes over the reverse process: how well h tells each attribute, and how long the directions are."""

from pipeline.catalog.report.charts import Line, by_step, chart, number_ticks, step_ticks
from pipeline.catalog.report.findings import Findings, Row
from pipeline.catalog.report.markup import Html, el, words

COLOURS = 8  # classes c0, c1, ... of the style sheet

_AUC = (
    "Held-out AUC of the linear classifiers of h, among the samples with the highest and lowest scores. 0.5 is a guess."
)
_NORM = (
    "Norm of each mean difference by step: how far apart in h the samples with the highest and the lowest scores lie."
)


def section(findings: Findings) -> Html | None:
    entangled = [row for row in findings.supervised if row["parents"] is None]
    classifiers = [row for row in entangled if row["auc_by_step"]]
    differences = [row for row in entangled if row["method"] == "mean-difference"] or entangled
    plots = [
        _auc(findings, classifiers) if classifiers else None,
        _norms(findings, differences) if differences else None,
    ]
    return el("div", *plots, class_="panels") if any(plots) else None


def _auc(findings: Findings, rows: list[Row]) -> Html:
    lowest = min(0.5, *(min(row["auc_by_step"]) for row in rows))
    drawn = chart(
        _lines(rows, "auc_by_step"),
        title="Classifier AUC by timestep",
        x_ticks=step_ticks(findings.catalog.sampling.timesteps),
        y_ticks=number_ticks(lowest, 1.0),
        x_label="timestep, noisiest at the left",
        y_label="AUC",
        baseline=0.5,
    )
    return el("figure", el("h3", "Classifiers"), drawn, el("figcaption", _AUC), class_="plot")


def _norms(findings: Findings, rows: list[Row]) -> Html:
    top = max(max(row["norm_by_step"]) for row in rows)
    drawn = chart(
        _lines(rows, "norm_by_step"),
        title="Norm of directions by timestep",
        x_ticks=step_ticks(findings.catalog.sampling.timesteps),
        y_ticks=number_ticks(0, top),
        x_label="timestep, noisiest at the left",
        y_label="norm",
    )
    return el("figure", el("h3", "Norms"), drawn, el("figcaption", _NORM), class_="plot")


def _lines(rows: list[Row], column: str) -> list[Line]:
    return [by_step(words(row["attribute"]), row[column], f"series c{i % COLOURS}") for i, row in enumerate(rows)]
