"""Sample: from noise to images, with h at every step. A part is one batch; its h is written step by step as it comes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from torch import Tensor

from pipeline.engine.store import Store
from pipeline.formats.parquet import h_writer, write_table
from pipeline.hspace.noise import NoiseStreams
from pipeline.hspace.reverse_process import OnH
from pipeline.models.pretrained import LoadedModel
from pipeline.stages.sources.source import Source, activations_table, samples_table
from schemas.activations import activations_schema


@dataclass(frozen=True)
class Sample(Source):
    """n samples of a model. Sample i's noise depends on (seed, i) alone."""

    what: ClassVar[Literal["samples", "real images"]] = "samples"
    more: ClassVar[str] = "raise `samples`"

    def setup(self) -> LoadedModel:
        return self.load()

    def process(self, part: int, store: Store, loaded: LoadedModel, out: Path) -> None:
        ids = self.sample_ids(part)
        schema = activations_schema(self.shapes)
        with h_writer(out / "activations.parquet", schema) as writer:

            def on_h(step: int, timestep: int, h: Tensor) -> None:
                writer.write_table(activations_table(ids, step, timestep, h, schema))

            images = self.draw(loaded, ids, on_h)[: len(ids)]
        write_table(out / "samples.parquet", samples_table(ids, self.seed, images))

    def noise(self, loaded: LoadedModel, ids: Sequence[int]) -> NoiseStreams:
        return NoiseStreams(self.seed, ids, self.model.x_shape)

    def draw(self, loaded: LoadedModel, ids: range, on_h: OnH) -> np.ndarray:
        """Samples of at most a batch: h of every step to `on_h`, and images of a full batch (B, H, W, 3) uint8, the first wanted.

        A batch that is not full is drawn full: a sample is the same to the bit however many there are after it.
        """
        full = range(ids.start, ids.start + self.batch)
        x_0 = self.reverse_process.run(
            self.denoiser(loaded, full),
            self.noise(loaded, full),
            on_h=lambda step, timestep, h: on_h(step, timestep, h[: len(ids)]),
        )
        return loaded.to_images(x_0)
