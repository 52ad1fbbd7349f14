"""How many labelled samples a direction needs, in h and in the noise that samples begin with."""

import math

import pandas as pd

from pipeline.catalog.report.charts import Chart, Line, chart, number_ticks
from pipeline.catalog.report.findings import Findings
from pipeline.catalog.templates import Facts, words

COLOURS = 8  # classes c0, c1, ... of the style sheet


def facts(findings: Findings) -> Facts | None:
    """A chart a space; `at`, whose h that is, where it is told; `noisy`, where images depend on the noise of every step."""
    table = findings.learning_curve
    if table is None or table.empty:
        return None
    charts = {space: _chart(table[table["space"] == space]) for space in ("h", "x_T")}
    at = findings.at(findings.supervised[0]) if findings.supervised else None  # it is of those that come first
    return {"at": at, "noisy": findings.catalog.sampling.eta != 0, **charts}


def _chart(table: pd.DataFrame) -> Chart:
    lines = [
        Line(words(str(attribute)), _points(own), f"series c{i % COLOURS}")
        for i, (attribute, own) in enumerate(table.groupby("attribute", sort=False))
    ]
    return chart(lines, [(math.log2(n), str(n)) for n in sorted(table["n"].unique())], number_ticks(0, 1))


def _points(own: pd.DataFrame) -> tuple[tuple[float, float], ...]:
    return tuple((math.log2(n), float(cosine)) for n, cosine in zip(own["n"], own["to_truth"], strict=True))
