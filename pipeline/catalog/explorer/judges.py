"""What further judges say of the directions to use: attributes that the first one does not know, and second opinions."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.catalog.explorer.findings import Findings
from pipeline.catalog.explorer.groups import Group
from pipeline.catalog.explorer.measured import Edit, of_edit
from pipeline.catalog.templates import words
from pipeline.catalog.web.heat_maps import HeatMap, HeatRow, limit_for
from pipeline.metrics.effects import matrix


@dataclass(frozen=True)
class Opinion:
    """What one further judge says of one group of directions."""

    judge: str
    group: Group
    effects: HeatMap


def facts(findings: Findings) -> list[Opinion] | None:
    groups = [group for group in findings.measured_in_full if len(group.best)]
    judges = list(dict.fromkeys(judge for each in findings.measured for judge in each.judges[1:]))
    opinions = [_opinion(findings, judge, group) for judge in judges for group in groups]
    return [opinion for opinion in opinions if opinion] or None


def _opinion(findings: Findings, judge: str, group: Group) -> Opinion | None:
    rows, columns = [], []
    for name, best in group.best.iterrows():
        own = _scored(findings, judge, (str(name), int(best["strength_index"])))
        if len(own):
            columns = [str(attribute) for attribute in own["attribute"]]
            rows.append(_row(best, own, columns, findings.where[str(name)]))
    return Opinion(judge, group, HeatMap(columns, rows, limit_for([]))) if rows else None


def _scored(findings: Findings, judge: str, edit: Edit) -> pd.DataFrame:
    """The effects of an edit by that judge."""
    measured = findings.evaluation(edit[0])
    if measured is None:
        return pd.DataFrame()
    own = of_edit(measured.by_others, edit)
    return own[own["judge"] == judge]


def _row(best: pd.Series, own: pd.DataFrame, columns: list[str], at: str | None) -> HeatRow:
    wide, gamma = matrix(own).iloc[0], float(best["strength"])
    sense = 1 if gamma > 0 else -1
    return HeatRow(
        words(best["target"]),
        tuple(sense * float(wide[attribute]) for attribute in columns),
        columns.index(best["target"]) if best["target"] in columns else None,
        frozenset(np.flatnonzero(own["significant"].eq(False)).tolist()),
        strength=gamma,
        at=at,
        name=str(best.name),
    )
