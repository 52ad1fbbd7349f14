"""What a catalog says of a model: its directions on their targets and beside, its components, those of single images, swaps of h.

All of it is read from a published catalog, as whoever downloads one would. Effects are by the first judge on held-out samples, in
standard deviations of the attribute.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from benchmarks._compared import Mean, log_ratio, mean_of
from pipeline.catalog.explorer.findings import Findings
from pipeline.catalog.recommended import best_of_each
from pipeline.hspace.capture import singles

BESIDE = 1 / 2  # share of the way to the other sample that a swap should go
SAME_WAY = (
    0.8  # share of the other samples that should change as the one does that a direction was found on: that of _claims
)


class Best(NamedTuple):
    """What the direction to use of an attribute does at the strength that selection samples chose."""

    attribute: str
    direction: str
    point: str
    estimator: str
    strength: float
    on: Mean
    off: float
    ratio: tuple[float, float]  # ends of the interval of on over off target; the higher is NaN where there is none
    clean: bool
    beyond: bool  # whether random directions do not do as much
    valid: tuple[float, float]


def best(found: Findings) -> list[Best]:
    """A row an attribute that has a direction with a strength in its valid range."""
    rows = {row["name"]: row for row in found.directions}
    named = []
    for attribute, at in best_of_each(found).items():
        name = str(at.name)
        profile = found.profiles[name]
        named.append(
            Best(
                attribute,
                name,
                rows[name]["capture"],
                rows[name]["method"],
                float(at["strength"]),
                Mean(float(at["on_target"]), float(at["on_low"]), float(at["on_high"])),
                float(at["off_target"]),
                (float(at["ratio_low"]), float(at["ratio_high"])),
                bool(at["clean"]),
                bool(at["beyond_control"] == 1),
                (float(profile["valid_low"]), float(profile["valid_high"])),
            )
        )
    return named


class Method(NamedTuple):
    """What the directions of one estimator do, each at the strength that was chosen for it."""

    title: str
    directions: int
    usable: int  # that have a strength in their valid range
    clean: int
    on: Mean  # intervals are over the attributes
    off_over_on: Mean


def methods(found: Findings) -> Iterator[Method]:
    for group in found.groups:
        pairs = [(float(row["on_target"]), float(row["off_target"])) for _, row in group.best.iterrows()]
        on, off_over_on = means(pairs, len(group.rows))
        yield Method(group.title, len(group.rows), len(pairs), int(group.best["clean"].sum()), on, off_over_on)


def means(pairs: list[tuple[float, float]], asked: int) -> tuple[Mean, Mean]:
    """The mean on target and off over on target of directions, (on, off) each, with intervals over them.

    Of `asked` directions those that have no strength in their valid range move nothing: else whoever has the fewest looks best.
    """
    every = [*pairs, *[(0.0, 0.0)] * (asked - len(pairs))]
    return mean_of(on for on, _ in every), mean_of(log_ratio(*each) for each in every).ratio()


class Unsupervised(NamedTuple):
    """The largest effect of each direction on anything, beside that of random ones as long; means of both strengths."""

    k: int
    mean: float
    random: float  # mean
    largest_random: float
    beyond: int  # directions beyond the largest random one


def components(found: Findings) -> Unsupervised | None:
    return beside_random(found, [row["name"] for row in found.components])


def beside_random(found: Findings, names: list[str]) -> Unsupervised | None:
    measured = [each for each in found.evaluations(names) if len(each.controls)]
    if not measured:
        return None
    own = largest(pd.concat([each.effects for each in measured]), names)
    controls = pd.concat([each.controls for each in measured])
    random = largest(controls, list(controls["direction"].unique()))
    return Unsupervised(
        len(own), float(own.mean()), float(random.mean()), float(random.max()), int((own > random.max()).sum())
    )


def largest(effects: pd.DataFrame, names: list[str]) -> pd.Series:
    """The largest absolute effect of each direction on anything, a mean over its strengths."""
    own = effects[effects["direction"].isin(names)]
    of_each = own.assign(size=own["effect"].abs()).groupby(["direction", "strength_index"])["size"].max()
    return of_each.groupby("direction").mean()


class Transferred(NamedTuple):
    """What directions of single images do to others: of each the attribute that it moves most in its own image."""

    k: int
    own: float  # mean absolute change of their own images
    others: float  # mean change of the others, in the same sense
    same_way: float  # share of the others that change in the same sense


def transferred(found: Findings) -> Transferred | None:
    table = found.transfer
    if table is None or not len(table):
        return None
    judges = {judge for each in found.measured for judge in each.judges[:1]}
    table = table[table["judge"].isin(judges) & table["own"].notna()]
    most = table.loc[table["own"].abs().groupby([table["direction"], table["strength_index"]]).idxmax()]
    others = most["others"] * np.sign(most["own"])
    return Transferred(
        most["direction"].nunique(),
        float(most["own"].abs().mean()),
        float(others.mean()),
        float(most["same_way"].mean()),
    )


def carried(carriage: pd.DataFrame | None, point: str) -> pd.Series:
    """The share of each attribute that a swap of h in all steps takes with it, the most of the points that are edited together."""
    if carriage is None:
        return pd.Series(dtype=float)
    table = carriage[carriage["third"].isna() & (carriage["kind"] == "attribute")]
    wide = table.pivot(index="point", columns="what", values="share")
    return wide.reindex(list(singles(point))).max()


# Claims


class Answer(NamedTuple):
    """Whether a claim holds for a model at its points; None where it cannot be asked."""

    claim: str
    holds: bool | None
    told: str

    @property
    def cell(self) -> str:
        said = {True: "yes", False: "**no**", None: "not asked"}[self.holds]
        return f"{said}: {self.told}" if self.told else said


def answers(found: Findings, carriage: pd.DataFrame | None) -> list[Answer]:
    """The claims of the paper that a catalog can be asked. carriage: of the same model, where it was measured."""
    rows = best(found)
    return [
        _swaps(rows, carriage),
        _beyond_random(rows, len({row["attribute"] for row in found.supervised})),
        _largest(rows),
        _components(components(found)),
        _transfers(transferred(found)),
    ]


def _swaps(rows: list[Best], carriage: pd.DataFrame | None) -> Answer:
    claim = "Swapping h swaps what is shown: each attribute by half of the way"
    shares = {row.attribute: carried(carriage, row.point).get(row.attribute, np.nan) for row in rows}
    known = {name: float(share) for name, share in shares.items() if np.isfinite(share)}
    if not known:
        return Answer(claim, None, "")
    return Answer(
        claim, min(known.values()) >= BESIDE, ", ".join(f"{name} {share:.2f}" for name, share in known.items())
    )


def _beyond_random(rows: list[Best], asked: int) -> Answer:
    beyond = sum(row.beyond for row in rows)
    return Answer("Directions do more than random ones", beyond == asked, f"{beyond} of {asked}")


def _largest(rows: list[Best]) -> Answer:
    most = sum(row.on.value > row.off for row in rows)
    return Answer("The target is what moves most", most == len(rows) > 0, f"{most} of {len(rows)}")


def _components(found: Unsupervised | None) -> Answer:
    claim = "Components move more than any random direction, on average"
    if found is None:
        return Answer(claim, None, "")
    return Answer(claim, found.mean > found.largest_random, f"{found.mean:.2f}, random {found.largest_random:.2f}")


def _transfers(found: Transferred | None) -> Answer:
    claim = "A direction of one image does the same to others, to four of five"
    if found is None:
        return Answer(claim, None, "")
    return Answer(claim, found.same_way >= SAME_WAY, f"{found.same_way:.0%} of them")


class Overview(NamedTuple):
    """The directions to use, together. An attribute that has none counts as one that is not moved."""

    clean: int
    on: Mean  # intervals are over the attributes
    off_over_on: Mean
    points: str


def overview(rows: list[Best], asked: int) -> Overview:
    on, off_over_on = means([(row.on.value, row.off) for row in rows], asked)
    points = ", ".join(dict.fromkeys(row.point for row in rows))
    return Overview(sum(row.clean for row in rows), on, off_over_on, points)
