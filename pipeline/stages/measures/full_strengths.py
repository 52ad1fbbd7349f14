"""FullStrengths: how far each direction is followed to either side when it is measured."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import ceil, prod
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from pipeline.annotators.base import Annotator, check_size, presence_of
from pipeline.annotators.border import embedding
from pipeline.batches import batches
from pipeline.engine.stage import Need, Resources, Stage, one, whole
from pipeline.engine.store import Part, Store
from pipeline.errors import UserError
from pipeline.formats.parquet import write_table
from pipeline.metrics.preservation import Manifold
from pipeline.metrics.strengths import FIRST, Tried, full, in_spreads, next_doubling, spread_of
from pipeline.models.pretrained import LoadedModel
from pipeline.stages import reading
from pipeline.stages.finders.finder import Row, names_of, read_directions
from pipeline.stages.labels.annotate import Annotate
from pipeline.stages.labels.embed import Embed
from pipeline.stages.measures.edit import Row as Edited
from pipeline.stages.measures.edit import sample_edited
from pipeline.stages.measures.evaluate import standard_deviations
from pipeline.stages.measures.score_edits import REFERENCE
from pipeline.stages.measures.sight import Plugs, Side, Sight, seeing
from pipeline.stages.sources.offsets import offsets
from pipeline.stages.sources.sample_ids import GAUGED
from pipeline.stages.sources.source import Source
from schemas.columns import table_of
from schemas.strengths import STRENGTHS

TOGETHER = 4  # directions of a part
TRIED = 7  # strengths of a direction, about


@dataclass(frozen=True)
class FullStrengths(Stage):
    """`strengths.parquet`: two rows a direction, its full strength to either side.

    Whoever labelled says how far the target has moved, that of an unsupervised direction being whatever it moves most; with nobody
    to ask, it is the images themselves. An unsupervised direction has no sense of its own, and is followed as far to either side.
    Samples are this stage's own: what is measured later is measured on others, and effects by others than whom a strength was
    chosen by. Whether images still look like the model's own may be told by a judge, too. Estimators of one attribute move it
    differently far at one norm, so each has strengths of its own; one that was not given is followed as far as any of them.
    """

    version: ClassVar[int] = 6

    sample: Source  # whose model, T and eta are used
    finders: tuple[Stage, ...]
    unedited: Annotate | None = None  # of samples, by the annotator: the unit of what is moved
    annotator: Annotator | None = None  # says what a direction moves
    looking: Annotator | None = None  # says whether there still is anything to score
    embed: Embed | None = None  # of unedited samples, among which edits should stay
    n: int = 8  # samples at each strength

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for finder in self.finders for name in names_of(finder))

    @property
    def n_parts(self) -> int:
        return -(-len(self.names) // TOGETHER)

    def part_work(self) -> int:
        return TOGETHER * self.n * TRIED * self.sample.steps

    @property
    def resources(self) -> Resources:
        return Resources(gpus=1)

    def needs(self, part: int) -> Iterator[Need]:
        yield from (one(finder) for finder in self._finders_of(part))
        yield from whole(*filter(None, [self.unedited]))
        if self.embed:
            yield self.embed, self.embed.first_parts(REFERENCE)

    def check(self) -> None:
        if self.n < 2:
            raise UserError(f"Strengths are found on {self.n} samples: expected at least 2.")
        if self.annotator and (self.unedited is None or self.annotator not in self.unedited.annotators):
            raise UserError(
                f"{self.annotator.name} has not scored the unedited samples, whose spread is the unit of its effects."
            )
        if self.looking and presence_of(self.looking) is None:
            raise UserError(f"{self.looking.name!r} does not say whether there is anything to score.")
        plugs = (self.annotator, self.looking, self.embed and self.embed.embedder)
        check_size(*self.sample.model.image_shape[1:], *filter(None, plugs))

    def setup(self) -> tuple[LoadedModel, Plugs]:
        embed = embedding(self.embed.embedder) if self.embed else None
        return self.sample.load(), Plugs(seeing(self.annotator), seeing(self.looking, presence_alone=True), embed)

    def process(self, part: int, store: Store, loaded: tuple[LoadedModel, Plugs], out: Path) -> None:
        names = self._names_of(part)
        rows, vectors = read_directions(store, self._finders_of(part))
        attributes = {row["name"]: row["attribute"] for row in rows}
        points = {row["name"]: row["capture"] for row in rows}
        before, spread = self._unedited(loaded[0])
        norms = {name: self._in_spreads(name, vectors[name], points[name], spread) for name in names}
        sight = self._sight(before, loaded[1], store)
        tried = {(name, 1): Tried() for name in names}
        tried |= {(name, -1): Tried() for name in names if attributes[name] is not None}
        while wanted := dict(_next(names, tried)):
            strengths = {(name, sign): sign * _offset(k) / norms[name] for (name, sign), k in wanted.items()}
            outcomes = sight.outcomes(self._edited(strengths, vectors, points, loaded[0]), attributes)
            for side, k in wanted.items():
                tried[side][k] = outcomes[side]
        table = [
            _row(name, sign, points[name], attributes[name], norms[name], tried.get((name, sign), tried[name, 1]))
            for name, sign in product(names, (1, -1))
        ]
        write_table(out / "strengths.parquet", table_of(table, STRENGTHS))

    def fault(self, file: str, part: Part, read: Any, store: Store) -> str | None:
        return reading.unlike(read, direction=[name for name in self._names_of(int(part)) for _ in (1, -1)])

    def ends(self, store: Store, rows: Sequence[Row]) -> dict[str, tuple[float, float]]:
        """Return the full strengths (below 0, above 0) of directions, rows of schemas.directions: their own, or those of their
        attribute at their capture point.

        Raises UserError where there are none.
        """
        table = reading.table(store, self, "strengths.parquet").to_pandas().sort_values("strength")
        own, of_attribute = (
            {key: (float(each.iloc[0]), float(each.iloc[-1])) for key, each in table.groupby(columns)["strength"]}
            for columns in ("direction", ["attribute", "capture"])
        )
        found = {
            row["name"]: own.get(row["name"]) or of_attribute.get((row["attribute"], row["capture"])) for row in rows
        }
        if unknown := [name for name, each in found.items() if each is None]:
            raise UserError(f"It was not looked for how far to follow {unknown[0]}: give its finder to {self.name}.")
        return {name: each for name, each in found.items() if each}

    def _names_of(self, part: int) -> tuple[str, ...]:
        return self.names[part * TOGETHER : (part + 1) * TOGETHER]

    def _finders_of(self, part: int) -> tuple[Stage, ...]:
        used = set(self._names_of(part))
        return tuple(finder for finder in self.finders if used & set(names_of(finder)))

    def _in_spreads(self, name: str, v: np.ndarray, point: str, spread: Mapping[str, np.ndarray]) -> float:
        """The norm of a direction in spreads; of several capture points at once the root of the mean of squares."""
        try:
            each = [in_spreads(part.numpy(), spread[at]) for at, part in offsets(self.sample, v, point).items()]
            return float(np.sqrt(np.mean(np.square(each))))
        except ValueError as error:
            raise UserError(f"How far to follow {name} cannot be told: {error}. Give `strengths`.") from error

    def _sight(self, before: np.ndarray, plugs: Plugs, store: Store) -> Sight:
        std = None
        if self.annotator and self.unedited:
            std = standard_deviations(self.unedited, (self.annotator,), store)[self.annotator.name]
            std = std[std > 0].drop(presence_of(self.annotator) or [], errors="ignore")
        manifold = Manifold.of(self.embed.reference(store, REFERENCE)) if self.embed else None
        return Sight(before, plugs, std, manifold)

    def _unedited(self, model: LoadedModel) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """The samples before any edit (n, H, W, 3), and the spread of their h at each step (T,), by capture point."""
        shapes = self.sample.shapes
        spread = {point: np.zeros(self.sample.steps) for point in shapes}
        widths = list(map(prod, shapes.values()))

        def on_h(step: int, timestep: int, h: torch.Tensor) -> None:
            for point, part in zip(shapes, h.float().flatten(1).split(widths, dim=1), strict=True):
                spread[point][step] = spread_of(part.numpy())

        rows = [Edited("unedited", 0, 0.0, 0, GAUGED[i]) for i in range(self.n)]
        return sample_edited(self.sample, model, rows, {}, on_h), spread

    def _edited(
        self,
        strengths: dict[Side, float],
        vectors: Mapping[str, np.ndarray],
        points: Mapping[str, str],
        model: LoadedModel,
    ) -> dict[Side, np.ndarray]:
        """The samples with each of these edits, (n, H, W, 3)."""
        used = {name: offsets(self.sample, vectors[name], points[name]) for name, _ in strengths}
        rows = [
            Edited(name, 0, strength, 0, GAUGED[i]) for (name, _), strength in strengths.items() for i in range(self.n)
        ]
        some = (rows[batch] for batch in batches(len(rows), self.sample.batch))
        images = np.concatenate([sample_edited(self.sample, model, batch, used) for batch in some])
        return dict(zip(strengths, images.reshape(-1, self.n, *images.shape[1:]), strict=True))


def _offset(doubling: float) -> float:
    """The norm of an offset, in spreads of h."""
    return FIRST * 2.0**doubling


def _next(names: Sequence[str], tried: Mapping[Side, Tried]) -> Iterator[tuple[Side, int]]:
    """What to try next of each direction: the side below 0 begins where the one above it has ended, since many are alike."""
    for name in names:
        above, below = tried[name, 1], tried.get((name, -1))
        if (k := next_doubling(above)) is not None:
            yield (name, 1), k
        elif below is not None and (k := next_doubling(below, ceil(full(above).doubling))) is not None:
            yield (name, -1), k


def _row(name: str, sign: int, point: str, attribute: str | None, norm: float, tried: Tried) -> dict[str, Any]:
    found = full(tried)
    return {
        "direction": name,
        "capture": point,
        "attribute": attribute,
        "strength": sign * _offset(found.doubling) / norm,
        "offset": _offset(found.doubling),
        "moved": found.moved,
        "ended": found.ended,
        "tried": len(tried),
    }
