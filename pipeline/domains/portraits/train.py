"""Training of the bundled model in phases, each of which goes on from what an earlier run left in the state folder."""

import csv
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import torch
from diffusers import DDIMPipeline, UNet2DModel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from safetensors.torch import load_file, save_file

from pipeline.annotators.familiarity import KEPT, write_reference
from pipeline.domains.portraits.attributes import ARCHITECTURES, is_made, load_network, save_network
from pipeline.domains.portraits.card import ETA, STEPS, write_card
from pipeline.domains.portraits.data import draw, load_or_draw, to_float
from pipeline.domains.portraits.train_attributes import AttributeTraining, accuracy, labels
from pipeline.domains.portraits.train_unet import CLOSED_LEVELS, PortraitTraining, new_scheduler
from pipeline.domains.samples import sample
from pipeline.errors import UserError

HELD_OUT = 2000  # portraits that nothing was trained on


def train_unet(
    state: Path, out: Path, steps: int, images: int, seeds: dict[str, int], progress: Progress, open_skips: bool = False
) -> None:
    """Train the U-Net, and write it as a pipeline: into `model`, or, with open skip connections, into `model_open_skips`."""
    advance = _task(progress, "draw portraits", images)
    portraits = load_or_draw(state / "portraits.safetensors", images, seeds["unet"], advance)

    task = progress.add_task("train the U-Net", total=steps)
    with open(state / "loss.csv", "a", newline="") as file:
        log = csv.writer(file)

        def report(step: int, loss: float) -> None:
            if not progress.tasks[task].completed:
                progress.reset(task, completed=step - 1)  # a resumed run is not credited with the steps before
            progress.update(task, completed=step)
            log.writerow([step, loss])
            file.flush()

        levels = 0 if open_skips else CLOSED_LEVELS
        unet = PortraitTraining(portraits, state, steps, seeds["unet"], closed_levels=levels).run(report)
    export_unet(unet, out / ("model_open_skips" if open_skips else "model"))


def export_unet(unet: UNet2DModel, folder: Path) -> None:
    """Write the folder that `DDIMPipeline.from_pretrained` reads, with weights as float16 safetensors."""
    unet = unet.to(memory_format=torch.contiguous_format).half()
    DDIMPipeline(unet, new_scheduler()).save_pretrained(folder)


def train_attributes(which: str, state: Path, out: Path, n: int, seeds: dict[str, int], progress: Progress) -> None:
    """Train one attribute network, unless the state folder has it already under the same settings."""
    training = AttributeTraining(which, n, seeds[which])
    made = state / "networks" / which
    if not is_made(made, training.settings):
        advance = _task(progress, f"draw for the {which}", n)
        portraits = load_or_draw(state / f"{which}-{seeds[which]}.safetensors", n, seeds[which], advance)
        advance = _task(progress, f"train the {which}", training.steps)
        save_network(training.run(portraits, lambda step, loss: advance(1)), made, training.settings)
    keep_reference(made, seeds[which])
    shutil.copytree(made, out / which, dirs_exist_ok=True)


@torch.inference_mode()
def keep_reference(folder: Path, seed: int) -> None:
    """Keep the features of some drawings of an attribute network's training set beside its weights."""
    write_reference(folder, load_network(folder).features(to_float(draw(KEPT, seed))).numpy())


def make_card(state: Path, out: Path, images: int, n: int, seeds: dict[str, int], progress: Progress) -> None:
    """Sample from the exported model, compare with the drawings and write the card and its pictures."""
    for needed in (out / "model" / "model_index.json", *(out / which / "config.json" for which in ARCHITECTURES)):
        if not needed.exists():
            raise UserError(f"The card needs {needed}, which is not there. Run the phases before it first.")
    training = load_or_draw(state / "portraits.safetensors", images, seeds["unet"], _task(progress, "draw", images))
    truth = labels(HELD_OUT, seeds["held-out"])
    path = state / f"held-out-{seeds['held-out']}.safetensors"
    held_out = load_or_draw(path, HELD_OUT, seeds["held-out"], _task(progress, "draw held-out", HELD_OUT))
    networks = {which: load_network(out / which) for which in ARCHITECTURES}

    samples = load_or_sample(state, out / "model", n, seeds["samples"], _task(progress, "sample", n))
    write_card(
        out,
        samples=samples,
        training=training,
        held_out=held_out,
        networks=networks,
        accuracies={which: accuracy(network, held_out, truth) for which, network in networks.items()},
        advance=_task(progress, "look for faces", 2 * len(samples)),
    )


def load_or_sample(state: Path, model: Path, n: int, seed: int, advance: Callable[[int], None]) -> torch.Tensor:
    """Samples of these very weights, (n, 3, 48, 48) uint8, from the state folder where an earlier run left them."""
    weights = sha256((model / "unet" / "diffusion_pytorch_model.safetensors").read_bytes()).hexdigest()
    path = state / f"samples-{weights[:8]}-T{STEPS}-eta{ETA:g}-seed{seed}-{n}.safetensors"
    if not path.exists():
        samples = sample(model, n, seed, STEPS, ETA, advance=advance)
        save_file({"images": samples}, path.with_suffix(".tmp"))
        path.with_suffix(".tmp").replace(path)
    return load_file(path)["images"]


def live_progress() -> Progress:
    text = TextColumn("{task.description:<24}")
    return Progress(text, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())


def _task(progress: Progress, description: str, total: int) -> Callable[[int], None]:
    task = progress.add_task(description, total=total, visible=False)  # until there is something to do
    return lambda n: progress.update(task, advance=n, visible=True)
