"""Planted catalogs in which no direction does more than a random one of its norm. Imported by name.

Effects of a direction are drawn as those of the random directions are, and grow with the norm of its offset; beside them stands
what any offset does, whichever way it points, and each sample answers in its own way. Several catalogs are drawn at once, as what
so many judges say of the same directions, none of whom knows of the others. What is published of them goes the way of a real
catalog: strengths are chosen on selection samples, in the valid range, and read off samples that chose nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from pipeline.metrics.best import chosen, reported
from pipeline.metrics.calibration import valid_range
from pipeline.metrics.effects import best_strengths, effects
from pipeline.metrics.intervals import unit_error
from pipeline.metrics.realism import realistic
from pipeline.metrics.significance import beside_control

ATTRIBUTES = tuple(f"attribute-{i}" for i in range(7))
DIRECTIONS = 25
CONTROL_STRENGTHS = (-1.0, 0.5, 1.0)
UNEDITED = 400  # samples that the unit is told by
TYPICAL, LOST = 0.92, 0.15  # precision of unedited samples, and of edits at norm 1 so much less

Edit = tuple[str, bool, int, float]  # direction, whether it is random, strength_index, strength


@dataclass(frozen=True)
class Planted:
    """How many catalogs are drawn, and as what."""

    samples: int = 14  # held out
    selection: int = 7  # samples that choose
    control_samples: int = 14  # that random directions are measured on
    strengths: tuple[float, ...] = (-1.0, 1.0)
    controls: tuple[float, ...] = (0.5,) * 4 + (1.0,) * 2  # norms of the random directions
    tails: float | None = (
        None  # degrees of freedom of Student's t that effects of directions have; None are normal ones
    )
    answers: float | None = None  # the same of how single samples answer


@dataclass(frozen=True)
class NullCatalogs:
    """Effects of schemas.effects by several judges, each a catalog, beside the effects that were planted."""

    effects: pd.DataFrame  # with `planted` and `planted_ratio`, in true units
    selection: pd.DataFrame  # effects on the samples that choose
    valid: dict[str, tuple[float, float]]  # by direction

    @property
    def of_directions(self) -> pd.DataFrame:
        return self.effects[~self.effects["control"]]

    @cached_property
    def published(self) -> pd.DataFrame:
        """What is published of every direction of every catalog, a row each, indexed by judge/direction: metrics.best.reported.

        The strengths are those of `by_the_rule`, of all catalogs at once.
        """
        table, selection = (_named(each) for each in (self.of_directions, self.selection))
        targets = {name: _target(name) for name in dict.fromkeys(table["direction"])}
        low, high = np.array([self.valid[name.partition("/")[2]] for name in selection["direction"]]).T
        within = selection[(selection["strength"] >= low) & (selection["strength"] <= high)]
        best = best_strengths(within, targets)["strength_index"].reindex(list(targets)).to_frame()
        return reported(
            table, targets, best.assign(selection_n=int(selection["n"].max())).reset_index(names="direction")
        )

    def by_the_rule(self, judge: int) -> pd.DataFrame:
        """The rows of schemas.best of one catalog: metrics.best.chosen."""
        own = self.selection[self.selection["judge"] == judge]
        return pd.DataFrame(chosen(own, {name: _target(name) for name in dict.fromkeys(own["direction"])}, self.valid))


def _named(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(direction=table["judge"].astype(str) + "/" + table["direction"])


def _target(name: str) -> str:
    return ATTRIBUTES[int(name.rpartition("-")[2]) % len(ATTRIBUTES)]


def together(found: Sequence[NullCatalogs]) -> NullCatalogs:
    """Catalogs of several draws as one; each has directions of its own."""
    draws = [(table.effects, table.selection) for table in found]
    many = 1 + max(int(effects["judge"].max()) for effects, _ in draws)

    def joined(which: int) -> pd.DataFrame:
        parts = [each[which] for each in draws]
        numbered = [
            part.assign(judge=part["judge"] + many * i, direction=f"draw-{i}-" + part["direction"])
            for i, part in enumerate(parts)
        ]
        return pd.concat(numbered, ignore_index=True)

    valid = {f"draw-{i}-{name}": each for i, draw in enumerate(found) for name, each in draw.valid.items()}
    return NullCatalogs(joined(0), joined(1), valid)


def null_catalogs(rng: np.random.Generator, catalogs: int, planted: Planted = Planted()) -> NullCatalogs:
    """Return so many."""
    lengths = np.array([*planted.controls, *np.exp(rng.uniform(np.log(0.25), 0, DIRECTIONS))])
    names = [f"random-{i}" for i in range(len(planted.controls))] + [f"direction-{i}" for i in range(DIRECTIONS)]
    A = len(ATTRIBUTES)
    unit, spread = np.exp(rng.normal(0, 0.7, (2, catalogs, A)))
    always = rng.normal(0, 0.5, (catalogs, A)) * spread  # what any offset does
    drawn = _drawn(rng, (len(names), catalogs, A), planted.tails)
    random = [name.startswith("random") for name in names]
    edits = [
        (i, (name, control, j, strength))
        for i, (name, control) in enumerate(zip(names, random, strict=True))
        for j, strength in enumerate(CONTROL_STRENGTHS if control else planted.strengths)
    ]
    offset = np.array([edit[3] * lengths[i] for i, edit in edits])[:, None, None]
    means = spread * drawn[[i for i, _ in edits]] * offset + always * offset**2  # (edits, catalogs, A)
    wide = [edit for _, edit in edits]

    def measured(some: Sequence[int], samples: int) -> pd.DataFrame:
        noise = _drawn(rng, (len(some), catalogs, A, samples), planted.answers)
        answers = np.abs(offset[some])[..., None] * spread[..., None] * noise
        return _scores([wide[i] for i in some], means[some], answers, unit, rng)

    of_each = pd.DataFrame(
        (rng.standard_normal((UNEDITED, catalogs, A)) * unit).reshape(UNEDITED, -1),
        columns=pd.MultiIndex.from_product([range(catalogs), ATTRIBUTES], names=["judge", "attribute"]),
    )
    units = of_each.std(ddof=0), of_each.apply(unit_error)
    controls = [i for i, edit in enumerate(wide) if edit[1]]
    directions = [i for i, edit in enumerate(wide) if not edit[1]]
    found = pd.concat(
        [
            effects(measured(controls, planted.control_samples), *units),
            effects(measured(directions, planted.samples), *units),
        ],
        ignore_index=True,
    )
    norms = dict(zip(names, map(float, lengths), strict=True))
    found = beside_control(found, found[found["control"]], norms)
    selection = effects(measured(directions, planted.selection), *units)
    selection = beside_control(selection, selection[selection["control"]], norms)
    frame = pd.DataFrame(list(_rows(wide, catalogs)))
    known = frame.assign(planted=means.ravel(), planted_ratio=_ratios(means).ravel())
    known = known.drop(columns=["control", "strength"])
    found = found.merge(known, on=["direction", "strength_index", "judge", "attribute"])
    valid = {
        name: _valid(rng, planted, norms[name]) for name, control in zip(names, random, strict=True) if not control
    }
    return NullCatalogs(found, selection, valid)


def _drawn(rng: np.random.Generator, shape: tuple[int, ...], tails: float | None) -> np.ndarray:
    return rng.standard_normal(shape) if tails is None else rng.standard_t(tails, shape)


def _ratios(means: np.ndarray) -> np.ndarray:
    """|mean| over the largest of any other attribute (..., A)."""
    size = np.abs(means)
    others = np.stack([np.delete(size, a, axis=-1).max(axis=-1) for a in range(size.shape[-1])], axis=-1)
    return size / others


def _valid(rng: np.random.Generator, planted: Planted, norm: float) -> tuple[float, float]:
    """The valid range of a direction: its images are typical less often, the larger the offset is."""
    unedited = rng.random(planted.samples) < TYPICAL
    fine = []
    for strength in planted.strengths:
        edited = rng.random(planted.samples) < TYPICAL - LOST * abs(strength * norm)
        one, other = (
            pd.DataFrame({"precision": each.astype(float), "presence": np.nan, "clipped": np.nan})
            for each in (edited, unedited)
        )
        fine.append(realistic(one, other) is not False)
    return valid_range(np.array(planted.strengths), np.array(fine))


def _scores(
    edits: Sequence[Edit], means: np.ndarray, answers: np.ndarray, unit: np.ndarray, rng: np.random.Generator
) -> pd.DataFrame:
    """Scores of edits and of their unedited counterparts: means (edits, catalogs, A), answers (edits, catalogs, A, samples)."""
    samples = answers.shape[-1]
    start = rng.standard_normal(answers.shape[1:])
    scores = np.concatenate([start[None], start + means[..., None] + answers]) * unit[..., None]
    frame = pd.DataFrame(list(_rows([("unedited", False, -1, 0.0), *edits], means.shape[1])))
    table = frame.loc[frame.index.repeat(samples)].reset_index(drop=True)
    return table.assign(score=scores.ravel(), seed=0, sample_id=np.tile(np.arange(samples), len(frame)))


def _rows(edits: Sequence[Edit], catalogs: int) -> Iterator[dict[str, object]]:
    for direction, control, index, strength in edits:
        edit = {"direction": direction, "control": control, "strength_index": index, "strength": strength}
        for judge in range(catalogs):
            yield from ({**edit, "judge": judge, "attribute": each} for each in ATTRIBUTES)
