"""Directions found in single images: what changes most in one of them, or in a region of it, and whether that carries over."""

import numpy as np
import pandas as pd

from pipeline.catalog.report import tables
from pipeline.catalog.report.edits import small_curves, strip
from pipeline.catalog.report.findings import Findings, Row
from pipeline.catalog.report.markup import Child, Html, amount, el, join, signed, strength, times, words
from pipeline.catalog.report.unsupervised import by_rank, heading

SHOWN = 4  # held-out samples in a strip, below the one that the direction was found on

_NOTE = (
    "The singular vectors of the U-Net's Jacobian: the directions of h that change one image, or a region of it, most at one step. "
    "Nobody labelled anything. The first row is the sample that a direction was found on, with the region outlined; below it are "
    "held-out samples with the same edit. One unit of strength is one standard deviation of h along the direction."
)
_MEAN = "Directions that lie in the subspaces of most samples have no sample of their own."
_TABLE = (
    "The attribute that each direction moves most on held-out samples; the same edit on the sample that it was found on; how many "
    "held-out samples it moves the same way. “Stands for” counts the singular vectors of all samples and steps that are nearly the "
    "same direction; for a mean subspace it is the share of a sample's subspace. Last, the squared change of the image per area, "
    "inside a region over outside; bold where it is the region that the direction was found in."
)


def section(findings: Findings) -> Html | None:
    rows = by_rank(findings, findings.jacobian)
    if not rows:
        return None
    cards = [_card(findings, row) for row in rows]
    return join(
        el("p", _NOTE, class_="note"),
        el("p", _MEAN, class_="note") if any(row["sample_id"] is None for row in rows) else None,
        _control(findings, rows),
        el("div", *cards, class_="cards"),
        el("p", _TABLE, class_="note"),
        _table(findings, rows),
    )


def _control(findings: Findings, rows: list[Row]) -> Html | None:
    """What random directions do that these were compared with."""
    controls = findings.largest_control(row["name"] for row in rows)
    if controls is None:
        return None
    said = f"Random directions of the same norms move no attribute by more than {amount(controls.max())}."
    return el("p", said, class_="note")


def _top(findings: Findings, row: Row) -> pd.Series | None:
    """The largest effect of a direction: its attribute, strength and size."""
    own = findings.effects([row["name"]])
    if not own["effect"].notna().any():
        return None
    return own.reset_index(drop=True).loc[lambda table: table["effect"].abs().idxmax()]


def _card(findings: Findings, row: Row) -> Html:
    measured = findings.evaluation(row["name"])
    body = None
    if measured:
        ends = min(measured.strengths), max(measured.strengths)
        edits = strip(measured, row["name"], ends, SHOWN, own=_own(findings, row, ends))
        body = join(edits, small_curves(findings, measured, row))
    return el("article", heading(findings, row, _label(row)), el("p", _found(row), class_="note"), body)


def _label(row: Row) -> str:
    mean = " mean" if row["sample_id"] is None else ""
    return f"{words(row['mask'])}{mean} {row['component']}"


def _found(row: Row) -> str:
    if row["sample_id"] is None:
        return f"{row['share']:.0%} of it in the subspace of a sample, on average over {row['n']}"
    where = f"sample {row['sample_id']} at step {row['step']}"
    return f"found on {where}, singular value {row['singular_value']:.2f}, stands for {row['found']}"


def _own(findings: Findings, row: Row, ends: tuple[float, float]) -> list[bytes | None]:
    """The sample that a direction was found on: edited, as it is with the region outlined, edited."""
    at = sorted({0.0, *ends})
    own = [findings.origins.get((row["name"], gamma)) for gamma in at]
    return own if any(own) else []


def _table(findings: Findings, rows: list[Row]) -> Html:
    regions = findings.regions
    headings = (
        "direction",
        "moves most",
        "held-out",
        "its own sample",
        "same way",
        "stands for",
        *map(_inside, regions),
    )
    lines = [_line(findings, row, top, regions) for row in rows if (top := _top(findings, row)) is not None]
    return tables.figures(headings, lines)


def _line(findings: Findings, row: Row, top: pd.Series, regions: list[str]) -> list[Child]:
    own, same_way = findings.transferred(row["name"], top["strength"], top["attribute"])
    ratios = {region: times(findings.local(row["name"], top["strength"], region)) for region in regions}
    return [
        _label(row),
        f"{words(top['attribute'])} at {strength(top['strength'])}",
        signed(top["effect"]),
        signed(own),
        f"{same_way:.0%}" if np.isfinite(same_way) else "–",
        f"{row['found']}" if row["share"] is None else f"{row['share']:.0%}",
        *(el("strong", ratio) if region == row["mask"] else ratio for region, ratio in ratios.items()),
    ]


def _inside(region: str) -> str:
    return f"in / out of {words(region)}"
