"""Activations in parts, against `np.save` and `np.load` of the same arrays: `python -m benchmarks.store [--quick]`.

The arrays are those of celebahq-256: h (512, 8, 8) in float16, which is 32,768 numbers a sample and step. They are written as the
Sample stage writes them, a Parquet file a part with a row group a step and a checksum a page, and read as the fits read them: one
step across all parts, into one array (n, D), every checksum verified. NumPy writes a file a part and step, without any checksum,
and reads them into one array (n, D), too. Both read from the page cache, in one thread, and both find an empty folder to write to.

Printed beside it, without a target: reading part by part, where nothing is put together and NumPy's array need not even leave the
processor's cache; writing from float32, as most models give it; and what it costs that a part is there for good: ours flushes it
to the disk and records its SHA-256 when it is committed, NumPy is followed by a flush.

Shapes: B samples a part, T steps, D = 32,768.
"""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from benchmarks._report import verdict
from pipeline.domains import portraits
from pipeline.engine.store import Store
from pipeline.formats.parquet import h_writer
from pipeline.models import pretrained
from pipeline.stages.sources.activations import read_parts, read_step
from pipeline.stages.sources.sample import Sample
from pipeline.stages.sources.source import activations_table
from schemas.activations import activations_schema

# The project's own bar for storage: what checksums and a format that anybody reads may cost.
TARGETS = {"write_vs_np_save": (">=", 0.4), "read_vs_np_load": (">=", 0.6)}

SHAPE = (512, 8, 8)


@dataclass(frozen=True)
class Planted(Sample):
    """Samples of a model with this bottleneck."""

    @property
    def h_shape(self) -> tuple[int, int, int]:
        return SHAPE


@dataclass(frozen=True)
class Size:
    batch: int  # B
    steps: int  # T
    written: int  # parts that are written in a round
    read: int  # parts that a step is read across
    rounds: int


FULL = Size(batch=256, steps=4, written=4, read=16, rounds=11)
QUICK = Size(batch=128, steps=2, written=4, read=8, rounds=7)

Contenders = dict[str, Callable[[], None]]
Speeds = dict[str, list[float]]  # MB/s, one number a round


def main() -> int:
    size = QUICK if "--quick" in sys.argv[1:] else FULL
    torch.set_num_threads(1)
    print(f"Load average at the start: {os.getloadavg()[0]:.1f}")
    source = Planted(pretrained.find(str(portraits.MODEL)), size.read * size.batch, size.steps, batch=size.batch)
    generator = torch.Generator().manual_seed(0)
    h = [torch.randn(size.batch, *SHAPE, generator=generator) for _ in range(size.steps)]
    a_step = h[0].numel() * 2 / 1e6  # MB of a part

    with tempfile.TemporaryDirectory(prefix="hspace-") as folder:
        root = Path(folder)
        desk = root / "desk"
        written = in_turns(writers(desk, source, h, size), size.rounds, a_step * size.steps * size.written, desk)
        write_all(root, source, [each.half() for each in h])
        read = in_turns(readers(root, source), size.rounds, a_step * size.read, desk)
        same = np.array_equal(read_step(Store(root), source, 0)[1], load_step(root, source, 0))
    assert same, "the two sides have not read the same numbers"
    show(f"{size.read} parts of {size.batch} samples, T = {size.steps}", written | read)

    return verdict(
        "store",
        {
            "write_vs_np_save": ratio(written, "h_writer", "np.save"),
            "write_from_float32_vs_np_save": ratio(written, "h_writer, float32", "np.save, float32"),
            "commit_vs_np_save_and_fsync": ratio(written, "store.part", "np.save, fsync"),
            "read_vs_np_load": ratio(read, "read_step", "np.load"),
            "read_parts_vs_np_load": ratio(read, "read_parts", "np.load by part"),
        },
        TARGETS,
    )


# Writing


