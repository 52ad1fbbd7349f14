"""Sampling with h, against sampling without and as others do it: `python -m benchmarks.sample [--quick]`.

    stage            our loop: the Sample stage with noise, h of every step, PNG and Parquet, through the store, in this process
    bare             `unet(x, t)` and `scheduler.step` with the same U-Net in the same process, and nothing read or written
    workers          our loop as jobs run it: one Ray worker of one thread a core, each with its own part
    pipeline         diffusers' DDIMPipeline as `from_pretrained` gives it (float32, contiguous), a thread a core, no h
    one at a time    a forward written out by hand, image after image, h kept in a list: the published h-space codes

On the bundled model, and on an untrained U-Net of the configuration of google/ddpm-ema-celebahq-256. All on the CPU, with the same
batch and T, in turns; a ratio is the median over the rounds of the ratio within a round.

Shapes: B batch, T steps, C H W bottleneck.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch
from diffusers import DDIMPipeline, DDPMPipeline, DDPMScheduler, UNet2DModel
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from benchmarks._report import verdict
from pipeline import models
from pipeline.cluster import RayPool
from pipeline.denoiser import Denoiser
from pipeline.diffusion import NoiseStreams
from pipeline.models import LoadedModel
from pipeline.stages.sample import Sample
from pipeline.store import Store

# The project's own bar for sampling.
TARGETS = {
    "bundled_overhead": ("<=", 0.05),  # of the stage over the bare loop: what h, noise, PNG, Parquet and the store cost
    "celebahq_overhead": ("<=", 0.05),
    "bundled_speedup_vs_pipeline": (">=", 1.5),  # of the workers
    "celebahq_speedup_vs_pipeline": (">=", 1.5),
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
    rounds: int
    compiled: bool = False


FULL = {"bundled": Size(batch=32, steps=8, rounds=9), "celebahq": Size(batch=1, steps=2, rounds=5)}
QUICK = {"bundled": Size(batch=8, steps=4, rounds=3), "celebahq": Size(batch=1, steps=2, rounds=3)}
QUICK_CELEBAHQ = CELEBAHQ | {"sample_size": 64}  # the same weights on a sixteenth of the pixels


def main() -> int:
    quick = "--quick" in sys.argv[1:]
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # the comparison is of CPUs, for the workers too
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="hspace-") as folder:
        celebahq = Path(folder) / "celebahq"
        write_untrained(celebahq, QUICK_CELEBAHQ if quick else CELEBAHQ)
        pool = RayPool()
        try:
            for name, model in {"bundled": models.BUNDLED, "celebahq": celebahq}.items():
                measured = compare(name, model, (QUICK if quick else FULL)[name], pool, Store(Path(folder) / name))
                figures |= {f"{name}_{figure}": round(value, 7) for figure, value in measured.items()}
        finally:
            pool.close()
    return verdict("sample", figures, TARGETS)


def write_untrained(folder: Path, config: dict[str, Any]) -> None:
    """A pipeline folder as the hub has it, with random weights: 113.7 M parameters cost their time whatever they are."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        unet = UNet2DModel(**config)
    parameters = sum(weight.numel() for weight in unet.parameters())
    assert round(parameters / 1e6, 1) == 113.7, f"{parameters} parameters: not the U-Net of celebahq-256"
    DDPMPipeline(unet, DDPMScheduler(1000, beta_start=1e-4, beta_end=0.02)).save_pretrained(folder)


