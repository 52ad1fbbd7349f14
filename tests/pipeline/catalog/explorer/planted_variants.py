"""Findings of many kinds, of which every page has to be whole: with little in them, with much, and with names that are hard to show."""

from dataclasses import replace

from tests.pipeline.catalog.planted_findings import NASTY, another_way, at_points, of_single_images, planted

SCRIPT = "</script><img src=x onerror=alert(1)>"
NOTHING = replace(planted(), directions=[], measured=[], samples=[], learning_curve=None, profiles={})
AWKWARD = ("CON", "a/b", "a-b", "A-B", "../../etc/passwd", "ü & 笑", " ", SCRIPT)
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
