"""Findings of many kinds, of which every page has to be whole: with little in them, with much, with names that are hard to show."""

from dataclasses import replace

from pipeline.catalog.explorer.findings import Findings
from tests.pipeline.catalog.planted_findings import (
    LEARNING_CURVE,
    NASTY,
    another_way,
    at_points,
    of_single_images,
    planted,
)

SCRIPT = "</script><img src=x onerror=alert(1)>"
NOTHING = replace(planted(), directions=[], measured=[], samples=[], learning_curve=None, profiles={})
GAP = [float("nan"), 1.0, float("inf"), 0.5]  # by step
AWKWARD = ("CON", "a/b", "a-b", "A-B", "../../etc/passwd", "ü & 笑", " ", SCRIPT)


def with_gaps() -> Findings:
    """What was measured at each step, and on so many samples, is no number here and there."""
    found = planted()
    by_step = ("norm_by_step", "auc_all_by_step", "explained_variance_ratio")
    rows = [{**row, **{name: row[name] and GAP for name in by_step}} for row in found.directions]
    curve = LEARNING_CURVE.assign(to_truth=LEARNING_CURVE["to_truth"].where(LEARNING_CURVE["n"] != 4))
    profiles = {name: {**row, "nearest_cosine_by_step": row["nearest"] and GAP} for name, row in found.profiles.items()}
    return replace(found, directions=rows, learning_curve=curve, profiles=profiles)


VARIANTS = {
    "whole": planted(),
    "nothing supervised": planted(wanted=()),
    "no components": planted(components=0),
    "one attribute": planted(wanted=("smile",), judged=("smile",), disentangle=False),
    "only negative strengths": planted(strengths=(-2.0, -1.0)),
    "one strength": planted(strengths=(1.0,)),
    "an attribute that the judge does not know": planted(wanted=("smile", "beard")),
    "no effect is a number": planted(effect=lambda *_: float("nan")),
    "no effect at all": planted(effect=lambda *_: 0.0),
    "gaps in what was measured": with_gaps(),
    "markup for names": planted(wanted=(NASTY, "age", SCRIPT), judged=(NASTY, "age", SCRIPT)),
    "awkward names": planted(wanted=AWKWARD, judged=AWKWARD[:2]),
    "of single images": of_single_images(),
    "disentangled by step": another_way("disentangled-by-step", projected_by="step"),
    "a capture point an attribute": at_points({"mid_block": ("age",), "up_blocks.0": ("smile",)}),
    "each attribute at two capture points": at_points(dict.fromkeys(("mid_block", "up_blocks.0"), ("smile", "age"))),
    "several capture points at once": at_points({"mid_block+up_blocks.0": ("smile",), "up_blocks.1": ("age",)}),
    "nobody measured": replace(planted(), measured=[], profiles={}),
    "nothing": NOTHING,
}
