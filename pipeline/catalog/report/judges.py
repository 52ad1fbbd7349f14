"""What further judges say of the directions to use: attributes that the first one does not know, and second opinions."""

from pipeline.catalog.report.findings import Findings, Group
from pipeline.catalog.report.markup import Html, el, join, strength, words
from pipeline.catalog.report.tables import HeatRow, heat_map, limit_for, scale
from pipeline.metrics.effects import matrix

_NOTE = (
    "The same edits, each direction at the strength that is best by the first judge, scored by further ones. Signs are "
    "changed where γ is negative. What is not significant beside random directions is pale."
)


def section(findings: Findings) -> Html | None:
    groups = [group for group in findings.recommended if len(group.best)]
    judges = list(dict.fromkeys(judge for each in findings.measured for judge in each.judges[1:]))
    panels = [panel for judge in judges for group in groups if (panel := _panel(findings, judge, group))]
    if not panels:
        return None
    return join(el("p", _NOTE, class_="note"), scale(limit_for([])), el("div", *panels, class_="panels"))


def _panel(findings: Findings, judge: str, group: Group) -> Html | None:
    rows, columns = [], []
    for name, best in group.best.iterrows():
        measured = findings.evaluation(str(name))
        if measured is None:
            continue
        own = measured.by_others
        own = own[(own["direction"] == name) & (own["judge"] == judge) & (own["strength"] == best["strength"])]
        if own.empty:
            continue
        columns = [str(attribute) for attribute in own["attribute"]]
        wide = matrix(own).iloc[0]
        sense = 1 if best["strength"] > 0 else -1
        pale = frozenset(i for i, significant in enumerate(own["significant"]) if significant is False)
        values = tuple(sense * float(wide[attribute]) for attribute in columns)
        target = columns.index(best["target"]) if best["target"] in columns else None
        rows.append(HeatRow(words(best["target"]), values, target, (strength(best["strength"]),), pale=pale))
    if not rows:
        return None
    return heat_map(f"{judge}: {group.title.lower()}", columns, rows, limit_for([]), before=("γ",))
