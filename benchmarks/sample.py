"""Sampling with h, against sampling without and as others do it: `python -m benchmarks.sample [--quick]`.

    stage            our loop: the Sample stage with noise, h of every step, PNG and Parquet, through the store; one thread, as a
                     worker has
    bare             `unet(x, t)` and `scheduler.step` with the same U-Net in the same process: nothing read, nothing written
    workers          our loop as jobs run it: a Ray worker of one thread on every core, each with its own part
    pipeline         diffusers' DDIMPipeline as `from_pretrained` gives it: float32, contiguous, a thread on every core; no h
    one at a time    a forward written out by hand, image after image, h kept in a list, as the published h-space codes do

Beside that, what bfloat16 gains and costs (_dtypes.py): `dtype` auto takes it where it is faster, and must not lose by that.

On the bundled model, and on an untrained U-Net of the configuration of google/ddpm-ema-celebahq-256; on the CPU, with the same
batch and T, in turns. The last two have a process of their own, which our settings do not reach. A ratio is the median over the
rounds of the ratio within a round. It wants an idle machine: threads that wait for each other suffer most from others' work.

Shapes: B batch, T steps, C H W bottleneck.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import torch
from diffusers import DDIMPipeline, DDPMPipeline, DDPMScheduler, UNet2DModel
from rich.console import Console
from rich.table import Table
from torch import Tensor

from benchmarks import _dtypes
from benchmarks._dtypes import Amount
from benchmarks._published import forward
from benchmarks._report import verdict
from pipeline.domains import portraits
from pipeline.engine.ray_pool import RayPool
from pipeline.engine.store import Store
from pipeline.engine.worker import Failure
from pipeline.hspace.denoiser import Denoiser
from pipeline.hspace.noise import NoiseStreams
from pipeline.models import pretrained
from pipeline.models.pretrained import LoadedModel
from pipeline.stages.sources.sample import Sample

# The project's own bar for sampling.
TARGETS = {
    "bundled_overhead": ("<=", 0.05),  # of the stage over the bare loop: what h, noise, PNG, Parquet and the store cost
    "celebahq_overhead": ("<=", 0.05),
    "bundled_speedup_vs_pipeline": (">=", 1.5),  # of the workers
    "celebahq_speedup_vs_pipeline": (">=", 1.5),
    "bundled_auto_speedup": (">=", 1.0),  # of what `dtype` auto takes, over float32
    "bundled_bfloat16_effect_difference": ("<=", 0.1),  # of a mean effect at strength 1, in standard deviations
}

CELEBAHQ = {  # config.json of google/ddpm-ema-celebahq-256
    "sample_size": 256,
    "in_channels": 3,
    "out_channels": 3,
    "block_out_channels": (128, 128, 256, 256, 512, 512),
    "down_block_types": (*["DownBlock2D"] * 4, "AttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "AttnUpBlock2D", *["UpBlock2D"] * 4),
    "layers_per_block": 2,
    "downsample_padding": 0,
    "flip_sin_to_cos": False,
    "freq_shift": 1,
    "norm_num_groups": 32,
    "norm_eps": 1e-6,
    "act_fn": "silu",
    "attention_head_dim": None,
    "center_input_sample": False,
    "mid_block_scale_factor": 1,
    "time_embedding_type": "positional",
}

Run = Callable[[], int]  # makes images and returns how many
Seconds = dict[str, list[float]]  # contender -> seconds an image, one number a round


@dataclass(frozen=True)
class Size:
    """How much of a comparison is run."""

    batch: int
    steps: int  # T
    rounds: int  # twice as many for the overhead, which is small


FULL = {"bundled": Size(batch=32, steps=16, rounds=3), "celebahq": Size(batch=2, steps=2, rounds=2)}
QUICK = {"bundled": Size(batch=32, steps=3, rounds=2), "celebahq": Size(batch=1, steps=2, rounds=2)}
DTYPES = Amount(batch=32, rounds=3, top=24, edited=32)
QUICK_DTYPES = Amount(batch=32, rounds=1, top=12, edited=8)
QUICK_CELEBAHQ = CELEBAHQ | {"sample_size": 64}  # the same weights on a sixteenth of the pixels


def main() -> int:
    quick = "--quick" in sys.argv[1:]
    sizes = QUICK if quick else FULL
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # of the workers, too
    os.environ.setdefault("RAY_worker_niceness", "0")  # workers give way to other processes; here none has precedence
    torch.set_num_threads(1)
    print(f"Load average at the start: {os.getloadavg()[0]:.1f}")

    figures: dict[str, float] = {}
    with (
        tempfile.TemporaryDirectory(prefix="hspace-") as folder,
        ProcessPoolExecutor(1, get_context("spawn")) as others,
    ):
        others.submit(by_pipeline, portraits.MODEL, 1, 1)  # it has much to import: meanwhile
        root = Path(folder)
        write_untrained(root / "model", QUICK_CELEBAHQ if quick else CELEBAHQ)
        pool = RayPool()
        try:
            for name, model in {"bundled": portraits.MODEL, "celebahq": root / "model"}.items():
                measured = compare(name, model, sizes[name], pool, others, Store(root / name))
                figures |= {f"{name}_{figure}": value for figure, value in measured.items()}
        finally:
            pool.close()
        figures |= in_bfloat16(root / "model", QUICK_DTYPES if quick else DTYPES, sizes["bundled"].steps)
    return verdict("sample", figures, TARGETS)


def write_untrained(folder: Path, config: dict[str, Any]) -> None:
    """A pipeline's folder, as the hub has it, with random weights: they take their time whatever they are."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        unet = UNet2DModel(**config)
    parameters = sum(weight.numel() for weight in unet.parameters())
    assert round(parameters / 1e6, 1) == 113.7, f"{parameters} parameters: not the U-Net of celebahq-256"
    DDPMPipeline(unet, DDPMScheduler(1000, beta_start=1e-4, beta_end=0.02)).save_pretrained(folder)


