"""What moves what: directions against attributes, before and after disentangling."""

import pandas as pd

from pipeline.catalog.report.findings import Findings, Group
from pipeline.catalog.report.markup import Html, el, join, strength, times, words
from pipeline.catalog.report.tables import HeatRow, heat_map, limit_for, scale

_CAPTION = (
    "Rows are directions, columns attributes. Each direction is at its best strength γ; where γ is negative the signs are changed, "
    "so that orange in the outlined cell, the target, means that the direction does what its name says. In a clean row that cell "
    "stands alone. The ratio is on target / largest off target; a star marks rows that are not clean at any strength. "
    "What is not significant, beyond random directions of the same norm and its own sampling error, is pale. The last row is the "
    "largest absolute effect of random directions of the same norms, at any strength."
)


def section(findings: Findings) -> Html | None:
    """The panels of each estimator: before, after."""
    groups = [group for group in findings.groups if len(group.best)]
    if not groups:
        return None
    limit = limit_for([value for group in groups for value in group.best[findings.attributes].to_numpy().ravel()])
    methods = list(dict.fromkeys(group.method for group in groups))
    in_order = [
        group for method in methods for group in sorted(groups, key=lambda g: g.disentangled) if group.method == method
    ]
    panels = [panel(findings, group, limit) for group in in_order]
    return join(el("p", _CAPTION, class_="note"), scale(limit), el("div", *panels, class_="panels"))


def panel(findings: Findings, group: Group, limit: float) -> Html:
    rows = [_row(findings, best) for _, best in group.best.iterrows()]
    controls = findings.largest_control(group.best.index)
    if controls is not None:
        values = tuple(float(controls.get(name, float("nan"))) for name in findings.attributes)
        rows.append(HeatRow("random", values, before=("any",), after=("",), magnitude=True))
    return heat_map(group.title, findings.attributes, rows, limit, before=("γ",), after=("ratio",))


def _row(findings: Findings, best: pd.Series) -> HeatRow:
    sense = 1 if best["strength"] > 0 else -1
    values = tuple(sense * float(best[name]) for name in findings.attributes)
    ratio = times(best["ratio"]) + ("" if best["clean"] else " *")
    target = findings.attributes.index(best["target"])
    pale = findings.pale(str(best.name), float(best["strength"]))
    return HeatRow(words(best["target"]), values, target, (strength(best["strength"]),), (ratio,), pale=pale)
