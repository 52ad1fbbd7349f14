"""What a catalog does in plain diffusers, under other schedulers and numbers of steps: `python -m benchmarks.editing [--quick]`.

*Effects*: a catalog of the bundled portraits is made at T = 16, eta = 1, and its recommended directions are applied by
`catalog.edit` at one standard deviation, in loops of diffusers' own schedulers, on noise that nothing was fitted or measured on.
The judge says how far the target moves, as a share of the standard deviation that was asked for. DPM-Solver++ is also run at the
strengths of the catalog's own kind of sampler, and DDIM at the catalog's own T and eta, `as_calibrated`: the same noise may hold
more or fewer samples that an attribute is to be had of than those that were measured.

*Overhead*: the same pass of the U-Net with the hooks of an edit by three directions and without, in turns, the order changing, on
one thread; the median, over rounds, of the difference in that thread's processor time, which what else runs changes little, and the
interval that holds the median with 95 % (order statistics). The target is for the upper end of that interval.
"""

import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    UniPCMultistepScheduler,
)
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from benchmarks._report import verdict
from pipeline.annotators.registry import annotator
from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.catalog.editing import Editing
from pipeline.domains.portraits import MODEL
from pipeline.domains.portraits.run import PORTRAITS
from pipeline.models import pretrained
from pipeline.models.pretrained import LoadedModel, Model
from pipeline.recipes.make import make
from schemas.run import Run
from schemas.samplers import Sampler

# The project's own bars.
TARGETS = {
    "dpm_solver_20_smallest_share": (">=", 0.7),  # of one standard deviation, of any attribute
    "overhead_of_a_step_at_most": ("<=", 0.01),  # of one sample, which is the shortest pass
}
JUDGE = "portraits-judge"
SEED = 161_803  # of noise that is no sample's
ETA_1 = {"eta": 1.0}


@dataclass(frozen=True)
class Case:
    """A scheduler as a pipeline would run it."""

    kind: type
    steps: int
    settings: dict[str, Any]  # that its configuration is changed by
    given: dict[str, Any]  # to its `step`
    sampler: Sampler | None = None  # what `catalog.edit` is told; None lets it ask the scheduler


PLUS, SDE = {"algorithm_type": "dpmsolver++"}, {"algorithm_type": "sde-dpmsolver++"}
CASES = {
    "as_calibrated": Case(DDIMScheduler, 16, {}, ETA_1, "stochastic"),  # the catalog's own T and eta
    "ddim_16": Case(DDIMScheduler, 16, {}, {}),
    "dpm_solver_20": Case(DPMSolverMultistepScheduler, 20, PLUS, {}),
    "dpm_solver_20_at_own_strengths": Case(DPMSolverMultistepScheduler, 20, PLUS, {}, "stochastic"),
    "sde_dpm_solver_20": Case(DPMSolverMultistepScheduler, 20, SDE, {}),
    "unipc_12": Case(UniPCMultistepScheduler, 12, {}, {}),
}


@dataclass(frozen=True)
class Size:
    """How much is run."""

    settings: dict[str, Any]  # of the catalog
    cases: tuple[str, ...]
    n: int  # samples to edit
    rounds: int  # timed, a pass of each side