def compare(
    name: str, folder: Path, size: Size, pool: RayPool, others: ProcessPoolExecutor, store: Store
) -> dict[str, float]:
    parts = (2 * size.rounds + 1) + (
        size.rounds + 1
    ) * pool.size  # the stage and each worker make a new part every round
    sample = Sample(pretrained.find(str(folder)), parts * size.batch, size.steps, batch=size.batch)
    loaded = sample.setup()
    seconds = in_turns(
        {"bare": lambda: bare(loaded, sample), "stage": staged(loaded, sample, store)},
        2 * size.rounds,
    ) | in_turns(
        {
            "workers": by_workers(pool, sample, store),
            "pipeline": lambda: others.submit(by_pipeline, folder, size.batch, size.steps).result(),
            "one at a time": lambda: others.submit(one_at_a_time, folder, size.steps).result(),
        },
        size.rounds,
    )
    show(f"{name}: batch {size.batch}, T = {size.steps}, {pool.size} workers", seconds)

    plain = UNet2DModel.from_pretrained(folder / "unet").eval()
    relative, cosine = error(h_of(sample, loaded.denoiser), h_of(sample, Denoiser(plain)))
    return {
        "overhead": round(ratio(seconds, "stage", "bare") - 1, 3),
        "speedup_vs_pipeline": round(ratio(seconds, "pipeline", "workers"), 2),
        "speedup_vs_one_at_a_time": round(ratio(seconds, "one at a time", "workers"), 2),
        "h_relative_error": float(f"{relative:.1e}"),  # of our settings, to float32 in the contiguous format
        "h_cosine": round(cosine, 7),
    }


def in_bfloat16(celebahq: Path, amount: Amount, steps: int) -> dict[str, float]:
    """What bfloat16 gains and costs on the bundled model, and of a pass of the large one."""
    of_bundled = _dtypes.compared(pretrained.find(str(portraits.MODEL)), steps, amount)
    speedup, error_of_h = _dtypes.speedup_of_a_pass(pretrained.find(str(celebahq)), batch=1, rounds=2)
    of_large = {"bfloat16_speedup": round(speedup, 2), "bfloat16_h_error": round(error_of_h, 4)}
    return {f"bundled_{name}": value for name, value in of_bundled.items()} | {
        f"celebahq_{name}": value for name, value in of_large.items()
    }


