"""The top of the page: what this is, and the figures that decide whether to go on."""

from pathlib import PurePath

from pipeline.catalog.report.findings import Findings, Group
from pipeline.catalog.templates import Facts


def facts(findings: Findings) -> Facts:
    """Its model, its numbers of directions by kind, who judged on how many samples, and each group's figures."""
    name = findings.catalog.model.name
    groups = [group for group in findings.groups if len(group.best)]
    return {
        "model": PurePath(name).name if name.startswith(("/", ".")) else name,
        "n": len(findings.directions),
        "kinds": {
            "supervised": len(findings.supervised),
            "principal components": len(findings.components),
            "of single images": len(findings.jacobian),
        },
        "held_out": sorted({each.n for each in findings.measured}),
        "judges": list(dict.fromkeys(judge for each in findings.measured for judge in each.judges)),
        "allowed": list(dict.fromkeys(judge for each in findings.catalog.evaluations for judge in each.allowed)),
        "tiles": _tiles(findings, groups[0]) if groups else None,
        "groups": [(group, findings.held_out(group)) for group in groups],
    }


def _tiles(findings: Findings, first: Group) -> Facts:
    """The figures to judge the catalog by, of the group of directions that comes first.

    `sides` are its estimator before and after disentangling, where both were measured alike. `control` is the largest effect of
    random directions.
    """
    controls = findings.largest_control(first.best.index)
    other = findings.other_side(first)
    together = other is not None and len(other.best) and _measured_together(findings, first, other)
    return {
        "first": first,
        "sides": sorted((first, other), key=lambda group: group.disentangled) if other and together else None,
        "control": None if controls is None else float(controls.max()),
    }


def _measured_together(findings: Findings, one: Group, other: Group) -> bool:
    """Whether both were measured on the same held-out samples at the same strengths: otherwise their ratios do not compare."""
    return len(findings.evaluations([*one.best.index, *other.best.index])) == 1
