"""Familiarity: whether who scores samples is at home in them, as far as that can be seen without truth."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

from pipeline.annotators.base import Annotator, Scorer, full_batch, gpus_of, presence_of
from pipeline.annotators.border import embedding, scorer
from pipeline.annotators.familiarity import FEWEST, Figures, WithReference, note
from pipeline.engine.stage import Need, Resources, Stage
from pipeline.engine.store import Part, Store
from pipeline.formats.images import decode
from pipeline.formats.parquet import write_table
from pipeline.metrics.prevalence import agreement
from pipeline.stages import reading
from pipeline.stages.labels.annotate import Annotate
from pipeline.stages.labels.embed import Embed
from pipeline.stages.sources.source import Source
from schemas.columns import table_of
from schemas.familiarity import FAMILIARITY

LOOKED_AT = 256  # samples
Features = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Familiarity(Stage):
    """`familiarity.parquet`: a row an annotator, of the first samples."""

    version: ClassVar[int] = 3

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

    def setup(self) -> list[tuple[Scorer, Features | None]]:
        return [(scorer(each), embedding(each) if _reference(each) else None) for each in self.annotators]  # type: ignore[arg-type]

    def process(self, part: int, store: Store, loaded: list[tuple[Scorer, Features | None]], out: Path) -> None:
        images = np.concatenate(
            [decode(reading.table(store, self.sample, "samples.parquet", each)) for each in self._parts]
        )
        images = images[: self.n]
        seen = [
            Seen(annotator, self._all(score, images), self._all(embed, images) if embed else _NONE)
            for annotator, (score, embed) in zip(self.annotators, loaded, strict=True)
        ]
        write_table(out / "familiarity.parquet", table_of(rows_of(seen), FAMILIARITY))

    def _all(self, function: Features, images: np.ndarray) -> np.ndarray:
        """What a function says of images, given in full batches."""
        size = self.sample.batch
        each = [images[at : at + size] for at in range(0, len(images), size)]
        return np.concatenate([function(full_batch(some, size))[: len(some)] for some in each])

    def fault(self, file: str, part: Part, read: Any, store: Store) -> str | None:
        return reading.unlike(read, annotator=[each.name for each in self.annotators])

    def notes(self, store: Store) -> tuple[str, ...]:
        """What is to be known of who scores, in sentences."""
        rows = reading.table(store, self, "familiarity.parquet").to_pylist()
        return tuple(told for row in rows for told in note(**row))

    def agreements(self, store: Store) -> tuple[str, ...]:
        """How far each agrees with the first on every attribute that both score, in sentences."""
        rows = reading.table(store, self, "familiarity.parquet").to_pylist()
        return tuple(filter(None, map(agreed, rows)))

    def foreseen(self, stages: Iterable[Stage], store: Store) -> tuple[str, ...]:
        """The same before this is made: by the scores and features that parts of these stages have of the samples already."""
        seen = [self._seen(each, [*stages], store) for each in self.annotators]
        return tuple(told for row in rows_of(seen) for told in note(**row))

    def _seen(self, annotator: Annotator, stages: Sequence[Stage], store: Store) -> "Seen":
        """What is there of an annotator; no network is run."""
        scores, features = _NONE, _NONE
        for stage in stages:
            same = getattr(stage, "sample", None) == self.sample
            parts = [each for each in self._parts if same and store.exists(stage, each)]
            if parts and isinstance(stage, Annotate) and annotator in stage.annotators:
                scores = stage.scores(store, annotator.name, parts)[list(annotator.attributes)].to_numpy()[: self.n]
            if parts and isinstance(stage, Embed) and _same(stage.embedder, annotator):
                features = stage.features(store, parts)[: self.n]
        return Seen(annotator, scores, features)


class Seen(NamedTuple):
    """What an annotator says of the first samples (n, A), and its features (n, F); of no sample where that is not known."""

    annotator: Annotator
    scores: np.ndarray
    features: np.ndarray

    def column(self, attribute: str) -> np.ndarray:
        return self.scores[:, self.annotator.attributes.index(attribute)]


_NONE = np.empty((0, 0))


def rows_of(seen: Sequence[Seen]) -> list[dict[str, Any]]:
    """Return rows of schemas.familiarity; who is not the first is compared with the first."""
    return [_row(each, seen[0] if each is not seen[0] else None) for each in seen]


def _row(seen: Seen, first: Seen | None) -> dict[str, Any]:
    annotator, scores, features = seen
    reference = _reference(annotator) if len(features) else None
    strange = reference.strange(features) if reference else None
    of = (annotator.attributes, presence_of(annotator), annotator.thresholds)
    figures = Figures.of(scores, *of) if len(scores) else Figures(None, None, None)
    about = {"annotator": annotator.name, "n": max(len(scores), len(features)), "strange": strange}
    return {**about, **figures._asdict(), **(_agreement(first, seen) if first else _APART)}


_APART = {"agrees_with": None, "agreement": None, "agreement_attribute": None, "agreements": None}


def _agreement(first: Seen, other: Seen) -> dict[str, Any]:
    """The attribute of both that they agree on the least; nothing where too few samples have scores of both."""
    n = min(len(first.scores), len(other.scores))
    there = {presence_of(each.annotator) for each in (first, other)}
    shared = [name for name in other.annotator.attributes if name in first.annotator.attributes and name not in there]
    found = {
        name: each.r
        for name in (shared if n else ())
        if (each := agreement(first.column(name)[:n], other.column(name)[:n], _NO_BORDERS)).n >= FEWEST
    }
    known = {name: r for name, r in found.items() if not np.isnan(r)}
    if not known:
        return _APART
    least = min(known, key=lambda name: known[name])
    every = [{"attribute": name, "r": r} for name, r in known.items()]
    about = {"agrees_with": first.annotator.name, "agreement": known[least], "agreement_attribute": least}
    return {**about, "agreements": every}


def agreed(row: dict[str, Any]) -> str:
    """How far two annotators agree on what both score, in a sentence; none where they share nothing."""
    if not row["agreements"]:
        return ""
    each = ", ".join(f"{found['attribute']} {found['r']:.2f}" for found in row["agreements"])
    return (
        f"On {row['n']:,} samples the scores of {row['annotator']!r} and {row['agrees_with']!r} correlate by r = {each}: what "
        "effects say of an attribute is worth no more than that."
    )


_NO_BORDERS = (np.nan, np.nan)


def _reference(annotator: Annotator) -> Any:
    return annotator.reference() if isinstance(annotator, WithReference) else None


def _same(one: object, other: object) -> bool:
    return one == other
