"""The top of the page: what this is, and the figures that decide whether to go on."""

from dataclasses import dataclass
from pathlib import PurePath

from pipeline.catalog.report.findings import Findings, Group
from pipeline.metrics.effects import FACE


@dataclass(frozen=True)
class Tiles:
    """The figures to judge the catalog by, of the group of directions that comes first.

    `before` and `after` are its estimator before and after disentangling, where both were measured alike. `control` is the
    largest effect of random directions.
    """

    first: Group
    before: Group | None
    after: Group | None
    control: float | None


@dataclass(frozen=True)
class Overview:
    """Of a catalog: its model, its numbers of directions by kind, who judged on how many samples, and each group's figures."""

    model: str
    n: int  # directions
    kinds: dict[str, int]
    held_out: list[int]
    judges: list[str]
    allowed: list[str]
    tiles: Tiles | None
    groups: list[tuple[Group, list[int]]]  # and its held-out samples
    faces: bool


def facts(findings: Findings) -> Overview:
    name = findings.catalog.model.name
    groups = [group for group in findings.groups if len(group.best)]
    return Overview(
        model=PurePath(name).name if name.startswith(("/", ".")) else name,
        n=len(findings.directions),
        kinds={
            "supervised": len(findings.supervised),
            "principal components": len(findings.components),
            "of single images": len(findings.jacobian),
        },
        held_out=sorted({each.n for each in findings.measured}),
        judges=list(dict.fromkeys(judge for each in findings.measured for judge in each.judges)),
        allowed=list(dict.fromkeys(judge for each in findings.catalog.evaluations for judge in each.allowed)),
        tiles=_tiles(findings, groups[0]) if groups else None,
        groups=[(group, findings.held_out(group)) for group in groups],
        faces=FACE in findings.attributes,
    )


def _tiles(findings: Findings, first: Group) -> Tiles:
    controls = findings.largest_control(first.best.index)
    control = None if controls is None else float(controls.max())
    other = findings.other_side(first)
    if other is None or not len(other.best) or not _measured_together(findings, first, other):
        return Tiles(first, None, None, control)
    before, after = (other, first) if first.disentangled else (first, other)
    return Tiles(first, before, after, control)


def _measured_together(findings: Findings, one: Group, other: Group) -> bool:
    """On the same held-out samples at the same strengths: otherwise their ratios do not compare."""
    return len(findings.evaluations([*one.best.index, *other.best.index])) == 1
