"""Recording h at several capture points, and fits on large h: `python -m benchmarks.capture [--quick]`.

    one point        the Sample stage on the bundled model, h of the mid block stored: noise, U-Net, PNG and Parquet, one thread
    three points     the same, with h of the first two upper blocks beside it: 17 times as many numbers
    lists            a loop that keeps h of the three points in lists, by hooks, and `np.save`s them at the end

The three take turns in one process; a ratio is the median over the rounds of the ratio within a round. Then the memory of exact
fits: h of (64, 48, 48), which is 294,912 bytes a sample and step, is planted for 2,048 samples at one step, and each finder fits
it in a process of its own. What a fit took is the most that the process held, less what it held before; the bound is what the plan
prints. The target for all of the process is 8 GB.

Shapes: n samples, B batch, T steps, D numbers of h.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from benchmarks._fits import FITS, finder, measured, plant
from benchmarks._report import verdict
from pipeline.domains import portraits
from pipeline.engine.store import Store
from pipeline.models import pretrained
from pipeline.models.pretrained import LoadedModel
from pipeline.stages.sources.sample import Sample

TARGETS = {
    "three_points_overhead": (
        "<=",
        0.10,
    ),  # of recording three points over recording one, sampling and writing included
    "gigabytes_of_a_process": ("<=", 8.0),  # the most of any fit, libraries included
    "memory_over_bound": ("<=", 1.0),  # the largest of any fit
}

ONE = "mid_block"
THREE = ("mid_block", "up_blocks.0", "up_blocks.1")


@dataclass(frozen=True)
class Size:
    batch: int  # B
    steps: int  # T
    rounds: int
    n: int  # samples that are fitted
    shape: tuple[int, ...]  # of their h


FULL = Size(batch=32, steps=16, rounds=9, n=2048, shape=(64, 48, 48))
QUICK = Size(batch=16, steps=3, rounds=3, n=256, shape=(64, 24, 24))


def main() -> int:
    size = QUICK if "--quick" in sys.argv[1:] else FULL
    torch.set_num_threads(1)
    print(f"Load average at the start: {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory(prefix="hspace-") as folder:
        seconds = recorded(Path(folder) / "recorded", size)
        fits = fitted(Path(folder) / "fitted", size)
    return verdict(
        "capture",
        {
            "three_points_overhead": round(ratio(seconds, "three points", "one point") - 1, 3),
            "lists_overhead": round(ratio(seconds, "lists", "one point") - 1, 3),
            "gigabytes_of_a_process": round(max(whole for _, whole, _ in fits) / 1e9, 2),
            "memory_over_bound": round(max(peak / bound for peak, _, bound in fits), 2),
        },
        TARGETS,
    )


# Recording

Seconds = dict[str, list[float]]


def recorded(root: Path, size: Size) -> Seconds:
    """Seconds a batch, by contender; round 0 warms up, and every other round goes backwards."""
    model = pretrained.find(str(portraits.MODEL))
    samples = {
        name: Sample(model, (size.rounds + 1) * size.batch, size.steps, batch=size.batch, point=point)
        for name, point in {"one point": ONE, "three points": "+".join(THREE)}.items()
    }
    contenders = {name: staged(sample, Store(root)) for name, sample in samples.items()}
    contenders["lists"] = in_lists(samples["one point"].load(), samples["one point"], root)
    seconds: Seconds = {name: [] for name in contenders}
    for i in range(size.rounds + 1):
        for name in contenders if i % 2 else reversed(contenders):
            started = time.perf_counter()
            contenders[name](i)
            if i:
                seconds[name].append(time.perf_counter() - started)
    print(f"{'':20}ms a sample, batch {size.batch}, T = {size.steps}; MB written a sample")
    for name, each in seconds.items():
        numbers = sum(map(np.prod, samples["one point" if name == "one point" else "three points"].shapes.values()))
        print(f"{name:20}{1e3 * median(each) / size.batch:8.1f}{2e-6 * numbers * size.steps:8.2f}")
    return seconds


def staged(sample: Sample, store: Store) -> Callable[[int], None]:
    loaded = sample.setup()

    def run(part: int) -> None:
        with store.part(sample, part) as out:
            sample.process(part, store, loaded, out)

    return run


def in_lists(loaded: LoadedModel, sample: Sample, root: Path) -> Callable[[int], None]:
    """A loop as one writes it: h of every step of the three points in lists, saved at the end."""
    unet: Any = loaded.denoiser.unet
    scheduler = sample.model.ddim(sample.clip)
    scheduler.set_timesteps(sample.steps)

    @torch.inference_mode()
    def run(part: int) -> None:
        kept: dict[str, list[np.ndarray]] = {point: [] for point in THREE}
        with ExitStack() as hooks:
            for point in THREE:
                keep = lambda _, args, h, point=point: kept[point].append(h.half().numpy())  # noqa: E731
                hooks.callback(unet.get_submodule(point).register_forward_hook(keep).remove)
            x = torch.randn(sample.batch, *sample.model.x_shape)
            for t in scheduler.timesteps:
                x = scheduler.step(unet(x, t).sample, t, x, eta=1.0).prev_sample
        folder = root / f"lists-{part}"
        folder.mkdir(parents=True)
        np.save(folder / "images.npy", loaded.to_images(x))
        for point, steps in kept.items():
            np.save(folder / f"{point}.npy", np.stack(steps))

    return run


def ratio(seconds: Seconds, slow: str, fast: str) -> float:
    """The median over the rounds: a machine that slows down for a while slows both sides of a round."""
    return median(a / b for a, b in zip(seconds[slow], seconds[fast], strict=True))


# Fitting


def fitted(root: Path, size: Size) -> list[tuple[int, int, int]]:
    """By finder: bytes of the fit, of all its process, and the bound."""
    plant(root, size.n, size.shape)
    print(f"\nA step of {size.n} samples of {size.shape}: h is {2e-6 * size.n * np.prod(size.shape):.0f} MB")
    print(f"{'':24}{'MB of the fit':>16}{'bound':>8}{'whole process':>16}{'seconds':>10}")
    found = []
    for name in FITS:
        started = time.perf_counter()
        with ProcessPoolExecutor(1, get_context("spawn")) as process:
            peak, whole = process.submit(measured, root, size.n, size.shape, name).result()
        bound = finder(size.n, size.shape, name).step_resources().memory
        seconds = time.perf_counter() - started
        print(f"{name:24}{peak / 1e6:16.0f}{bound / 1e6:8.0f}{whole / 1e6:16.0f}{seconds:10.1f}")
        found.append((peak, whole, bound))
    return found


if __name__ == "__main__":
    raise SystemExit(main())