def writers(folder: Path, source: Sample, h: list[Tensor], size: Size) -> Contenders:
    """Each writes the same parts."""
    half = [each.half() for each in h]
    parts = range(size.written)

    def ours(h: list[Tensor]) -> None:
        for part in parts:
            write_part(folder / f"{part}.parquet", source, part, h)

    def committed() -> None:
        for part in parts:
            with Store(folder).part(source, part) as out:
                write_part(out / "activations.parquet", source, part, half)

    def theirs(h: list[Tensor], flushed: bool = False) -> None:
        for part in parts:
            for step in range(source.steps):
                save(folder / f"{part}-{step}.npy", h[step], flushed)

    return {
        "h_writer": lambda: ours(half),
        "np.save": lambda: theirs(half),
        "h_writer, float32": lambda: ours(h),
        "np.save, float32": lambda: theirs(h),
        "store.part": committed,
        "np.save, fsync": lambda: theirs(half, flushed=True),
    }


def write_part(path: Path, source: Sample, part: int, h: list[Tensor]) -> None:
    """As `Sample` writes its activations."""
    schema = activations_schema(source.h_shape)
    with h_writer(path, schema) as writer:
        for step, h_t in enumerate(h):
            writer.write_table(activations_table(source.sample_ids(part), step, 999 - step, h_t, schema))


def save(path: Path, h: Tensor, flushed: bool = False) -> None:
    with open(path, "wb") as file:
        np.save(file, h.half().numpy())
        if flushed:
            file.flush()
            os.fsync(file.fileno())


# Reading


def write_all(root: Path, source: Sample, h: list[Tensor]) -> None:
    """All parts for both sides, every part with the steps in another order; then quiet."""
    for part in range(source.n_parts):
        turned = [h[(step + part) % len(h)] for step in range(len(h))]
        with Store(root).part(source, part) as out:
            write_part(out / "activations.parquet", source, part, turned)
        for step, h_t in enumerate(turned):
            save(npy(root, part, step), h_t)
    os.sync()


def npy(root: Path, part: int, step: int) -> Path:
    return root / f"{part}-{step}.npy"


def readers(root: Path, source: Sample) -> Contenders:
    """Each reads one step across all parts."""
    store, parts = Store(root), range(source.n_parts)
    step = source.steps // 2

    def ours_by_part() -> None:
        for _ in read_parts(store, source, step, parts):
            pass

    def theirs_by_part() -> None:
        for part in parts:
            np.load(npy(root, part, step))

    return {
        "read_step": lambda: void(read_step(store, source, step)),
        "np.load": lambda: void(load_step(root, source, step)),
        "read_parts": ours_by_part,
        "np.load by part": theirs_by_part,
    }


def load_step(root: Path, source: Sample, step: int) -> np.ndarray:
    """(n, D) from the files of the parts; twice as fast as np.concatenate of all of them."""
    h = np.empty((source.n, int(np.prod(SHAPE))), np.float16)
    for part in range(source.n_parts):
        ids = source.sample_ids(part)
        h[ids.start : ids.stop] = np.load(npy(root, part, step)).reshape(len(ids), -1)
    return h


def void(value: object) -> None:
    """Nothing: what was read may go."""


# Measuring


def in_turns(contenders: Contenders, rounds: int, megabytes: float, desk: Path) -> Speeds:
    """Each begins with an empty desk. Round 0 warms up and is not counted; every other round goes backwards."""
    speeds: Speeds = {name: [] for name in contenders}
    for i in range(rounds + 1):
        for name in contenders if i % 2 else reversed(contenders):
            shutil.rmtree(desk, ignore_errors=True)
            desk.mkdir()
            started = time.perf_counter()
            contenders[name]()
            if i:
                speeds[name].append(megabytes / (time.perf_counter() - started))
    shutil.rmtree(desk)
    return speeds


def ratio(speeds: Speeds, ours: str, theirs: str) -> float:
    """The median over the rounds: a machine that slows down for a while slows both sides of a round."""
    return round(median(a / b for a, b in zip(speeds[ours], speeds[theirs], strict=True)), 2)


def show(title: str, speeds: Speeds) -> None:
    table = Table("", "MB/s", "slowest", "fastest", title=title, box=None, header_style="bold", title_justify="left")
    for name, each in speeds.items():
        table.add_row(name, *(f"{value:.0f}" for value in (median(each), min(each), max(each))))
    Console(width=110).print(table)


if __name__ == "__main__":
    sys.exit(main())
