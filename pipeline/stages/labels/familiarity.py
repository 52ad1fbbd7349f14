"""Familiarity: whether who scores samples is at home in them, as far as that can be seen without truth."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from pipeline.annotators.base import Annotator, Scorer, full_batch, gpus_of, presence_of
from pipeline.annotators.border import embedding, scorer
from pipeline.annotators.familiarity import Figures, WithReference, note
from pipeline.engine.stage import Need, Resources, Stage
from pipeline.engine.store import Store
from pipeline.formats.images import decode
from pipeline.formats.parquet import write_table
from pipeline.stages.sources.source import Source
from schemas.columns import table_of
from schemas.familiarity import FAMILIARITY

LOOKED_AT = 256  # samples
Embed = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Familiarity(Stage):
    """`familiarity.parquet`: a row an annotator, of the first samples."""

    version: ClassVar[int] = 1

    sample: Source
    annotators: tuple[Annotator, ...]
    references: tuple[
        str, ...
    ]  # sha256 of what each keeps of the images that it was trained on; "" where it keeps nothing
    n: int = field(default=LOOKED_AT)

    @classmethod
    def of(cls, sample: Source, annotators: tuple[Annotator, ...]) -> Self:
        """Of the annotators, those that look at images."""
        looking = tuple(each for each in dict.fromkeys(annotators) if not hasattr(each, "lookup"))
        kept = (each.reference() if isinstance(each, WithReference) else None for each in looking)
        return cls(sample, looking, tuple(each.sha256 if each else "" for each in kept), min(LOOKED_AT, sample.n))

    @property
    def resources(self) -> Resources:
        return Resources(gpus_of(*self.annotators))

    @property
    def _parts(self) -> range:
        return range(min(self.sample.n_parts, -(-self.n // self.sample.batch)))

    def needs(self, part: int) -> Iterator[Need]:
        yield self.sample, self._parts

    def setup(self) -> list[tuple[Scorer, Embed | None]]:
        return [(scorer(each), embedding(each) if _reference(each) else None) for each in self.annotators]  # type: ignore[arg-type]

    def process(self, part: int, store: Store, loaded: list[tuple[Scorer, Embed | None]], out: Path) -> None:
        images = np.concatenate([decode(store.table(self.sample, "samples.parquet", each)) for each in self._parts])
        images = images[: self.n]
        rows = [self._row(each, *how, images) for each, how in zip(self.annotators, loaded, strict=True)]
        write_table(out / "familiarity.parquet", table_of(rows, FAMILIARITY))

    def _row(self, annotator: Annotator, score: Scorer, embed: Embed | None, images: np.ndarray) -> dict[str, Any]:
        reference = _reference(annotator)
        strange = reference.strange(self._all(embed, images)) if reference and embed else None
        figures = Figures.of(
            self._all(score, images), annotator.attributes, presence_of(annotator), annotator.thresholds
        )
        return {"annotator": annotator.name, "n": len(images), "strange": strange, **figures._asdict()}

    def _all(self, function: Embed, images: np.ndarray) -> np.ndarray:
        """What a function says of images, given in full batches."""
        size = self.sample.batch
        each = [images[at : at + size] for at in range(0, len(images), size)]
        return np.concatenate([function(full_batch(some, size))[: len(some)] for some in each])

    def notes(self, store: Store) -> tuple[str, ...]:
        """What is to be known of who scores, in sentences."""
        rows = store.table(self, "familiarity.parquet").to_pylist()
        return tuple(told for row in rows for told in note(**row))


def _reference(annotator: Annotator) -> Any:
    return annotator.reference() if isinstance(annotator, WithReference) else None
