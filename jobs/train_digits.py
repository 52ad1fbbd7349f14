"""Remake the model of the digits from nothing: `python -m jobs.train_digits`.

The U-Net (about 20 minutes of one idle core), two classifiers (minutes), the card (a minute); each goes on from its state.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import torch
import typer

from pipeline.domains.digits.classifiers import ARCHITECTURES
from pipeline.domains.digits.train import live_progress, make_card, train_classifier, train_unet
from pipeline.domains.digits.train_classifier import ClassifierTraining
from pipeline.errors import UserError

# Added to the seed of the run: no two draws share a stream.
SEEDS = {"unet": 0, "annotator": 1, "judge": 2, "held-out": 3, "samples": 4}
STATE = Path("runs/train_digits")
OUT = Path("pipeline/domains/digits")


class Phase(StrEnum):
    unet = "unet"
    classifiers = "classifiers"
    card = "card"


def main(
    steps: Annotated[int, typer.Option(min=1, help="Gradient steps of the U-Net.")] = 4800,
    images: Annotated[int, typer.Option(min=64, help="Varied digits that the U-Net is trained on.")] = 36_000,
    classifier_steps: Annotated[int, typer.Option(min=8, help="Gradient steps of each classifier.")] = 2500,
    samples: Annotated[int, typer.Option(min=20, help="Images that the card is measured on.")] = 1000,
    seed: int = 0,
    only: Annotated[list[Phase] | None, typer.Option(help="Run this phase alone; may be repeated.")] = None,
    state: Annotated[Path, typer.Option(help="Where to keep what a later run goes on from.")] = STATE,
    out: Annotated[Path, typer.Option(help="Where the model, the classifiers and the card go.")] = OUT,
    threads: Annotated[int, typer.Option(min=1)] = 1,
) -> None:
    """Train the digits' diffusion model and its two classifiers, and measure them."""
    torch.set_num_threads(threads)
    phases = only or list(Phase)
    seeds = {use: seed + offset for use, offset in SEEDS.items()}
    with live_progress() as progress:
        if Phase.unet in phases:
            train_unet(state, out, steps, images, seeds["unet"], progress)
        if Phase.classifiers in phases:
            for which in ARCHITECTURES:
                training = ClassifierTraining(which, seed=seeds[which], steps=classifier_steps)
                train_classifier(training, state, out, progress)
        if Phase.card in phases:
            try:
                make_card(state, out, steps, images, samples, seeds, progress)
            except UserError as error:
                raise typer.BadParameter(str(error)) from None


if __name__ == "__main__":
    typer.run(main)
