"""Dtypes: whether a model runs faster in bfloat16 where the work is done, timed once: what `dtype` auto goes by."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch

from pipeline.engine.machines import cpu
from pipeline.engine.stage import Need, Resources, Stage
from pipeline.engine.store import Part, Store
from pipeline.formats.parquet import write_table
from pipeline.hspace import dtypes
from pipeline.hspace.capture import MID_BLOCK
from pipeline.hspace.denoiser import Denoiser
from pipeline.hspace.noise import NoiseStreams
from pipeline.models.pretrained import LoadedModel, Model
from pipeline.stages import reading
from schemas.columns import table_of
from schemas.dtypes import DTYPES


@dataclass(frozen=True)
class Dtypes(Stage):
    """`dtypes.parquet`: what passes of a batch take in float32 and in bfloat16, and which of these runs go by.

    What it makes are timings, whose bytes are not the same twice. No stage reads them: what follows has the dtype that they
    name among its settings, so that what is made in one never lies under the name of the other. It is of a model and a batch, and
    not of a run, so that all runs of a root that ask for `auto` share their samples.
    """

    repeatable: ClassVar[bool] = False

    model: Model
    batch: int  # samples that run through the networks together
    compiled: bool = False  # torch.compile
    point: str = MID_BLOCK  # where h is compared

    @property
    def resources(self) -> Resources:
        return Resources(gpus=1)

    def needs(self, part: int) -> Iterator[Need]:
        return iter(())

    def part_bytes(self) -> int:
        return 4_000

    def setup(self) -> LoadedModel:
        return self._loaded(dtypes.FLOAT32)

    def process(self, part: int, store: Store, loaded: LoadedModel, out: Path) -> None:
        found = self.timed(loaded)
        rows = [
            {
                "dtype": each.dtype,
                "seconds": each.seconds,
                "samples": found.samples,
                "error": each.error,
                "fault": each.fault,
                "chosen": each.dtype == found.dtype,
                "machine": machine(),
            }
            for each in found.timed
        ]
        write_table(out / "dtypes.parquet", table_of(rows, DTYPES))

    def fault(self, file: str, part: Part, read: Any, store: Store) -> str | None:
        return reading.unlike(read, dtype=[dtypes.FLOAT32, dtypes.BFLOAT16])

    def timed(self, loaded: LoadedModel) -> dtypes.Choice:
        """Time both here, in passes at the middle of the timesteps. loaded: the model in float32."""
        ids = range(self.batch)
        labels = self.model.labels(0, ids)

        def load(dtype: str) -> Denoiser:
            return (loaded if dtype == dtypes.FLOAT32 else self._loaded(dtype)).denoiser.of(labels)

        x_t = NoiseStreams(0, ids, self.model.x_shape).x_T()
        middle = self.model.ddim().config.num_train_timesteps // 2
        return dtypes.compared(load, x_t, middle)

    def chosen(self, store: Store) -> str:
        """The dtype that runs go by, once it is known."""
        return next(row["dtype"] for row in self._rows(store) if row["chosen"])

    def told(self, store: Store) -> str:
        """A sentence: what was chosen, and by what."""
        exact, short = self._rows(store)
        return said(_choice(exact, short), exact["machine"])

    def _loaded(self, dtype: str) -> LoadedModel:
        return self.model.load(self.point, dtype, self.compiled)

    def _rows(self, store: Store) -> list[dict[str, Any]]:
        return reading.table(store, self, "dtypes.parquet").to_pylist()


def machine() -> str:
    """What a network runs on here: the GPU, or the CPU by its instruction set."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else cpu()


def said(found: dtypes.Choice, on: str) -> str:
    """What was chosen and by what, as a sentence."""
    exact, short = found.timed
    if found.faster is None or not exact.seconds or not short.seconds:
        return f"The U-Net runs in {found.dtype}: {short.dtype} does not run on {on} ({short.fault})."
    ms, exact_ms = (f"{1000 * each:.3g}" for each in (short.seconds, exact.seconds))
    took = f"{ms} ms a sample in passes of {found.samples}, where {exact.dtype} took {exact_ms}"
    why = "" if found.dtype == short.dtype else f"; {dtypes.FASTER:g} times as fast would be worth it"
    return (
        f"The U-Net runs in {found.dtype}: {short.dtype} took {took} ({found.faster:.2f} times as fast{why}), on {on}."
    )


def _choice(exact: Mapping[str, Any], short: Mapping[str, Any]) -> dtypes.Choice:
    timed = (dtypes.Timed(row["dtype"], row["seconds"], row["error"], row["fault"]) for row in (exact, short))
    return dtypes.Choice(tuple(timed), exact["samples"], next(row["dtype"] for row in (exact, short) if row["chosen"]))
