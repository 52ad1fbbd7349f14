"""Source: where directions are found, images with their h at every step. `Sample` makes them from noise, `Invert` has real ones."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any, ClassVar, Literal, Self

import numpy as np
import pyarrow as pa
from torch import Tensor

from pipeline.engine.stage import Resources, Stage
from pipeline.engine.store import Part, Store
from pipeline.errors import UserError
from pipeline.fingerprint import EXTENT, not_hashed
from pipeline.formats.images import png
from pipeline.hspace.capture import MID_BLOCK, canonical, singles
from pipeline.hspace.denoiser import Denoiser
from pipeline.hspace.noise import Noise
from pipeline.hspace.reverse_process import ReverseProcess
from pipeline.models.pretrained import LoadedModel, Model
from pipeline.stages import reading
from pipeline.stages.sources.sample_ids import FITTED
from schemas.activations import step_table
from schemas.samples import IMAGE, SAMPLES

DTYPES = ("float32", "bfloat16", "float16")


@dataclass(frozen=True)
class Source(Stage):
    """A part is one batch: `samples.parquet`, and `activations.parquet` with one row group a step."""

    what: ClassVar[Literal["samples", "real images"]]  # they are
    more: ClassVar[str]  # what a person does to have more of them
    stores_h: ClassVar[bool] = True  # activations.parquet is there

    model: Model
    n: int = field(metadata=EXTENT)  # images; they are numbered from 0
    steps: int  # T
    eta: float | tuple[float, ...] = 1.0  # 0 = DDIM, 1 = DDPM; a tuple has one a step
    clip: bool | None = None  # keep P_t in the scheduler's range; None becomes the model's own rule
    seed: int = 0  # the noise of image i depends on (seed, i) alone
    batch: int = 32  # images in a part; rounding depends on it, so it is hashed
    point: str = MID_BLOCK  # where h is recorded: a capture point, or several at once
    dtype: str = "float32"  # or bfloat16, float16: autocast
    compiled: bool = False  # torch.compile
    at: str = not_hashed("")  # of the recorded points the one that is read, or some; without, all. See `seen_at`

    def __post_init__(self) -> None:
        if self.clip is None:
            object.__setattr__(self, "clip", self.model.clips)
        object.__setattr__(self, "point", canonical(self.point))
        object.__setattr__(self, "at", self.at or self.point)

    @property
    def source(self) -> "Source":
        """Where h is: here, as sketches say where the h is that they are of."""
        return self

    @property
    def n_parts(self) -> int:
        return -(-self.n // self.batch)

    @property
    def all_ids(self) -> range:
        """Every sample_id, in the order of the parts."""
        return range(self.n)

    def part_name(self, part: int) -> str:
        """A last part that is not full has its number of images in its name."""
        return named(f"{part:05d}", len(self.sample_ids(part)), self.batch)

    def part_work(self) -> int:
        return self.batch * self.steps

    def part_samples(self) -> int:
        return self.batch

    def part_bytes(self) -> int:
        h = self.steps * sum(map(prod, self.shapes.values())) * 2
        pixels = int(np.prod(self.model.image_shape))
        return self.batch * (h + pixels)  # a PNG is smaller than its pixels

    @property
    def resources(self) -> Resources:
        return Resources(gpus=1)

    def check(self) -> None:
        if not 1 <= self.n <= len(FITTED) or self.batch < 1:
            raise UserError(
                f"{self.n} samples in batches of {self.batch}: expected at least 1 of each, and at most {len(FITTED)} samples."
            )
        if unknown := set(singles(self.at)) - set(singles(self.point)):
            raise UserError(f"h is recorded at {self.point}, and not at {', '.join(sorted(unknown))}: name it, too.")
        if self.dtype not in DTYPES:
            raise UserError(f"{self.dtype!r} is no precision to sample in; expected one of {', '.join(DTYPES)}.")
        self.model.check_timesteps(self.reverse_process.timesteps)

    def seen_at(self, point: str) -> Self:
        """The same images with h as it is at one of the recorded points, or at some of them."""
        return replace(self, at=canonical(point))

    def as_input(self, part_by_part: bool) -> str:
        named = super().as_input(part_by_part)
        return named if self.at == self.point else f"{named} at {self.at}"

    @property
    def suffix(self) -> str:
        """What names of directions end with, where h is recorded at several points."""
        return "" if self.at == self.point else f"@{self.at}"

    @property
    def h_shape(self) -> tuple[int, ...]:
        """The shape of h where it is read: (C, H, W) at most points, (D,) at several at once."""
        return self.model.h_shape(self.at)

    @property
    def h_size(self) -> int:
        """D: numbers of h where it is read, of one sample at one step."""
        return prod(self.h_shape)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of h at every point where it is recorded."""
        recorded = singles(self.point)
        return (
            {each: self.model.h_shape(each) for each in recorded} if len(recorded) > 1 else {self.point: self.h_shape}
        )

    @property
    def reverse_process(self) -> ReverseProcess:
        return ReverseProcess(self.model.ddim(self.clip), self.steps, self.eta)

    def sample_ids(self, part: int) -> range:
        return range(part * self.batch, min(self.n, (part + 1) * self.batch))

    def fault(self, file: str, part: Part, read: Any, store: Store) -> str | None:
        if file != "samples.parquet":
            return None
        ids = self.sample_ids(number(part))
        ids = ids[: rows_of(part, len(ids))]
        return reading.unlike(read, sample_id=ids, seed=[self.seed] * len(ids))

    def part_holding(self, sample_id: int) -> int:
        """Return the part that holds a sample."""
        return sample_id // len(self.sample_ids(0))

    def check_stored(self) -> None:
        """Raise UserError unless h itself can be read."""
        if not self.stores_h:
            raise UserError(
                "The activations of these samples are not stored, only sketched: use what works on sketches."
            )

    def noise(self, loaded: LoadedModel, ids: Sequence[int]) -> Noise:
        """What the reverse process of these images draws: with it they come back, edited or not."""
        raise NotImplementedError(f"{type(self).__name__} does not say what its noise is")

    def denoiser(self, loaded: LoadedModel, ids: Sequence[int]) -> Denoiser:
        """The denoiser of these images, in this order: it knows their classes, where the model has some."""
        return loaded.denoiser.of(self.model.labels(self.seed, ids))

    def load(self) -> LoadedModel:
        """The model, as this source runs it."""
        return self.model.load(self.point, self.dtype, self.compiled)


