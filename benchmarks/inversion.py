"""Real images in: what comes back, and what their directions do elsewhere: `python -m benchmarks.inversion [--quick]`.

*Back*: portraits that nothing was trained on go to noise and back, on the bundled model.

    1, 2 iterations   `inversion.ddim`, with h of every step; x_T is then run with eta = 0
    diffusers         DDIMInverseScheduler there and DDIMScheduler back, stepped as its pipelines do it, on the same U-Net; no h
    diffusers, 2 T    the same with twice the steps: as many passes there as our 2 iterations take, and twice as many back
    edit-friendly     `inversion.edit_friendly` with eta = 1: exact, so it has no rival in dB

The way there is timed, in turns, batch after batch, after a warm-up; a ratio is the median over the batches of those within one.

*Elsewhere*: other portraits are inverted, labelled by the annotator, and directions found in their h, by the stages that
`jobs.portraits --images` runs. They edit held-out samples, made from noise, and the judge says what changed; random directions
beside them. An attribute has the better of two finders, at the strength with its largest clean effect: both chosen on other samples
than the figures are of.

Shapes: B batch, T steps, C H W bottleneck.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, median

import pandas as pd
import torch
from diffusers import DDIMInverseScheduler, DDIMScheduler
from PIL import Image
from rich.console import Console
from rich.table import Table
from torch import Tensor

from benchmarks._measured import measured
from benchmarks._report import verdict
from jobs.progress import Lines
from pipeline.annotators.registry import annotator
from pipeline.domains.portraits import MODEL
from pipeline.domains.portraits.data import draw
from pipeline.engine.plan import plan
from pipeline.engine.pool import InProcess
from pipeline.engine.ray_pool import RayPool
from pipeline.engine.runner import run
from pipeline.engine.store import Store
from pipeline.hspace import inversion
from pipeline.hspace.inversion import Inverted
from pipeline.hspace.noise import NoiseStreams
from pipeline.hspace.reverse_process import ReverseProcess
from pipeline.imagesets import image_set
from pipeline.imagesets.image_set import ImageSet
from pipeline.metrics.best import chosen, reported
from pipeline.metrics.control import largest_control
from pipeline.models import pretrained
from pipeline.models.pretrained import LoadedModel, Model
from pipeline.stages.finders.disentangle import Disentangle
from pipeline.stages.finders.linear_discriminant import LinearDiscriminant
from pipeline.stages.finders.mean_difference import MeanDifference
from pipeline.stages.finders.random_directions import RandomDirections
from pipeline.stages.labels.annotate import Annotate
from pipeline.stages.measures.edit_selection import EditSelection
from pipeline.stages.measures.evaluate import Evaluate
from pipeline.stages.measures.score_edits import ScoreEdits
from pipeline.stages.sources.invert import Invert
from pipeline.stages.sources.sample import Sample

# The project's own bars; effects in standard deviations of each attribute over samples.
TARGETS = {
    "T16_dB_2_iterations": (">=", 28),
    "T25_dB_2_iterations": (">=", 33),
    "T16_dB_over_diffusers": (">=", 2),  # with 1 iteration
    "T25_dB_over_diffusers": (">=", 2),
    "T16_dB_over_diffusers_same_passes": (">=", 2),  # with 2 iterations, over diffusers with 2 T
    "T25_dB_over_diffusers_same_passes": (">=", 2),
    "edit_friendly_largest_difference": ("<=", 1e-5),  # of images in [-1, 1]
    "edit_friendly_same_bytes": (">=", 1),  # share of the images, as 8-bit pictures
    "yaw_clean_effect": (">=", 1),  # on target; 0 where something else moves by more than a third of it
    "smile_clean_effect": (">=", 1),
    "largest_control": ("<=", 0.3),  # of any single random direction, at any strength, on any attribute
}

STEPS = (16, 25)
TO_RECONSTRUCT, TO_LEARN = 314_159, 271_828  # seeds of portraits; the networks' own drawings have seeds 0 to 4
ATTRIBUTES = ("smile", "glasses", "age", "gender", "yaw")
STRENGTHS = (-1.0, -0.5, 0.5, 1.0)

Figures = dict[str, float]


@dataclass(frozen=True)
class Size:
    """How much is run."""

    batches: int  # of portraits to reconstruct
    batch: int
    portraits: int  # to find directions in
    top: int  # positives, and as many negatives, of an attribute
    steps: int  # T, for directions
    yardstick: int  # samples whose standard deviations are the unit of effects
    held_out: int  # samples to edit
    selection: int  # others, that strengths and finders are chosen on


FULL = Size(batches=4, batch=4, portraits=256, top=64, steps=16, yardstick=128, held_out=24, selection=12)
QUICK = Size(batches=1, batch=2, portraits=32, top=8, steps=4, yardstick=16, held_out=2, selection=2)


def main() -> int:
    quick = "--quick" in sys.argv[1:]
    size = QUICK if quick else FULL
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # of the workers, too
    print(f"Load average at the start: {os.getloadavg()[0]:.1f}")

    model = pretrained.find(str(MODEL))
    figures = there_and_back(model, size)
    with tempfile.TemporaryDirectory(prefix="hspace-") as folder:
        found = edited(model, size, Path(folder), quick)
    return verdict("inversion", figures | elsewhere(*found), TARGETS)


# Back


@dataclass(frozen=True)
class Way:
    """A way from images x_0 to the noise x_T, which is timed, and back."""

    passes: int  # of the U-Net, on the way there
    there: Callable[[Tensor], Tensor]
    back: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Measured:
    decibels: list[float] = field(default_factory=list)  # one an image
    seconds: list[float] = field(default_factory=list)  # an image; one a batch


def there_and_back(model: Model, size: Size) -> Figures:
    loaded = model.load()
    portraits = draw(size.batches * size.batch, TO_RECONSTRUCT).permute(0, 2, 3, 1).numpy()
    batches = loaded.from_images(portraits).split(size.batch)
    loaded.denoiser(batches[0], 0)
    figures: Figures = {}
    for T in STEPS:
        measured = in_turns(ways(model, loaded, T), batches)
        show(T, ways(model, loaded, T), measured)
        figures |= {f"T{T}_{name}": value for name, value in compared(measured).items()}
    return figures | exact(model, loaded, batches)


def ways(model: Model, loaded: LoadedModel, T: int) -> dict[str, Way]:
    return {
        "1 iteration": ours(model, loaded, T, 1),
        "2 iterations": ours(model, loaded, T, 2),
        "diffusers": theirs(model, loaded, T),
        "diffusers, 2 T": theirs(model, loaded, 2 * T),
    }


def ours(model: Model, loaded: LoadedModel, T: int, iterations: int) -> Way:
    process = ReverseProcess(model.ddim(clip=False), T, 0.0)

    def there(x_0: Tensor) -> Tensor:
        h: dict[int, Tensor] = {}
        return inversion.ddim(
            process, loaded.denoiser, x_0, iterations, lambda step, _, h_t: h.update({step: h_t})
        ).start

    return Way(iterations * T + 1, there, lambda x_T: process.run(loaded.denoiser, Inverted(x_T)))


def theirs(model: Model, loaded: LoadedModel, T: int) -> Way:
    forwards = DDIMInverseScheduler.from_config(model.ddim(clip=False).config)
    return Way(T, stepped(loaded, forwards, T), stepped(loaded, model.ddim(clip=False), T))


def stepped(loaded: LoadedModel, scheduler: DDIMScheduler | DDIMInverseScheduler, T: int) -> Callable[[Tensor], Tensor]:
    """What a loop of diffusers makes of x."""
    scheduler.set_timesteps(T)

    @torch.inference_mode()
    def loop(x: Tensor) -> Tensor:
        for t in scheduler.timesteps:
            x = scheduler.step(loaded.denoiser.unet(x, t).sample, t, x).prev_sample
        return x

    return loop


def in_turns(ways: dict[str, Way], batches: Sequence[Tensor]) -> dict[str, Measured]:
    """Every other batch goes through the ways backwards, so that nobody is always second."""
    measured = {name: Measured() for name in ways}
    for i, x_0 in enumerate(batches):
        for name in reversed(ways) if i % 2 else ways:
            started = time.perf_counter()
            x_T = ways[name].there(x_0)
            measured[name].seconds.append((time.perf_counter() - started) / len(x_0))
            measured[name].decibels.extend(psnr(ways[name].back(x_T), x_0))
    return measured


def psnr(x: Tensor, x_0: Tensor) -> list[float]:
    """dB of each image, in [-1, 1]: 10 log10 of the squared range over the mean squared error."""
    error = (x.clamp(-1, 1) - x_0).square().flatten(1).mean(1)
    return (10 * torch.log10(4 / error)).tolist()


def compared(measured: dict[str, Measured]) -> Figures:
    decibels = {name: mean(each.decibels) for name, each in measured.items()}
    seconds = zip(measured["1 iteration"].seconds, measured["diffusers"].seconds, strict=True)
    figures = {
        "dB_1_iteration": decibels["1 iteration"],
        "dB_2_iterations": decibels["2 iterations"],
        "dB_over_diffusers": decibels["1 iteration"] - decibels["diffusers"],
        "dB_over_diffusers_same_passes": decibels["2 iterations"] - decibels["diffusers, 2 T"],
        "time_to_diffusers": median(our / their for our, their in seconds),  # with 1 iteration and h
    }
    return {name: round(value, 2) for name, value in figures.items()}


def exact(model: Model, loaded: LoadedModel, batches: Sequence[Tensor]) -> Figures:
    """How exactly the edit-friendly inversion comes back, at every T."""
    differences, same = [], []
    for T in STEPS:
        process = ReverseProcess(model.ddim(clip=False), T, 1.0)
        for i, x_0 in enumerate(batches):
            noise = NoiseStreams(0, range(i * len(x_0), (i + 1) * len(x_0)), model.x_shape)
            x = process.run(loaded.denoiser, inversion.edit_friendly(process, loaded.denoiser, x_0, noise))
            differences.append(float((x - x_0).abs().max()))
            same.extend((loaded.to_images(x) == loaded.to_images(x_0)).all(axis=(1, 2, 3)).tolist())
    return {
        "edit_friendly_largest_difference": float(f"{max(differences):.1e}"),
        "edit_friendly_same_bytes": round(mean(same), 3),
    }


def show(T: int, ways: dict[str, Way], measured: dict[str, Measured]) -> None:
    n = len(measured["diffusers"].decibels)
    table = Table(
        "",
        "dB",
        "worst image",
        "ms an image",
        "passes",
        title=f"T = {T}, {n} portraits",
        box=None,
        title_justify="left",
    )
    for name, each in measured.items():
        numbers = (mean(each.decibels), min(each.decibels), 1e3 * median(each.seconds))
        table.add_row(name, *(f"{number:.1f}" for number in numbers), str(ways[name].passes))
    Console(width=110).print(table)


# Elsewhere


def edited(model: Model, size: Size, root: Path, quick: bool) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, str]]:
    """The tables of effects on held-out and on selection samples, and the attribute that each direction is for."""
    evaluate = goal(model, size, portraits(size.portraits, root / "portraits"))
    chooses = selection(evaluate, size.selection)
    store = Store(root / "store")
    store.prepare()
    plans = plan([evaluate, chooses], store)
    with Lines(plans) as progress:
        run(plans, store, InProcess if quick else RayPool, progress)
    finders = evaluate.edit.finders[:-1]
    rows = [row for finder in finders for row in store.table(finder, "directions.parquet").to_pylist()]
    effects, on_others = (store.table(each, "effects.parquet").to_pandas() for each in (evaluate, chooses))
    return effects, on_others, {row["name"]: row["attribute"] for row in rows}


def portraits(n: int, folder: Path) -> ImageSet:
    """Portraits as files, as a user has images."""
    folder.mkdir()
    for i, pixels in enumerate(draw(n, TO_LEARN).permute(0, 2, 3, 1).numpy()):
        Image.fromarray(pixels).save(folder / f"{i:04}.png")
    return image_set.find(folder)


def goal(model: Model, size: Size, real: ImageSet) -> Evaluate:
    sample = Sample(model, size.yardstick, size.steps)
    annotate = Annotate(Invert(model, size.steps, images=real, iterations=2), (annotator("portraits"),))
    difference = MeanDifference(annotate, "portraits", ATTRIBUTES, size.top)
    discriminant = LinearDiscriminant(annotate, "portraits", ATTRIBUTES, size.top)
    finders = (Disentangle(difference), discriminant)
    control = RandomDirections(sample, finders)
    return measured(sample, [*finders, control], STRENGTHS, size.held_out)


def selection(evaluate: Evaluate, n: int) -> Evaluate:
    """The same edits of n samples that nothing is reported of."""
    edits = EditSelection(evaluate.edit.sample, evaluate.edit.finders, evaluate.edit.strengths, n)
    return Evaluate(ScoreEdits(edits, evaluate.judges), evaluate.unedited)


def elsewhere(effects: pd.DataFrame, selection: pd.DataFrame, targets: dict[str, str]) -> Figures:
    """What directions do on held-out samples at the strengths, and by the finders, that are best on selection samples."""
    rows = pd.DataFrame(chosen(selection, targets, dict.fromkeys(targets, (min(STRENGTHS), max(STRENGTHS)))))
    best = reported(effects, targets, rows)
    show_effects(best)
    first = rows.sort_values(["selection_clean", "selection_on_target"], ascending=False).drop_duplicates("target")
    better = best.loc[first["direction"]].set_index("target")
    clean = better["on_target"].where(better["clean"], 0.0)
    figures: Figures = {}
    for attribute in ("yaw", "smile"):
        figures[f"{attribute}_clean_effect"] = round(float(clean[attribute]), 2)
        figures[f"{attribute}_off_target"] = round(float(better["off_target"][attribute]), 2)
    figures["attributes_clean_at_1"] = int((clean >= 1).sum())
    figures["largest_control"] = round(float(largest_control(effects).max()), 3)
    return figures


def show_effects(best: pd.DataFrame) -> None:
    title = "Directions from real images, on samples"
    columns = ("", "strength", "on target", "off target", "ratio", "clean")
    table = Table(*columns, title=title, box=None, title_justify="left")
    for name, row in best.iterrows():
        numbers = [f"{row[column]:+.2f}" for column in ("strength", "on_target", "off_target", "ratio")]
        table.add_row(str(name), *numbers, "yes" if row["clean"] else "no")
    Console(width=110).print(table)


if __name__ == "__main__":
    sys.exit(main())
