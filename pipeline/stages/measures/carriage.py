"""Carriage: where in the network attributes are carried, and when: what a swap of h between two samples takes with it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from math import isnan, prod
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from pipeline.annotators.base import Annotator, check_size
from pipeline.annotators.border import masker
from pipeline.annotators.regions import Mask, Masker
from pipeline.batches import batches
from pipeline.engine.stage import ON_BEHALF, Need, Resources, Stage
from pipeline.engine.store import Part, Store
from pipeline.errors import UserError
from pipeline.fingerprint import PART_BY_PART
from pipeline.formats.parquet import write_table
from pipeline.hspace.capture import canonical, union
from pipeline.hspace.swaps import rows_passed, swapped, thirds
from pipeline.metrics.carriage import Share, of_pixels, of_scores
from pipeline.models.pretrained import LoadedModel
from pipeline.stages import reading
from pipeline.stages.measures.score_edits import readings
from pipeline.stages.measures.sight import Scores, seeing
from pipeline.stages.sources.sample_ids import SWAPPED
from pipeline.stages.sources.source import Source
from schemas.carriage import CARRIAGE
from schemas.columns import table_of

ROW_BYTES = 200


@dataclass(frozen=True)
class Looking:
    """What says what is in an image."""

    score: Scores | None
    foreground: Masker | None


@dataclass(frozen=True)
class Carriage(Stage):
    """`carriage.parquet`: how far swaps of h go, by capture point and third of the steps. A part is a point.

    Two samples next to each other get each other's h. What is looked at are the annotator's attributes, but for the one that says
    whether there is anything to score; the image; and, where a mask says which they are, its foreground and background.
    """

    version: ClassVar[int] = 2

    sample: Source = field(metadata={**ON_BEHALF, **PART_BY_PART})  # how samples are made; it is not made itself
    points: tuple[str, ...]  # in the order of a pass
    annotator: Annotator | None  # whose scores say what is carried
    n: int = 64  # samples
    foreground: Mask | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "points", tuple(map(canonical, self.points)))

    @property
    def n_parts(self) -> int:
        return len(self.points)

    @property
    def spans(self) -> tuple[range, ...]:
        """The steps that h is swapped in: all of them, then each third."""
        return (range(self.sample.steps), *thirds(self.sample.steps))

    def needs(self, part: int) -> Iterator[Need]:
        return iter(())

    def part_work(self) -> int:
        return self.n * rows_passed(self.sample.steps, self.spans)

    def part_bytes(self) -> int:
        looked_at = len(self.annotator.attributes if self.annotator else ()) + 3
        return ROW_BYTES * len(self.spans) * looked_at

    @property
    def resources(self) -> Resources:
        return Resources(gpus=1)

    def check(self) -> None:
        if self.n < 2 or self.n % 2 or self.n > len(SWAPPED):
            raise UserError(f"h is swapped between {self.n} samples: expected pairs, an even number of at least 2.")
        if not self.points or len(set(self.points)) < len(self.points):
            raise UserError(
                f"h is to be swapped at {', '.join(self.points) or 'no point'}: expected capture points, each once."
            )
        for point in self.points:
            self.sample.model.h_shape(point)
        check_size(*self.sample.model.image_shape[1:], *filter(None, [self.annotator, self.foreground]))
        self.sample.model.check_timesteps(self.sample.reverse_process.timesteps)

    def setup(self) -> tuple[LoadedModel, Looking]:
        how = self.sample
        model = how.model.load(union(self.points), how.dtype, how.compiled)
        return model, Looking(seeing(self.annotator), masker(self.foreground) if self.foreground else None)

    def process(self, part: int, store: Store, loaded: tuple[LoadedModel, Looking], out: Path) -> None:
        point, (model, plugs) = self.points[part], loaded
        own, *edited = self._images(model, point)
        masks = plugs.foreground(own) if plugs.foreground else None
        scores = self._scores(plugs, own)
        numbers = prod(self.sample.model.h_shape(point))
        rows = [
            {"point": point, "depth": part, "numbers": numbers, "third": third, **row}
            for third, images in zip((None, 0, 1, 2), edited, strict=False)
            for row in chain(
                _rows(
                    "attribute",
                    {name: of_scores(scores[name], after) for name, after in self._scores(plugs, images).items()},
                ),
                _rows("pixels", of_pixels(own, images, masks)),
            )
        ]
        write_table(out / "carriage.parquet", table_of(rows, CARRIAGE))

    def fault(self, file: str, part: Part, read: Any, store: Store) -> str | None:
        scored = readings((self.annotator,)) if self.annotator else []
        what = [*(name for _, name in scored), "image", *(("foreground", "background") if self.foreground else ())]
        rows = len(self.spans) * len(what)
        return reading.unlike(read, point=[self.points[int(part)]] * rows, what=what * len(self.spans))

    def shares(self, store: Store) -> dict[tuple[str, str], float]:
        """Return how far swaps in all steps go, by point and what is looked at, where that could be told.

        An attribute that is called as a region is goes before it.
        """
        table = [row for row in reading.table(store, self, "carriage.parquet").to_pylist() if row["third"] is None]
        pixels_first = sorted(table, key=lambda row: row["kind"] == "attribute")
        return {(row["point"], row["what"]): row["share"] for row in pixels_first if row["share"] is not None}

    def _images(self, model: LoadedModel, point: str) -> list[np.ndarray]:
        """The samples (n, H, W, 3) unedited, and with h swapped in each span: as many pairs at a time as a batch has room for."""
        at_a_time = max(2, self.sample.batch // 2 * 2)
        some = (SWAPPED[batch] for batch in batches(self.n, at_a_time))
        found = [self._of_some(model, ids, point) for ids in some]
        return [np.concatenate(images) for images in zip(*found, strict=True)]

    def _of_some(self, model: LoadedModel, ids: range, point: str) -> list[np.ndarray]:
        denoiser = replace(self.sample.denoiser(model, ids), point=point)
        own, edited = swapped(self.sample.reverse_process, denoiser, self.sample.noise(model, ids), self.spans)
        return [model.to_images(x_0) for x_0 in (own, *edited)]

    def _scores(self, plugs: Looking, images: np.ndarray) -> dict[str, np.ndarray]:
        """The scores (n,) of images by attribute."""
        if plugs.score is None:
            return {}
        each = [plugs.score(images[some]) for some in batches(len(images), self.sample.batch)]
        return {str(name): np.concatenate([table[name] for table in each]) for name in each[0]}


def _rows(kind: str, shares: Mapping[str, Share]) -> Iterator[dict[str, Any]]:
    """Rows of one point in one span, but for what says which; NaN becomes null."""
    for what, found in shares.items():
        numbers = {name: None if isnan(value) else value for name, value in found._asdict().items()}
        yield {"what": what, "kind": kind, **numbers}
