"""Principal components: nobody told them what to look for, so what they move has to be looked up."""

import numpy as np

from pipeline.catalog.explorer.findings import Findings
from pipeline.catalog.explorer.groups import LARGE, Row
from pipeline.catalog.explorer.measured import Edit, Measured
from pipeline.catalog.templates import Facts
from pipeline.catalog.web.charts import Chart, Scale, by_step, step_ticks
from pipeline.catalog.web.heat_maps import HeatMap, HeatRow, limit_for
from pipeline.metrics.effects import matrix

CHARTED = 10  # components in the chart


def facts(findings: Findings) -> Facts | None:
    """What was measured of them, by evaluation, and the share of the variance at each step of the first `charted`."""
    if not findings.components:
        return None
    by_evaluation = [
        (each, [row for row in findings.components if row["name"] in each.names]) for each in findings.measured
    ]
    rows = [row for row in findings.components if row["explained_variance_ratio"]][:CHARTED]
    return {
        "measured": [_panels(findings, measured, own) for measured, own in by_evaluation if own],
        "charted": len(rows),
        "variance": _variance(findings, rows) if rows else None,
    }


def _panels(findings: Findings, measured: Measured, rows: list[Row]) -> Facts:
    """Heat maps at the strengths that are largest both ways, and whether these are one for all."""
    effects = findings.effects([row["name"] for row in rows])
    limit = limit_for(list(effects["effect"]))
    wide = matrix(effects).droplevel("strength").reindex(columns=findings.attributes)
    edits = [[(row["name"], index) for index in measured.ends(row["name"])] for row in rows]
    panels = []
    for place in range(max(map(len, edits))):
        lines = [
            _row(row, own[place], measured, wide.loc[own[place]].to_numpy(dtype=float), findings)
            for row, own in zip(rows, edits, strict=True)
            if place < len(own)
        ]
        panels.append((len({line.strength for line in lines}) == 1, HeatMap(findings.attributes, lines, limit)))
    return {"limit": limit, "effects": panels, "n": measured.n, "each": len(findings.attributes)}


def _row(row: Row, edit: Edit, measured: Measured, values: np.ndarray, findings: Findings) -> HeatRow:
    largest = int(np.nanargmax(np.abs(values))) if np.isfinite(values).any() else None
    pale = findings.pale(edit)
    large = largest is not None and abs(values[largest]) >= LARGE and largest not in pale
    name, index = edit
    return HeatRow(
        f"PC {row['component']}{' °' if findings.lost(edit) else ''}",
        tuple(values.tolist()),
        largest if large else None,
        pale,
        measured.strengths[name][index],
        at=findings.at(row),
        name=name,
    )


def _variance(findings: Findings, rows: list[Row]) -> Chart:
    lines = tuple(
        by_step(str(row["component"]), row["explained_variance_ratio"], "rank", 1 - 0.06 * i)
        for i, row in enumerate(rows)
    )
    return Chart(lines, Scale.of(step_ticks(findings.catalog.sampling.timesteps)), Scale(low=0.0, percent=True))
