"""What a catalog does in plain diffusers, under other schedulers and numbers of steps: `python -m benchmarks.editing [--quick]`.

*Effects*: a catalog of the bundled portraits is made at T = 16, eta = 1, and its recommended directions are applied by
`catalog.edit` at one standard deviation, in loops of diffusers' own schedulers, on noise that nothing was fitted on. The judge says
how far the target moves, as a share of the standard deviation that was asked for, by each of two rules for timesteps that the
catalog has not: the vector of the nearest one, or what lies between two.

*Overhead*: the same pass of the U-Net with the hooks of an edit by three directions and without, in turns, the order changing, on
one thread; the median, over rounds, of the difference in that thread's processor time, which what else runs changes little.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any, get_args

import numpy as np
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    UniPCMultistepScheduler,
)
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from benchmarks._report import verdict
from pipeline.annotators.registry import annotator
from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.catalog.editing import Between, Editing
from pipeline.domains.portraits import MODEL
from pipeline.domains.portraits.run import PORTRAITS
from pipeline.models import pretrained
from pipeline.models.pretrained import LoadedModel, Model
from pipeline.recipes.make import make
from schemas.run import Run

# The project's own bars.
TARGETS = {
    "dpm_solver_20_smallest_share": (
        ">=",
        0.7,
    ),  # of the calibrated effect, of any attribute, by the rule of `catalog.edit`
    "overhead_of_a_step": ("<=", 0.01),  # of one sample, which is the shortest pass
}
JUDGE = "portraits-judge"
SEED = 161_803  # of noise that is no sample's
RULES: tuple[Between, ...] = get_args(Between)
ETA_1 = {"eta": 1.0}
# By name: the scheduler, the number of steps, what its configuration is changed by, and what its `step` is given.
SAMPLERS: dict[str, tuple[type, int, dict[str, Any], dict[str, Any]]] = {
    "as_calibrated": (DDIMScheduler, 16, {}, ETA_1),  # the catalog's own T and eta
    "ddim_16": (DDIMScheduler, 16, {}, {}),
    "dpm_solver_20": (DPMSolverMultistepScheduler, 20, {"algorithm_type": "dpmsolver++"}, {}),
    "sde_dpm_solver_20": (DPMSolverMultistepScheduler, 20, {"algorithm_type": "sde-dpmsolver++"}, {}),
    "euler_20": (EulerDiscreteScheduler, 20, {}, {}),
    "unipc_12": (UniPCMultistepScheduler, 12, {}, {}),
}


@dataclass(frozen=True)
class Size:
    """How much is run."""

    settings: dict[str, Any]  # of the catalog
    samplers: tuple[str, ...]
    n: int  # samples to edit
    passes: int  # timed, of each side


SMALL = {"jacobians": 0, "components": 0, "region": ("image",), "judge": (JUDGE,), "foreground": None}
FULL = Size(SMALL | {"samples": 1024, "held_out": 20}, tuple(SAMPLERS), n=32, passes=400)
QUICK = Size(
    SMALL | {"attributes": ("smile",), "samples": 96, "top": 24, "held_out": 4}, ("dpm_solver_20",), n=8, passes=100
)


@dataclass(frozen=True)
class Pipe:
    """A U-Net and a scheduler, as a pipeline has them."""

    unet: nn.Module
    scheduler: Any


def main() -> int:
    size = QUICK if "--quick" in sys.argv[1:] else FULL
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    print(f"Load average at the start: {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory(prefix="hspace-") as folder:
        catalog = make(Run.model_validate(PORTRAITS.model_dump() | size.settings), folder)
        model = pretrained.find(str(MODEL))
        figures = effects(catalog, model, size) | overhead(catalog, model, size)
    return verdict("editing", figures, TARGETS)


# Effects


def effects(catalog: DirectionCatalog, model: Model, size: Size) -> dict[str, float]:
    """The smallest and the mean share of the calibrated effect over attributes, by sampler and rule."""
    score, loaded = annotator(JUDGE).load(), model.load()
    names = {each: name for each, name in catalog.recommended.items() if catalog[name].strength_per_sd}
    columns = {each: annotator(JUDGE).attributes.index(each) for each in names}
    table = Table("sampler", "vector", *names, box=None, header_style="bold")
    figures: dict[str, float] = {}
    for sampler in size.samplers:
        made = partial(images, model, loaded, sampler, size.n)
        plain = score(made())
        for rule in RULES:
            shares = {}
            for attribute, name in names.items():
                sign = -1.0 if catalog[name].about.strength_by == "fall" else 1.0
                edited = score(made(partial(by_rule, catalog, {name: sign}, rule)))
                change = (edited - plain)[:, columns[attribute]].mean()
                shares[attribute] = sign * float(change) / unit(catalog, attribute)
            table.add_row(sampler, rule, *(f"{share:.2f}" for share in shares.values()))
            suffix = "" if rule == RULES[0] else f"_{rule}"
            figures[f"{sampler}_smallest_share{suffix}"] = round(min(shares.values()), 3)
            figures[f"{sampler}_mean_share{suffix}"] = round(float(np.mean(list(shares.values()))), 3)
    Console(width=110).print(table)
    return figures


def by_rule(catalog: DirectionCatalog, strengths: dict[str, float], rule: Between, pipe: Pipe) -> Editing:
    """An edit that goes by a rule of its own."""
    editing = catalog.edit(pipe, strengths, allow=["weights"])  # that are the catalog's own
    for addition in editing.additions.values():
        addition.between = rule
    return editing


def unit(catalog: DirectionCatalog, attribute: str) -> float:
    """One standard deviation of an attribute in the judge's own unit, as the catalog's effects are measured in it."""
    table = catalog.table("effects.parquet")
    own = table[(table["attribute"] == attribute) & (table["judge"] == JUDGE) & (table["effect"].abs() > 0.05)]
    return float((own["raw"] / own["effect"]).median())


def images(
    model: Model, loaded: LoadedModel, sampler: str, n: int, edit: Callable[[Pipe], Editing] | None = None
) -> np.ndarray:
    """Images (n, H, W, 3) uint8 that a scheduler of diffusers makes of the same noise."""
    kind, steps, settings, more = SAMPLERS[sampler]
    unet = loaded.denoiser.unet
    made = []
    torch.manual_seed(SEED)  # of what schedulers that are not deterministic draw
    for x_T in noise(n).split(16):
        scheduler = kind.from_config(model.ddim().config, **settings)  # type: ignore[attr-defined]
        with nullcontext() if edit is None else edit(Pipe(unet, scheduler)):
            made.append(loaded.to_images(loop(unet, scheduler, steps, x_T, **more)))
    return np.concatenate(made)


def noise(n: int) -> Tensor:
    return torch.randn(n, 3, 48, 48, generator=torch.Generator().manual_seed(SEED))


@torch.inference_mode()
def loop(unet: nn.Module, scheduler: Any, steps: int, x_T: Tensor, **more: Any) -> Tensor:
    """What a pipeline of diffusers does."""
    scheduler.set_timesteps(steps)
    x = x_T * scheduler.init_noise_sigma
    for t in scheduler.timesteps:
        x = scheduler.step(unet(scheduler.scale_model_input(x, t), t).sample, t, x, **more).prev_sample
    return x


# Overhead


def overhead(catalog: DirectionCatalog, model: Model, size: Size) -> dict[str, float]:
    """What hooks by several directions add to a pass of one sample, as a share of it."""
    torch.set_num_threads(1)
    unet, t = model.load().denoiser.unet, torch.tensor(500)
    x = noise(1)
    editing = catalog.edit(unet, dict.fromkeys(list(catalog.recommended.values())[:3], 1.0), allow=["weights"])
    seconds: dict[bool, list[float]] = {False: [], True: []}
    for i in range(size.passes):
        for edited in (False, True) if i % 2 else (True, False):
            with torch.inference_mode(), editing if edited else nullcontext():
                started = time.thread_time()
                unet(x, t)
                seconds[edited].append(time.thread_time() - started)
    plain = median(seconds[False])
    more = median(after - before for before, after in zip(seconds[False], seconds[True], strict=True))  # within a round
    alone = alone_of(editing, unet)
    print(
        f"A pass of one sample: {1e3 * plain:.2f} ms, edited {1e3 * more:.3f} ms more; the hooks alone take {1e3 * alone:.3f} ms"
    )
    return {"overhead_of_a_step": round(more / plain, 4), "hooks_alone_of_a_step": round(alone / plain, 4)}


@torch.inference_mode()
def alone_of(editing: Editing, unet: nn.Module) -> float:
    """The seconds of what the hooks do, without the network."""
    [addition] = editing.additions.values()
    h, t = torch.zeros(1, *addition.vectors.shape[2:]), torch.tensor(500)
    seconds = []
    for _ in range(500):
        started = time.thread_time()
        editing._passed((None, t), {})
        editing._added(addition, h)
        seconds.append(time.thread_time() - started)
    return median(seconds)


if __name__ == "__main__":
    sys.exit(main())
