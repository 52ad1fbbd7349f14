"""Attribute heads on any embedder, from labelled images: `python -m jobs.train_heads --images SET --labels FILE --embedder SPEC`.

What is written is an annotator, `heads:FOLDER`, with a card that says how well each attribute is told on images held out.
"""

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from jobs.command_line import main
from jobs.printing import console, refuse
from pipeline.errors import UserError
from pipeline.recipes.heads import Trained, train, warning

LABELS = (
    "CelebA's list_attr_celeba.txt, CSV or Parquet: a row an image, by file name or sample_id, a column an attribute."
)
EMBEDDER = "Whose features are read: facenet:WEIGHTS, an annotator that has some, or module:object."


def train_heads(
    images: Annotated[Path, typer.Option(help="The labelled images: a folder, or a file that holds many.")],
    labels: Annotated[Path, typer.Option(help=LABELS)],
    embedder: Annotated[str, typer.Option(metavar="SPEC", help=EMBEDDER)],
    out: Annotated[Path, typer.Option(help="The folder to write.")] = Path("heads"),
    size: Annotated[
        int, typer.Option(min=8, help="Pixels: the middle of each image is brought to a square of this.")
    ] = 224,
) -> None:
    """Train linear heads of all attributes at once, and write them with their figures on images held out."""
    try:
        with Progress(console=console, transient=True) as progress:
            task = progress.add_task("embed")
            trained = train(
                images, labels, embedder, out, size, lambda done, n: progress.update(task, completed=done, total=n)
            )
    except UserError as error:
        refuse(error)
        raise typer.Exit(2) from None
    show(trained, out)


def show(trained: Trained, out: Path) -> None:
    """Print what each head is worth, and what there is none of."""
    for each in trained.heads:
        worth = (
            f"AUC {each.auc:.3f}, calibration error {each.calibration_error:.3f}"
            if each.binary
            else f"R2 {each.r2:.3f}"
        )
        console.print(f"{each.attribute:<24} {worth}  ({each.held_out:,} held out)", highlight=False)
    for said in filter(None, map(warning, trained.heads)):
        console.print(f"Warning: {said}", highlight=False)
    for name, why in trained.left_out.items():
        console.print(f"{name:<24} left out: {why}", highlight=False)
    for note in trained.notes:
        console.print(note, highlight=False)
    console.print(f"Heads:  {out}  (annotator heads:{out})")


if __name__ == "__main__":
    main(train_heads)
