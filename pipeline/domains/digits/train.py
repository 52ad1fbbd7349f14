"""Training of the digits' model in phases, each of which goes on from what an earlier run left in the state folder."""

import csv
import json
import shutil
import time
from pathlib import Path

import torch
from diffusers import DDPMPipeline, UNet2DModel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pipeline.annotators.familiarity import KEPT, write_reference
from pipeline.domains.digits.card import ETA, STEPS, write_card
from pipeline.domains.digits.classifiers import ARCHITECTURES, load_network, save_network
from pipeline.domains.digits.data import SHARES, draw, to_float
from pipeline.domains.digits.train_classifier import PARTS, ClassifierTraining
from pipeline.domains.digits.train_unet import DigitTraining, new_scheduler
from pipeline.domains.samples import sample
from pipeline.errors import UserError

VARIED = 2  # times that each held-out digit is shown


def train_unet(state: Path, out: Path, steps: int, images: int, seed: int, progress: Progress) -> None:
    """Train the U-Net and write its folder; `loss.csv` keeps every step with its loss and seconds."""
    state.mkdir(parents=True, exist_ok=True)
    task = progress.add_task("train the U-Net", total=steps)
    with open(state / "loss.csv", "a", newline="") as file:
        log, last = csv.writer(file), time.perf_counter()

        def report(step: int, loss: float) -> None:
            nonlocal last
            if not progress.tasks[task].completed:
                progress.reset(task, completed=step - 1)  # a resumed run is not credited with the steps before
            progress.update(task, completed=step)
            now = time.perf_counter()
            log.writerow([step, loss, round(now - last, 4)])
            file.flush()
            last = now

        unet = DigitTraining(draw("train", images, seed)[0], state, steps, seed).run(report)
    export_unet(unet, out / "model")


def export_unet(unet: UNet2DModel, folder: Path) -> None:
    """Write the folder that pipelines of diffusers read, with weights as float32 safetensors."""
    DDPMPipeline(unet, new_scheduler()).save_pretrained(folder)


def train_classifier(training: ClassifierTraining, state: Path, out: Path, progress: Progress) -> None:
    """Train a classifier, unless the state folder has it already under the same settings."""
    made = state / training.which
    config = made / "config.json"
    if not config.exists() or json.loads(config.read_text())["training"] != training.settings:
        task = progress.add_task(f"train the {training.which}", total=training.steps)
        network = training.run(lambda step, loss: progress.update(task, completed=step))
        save_network(network, made, training.settings)
    keep_reference(made, training.which, training.seed)
    shutil.copytree(made, out / training.which, dirs_exist_ok=True)


@torch.inference_mode()
def keep_reference(folder: Path, which: str, seed: int) -> None:
    """Keep the features of some digits of a classifier's training set beside its weights."""
    images, _ = draw(PARTS[which], KEPT, seed)
    write_reference(folder, load_network(folder).features(to_float(images)).numpy())


def make_card(
    state: Path, out: Path, steps: int, images: int, n: int, seeds: dict[str, int], progress: Progress
) -> None:
    """Sample from the exported model, compare with the digits and write the card and its picture."""
    for needed in (out / "model" / "model_index.json", *(out / which / "config.json" for which in ARCHITECTURES)):
        if not needed.exists():
            raise UserError(f"The card needs {needed}, which is not there. Run the phases before it first.")
    task = progress.add_task("sample", total=n)
    samples = sample(
        out / "model", n, seeds["samples"], STEPS, ETA, 50, lambda done: progress.update(task, advance=done)
    )
    training, _ = draw("train", images, seeds["unet"])
    held_out = draw("held-out", VARIED * SHARES["held-out"], seeds["held-out"])
    write_card(out, samples, training, held_out, minutes=seconds_of(state / "loss.csv") / 60, steps=steps)


def seconds_of(log: Path) -> float:
    """Return the seconds that all the steps of a log took."""
    if not log.exists():
        return float("nan")
    with open(log, newline="") as file:
        return sum(float(seconds) for _, _, seconds in csv.reader(file))


def live_progress() -> Progress:
    text = TextColumn("{task.description:<24}")
    return Progress(text, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
