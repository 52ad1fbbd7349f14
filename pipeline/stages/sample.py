"""Sample: from noise to images, with h at every step. A part is one batch; its h is written step by step as it comes."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import pyarrow as pa
from PIL import Image
from torch import Tensor

from pipeline.diffusion import NoiseStreams, ReverseProcess
from pipeline.errors import UserError
from pipeline.hspace import CapturePoint
from pipeline.models import LoadedModel, Model
from pipeline.stage import Stage
from pipeline.store import Store, h_writer, write_table
from schemas.activations import activations_schema, h_column
from schemas.samples import IMAGE, SAMPLES

DTYPES = ("float32", "bfloat16", "float16")


@dataclass(frozen=True)
class Sample(Stage):
    """n samples of a model. Sample i's noise depends on (seed, i) alone."""

    model: Model
    n: int
    steps: int  # T
    eta: float | tuple[float, ...] = 1.0  # 0 = DDIM, 1 = DDPM; a tuple has one a step
    clip: bool = False  # clip P_t to the scheduler's range
    seed: int = 0
    batch: int = 32  # samples in a part; rounding depends on it, so it is hashed
    point: CapturePoint = "after"  # where h is read, and edited later
    dtype: str = "float32"  # or bfloat16, float16: autocast
    compiled: bool = False  # torch.compile

    @property
    def n_parts(self) -> int:
        return -(-self.n // self.batch)

    def part_bytes(self) -> int:
        h = self.steps * int(np.prod(self.h_shape)) * 2
        pixels = int(np.prod(self.model.image_shape))
        return self.batch * (h + pixels)  # a PNG is smaller than its pixels

    def check(self) -> None:
        if self.n < 1 or self.batch < 1:
            raise UserError(f"{self.n} samples in batches of {self.batch}: expected at least 1 of each.")
        if self.point not in get_args(CapturePoint):
            raise UserError(f"{self.point!r} is no capture point; expected one of {', '.join(get_args(CapturePoint))}.")
        if self.dtype not in DTYPES:
            raise UserError(f"{self.dtype!r} is no precision to sample in; expected one of {', '.join(DTYPES)}.")
        _ = self.reverse_process

    @property
    def h_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of h at this capture point."""
        return self.model.h_shape(self.point)

    @property
    def reverse_process(self) -> ReverseProcess:
        return ReverseProcess(self.model.ddim(self.clip), self.steps, self.eta)

    def sample_ids(self, part: int) -> range:
        return range(part * self.batch, min(self.n, (part + 1) * self.batch))

    def setup(self) -> LoadedModel:
        return self.model.load(self.point, self.dtype, self.compiled)

    def process(self, part: int, store: Store, loaded: LoadedModel, out: Path) -> None:
        ids = self.sample_ids(part)
        schema = activations_schema(self.h_shape)
        noise = NoiseStreams(self.seed, ids, self.model.x_shape)
        with h_writer(out / "activations.parquet", schema) as writer:

            def on_h(step: int, timestep: int, h: Tensor) -> None:
                writer.write_table(activations_table(ids, step, timestep, h, schema))

            x_0 = self.reverse_process.run(loaded.denoiser, noise, on_h=on_h)
        write_table(out / "samples.parquet", samples_table(ids, self.seed, loaded.to_images(x_0)))


def activations_table(ids: range, step: int, timestep: int, h: Tensor, schema: pa.Schema) -> pa.Table:
    """h (B, C, H, W) of one step as a table of activations: one row group."""
    constant = [np.full(len(ids), step, np.int32), np.full(len(ids), timestep, np.int32)]
    return pa.table([np.array(ids), *constant, h_column(h.float().numpy())], schema=schema)


def samples_table(ids: range, seed: int, images: np.ndarray) -> pa.Table:
    """Images (B, H, W, 3) uint8 as a table of samples."""
    column = pa.array([{"bytes": png(image), "path": None} for image in images], IMAGE)
    return pa.table([np.array(ids), np.full(len(ids), seed), column], schema=SAMPLES)


def png(image: np.ndarray) -> bytes:
    """(H, W, 3) uint8 -> PNG."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "png")
    return buffer.getvalue()


def decode(table: pa.Table) -> np.ndarray:
    """The images of a table of samples: (B, H, W, 3) uint8."""
    cells = table["image"].to_pylist()
    return np.stack([np.asarray(Image.open(io.BytesIO(cell["bytes"])).convert("RGB")) for cell in cells])
