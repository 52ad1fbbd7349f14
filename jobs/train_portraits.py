"""Remake the bundled portraits' models from nothing: `python -m jobs.train_portraits`, and the other one with `--open-skips`.

Three phases: the U-Net (about an hour on two cores), the two attribute networks (minutes), and the model card with its figures
(minutes). Each goes on from what an earlier run left in the state folder. Equal options make equal weights on the same machine; a
state folder belongs to one set of options. With open skip connections there is the U-Net alone.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import torch
import typer

from pipeline.domains.portraits.attributes import ARCHITECTURES
from pipeline.domains.portraits.train import live_progress, make_card, train_attributes, train_unet
from pipeline.errors import UserError

# Added to the seed of the run: no two sets of drawings share a stream.
SEEDS = {"unet": 0, "annotator": 1, "judge": 2, "held-out": 3, "samples": 4}
STATE = Path("runs/train_portraits")
OUT = Path("pipeline/domains/portraits")


class Phase(StrEnum):
    unet = "unet"
    attributes = "attributes"
    card = "card"


def main(
    steps: Annotated[int, typer.Option(min=1, help="Gradient steps of the U-Net.")] = 4000,
    images: Annotated[int, typer.Option(min=64, help="Portraits the U-Net is trained on.")] = 20_000,
    attribute_images: Annotated[int, typer.Option(min=64, help="Portraits for each attribute network.")] = 10_000,
    samples: Annotated[int, typer.Option(min=16, help="Images that the card is measured on.")] = 1000,
    seed: int = 0,
    only: Annotated[list[Phase] | None, typer.Option(help="Run this phase alone; may be repeated.")] = None,
    open_skips: Annotated[
        bool, typer.Option("--open-skips", help="Leave skip connections open, as U-Nets usually have them.")
    ] = False,
    state: Annotated[
        Path | None, typer.Option(help="Where to keep what a later run goes on from.", show_default=str(STATE))
    ] = None,
    out: Annotated[Path, typer.Option(help="Where the model, the networks and the card go.")] = OUT,
    threads: Annotated[int, typer.Option(min=1)] = 2,
) -> None:
    """Train the bundled diffusion model and its two attribute networks, and measure them."""
    torch.set_num_threads(threads)
    if open_skips and only not in (None, [Phase.unet]):
        raise typer.BadParameter("With --open-skips there is one phase, the U-Net: leave --only out.")
    phases = [Phase.unet] if open_skips else only or list(Phase)
    state = state or (STATE / "open_skips" if open_skips else STATE)
    seeds = {use: seed + offset for use, offset in SEEDS.items()}
    with live_progress() as progress:
        if Phase.unet in phases:
            train_unet(state, out, steps, images, seeds, progress, open_skips)
        if Phase.attributes in phases:
            for which in ARCHITECTURES:
                train_attributes(which, state, out, attribute_images, seeds, progress)
        if Phase.card in phases:
            try:
                make_card(state, out, images, samples, seeds, progress)
            except UserError as error:
                raise typer.BadParameter(str(error)) from None


if __name__ == "__main__":
    typer.run(main)