SMALL = {"jacobians": 0, "components": 0, "region": ("image",), "judge": (JUDGE,), "foreground": None}
FULL = Size(SMALL | {"samples": 512}, tuple(CASES), n=32, rounds=1000)
QUICK = Size(
    SMALL | {"attributes": ("smile",), "samples": 96, "top": 24, "held_out": 4}, ("dpm_solver_20",), n=8, rounds=100
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
    """The smallest and the mean share of the calibrated effect over attributes, by sampler."""
    score, loaded = annotator(JUDGE).load(), model.load()
    names = {each: name for each, name in catalog.recommended.items() if catalog[name].strength_per_sd}
    if without := [each for each in catalog.recommended if each not in names]:
        print(f"Without a strength per standard deviation, and so left out: {', '.join(without)}.")
    columns = {each: annotator(JUDGE).attributes.index(each) for each in names}
    table = Table("sampler", *names, box=None, header_style="bold")
    figures: dict[str, float] = {}
    plain: dict[str, np.ndarray] = {}
    started = time.monotonic()
    for name in size.cases:
        case = CASES[name]
        made = partial(images, model, loaded, case, size.n)
        key = name.removesuffix("_at_own_strengths")
        plain[key] = plain[key] if key in plain else score(made())
        shares, errors = {}, {}
        for attribute, direction in names.items():
            sign = sign_of(catalog, direction)
            edited = score(made(partial(edit, catalog, {direction: sign}, case.sampler)))
            change = sign * (edited - plain[key])[:, columns[attribute]] / unit(catalog, attribute)
            shares[attribute], errors[attribute] = float(change.mean()), float(change.std(ddof=1)) / size.n**0.5
        said = [f"{shares[each]:.2f} ± {errors[each]:.2f}" for each in names]
        table.add_row(name, *said)
        print(f"{time.monotonic() - started:.0f} s  {name}: {', '.join(said)}", file=sys.stderr, flush=True)
        figures[f"{name}_smallest_share"] = round(min(shares.values()), 3)
        figures[f"{name}_mean_share"] = round(float(np.mean(list(shares.values()))), 3)
    Console(width=110).print(table)
    return figures


def sign_of(catalog: DirectionCatalog, direction: str) -> float:
    """The side on which one standard deviation was measured: of gender, for one, half of the samples cannot rise."""
    by = catalog[direction].about.strength_by
    return -1.0 if by == "fall" else 1.0


def edit(catalog: DirectionCatalog, strengths: dict[str, float], sampler: Sampler | None, pipe: Pipe) -> Editing:
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # of a strength that is none by this kind of sampler; the table shows what it does
        return catalog.edit(pipe, strengths, allow=["weights"], sampler=sampler)  # weights that are the catalog's own


def unit(catalog: DirectionCatalog, attribute: str) -> float:
    """One standard deviation of an attribute in the judge's own unit, as the catalog's effects are measured in it."""
    table = catalog.table("effects.parquet")
    own = table[(table["attribute"] == attribute) & (table["judge"] == JUDGE) & (table["effect"].abs() > 0.05)]
    return float((own["raw"] / own["effect"]).median())


def images(
    model: Model, loaded: LoadedModel, case: Case, n: int, edit: Callable[[Pipe], Editing] | None = None
) -> np.ndarray:
    """Images (n, H, W, 3) uint8 that a scheduler of diffusers makes of the same noise."""
    unet = loaded.denoiser.unet
    made = []
    torch.manual_seed(SEED)  # of what schedulers that are not deterministic draw
    for x_T in noise(n).split(16):
        scheduler = case.kind.from_config(model.ddim().config, **case.settings)  # type: ignore[attr-defined]
        with nullcontext() if edit is None else edit(Pipe(unet, scheduler)):
            made.append(loaded.to_images(loop(unet, scheduler, case.steps, x_T, **case.given)))
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
    plain, more = [], []
    for i in range(size.rounds):
        seconds = {}
        for edited in (False, True) if i % 2 else (True, False):
            with torch.inference_mode(), editing if edited else nullcontext():
                started = time.thread_time()
                unet(x, t)
                seconds[edited] = time.thread_time() - started
        plain.append(seconds[False])
        more.append(seconds[True] - seconds[False])
    share = np.array(more) / median(plain)
    low, middle, high = median_within(share)
    alone = alone_of(editing, unet)
    print(
        f"A pass of one sample: {1e3 * median(plain):.2f} ms, edited {100 * middle:+.2f} % "
        f"({100 * low:+.2f} to {100 * high:+.2f}, {len(share)} rounds); the hooks alone take {1e3 * alone:.3f} ms"
    )
    return {
        "overhead_of_a_step": round(middle, 4),
        "overhead_of_a_step_at_most": round(high, 4),
        "hooks_alone_of_a_step": round(alone / median(plain), 4),
    }


def median_within(values: np.ndarray) -> tuple[float, float, float]:
    """The median, between the order statistics that hold it with 95 %: low, median, high."""
    ordered, n = np.sort(values), len(values)
    away = 0.98 * n**0.5  # 1.96 standard deviations of how many of n values lie below the median
    low, high = max(0, int(n / 2 - away)), min(n - 1, int(n / 2 + away))
    return float(ordered[low]), float(np.median(ordered)), float(ordered[high])


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
