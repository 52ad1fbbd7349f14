"""Measure the digits' model and write its card: do its samples look like digits, like which, and like the training set's?

Images are (n, 1, 32, 32) uint8 throughout. Every figure of the card is measured here.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy.stats import wasserstein_distance
from torch import Tensor

from pipeline.annotators.base import Annotator, Embedder
from pipeline.domains.digits.annotators import DigitAnnotator, DigitJudge
from pipeline.domains.digits.classifiers import CLASSES
from pipeline.domains.digits.data import SIZE

STEPS = 20
ETA = 1.0
CERTAIN = float(np.log(9))  # log odds of a probability of .9
MEASURED = ("slant", "stroke_width", "ink", "loops")
SHEET = "samples.png"
PER_ROW = 20  # digits in a row of the contact sheet
PERCENTILES = (0, 1, 10, 50)
SCORED = 2000  # training images that are scored, at most

Advance = Callable[[int], None]
Scores = dict[str, np.ndarray]  # (n,), by attribute


def write_card(
    folder: Path, samples: Tensor, training: Tensor, held_out: tuple[Tensor, Tensor], minutes: float, steps: int
) -> None:
    """Write README.md and the contact sheet. held_out: varied digits that nothing was trained on, and which they are."""
    annotator, judge = DigitAnnotator(), DigitJudge()
    unseen, classes = held_out
    shown = {"samples": samples, "training": training[:SCORED], "held out": unseen}
    by_judge = {name: scores_of(judge, images) for name, images in shown.items()}
    by_annotator = {name: scores_of(annotator, images) for name, images in shown.items()}
    features = {name: features_of(judge, images) for name, images in shown.items()}
    half = len(samples) // 2
    text = CARD.format(
        size=SIZE,
        n=len(samples),
        n_training=len(training),
        n_scored=len(shown["training"]),
        n_unseen=len(unseen),
        steps=STEPS,
        eta=ETA,
        sheet=SHEET,
        gradient_steps=steps,
        minutes=minutes,
        recognised=table(["", *shown], recognised(by_judge)),
        classes=table(["", *CLASSES], [[name, *(f"{x:.1%}" for x in shares(by_judge[name]))] for name in shown]),
        attributes=table(["attribute", *shown, "samples, distance", "held out, distance"], attributes(by_judge)),
        frechet=frechet(features["samples"], features["held out"]),
        frechet_training=frechet(features["training"], features["held out"]),
        frechet_halves=frechet(features["samples"][:half], features["samples"][half:]),
        neighbours=table(
            ["distance", "smallest", *(f"{p} %" for p in PERCENTILES[1:])], neighbours({**shown, "training": training})
        ),
        networks=table(["", "annotator", "judge"], accuracies(by_annotator["held out"], by_judge["held out"], classes)),
        agreement=table(["", *MEASURED], agreement(by_annotator, by_judge, ("held out", "samples"))),
    )
    (folder / "README.md").write_text(text)
    sheet(samples[: 4 * PER_ROW]).save(folder / SHEET, optimize=True)


def rgb(images: Tensor) -> np.ndarray:
    """Return grey images (n, 1, H, W) as annotators take them: (n, H, W, 3)."""
    return images.permute(0, 2, 3, 1).repeat(1, 1, 1, 3).numpy()


def scores_of(annotator: Annotator, images: Tensor) -> Scores:
    columns = np.concatenate([annotator.load()(rgb(some)) for some in images.split(500)]).T
    return dict(zip(annotator.attributes, columns, strict=True))


def features_of(embedder: Embedder, images: Tensor) -> np.ndarray:
    apply = embedder.embedder()
    return np.concatenate([apply(rgb(some)) for some in images.split(500)])


def log_odds(scores: Scores) -> np.ndarray:
    """Return the log odds of the ten digits, (n, 10)."""
    return np.stack([scores[name] for name in CLASSES], axis=1)


def recognised(by_judge: dict[str, Scores]) -> list[list[str]]:
    """Return how surely the judge sees a digit in images, as rows."""
    return [
        [
            "one digit at p > .9",
            *(f"{(log_odds(each).max(axis=1) > CERTAIN).mean():.1%}" for each in by_judge.values()),
        ],
        ["any digit at p > .5", *(f"{(each['digit'] > 0.5).mean():.1%}" for each in by_judge.values())],
    ]


def shares(scores: Scores) -> np.ndarray:
    """Return the share of images that are most likely each digit, (10,)."""
    return np.bincount(log_odds(scores).argmax(axis=1), minlength=len(CLASSES)) / len(scores["digit"])


def attributes(by_judge: dict[str, Scores]) -> list[list[str]]:
    """Return mean, deviation and distance from the training set (Wasserstein-1, in its deviations) of attributes, as rows."""
    rows = []
    for name in MEASURED:
        values = {which: scores[name] for which, scores in by_judge.items()}
        distances = [
            wasserstein_distance(values[which], values["training"]) / values["training"].std()
            for which in ("samples", "held out")
        ]
        summary = [f"{each.mean():.2f} ± {each.std():.2f}" for each in values.values()]
        rows.append([name, *summary, *(f"{distance:.2f}" for distance in distances)])
    return rows


def frechet(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Return the Fréchet distance of two sets of features (n, F), taken as normal (Heusel et al. 2017)."""
    gap = ours.mean(axis=0) - theirs.mean(axis=0)
    a, b = (np.cov(features, rowvar=False) for features in (ours, theirs))
    roots = np.sqrt(np.linalg.eigvals(a @ b).real.clip(min=0))  # of which the sum is the trace of the root of a b
    return float(gap @ gap + np.trace(a + b) - 2 * roots.sum())