# Ours


def staged(loaded: LoadedModel, sample: Sample, store: Store) -> Run:
    parts = iter(reversed(range(sample.n_parts)))  # from the last, for the workers begin with the first

    def run() -> int:
        part = next(parts)
        with store.part(sample, part) as out:
            sample.process(part, store, loaded, out)
        return sample.batch

    return run


def by_workers(pool: RayPool, sample: Sample, store: Store) -> Run:
    parts = iter(range(sample.n_parts))

    def run() -> int:
        for _ in range(pool.size):
            pool.submit((sample, next(parts)), store)
        for _ in range(pool.size):
            _, outcome = pool.next_done()
            if isinstance(outcome, Failure):
                raise RuntimeError(outcome.traceback or outcome.message)
        return pool.size * sample.batch

    return run


# The others


@torch.inference_mode()
def bare(loaded: LoadedModel, sample: Sample) -> int:
    unet, scheduler = loaded.denoiser.unet, sample.model.ddim(sample.clip)
    scheduler.set_timesteps(sample.steps)
    x = torch.randn(sample.batch, *sample.model.x_shape)
    for t in scheduler.timesteps:
        x = scheduler.step(unet(x, t).sample, t, x, eta=1.0).prev_sample
    return sample.batch


@cache
def pipeline(folder: Path) -> DDIMPipeline:
    loaded = DDIMPipeline.from_pretrained(folder)
    loaded.set_progress_bar_config(disable=True)
    return loaded


def by_pipeline(folder: Path, batch: int, steps: int) -> int:
    return len(pipeline(folder)(batch, eta=1.0, num_inference_steps=steps).images)


@torch.no_grad()
def one_at_a_time(folder: Path, steps: int) -> int:
    """One image."""
    unet, scheduler = pipeline(folder).unet, pipeline(folder).scheduler
    scheduler.set_timesteps(steps)
    kept = []
    x = torch.randn(1, unet.config.in_channels, unet.config.sample_size, unet.config.sample_size)
    for t in scheduler.timesteps:
        output, h = forward(unet, x, t)
        kept.append(h)
        x = scheduler.step(output, t, x, eta=1.0).prev_sample
    return len(DDIMPipeline.numpy_to_pil((x / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).numpy()))


# Measuring


def in_turns(contenders: dict[str, Run], rounds: int) -> Seconds:
    """Seconds an image. Round 0 warms up and is not counted; every other round goes backwards, so that nobody is always second."""
    seconds: Seconds = {name: [] for name in contenders}
    for i in range(rounds + 1):
        for name in contenders if i % 2 else reversed(contenders):
            started = time.perf_counter()
            images = contenders[name]()
            if i:
                seconds[name].append((time.perf_counter() - started) / images)
    return seconds


def ratio(seconds: Seconds, slow: str, fast: str) -> float:
    """The median over the rounds: a machine that slows down for a while slows both sides of a round."""
    return median(a / b for a, b in zip(seconds[slow], seconds[fast], strict=True))


def h_of(sample: Sample, denoiser: Denoiser) -> Tensor:
    """h of the first part on this U-Net, (T, B, C, H, W) float32: the same noise whatever the U-Net."""
    kept: list[Tensor] = []
    noise = NoiseStreams(sample.seed, sample.sample_ids(0), sample.model.x_shape)
    sample.reverse_process.run(denoiser, noise, on_h=lambda step, timestep, h: kept.append(h))
    return torch.stack(kept)


def error(h: Tensor, exact: Tensor) -> tuple[float, float]:
    """Relative RMS error, and the cosine."""
    a, b = h.flatten().double(), exact.flatten().double()
    return float((a - b).norm() / b.norm()), float(a @ b / (a.norm() * b.norm()))


def show(title: str, seconds: Seconds) -> None:
    table = Table(
        "", "ms an image", "fastest", "slowest", title=title, box=None, header_style="bold", title_justify="left"
    )
    for name, each in seconds.items():
        table.add_row(name, *(f"{1e3 * value:.1f}" for value in (median(each), min(each), max(each))))
    Console(width=110).print(table)


if __name__ == "__main__":
    sys.exit(main())
