"""What edits leave alone: identity, MS-SSIM, the background; whether they are templates, and images still the model's own."""

from dataclasses import dataclass

import pandas as pd

from pipeline.catalog.explorer.findings import Findings
from pipeline.catalog.explorer.groups import Group
from pipeline.catalog.templates import Facts
from schemas.columns import meaning_of, unit_of
from schemas.preservation import MEASURES, OVER_SAMPLES


@dataclass(frozen=True)
class Kept:
    """What is left by a direction at its best strength: a row of schemas.preservation."""

    group: Group
    target: str
    at: str | None  # the capture point, where that is told
    strength: float
    left: pd.Series
    monotonicity: float | None


def facts(findings: Findings) -> Facts | None:
    """The groups to use, beside the mean of the random directions of the same norms, and the unedited samples."""
    edits = [kept for group in findings.measured_in_full for kept in _group(findings, group)]
    if not edits:
        return None
    names = [name for group in findings.measured_in_full for name in group.best.index]
    table = pd.concat([each.preservation for each in findings.evaluations(names)])
    table = table.drop_duplicates(["direction", "strength_index"])
    controls, unedited = table[table["control"]], table[table["direction"] == "unedited"]
    return {
        "measures": [(field.name, unit_of(field), meaning_of(field)) for field in (*MEASURES, *OVER_SAMPLES)],
        "features": findings.features,  # what identity was measured by
        "edits": edits,
        "control": controls.mean(numeric_only=True) if len(controls) else None,
        "unedited": unedited.iloc[0],
    }


def _group(findings: Findings, group: Group) -> list[Kept]:
    kept = []
    for name, best in group.best.iterrows():
        left = findings.preserved((str(name), int(best["strength_index"])))
        if left is not None:
            at = None if group.point else findings.where[str(name)]
            monotonicity = findings.profiles.get(str(name), {}).get("monotonicity")
            kept.append(Kept(group, best["target"], at, float(best["strength"]), left, monotonicity))
    return kept