def neighbours(shown: dict[str, Tensor]) -> list[list[str]]:
    """Return how far images are from their nearest training image, root mean square in levels of 0 to 255, as rows."""
    training = shown["training"].flatten(1).float()
    rows = []
    for name in ("samples", "held out"):
        nearest = torch.cdist(shown[name].flatten(1).float(), training).amin(dim=1) / SIZE
        rows.append([name, *(f"{value:.1f}" for value in np.percentile(nearest.numpy(), PERCENTILES))])
    return rows


def accuracies(by_annotator: Scores, by_judge: Scores, classes: Tensor) -> list[list[str]]:
    right = [(log_odds(scores).argmax(axis=1) == classes.numpy()).mean() for scores in (by_annotator, by_judge)]
    return [["accuracy", *(f"{share:.1%}" for share in right)]]


def agreement(ours: dict[str, Scores], theirs: dict[str, Scores], shown: Sequence[str]) -> list[list[str]]:
    """Return the correlations of what the annotator and the judge measure, as rows."""
    return [
        [which, *(f"{np.corrcoef(ours[which][name], theirs[which][name])[0, 1]:.3f}" for name in MEASURED)]
        for which in shown
    ]


def sheet(images: Tensor, scale: int = 2) -> Image.Image:
    """Return rows of `PER_ROW` images as one picture."""
    rows = images[:, 0].unflatten(0, (-1, PER_ROW)).transpose(1, 2).flatten(2).flatten(0, 1)
    picture = Image.fromarray(rows.numpy())
    return picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table, figures to the right."""
    rule = [":--", *("--:" for _ in header[1:])]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [header, rule, *rows])


CARD = """---
license: apache-2.0
library_name: diffusers
pipeline_tag: unconditional-image-generation
tags: [unconditional-image-generation, ddpm, digits]
---

# Handwritten digits, {size} x {size}, grey

A small unconditional diffusion model of real handwritten digits: the 1,797 that scikit-learn ships (`load_digits`, 8 x 8;
from E. Alpaydin and C. Kaynak's "Optical Recognition of Handwritten Digits", UCI, CC BY 4.0), upscaled to {size} x {size} and
varied a little in slant (up to 14 degrees), size (10 %), place (1 pixel) and thickness (`data.py`).

It is what a model from elsewhere is: a `UNet2DModel` of diffusers with one channel and attention at its lowest
resolution, trained as a DDPM on epsilon with cosine betas, **every skip connection open**. h is 72 x 4 x 4.

- `model/`: U-Net (940,257 parameters, float32) and scheduler, as diffusers saves them
- `annotator/`, `judge/`: two classifiers of different architecture, trained on other digits; slant, stroke width, ink and
  loops are measured by plain functions, of which the judge has its own (`measures.py`, `judge_measures.py`)

The digits are shared out by a seed: 900 to the U-Net and the annotator, 600 to the judge, 297 are held out. The same
people may have written in all three. `python -m jobs.train_digits` remakes all of it, and this card: {gradient_steps:,} gradient
steps on {n_training:,} varied digits, {minutes:.0f} minutes on one core of a shared machine.

```python
from diffusers import DDIMPipeline

pipeline = DDIMPipeline.from_pretrained("pipeline/domains/digits/model")
pipeline(batch_size=4, num_inference_steps={steps}, eta={eta}).images[0].save("digit.png")
```

## Samples

![the first samples]({sheet})

The judge's view of {n:,} samples (T = {steps}, eta = {eta}), {n_scored:,} of the training images, and {n_unseen:,} varied
digits that were held out.

{recognised}

Which digit they most likely are:

{classes}

What is measured of them, mean ± standard deviation; distance of samples and of held-out digits from the training set:
Wasserstein-1, in its standard deviations.

{attributes}

Fréchet distance in the judge's features to held-out digits: samples {frechet:.2f}, training set {frechet_training:.2f};
between two halves of the samples {frechet_halves:.2f}.

Distance to the nearest training image, percentiles, root mean square in levels of 0..255. Samples of a model that
memorises would be far closer to its training set than held-out digits are.

{neighbours}

## Annotator and judge

Which digit, on {n_unseen:,} varied held-out digits:

{networks}

Correlation of what the two measure, each in its own way, on held-out digits and on samples:

{agreement}

## Limits

Digits of 8 x 8 have no more detail than that. Annotator and judge know white digits on black.
"""
