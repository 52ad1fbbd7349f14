"""What a direction's viewer shows: images, effects and what is left alone at every strength, as numbers for explorer.js."""

import numpy as np
import pandas as pd

from pipeline.catalog.explorer.findings import Findings
from pipeline.catalog.explorer.groups import Row
from pipeline.catalog.explorer.measured import Measured
from pipeline.catalog.explorer.strips import in_order, strip
from pipeline.catalog.explorer.where_it_acts import where_it_acts
from pipeline.catalog.templates import Facts, data_uri, words
from pipeline.catalog.web.charts import finite
from pipeline.metrics.intervals import half_width
from schemas.columns import meaning_of, unit_of
from schemas.edits import UNEDITED
from schemas.preservation import MEASURES, OVER_SAMPLES


def viewer(findings: Findings, row: Row, title: str) -> Facts:
    """Return the numbers and images of one direction. S strengths as they rise, 0 among them; A attributes; N samples.

    Where it was not measured there are no strengths. Nothing is None that is not "not known".
    """
    name, measured = row["name"], findings.evaluation(row["name"])
    profile = findings.profiles.get(name, {})
    target = row["attribute"] or profile.get("target")
    about = {
        "name": name,
        "title": title,
        "target": target and words(target),
        "per_sd": profile.get("strength_per_sd"),
        "valid": [profile.get("valid_low"), profile.get("valid_high")],
    }
    if measured is None:
        return finite({**about, "strengths": []})
    indices = [index for _, index in in_order(measured, name, measured.strengths[name])]
    shown = strip(measured, name, measured.strengths[name])
    own = [findings.origins.get((name, index)) for index in indices]
    headline = findings.headline(name)
    begins = _nearest(shown.strengths, headline and headline.strength)
    rows = [list(map(_picture, images)) for images in shown.rows]
    return finite(
        about
        | {
            "strengths": list(map(_round, shown.strengths)),
            "begins": begins,
            "samples": rows,
            "own": list(map(_picture, own)) if any(own) else None,
            "where": where_it_acts(shown, begins),
            "judges": _judges(measured, name, indices, target),
            "kept": _kept(measured, name, indices),
        }
    )


def _nearest(strengths: tuple[float, ...], wanted: float | None) -> int:
    """The place of the strength nearest to one; of none, the largest."""
    place = np.abs(strengths) if wanted is None else -np.abs(np.subtract(strengths, wanted))
    return int(np.argmax(place))


def _judges(measured: Measured, name: str, indices: list[int], target: str | None) -> list[Facts]:
    """What each judge says: effects (S, A), how far off they may be, whether significant, and the largest control limit (S,)."""
    tables = [measured.effects, *(own for _, own in measured.by_others.groupby("judge", sort=False))]
    names = [measured.judges[0], *(str(judge) for judge, _ in measured.by_others.groupby("judge", sort=False))]
    own = [(judge, table[table["direction"] == name]) for judge, table in zip(names, tables, strict=True)]
    return [_judge(judge, table, indices, target) for judge, table in own if len(table)]


def _judge(judge: str, table: pd.DataFrame, indices: list[int], target: str | None) -> Facts:
    attributes = sorted(dict.fromkeys(table["attribute"]), key=lambda each: each != target)
    at = table.set_index(["strength_index", "attribute"])
    cells = [[_cell(at, index, attribute) for attribute in attributes] for index in indices]
    limits = table.groupby("strength_index")["control_limit"].max()
    return {
        "name": judge,
        "attributes": list(map(words, attributes)),
        "target": bool(attributes) and attributes[0] == target,
        "effects": [[cell[0] for cell in row] for row in cells],
        "errors": [[cell[1] for cell in row] for row in cells],
        "significant": [[cell[2] for cell in row] for row in cells],
        "limits": [0.0 if index == UNEDITED else _round(limits.get(index)) for index in indices],
    }


def _cell(at: pd.DataFrame, index: int, attribute: str) -> tuple[float | None, float | None, bool | None]:
    """Effect, by how much it may be off at 95 %, and whether it is significant."""
    if index == UNEDITED:
        return 0.0, 0.0, None
    if (index, attribute) not in at.index:
        return None, None, None
    row = at.loc[(index, attribute)]
    known = row.get("effect_high")  # catalogs of earlier releases have no intervals
    effect, std, n = (float(row[column]) for column in ("effect", "std", "n"))
    error = float(half_width(effect, std, n)) if known is None else float(known) - effect
    return _round(row["effect"]), _round(error), None if pd.isna(row["significant"]) else bool(row["significant"])


def _kept(measured: Measured, name: str, indices: list[int]) -> list[Facts]:
    """What is left alone, a measure each, at every strength."""
    table = measured.preservation.drop_duplicates(["direction", "strength_index"]).set_index(
        ["direction", "strength_index"]
    )
    keys = [("unedited" if index == UNEDITED else name, index) for index in indices]
    found = []
    for field in (*MEASURES, *OVER_SAMPLES):
        if field.name not in table:
            continue
        values = [_round(table[field.name].get(key)) for key in keys]
        if any(value is not None for value in values):
            called = "MS-SSIM" if field.name == "ms_ssim" else words(field.name)
            found.append(
                {"name": called, "meaning": meaning_of(field), "share": unit_of(field) == "share", "values": values}
            )
    return found


def _picture(jpeg: bytes | None) -> str | None:
    return None if jpeg is None else data_uri(jpeg)


def _round(value: float | None) -> float | None:
    """Four digits behind the point: what is drawn needs no more. None where there is no number."""
    return None if value is None or pd.isna(value) else round(float(value), 4)
