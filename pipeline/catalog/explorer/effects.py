"""What moves what: directions against attributes, before and after disentangling."""

import pandas as pd

from pipeline.catalog.explorer.findings import Findings
from pipeline.catalog.explorer.groups import Group
from pipeline.catalog.templates import Facts, words
from pipeline.catalog.web.heat_maps import HeatMap, HeatRow, limit_for


def facts(findings: Findings) -> Facts | None:
    """A panel a group, all of one scale: each estimator before, after."""
    groups = [group for group in findings.groups if len(group.best)]
    if not groups:
        return None
    limit = limit_for([value for group in groups for value in group.best[findings.attributes].to_numpy().ravel()])
    methods = list(dict.fromkeys(group.method for group in groups))
    in_order = sorted(groups, key=lambda group: (methods.index(group.method), group.disentangled))
    return {"limit": limit, "panels": [(group, _panel(findings, group, limit)) for group in in_order]}


def _panel(findings: Findings, group: Group, limit: float) -> HeatMap:
    rows = [_row(findings, best) for _, best in group.best.iterrows()]
    controls = findings.largest_control(group.best.index)
    values = (
        None if controls is None else tuple(float(controls.get(name, float("nan"))) for name in findings.attributes)
    )
    return HeatMap(findings.attributes, rows, limit, values)


def _row(findings: Findings, best: pd.Series) -> HeatRow:
    gamma = float(best["strength"])
    sense = 1 if gamma > 0 else -1
    return HeatRow(
        words(best["target"]),
        tuple(sense * float(best[name]) for name in findings.attributes),
        findings.attributes.index(best["target"]),
        findings.pale((str(best.name), int(best["strength_index"]))),
        strength=gamma,
        ratio=float(best["ratio"]),
        clean=bool(best["clean"]),
        at=findings.where[str(best.name)],
        name=str(best.name),
    )
