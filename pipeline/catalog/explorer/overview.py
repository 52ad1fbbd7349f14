"""The top of the page: what this is, and the figures that decide whether to go on."""

from collections import Counter
from math import isfinite

import pandas as pd

from pipeline.catalog import chosen
from pipeline.catalog.explorer.findings import Findings
from pipeline.catalog.explorer.groups import Group, clean_and_large, ratio_of_means
from pipeline.catalog.recommended import best_of_each
from pipeline.catalog.templates import Facts, place
from schemas.catalog import in_words


def facts(findings: Findings) -> Facts:
    """Its model, where directions are added, their numbers by kind, who judged on how many samples, and each group's figures."""
    groups = [group for group in findings.groups if len(group.best)]
    return {
        "model": place(findings.catalog.model.name),
        "n": len(findings.directions),
        "kinds": {
            "supervised": len(findings.supervised),
            "principal components": len(findings.components),
            "of single images": len(findings.jacobian),
        },
        "added_to": _added_to([each.point for each in findings.catalog.captures]),
        "at_each": _at_each(findings),
        "held_out": sorted({each.n for each in findings.measured}),
        "judges": list(dict.fromkeys(judge for each in findings.measured for judge in each.judges)),
        "allowed": list(dict.fromkeys(judge for each in findings.catalog.evaluations for judge in each.allowed)),
        "tiles": _tiles(findings),
        "tables": _tables(findings, groups),
    }


def _tiles(findings: Findings) -> Facts | None:
    """The figures to judge the catalog by, of the directions to use: how many are clean and large, and what else they move.

    `control` is the largest effect of random directions. None where none of them has a strength in its valid range.
    """
    used = best_of_each(findings)
    if not used:
        return None
    best = pd.DataFrame(list(used.values()))
    controls = findings.largest_control(best.index)
    return {
        "clean": clean_and_large(best),
        "attributes": len({row["attribute"] for row in findings.supervised}),
        "ratio": ratio_of_means(best),
        "epr": epr(findings, best),
        "chosen": chosen.in_words(best),
        "control": None if controls is None else float(controls.max()),
    }


def _tables(findings: Findings, groups: list[Group]) -> list[Facts]:
    """The groups, those side by side alone whose samples, and what chose their strengths, are alike."""
    tables: dict[tuple[tuple[int, ...], tuple[int, ...]], list[Group]] = {}
    for group in groups:
        tables.setdefault((tuple(findings.held_out(group)), chosen.counts(group.best)), []).append(group)
    return [
        {
            "n": held_out,
            "chosen": chosen.in_words(pd.concat([group.best for group in alike])),
            "groups": [(group, epr(findings, group.best)) for group in alike],
        }
        for (held_out, _), alike in tables.items()
    ]


def epr(findings: Findings, best: pd.DataFrame) -> float:
    """The EPR of directions together, at their strengths: mean absolute change of targets over that of anything else."""
    own = [findings.figures[name] for name in map(str, best.index) if name in findings.figures]
    known = [(each.moved, each.moved_others) for each in own if isfinite(each.moved) and isfinite(each.moved_others)]
    others = sum(each for _, each in known)
    return sum(each for each, _ in known) / others if others else float("nan")


def _added_to(points: list[str]) -> str:
    """Where directions are added, in words: the paper's h has a name of its own."""
    if all(point.startswith("mid") for point in points):
        return "the bottleneck of the U-Net"
    return in_words(points[0]) if len(points) == 1 else "what the U-Net computes at one or several points inside it,"


def _at_each(findings: Findings) -> list[tuple[str, int]]:
    """How many directions are added at each capture point, where there are several."""
    return list(Counter(filter(None, findings.where.values())).items())
