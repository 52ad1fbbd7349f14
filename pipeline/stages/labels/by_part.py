"""What is said of each part of samples on its own: part i reads part i, as soon as it is there."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow.compute as pc

from pipeline.annotators.base import full_batch
from pipeline.engine.stage import Need, Stage, one
from pipeline.engine.store import Store
from pipeline.fingerprint import PART_BY_PART
from pipeline.formats.images import decode
from pipeline.stages import reading
from pipeline.stages.sources.source import Source


@dataclass(frozen=True)
class ByPart(Stage):
    """A stage with a part for each part of the samples, of the same name."""

    sample: Source = field(metadata=PART_BY_PART)

    @property
    def n_parts(self) -> int:
        return self.sample.n_parts

    def part_name(self, part: int) -> str:
        return self.sample.part_name(part)

    def needs(self, part: int) -> Iterator[Need]:
        yield one(self.sample, part)

    def named(self, store: Store, part: int) -> tuple[list[int], list[str | None]]:
        """Who is in a part: sample_id, and names in their set, None of images made from noise."""
        samples = reading.table(store, self.sample, "samples.parquet", part)
        return samples["sample_id"].to_pylist(), pc.struct_field(samples["image"], "path").to_pylist()

    def batches(self, store: Store, part: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Batches of a part: sample_id (b,), and images of a full batch (B, H, W, 3), of which the first b are theirs."""
        samples = reading.table(store, self.sample, "samples.parquet", part)
        for start in range(0, len(samples), self.sample.batch):
            batch = samples.slice(start, self.sample.batch)
            yield batch["sample_id"].to_numpy(), full_batch(decode(batch), self.sample.batch)
