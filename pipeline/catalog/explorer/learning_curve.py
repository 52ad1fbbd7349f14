"""How many labelled samples a direction needs, in h and in the noise that samples begin with."""

import math

import pandas as pd

from pipeline.catalog.explorer.findings import Findings
from pipeline.catalog.templates import Facts, words
from pipeline.catalog.web.charts import SERIES, Chart, Line, Scale


def facts(findings: Findings) -> Facts | None:
    """A chart a space; `at`, whose h that is, where it is told; `noisy`, where images depend on the noise of every step."""
    table = findings.learning_curve
    if table is None or table.empty:
        return None
    charts = {space: _chart(table[table["space"] == space]) for space in ("h", "x_T")}
    at = findings.at(findings.supervised[0]) if findings.supervised else None  # it is of those that come first
    return {"at": at, "noisy": findings.catalog.sampling.eta != 0, **charts}


def _chart(table: pd.DataFrame) -> Chart:
    lines = tuple(
        Line(words(str(attribute)), _points(own), f"c{i % SERIES}")
        for i, (attribute, own) in enumerate(table.groupby("attribute", sort=False))
    )
    x = Scale.of([(math.log2(n), str(n)) for n in sorted(table["n"].unique())])
    return Chart(lines, x, Scale(0.0, 1.0))


def _points(own: pd.DataFrame) -> tuple[tuple[float, float], ...]:
    return tuple((math.log2(n), float(cosine)) for n, cosine in zip(own["n"], own["to_truth"], strict=True))
