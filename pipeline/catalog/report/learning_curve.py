"""How many labelled samples a direction needs, in h and in the noise that samples begin with."""

import math

import pandas as pd

from pipeline.catalog.report.charts import Line, chart, number_ticks
from pipeline.catalog.report.findings import Findings
from pipeline.catalog.report.markup import Html, el, join, words

_NOTE = (
    "From differences of means of disjoint draws of n positives and n negatives: the cosine of such a direction to the one that "
    "ever more samples would give, estimated as the root of the cosine between two draws. Left in h, whole trajectories; right in "
    "x_T, the noise that the same samples begin with."
)
SPACES = {"h": "In h-space", "x_T": "In the noise x_T"}
COLOURS = 8  # classes c0, c1, ... of the style sheet


def section(findings: Findings) -> Html | None:
    table = findings.learning_curve
    if table is None or table.empty:
        return None
    panels = [_panel(table[table["space"] == space], title) for space, title in SPACES.items()]
    eta = findings.catalog.sampling.eta
    note = (
        _NOTE
        if eta == 0
        else f"{_NOTE} With η above 0 images depend on the noise of every step, and on x_T in part only."
    )
    return join(el("p", note, class_="note"), el("div", *panels, class_="panels"))


def _panel(table: pd.DataFrame, title: str) -> Html:
    sizes = sorted(table["n"].unique())
    lines = [
        Line(words(str(attribute)), _points(own), f"series c{i % COLOURS}")
        for i, (attribute, own) in enumerate(table.groupby("attribute", sort=False))
    ]
    drawn = chart(
        lines,
        title=title,
        x_ticks=[(math.log2(n), str(n)) for n in sizes],
        y_ticks=number_ticks(0, 1),
        x_label="n positives, and n negatives",
        y_label="cosine to the limit",
    )
    return el("figure", el("h3", title), drawn, class_="plot")


def _points(own: pd.DataFrame) -> tuple[tuple[float, float], ...]:
    return tuple((math.log2(n), float(cosine)) for n, cosine in zip(own["n"], own["to_truth"], strict=True))
