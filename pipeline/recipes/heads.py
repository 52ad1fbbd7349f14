"""Attribute heads, trained: the features of labelled images, a linear fit of all attributes, and a folder that explains itself."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from pipeline.annotators.base import check_size
from pipeline.annotators.border import embedding
from pipeline.annotators.familiarity import write_reference
from pipeline.annotators.heads import NUMBERS, TOLD, identity
from pipeline.annotators.registry import embedder, placed
from pipeline.annotators.table import Table, table
from pipeline.errors import UserError
from pipeline.estimators.heads import FOLDS, Head, fit, held_out, lacking
from pipeline.formats.arrays import write_arrays
from pipeline.imagesets.image_set import ImageSet, find

READ = 512  # images read at a time
BATCH = 32  # embedded at a time
Advance = Callable[[int, int], None]  # images done, of how many


@dataclass(frozen=True)
class LabelledSet:
    """Features (n, F) float32 and labels (n, A) of the images that have some, by their rows in the set (n,)."""

    rows: np.ndarray
    features: np.ndarray
    labels: np.ndarray

    def of(self, columns: list[int]) -> "LabelledSet":
        return replace(self, labels=self.labels[:, columns])


@dataclass(frozen=True)
class Trained:
    """What was trained, and which attributes could not be, with the numbers."""

    heads: tuple[Head, ...]
    left_out: dict[str, str]
    n: int  # images with labels, held out or not
    notes: tuple[str, ...]  # images that cannot be read, columns that are no attributes


def train(
    images: Path, labels: Path, spec: str, out: Path, size: int, advance: Advance = lambda done, n: None
) -> Trained:
    """Train heads on the images of a set, and write them into a folder.

    size: in pixels, of the square that the middle of each image is brought to before it is embedded. Raises UserError for labels
    that are of no image, and where no attribute has enough images on both sides.
    """
    if file := next((each for each in (out, *out.parents) if each.exists() and not each.is_dir()), None):
        raise UserError(f"{file} is a file, and {out} is to be a folder. Name another, or remove the file.")
    if out.exists() and any(out.iterdir()):
        raise UserError(f"{out} is there already, and not empty. Name another folder, or remove it.")
    embeds = embedder(spec)
    check_size(size, size, embeds)
    told = table(str(labels))
    found = find(images)
    data = _labelled(found, told, embedding(embeds), size, advance)
    binary = np.array(told.binary)
    short = lacking(data.labels, binary, data.rows)
    left = [a for a in range(len(told.attributes)) if a not in short]
    left_out = {told.attributes[a]: why for a, why in short.items()}
    if not left:
        why = "".join(f"\n{name}: {each}." for name, each in left_out.items())
        raise UserError(f"No attribute of {labels} has enough labels among {len(data.rows):,} images.{why}")
    names = tuple(told.attributes[a] for a in left)
    heads, figures = fit(data.features, data.of(left).labels, binary[left], names, data.rows)
    trained = Trained(figures, left_out, len(data.rows), (*found.notes, *told.notes))

    out.mkdir(parents=True, exist_ok=True)
    write_arrays(out / NUMBERS, {name: array.astype(np.float32) for name, array in vars(heads).items()})
    write_reference(out, data.features[~held_out(data.rows)])
    about = {"embedder": placed(spec), "embedder_identity": identity(embeds), "left_out": left_out}
    of_heads = [{**asdict(each), "prior": each.prior} for each in figures]
    finite = [{key: None if value != value else value for key, value in each.items()} for each in of_heads]
    (out / TOLD).write_text(json.dumps({**about, "heads": finite}, indent=2) + "\n", encoding="utf-8")
    (out / "README.md").write_text(card(trained, spec, images, labels, size), encoding="utf-8")
    return trained


def _labelled(
    images: ImageSet, told: Table, embed: Callable[[np.ndarray], np.ndarray], size: int, advance: Advance
) -> LabelledSet:
    """Embed the images that have a label of any attribute."""
    told.check_known(range(images.n), images.names)
    labels = told.lookup()(range(images.n), images.names)
    rows = np.flatnonzero(~np.isnan(labels).all(axis=1))
    opened, together = images.open(), np.empty((len(rows), 0), np.float32)
    for start in range(0, len(rows), READ):
        _, pixels = opened.read(rows[start : start + READ].tolist(), size, size)
        for at in range(0, len(pixels), BATCH):
            features = embed(pixels[at : at + BATCH])
            if not together.size:
                together = np.empty((len(rows), features.shape[1]), np.float32)
            together[start + at : start + at + len(features)] = features
            advance(min(start + at + BATCH, len(rows)), len(rows))
    return LabelledSet(rows, together, labels[rows])


def card(trained: Trained, spec: str, images: Path, labels: Path, size: int) -> str:
    """The README of the folder, in Markdown."""
    rows = [
        f"| {each.attribute} | {each.n:,} | {each.positives:,} | {each.held_out:,} | {_figure(each.auc)} | "
        f"{_figure(each.calibration_error)} | {_figure(each.r2)} | {'' if each.above_chance else 'no better than by chance'} |"
        for each in trained.heads
    ]
    without = [f"- {name}: {why}." for name, why in trained.left_out.items()]
    lines = [
        "# Attribute heads",
        "",
        f"Linear heads on the features of `{spec}`, trained on {trained.n:,} labelled images of `{images.name}` by "
        f"`{labels.name}`, brought to {size} x {size} pixels. As an annotator they are `heads:FOLDER`, this folder.",
        "",
        "A score is the log odds of the attribute as if as many images had it as not: above 0 it counts as present. A label "
        "that is a measure, and no 0 or 1, is predicted in its own unit.",
        "",
        f"One in {FOLDS} images is held out, and the figures are of these: AUC, the chance that an image with the attribute scores "
        "above one without; the calibration error, by how much a probability is off the share that was found, on average, once the "
        "share of images with the attribute is put back in; R2 of measures. They hold for images of the same kind. Where images "
        "of one person, or one thing, are on both sides, the figures flatter.",
        "",
        "| attribute | labelled | with it | held out | AUC | calibration error | R2 | to know |",
        "|---|---:|---:|---:|---:|---:|---:|---|",
        *rows,
        *(["", "There is no head of:", "", *without] if without else []),
        *(["", *trained.notes] if trained.notes else []),
    ]
    return "\n".join(lines) + "\n"


def warning(head: Head) -> str:
    """What to know of a head whose held-out images are told no better than by chance; nothing of any other."""
    if head.above_chance:
        return ""
    what, found = ("AUC", head.auc) if head.binary else ("R2", head.r2)
    return (
        f"{head.attribute}: {what} {found:.3f} on {head.held_out:,} images held out, where labels that have nothing to do with the "
        f"images get up to {head.by_chance:.3f}. The labels may not fit the images, or be too few: do not use this head."
    )


def _figure(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.3f}"
