"""Principal components: nobody told them what to look for, so what they move has to be looked up."""

import numpy as np

from pipeline.catalog.report.charts import by_step, chart, percent_ticks, step_ticks
from pipeline.catalog.report.edits import small_curves, strip
from pipeline.catalog.report.findings import LARGE, Findings, Measured, Row
from pipeline.catalog.report.markup import Html, el, join, strength
from pipeline.catalog.report.tables import HeatRow, heat_map, limit_for, scale
from pipeline.catalog.report.unsupervised import by_rank, heading
from pipeline.metrics.effects import matrix

SHOWN = 4  # held-out samples in a strip
CHARTED = 10  # components in the chart

_STRIPS = (
    "The directions along which h varies most, found at each step without labels. One unit of strength is one standard deviation "
    "of h along the component. Each is named by what it moves, the most useful first."
)
_EFFECTS = (
    f"In each row the largest effect is outlined where it is {LARGE:g} or more: "
    "such a component has a meaning that the judge can read. What is not significant beside random directions is pale."
)
_VARIANCE = (
    "Share of the variance of h at each step, of the first {n} components. The order of components is each step's own."
)


def section(findings: Findings) -> Html | None:
    if not findings.components:
        return None
    by_evaluation = [
        (each, [row for row in findings.components if row["name"] in each.names]) for each in findings.measured
    ]
    parts = [_measured(findings, measured, rows) for measured, rows in by_evaluation if rows]
    return join(el("p", _STRIPS, class_="note"), *parts, _variance(findings))


def _measured(findings: Findings, measured: Measured, rows: list[Row]) -> Html:
    cards = el("div", *(_card(findings, measured, row) for row in by_rank(findings, rows)), class_="cards")
    return join(cards, el("p", _EFFECTS, class_="note"), _heat_maps(findings, measured, rows))


def _card(findings: Findings, measured: Measured, row: Row) -> Html:
    ends = min(measured.strengths), max(measured.strengths)
    return el(
        "article",
        heading(findings, row, f"component {row['component']}"),
        strip(measured, row["name"], ends, SHOWN),
        small_curves(findings, measured, row),
    )


def _heat_maps(findings: Findings, measured: Measured, rows: list[Row]) -> Html:
    """One panel a strength, the largest both ways."""
    names = [row["name"] for row in rows]
    effects = findings.effects(names)
    limit = limit_for(list(effects["effect"]))
    wide = matrix(effects).droplevel("strength_index").reindex(columns=findings.attributes)
    panels = []
    for gamma in dict.fromkeys((min(measured.strengths), max(measured.strengths))):
        lines = [
            _row(row, wide.loc[(row["name"], gamma)].to_numpy(dtype=float), findings.pale(row["name"], gamma))
            for row in rows
            if (row["name"], gamma) in wide.index
        ]
        panels.append(heat_map(f"At strength {strength(gamma)}", findings.attributes, lines, limit))
    return join(scale(limit), el("div", *panels, class_="panels"))


def _row(row: Row, values: np.ndarray, pale: frozenset[int]) -> HeatRow:
    largest = int(np.nanargmax(np.abs(values))) if np.isfinite(values).any() else None
    large = largest is not None and abs(values[largest]) >= LARGE
    return HeatRow(f"PC {row['component']}", tuple(values.tolist()), largest if large else None, pale=pale)


def _variance(findings: Findings) -> Html | None:
    rows = [row for row in findings.components if row["explained_variance_ratio"]][:CHARTED]
    if not rows:
        return None
    lines = [
        by_step(str(row["component"]), row["explained_variance_ratio"], "rank", 1 - 0.06 * i)
        for i, row in enumerate(rows)
    ]
    top = max(max(row["explained_variance_ratio"]) for row in rows)
    drawn = chart(
        lines,
        title="Explained variance by timestep",
        x_ticks=step_ticks(findings.catalog.sampling.timesteps),
        y_ticks=percent_ticks(0, top),
        x_label="timestep, noisiest at the left",
        y_label="explained variance",
    )
    return el("figure", drawn, el("figcaption", _VARIANCE.format(n=len(rows))), class_="plot wide")
