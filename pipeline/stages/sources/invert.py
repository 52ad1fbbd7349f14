"""Invert: from real images to the noise that would have made them, with h at every step. It writes what `Sample` writes."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import ClassVar, Literal, get_args

import pyarrow as pa
from torch import Tensor

from pipeline.engine.stage import Resources
from pipeline.engine.store import Store
from pipeline.errors import UserError
from pipeline.formats.parquet import h_writer, write_table
from pipeline.hspace import inversion
from pipeline.hspace.noise import NoiseStreams
from pipeline.hspace.reverse_process import OnH
from pipeline.imagesets.image_set import ImageSet, OpenSet
from pipeline.models.conditions import EACH
from pipeline.models.pretrained import LoadedModel
from pipeline.stages.sources.source import Source, activations_table, samples_table
from schemas.activations import activations_schema

Method = Literal["ddim", "edit-friendly"]


@dataclass(frozen=True)
class Invert(Source):
    """The images of a set as the model sees them: the middle, at its size. Image i is `sample_id` i, in the order of the set.

    "ddim" is deterministic and needs eta = 0; SM F of the paper finds directions in its h. "edit-friendly" draws noise, which for
    image i depends on (seed, i) alone, and needs eta > 0.
    """

    what: ClassVar[Literal["samples", "real images"]] = "real images"
    more: ClassVar[str] = "give more images"

    n: int = field(init=False)  # all images of the set
    eta: float | tuple[float, ...] = 0.0  # of the reverse process that is inverted
    _: KW_ONLY
    images: ImageSet
    method: Method = "ddim"
    iterations: int = 1  # passes of the U-Net a step, of "ddim"; more are more exact

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "n", self.images.n)

    def part_work(self) -> int:
        return self.batch * (self.iterations * self.steps + 1)

    @property
    def resources(self) -> Resources:
        return Resources(gpus=1, memory=self.part_bytes())  # h of all steps, before it is written in their order

    def check(self) -> None:
        super().check()
        if self.model.class_label == EACH:
            raise UserError(
                'Real images have no class that this model drew for them, and `class_label` is "each".\n'
                f"Set it to the class that they are of, 0 to {(self.model.classes or 1) - 1}."
            )
        etas = self.reverse_process.etas
        if self.method not in get_args(Method):
            raise UserError(f"{self.method!r} is no inversion; expected one of {', '.join(get_args(Method))}.")
        if self.method == "ddim" and any(etas):
            raise UserError(
                f"DDIM inversion needs eta = 0, found {self.eta}. Use the edit-friendly inversion for eta > 0."
            )
        if self.method == "edit-friendly" and not all(etas):
            raise UserError(f"The edit-friendly inversion needs eta > 0 at every step, found {self.eta}. Use eta = 1.")
        if self.iterations < 1 or (self.method != "ddim" and self.iterations != 1):
            raise UserError(
                f"{self.iterations} iterations of the {self.method} inversion: expected at least 1 of ddim, and 1 of any other."
            )

    def setup(self) -> tuple[LoadedModel, OpenSet]:
        return self.load(), self.images.open()

    def process(self, part: int, store: Store, loaded: tuple[LoadedModel, OpenSet], out: Path) -> None:
        model, images = loaded
        ids = self.sample_ids(part)
        _, height, width = self.model.image_shape
        names, seen = images.read(ids, height, width)

        schema = activations_schema(self.shapes)
        steps: dict[int, pa.Table] = {}  # by step, since an inversion may visit the steps in any order

        def on_h(step: int, timestep: int, h: Tensor) -> None:
            steps[step] = activations_table(ids, step, timestep, h, schema)

        self._invert(model, model.from_images(seen), ids, on_h)
        with h_writer(out / "activations.parquet", schema) as writer:
            for step in range(self.steps):
                writer.write_table(steps.pop(step))
        write_table(out / "samples.parquet", samples_table(ids, self.seed, seen, names))

    def noise(self, loaded: LoadedModel, ids: Sequence[int]) -> inversion.Inverted:
        _, height, width = self.model.image_shape
        images = self.images.open()
        _, seen = images.read(ids, height, width)
        return self._invert(loaded, loaded.from_images(seen), ids)

    def _invert(
        self, model: LoadedModel, x_0: Tensor, ids: Sequence[int], on_h: OnH | None = None
    ) -> inversion.Inverted:
        process, denoiser = self.reverse_process, self.denoiser(model, ids)
        if self.method == "ddim":
            return inversion.ddim(process, denoiser, x_0, self.iterations, on_h)
        noise = NoiseStreams(self.seed, ids, self.model.x_shape)
        return inversion.edit_friendly(process, denoiser, x_0, noise, on_h)