def number(part: Part) -> int:
    """The number of a part, also by its name, which may be that of a shorter one."""
    return part if isinstance(part, int) else int(part.split("-")[0])


def rows_of(part: Part, full: int) -> int:
    """The rows of a part: where it is given by name, those that the name says."""
    return int(part.split("-")[-1]) if isinstance(part, str) and "-" in part else full


def named(name: str, rows: int, full: int) -> str:
    """The name of a part that is as yet, or for good, not full says how many rows it has."""
    return name if rows == full else f"{name}-{rows}"


def activations_table(ids: range, step: int, timestep: int, h: Tensor, schema: pa.Schema) -> pa.Table:
    """h of one step, (B, ...), or (B, D) of several points, as a table of activations: one row group.

    Raises UserError where float16 cannot hold it.
    """
    with storing(step):
        try:
            return step_table(
                ids, step, timestep, h.half().numpy(), schema
            )  # torch rounds several times faster than NumPy
        except ValueError:  # of what is no longer there to be shown
            return step_table(ids, step, timestep, h.float().numpy(), schema)


@contextmanager
def storing(step: int) -> Iterator[None]:
    """In this block h of a step that cannot be stored is what the user hears of."""
    try:
        yield
    except ValueError as error:
        raise UserError(f"Step {step}: {error}") from error


def samples_table(ids: range, seed: int, images: np.ndarray, names: Sequence[str] | None = None) -> pa.Table:
    """Images (B, H, W, 3) uint8 as a table of samples; `names` are those of real images in their set."""
    paths = [None] * len(images) if names is None else names
    cells = [{"bytes": png(image), "path": path} for image, path in zip(images, paths, strict=True)]
    return pa.table([np.array(ids), np.full(len(ids), seed), pa.array(cells, IMAGE)], schema=SAMPLES)
