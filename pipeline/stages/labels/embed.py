"""Embed: the features of samples' images, part by part: what images are compared by where no attribute is asked for."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from pipeline.annotators.base import Embedder, check_size, gpus_of
from pipeline.annotators.border import embedding
from pipeline.engine.stage import Resources
from pipeline.engine.store import Part, Store
from pipeline.formats.arrays import write_arrays
from pipeline.stages import reading
from pipeline.stages.labels.by_part import ByPart
from pipeline.stages.sources.source import number


@dataclass(frozen=True)
class Embed(ByPart):
    """`features.safetensors`: sample_id (n,), features (n, F) float32. Part i reads part i of the samples."""

    version: ClassVar[int] = 2

    embedder: Embedder

    @property
    def resources(self) -> Resources:
        return Resources(gpus_of(self.embedder))

    def check(self) -> None:
        check_size(*self.sample.model.image_shape[1:], self.embedder)

    def setup(self) -> Callable[[np.ndarray], np.ndarray]:
        return embedding(self.embedder)

    def process(self, part: int, store: Store, embed: Callable[[np.ndarray], np.ndarray], out: Path) -> None:
        found = [(ids, embed(images)[: len(ids)]) for ids, images in self.batches(store, part)]
        ids, features = (np.concatenate(each) for each in zip(*found, strict=True))
        write_arrays(out / "features.safetensors", {"sample_id": ids, "features": features})

    def fault(self, file: str, part: Part, read: Any, store: Store) -> str | None:
        return reading.unlike(read, sample_id=self.sample.sample_ids(number(part)))

    def reference(self, store: Store, n: int) -> np.ndarray:
        """The features (at most n, F) of the first samples."""
        return self.features(store, self.first_parts(n))[:n]

    def features(self, store: Store, parts: Iterable[int]) -> np.ndarray:
        """The features (n, F) of the samples of some parts."""
        return np.concatenate([reading.arrays(store, self, "features.safetensors", each)["features"] for each in parts])

    def first_parts(self, n: int) -> range:
        """The parts that hold the first n samples, or as many as there are."""
        whole = len(self.sample.sample_ids(0))
        return range(min(self.n_parts, -(-n // whole)))