def compare(name: str, folder: Path, size: Size, pool: RayPool, store: Store) -> dict[str, float]:
    parts = (size.rounds + 1) * (pool.size + 1)  # the stage and each worker make a new part every round
    sample = Sample(models.find(str(folder)), parts * size.batch, size.steps, batch=size.batch, compiled=size.compiled)
    loaded = sample.setup()
    pipeline = DDIMPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)

    seconds = in_turns(
        {
            "bare": lambda: bare(loaded, sample),
            "stage": staged(loaded, sample, store),
            "workers": by_workers(pool, sample, store),
            "pipeline": lambda: by_pipeline(pipeline, sample),
            "one at a time": lambda: one_at_a_time(pipeline, sample),
        },
        size.rounds,
    )
    show(f"{name}: batch {size.batch}, T = {size.steps}, {pool.size} workers", seconds)
    relative, cosine = error(*(h_of(sample, denoiser) for denoiser in (loaded.denoiser, Denoiser(pipeline.unet))))
    return {
        "overhead": ratio(seconds, "stage", "bare") - 1,
        "speedup_vs_pipeline": ratio(seconds, "pipeline", "workers"),
        "speedup_vs_one_at_a_time": ratio(seconds, "one at a time", "workers"),
        "speedup_in_one_process": ratio(seconds, "pipeline", "stage"),
        "h_relative_error": relative,
        "h_cosine": cosine,
    }


# The contenders


def staged(loaded: LoadedModel, sample: Sample, store: Store) -> Run:
    numbers = iter(range(sample.n_parts - 1, -1, -1))  # from the last, as the workers begin with the first

    def run() -> int:
        part = next(numbers)
        with store.part(sample, part) as out:
            sample.process(part, store, loaded, out)
        return sample.batch

    return run


def by_workers(pool: RayPool, sample: Sample, store: Store) -> Run:
    numbers = iter(range(sample.n_parts))

    def run() -> int:
        for _ in range(pool.size):
            pool.submit((sample, next(numbers)), store)
        for _ in range(pool.size):
            _, failure = pool.next_done()
            if failure:
                raise RuntimeError(failure.traceback or failure.message)
        return pool.size * sample.batch

    return run


@torch.inference_mode()
def bare(loaded: LoadedModel, sample: Sample) -> int:
    unet, scheduler = loaded.denoiser.unet, sample.model.ddim(sample.clip)
    scheduler.set_timesteps(sample.steps)
    x = torch.randn(sample.batch, *sample.model.x_shape)
    for t in scheduler.timesteps:
        x = scheduler.step(unet(x, t).sample, t, x, eta=sample.eta).prev_sample
    return sample.batch


def by_pipeline(pipeline: DDIMPipeline, sample: Sample) -> int:
    return len(pipeline(sample.batch, eta=sample.eta, num_inference_steps=sample.steps).images)


@torch.no_grad()
def one_at_a_time(pipeline: DDIMPipeline, sample: Sample, images: int = 1) -> int:
    scheduler = pipeline.scheduler
    scheduler.set_timesteps(sample.steps)
    for _ in range(images):
        kept = []
        x = torch.randn(1, *sample.model.x_shape)
        for t in scheduler.timesteps:
            output, h = forward(pipeline.unet, x, t)
            kept.append(h.cpu())
            x = scheduler.step(output, t, x, eta=sample.eta).prev_sample
        pipeline.numpy_to_pil((x / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).numpy())
    return images


def forward(unet: nn.Module, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """UNet2DModel's forward written out, to get at h between the mid block and the up blocks: output, h."""
    blocks: Any = unet
    embedding = blocks.time_embedding(blocks.time_proj(t.expand(len(x))))
    x = blocks.conv_in(x)
    skips = [x]
    for block in blocks.down_blocks:
        x, more = block(hidden_states=x, temb=embedding)
        skips += more
    h = x = blocks.mid_block(x, embedding)
    for block in blocks.up_blocks:
        n = len(block.resnets)
        skips, taken = skips[:-n], skips[-n:]
        x = block(x, tuple(taken), embedding)
    return blocks.conv_out(blocks.conv_act(blocks.conv_norm_out(x))), h


# Measuring


def in_turns(contenders: dict[str, Run], rounds: int) -> Seconds:
    """Seconds an image. Round 0 warms up (and compiles) and is not counted."""
    seconds: Seconds = {name: [] for name in contenders}
    for i in range(rounds + 1):
        for name, run in contenders.items():
            started = time.perf_counter()
            images = run()
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
