"""Measure the bundled model and write its card: what its samples show, and whether they repeat the training set.

Images are (n, 3, 48, 48) uint8 throughout. Every figure of the card is measured here or handed in.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pipeline.annotators.mtcnn import Mtcnn
from pipeline.batches import batches
from pipeline.domains.portraits.attributes import ATTRIBUTES, LOGITS, Annotator, Judge, in_batches
from pipeline.domains.portraits.data import SIZE

STEPS = 25
ETA = 1.0
PERCENTILES = (0, 1, 10, 50, 90)
SHEET = "samples_and_neighbours.png"
PER_ROW = 12  # portraits in a row of the contact sheet


def write_card(
    folder: Path,
    *,
    samples: Tensor,
    training: Tensor,
    held_out: Tensor,
    networks: dict[str, Annotator | Judge],
    accuracies: dict[str, dict[str, float]],
    advance: Callable[[int], None] = lambda n: None,
) -> None:
    """Write README.md and the contact sheet. `held_out` are fresh drawings, `accuracies` of the networks on them."""
    fresh = held_out[: len(samples)]
    judge = networks["judge"].features
    by_pixels = {name: Neighbours(images, training, to_pixels) for name, images in (("s", samples), ("f", fresh))}
    by_judge = {name: Neighbours(images, training, judge) for name, images in (("s", samples), ("f", fresh))}
    contact_sheet(samples, training, by_pixels["s"]).save(folder / SHEET, optimize=True)

    of_samples, of_training = (scores_of(networks["annotator"], images) for images in (samples, training))
    parameters = {which: sum(weight.numel() for weight in network.parameters()) for which, network in networks.items()}
    text = CARD.format(
        size=SIZE,
        n_samples=len(samples),
        n_training=len(training),
        n_held_out=len(held_out),
        steps=STEPS,
        eta=ETA,
        sheet=SHEET,
        attributes=attribute_table(of_samples, of_training),
        correlations=correlation_table(of_samples, of_training),
        neighbours=neighbour_table(by_pixels, by_judge),
        per_row=PER_ROW,
        found=f"{faces_found(samples, advance):.1%}",
        found_fresh=f"{faces_found(fresh, advance):.1%}",
        networks=network_table(accuracies),
        annotator_parameters=f"{parameters['annotator']:,}",
        judge_parameters=f"{parameters['judge']:,}",
    )
    (folder / "README.md").write_text(text)


# Attributes


def scores_of(network: Annotator | Judge, images: Tensor) -> np.ndarray:
    """Return the scores (n, 7) of images, logits turned into 0 or 1."""
    scores = in_batches(network, images).numpy()
    for attribute in LOGITS:
        column = ATTRIBUTES.index(attribute)
        scores[:, column] = scores[:, column] > 0
    return scores


def attribute_table(of_samples: np.ndarray, of_training: np.ndarray) -> str:
    rows = []
    for i, attribute in enumerate(ATTRIBUTES):
        ours, theirs = of_samples[:, i], of_training[:, i]
        if attribute in LOGITS:
            rows.append([attribute, f"{ours.mean():.1%}", f"{theirs.mean():.1%}"])
        else:
            rows.append([attribute, *(f"{v.mean():.2f} ± {v.std():.2f}" for v in (ours, theirs))])
    return table(["attribute", "samples", "training"], rows)


def correlation_table(of_samples: np.ndarray, of_training: np.ndarray) -> str:
    """The pairs that are correlated in the training set, and the pair of the others that is most so in the samples."""
    with np.errstate(invalid="ignore"):  # what never varies correlates with nothing: nan
        ours, theirs = (np.corrcoef(scores, rowvar=False) for scores in (of_samples, of_training))
    pairs = [(i, j) for i in range(len(ATTRIBUTES)) for j in range(i)]
    designed = [pair for pair in pairs if abs(theirs[pair]) > 0.1]
    others = sorted(set(pairs) - set(designed), key=lambda pair: -abs(ours[pair]))
    rows = [[f"{ATTRIBUTES[j]}, {ATTRIBUTES[i]}", f"{ours[i, j]:+.2f}", f"{theirs[i, j]:+.2f}"] for i, j in designed]
    rows += [
        [f"{ATTRIBUTES[j]}, {ATTRIBUTES[i]} (the largest other)", f"{ours[i, j]:+.2f}", f"{theirs[i, j]:+.2f}"]
        for i, j in others[:1]
    ]
    return table(["correlation of", "samples", "training"], rows)


# Neighbours


def to_pixels(images: Tensor) -> Tensor:
    """Scaled so that the Euclidean distance is the root mean square difference of two images, in levels of 0..255."""
    return images.flatten(1) * (127.5 / images[0].numel() ** 0.5)


class Neighbours:
    """The nearest training image of each image by Euclidean distance of `features`: `distance` and `index`, (n,)."""

    def __init__(self, images: Tensor, training: Tensor, features: Callable[[Tensor], Tensor], chunk: int = 2000):
        ours = in_batches(features, images)
        self.distance = torch.full((len(images),), torch.inf)
        self.index = torch.zeros(len(images), dtype=torch.long)
        for some in batches(len(training), chunk):
            theirs = in_batches(features, training[some])
            distance, index = torch.cdist(ours, theirs).min(1)
            closer = distance < self.distance
            self.distance[closer] = distance[closer]
            self.index[closer] = index[closer] + some.start


def neighbour_table(by_pixels: dict[str, Neighbours], by_judge: dict[str, Neighbours]) -> str:
    def row(title: str, distance: Tensor, digits: int) -> list[str]:
        values = np.percentile(distance.numpy(), PERCENTILES)
        return [title, *(f"{value:.{digits}f}" for value in values)]

    rows = [
        row("pixels: samples", by_pixels["s"].distance, 1),
        row("pixels: fresh drawings", by_pixels["f"].distance, 1),
        row("judge's features: samples", by_judge["s"].distance, 2),
        row("judge's features: fresh drawings", by_judge["f"].distance, 2),
    ]
    return table(["distance", "smallest", *(f"{p} %" for p in PERCENTILES[1:])], rows)


def contact_sheet(samples: Tensor, training: Tensor, nearest: Neighbours, scale: int = 2, gap: int = 4) -> Image.Image:
    """Two rows of samples, the first ones and those closest to a training image, each above its nearest neighbours."""
    closest = nearest.distance.argsort()[:PER_ROW]
    rows = []
    for which in (torch.arange(min(PER_ROW, len(samples))), closest):
        rows += [samples[which], training[nearest.index[which]]]
    sheet = torch.full((3, 4 * (SIZE + gap) + gap, len(rows[0]) * (SIZE + gap) + gap), 255, dtype=torch.uint8)
    for i, row in enumerate(rows):
        for j, image in enumerate(row):
            top, left = i * (SIZE + gap) + gap, j * (SIZE + gap) + gap
            sheet[:, top : top + SIZE, left : left + SIZE] = image
    picture = Image.fromarray(sheet.permute(1, 2, 0).numpy())
    return picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)


# The rest


def faces_found(images: Tensor, advance: Callable[[int], None]) -> float:
    """Share of the images in which MTCNN, trained on photographs, finds a face."""
    annotator = Mtcnn()
    score = annotator.load()
    found = 0
    for rows in images.permute(0, 2, 3, 1).split(32):
        found += int((score(rows.numpy())[:, annotator.attributes.index("face")] > 0).sum())
        advance(len(rows))
    return found / len(images)


def network_table(accuracies: dict[str, dict[str, float]]) -> str:
    rows = [
        [attribute, "AUC" if attribute in LOGITS else "R2", *(f"{of[attribute]:.4f}" for of in accuracies.values())]
        for attribute in ATTRIBUTES
    ]
    return table(["attribute", "measure", *accuracies], rows)


def table(header: list[str], rows: Iterable[list[str]]) -> str:
    """A Markdown table, figures to the right."""
    rule = [":--", *("--:" for _ in header[1:])]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [header, rule, *rows])


CARD = """---
license: apache-2.0
library_name: diffusers
pipeline_tag: unconditional-image-generation
tags: [unconditional-image-generation, ddpm, synthetic]
---

# Drawn portraits, {size} x {size}

A small unconditional diffusion model of portraits that a program draws (`render.py`). Nobody's face is in it, and the
truth about every training image is known: smile, glasses, age, gender, yaw, open eyes, hair, skin, width of the face
and background. Glasses go with age and smiles with gender on purpose, so that disentangling has something to do.

- `model/`: U-Net (v-prediction, cosine schedule) and scheduler, as diffusers saves them; float16 safetensors
- `annotator/`, `judge/`: two attribute networks of different architecture, seed and training drawings

`python -m jobs.train_portraits` remakes all of it, and this card.

```python
from diffusers import DDIMPipeline

pipeline = DDIMPipeline.from_pretrained("pipeline/domains/portraits/model")
pipeline(batch_size=4, num_inference_steps={steps}, eta={eta}).images[0].save("portrait.png")
```

The two deepest skip connections are closed: no convolution reads them. What is coarser than a quarter of the resolution
goes through the mid block, so that h-space carries the attributes.

## Samples and training set

{n_samples:,} samples (T = {steps}, eta = {eta}, no clipping of x_0) and the {n_training:,} training portraits, both
scored by the annotator: share of images for glasses and gender (drawn as female), mean ± standard deviation for the
rest.

{attributes}

{correlations}

MTCNN, a face detector trained on photographs, finds a face in {found} of the samples and in {found_fresh} of
as many fresh drawings.

## Does it memorise?

Distance to the nearest training portrait, for samples and for as many fresh drawings that the model has not seen:
percentiles. A model that memorises would be far closer to its training set than fresh drawings are. Pixels: root mean
square difference in levels of 0..255. Judge's features: Euclidean distance before the last layer.

{neighbours}

![samples above their nearest training portraits]({sheet})

Rows 1 and 3 are samples: the first {per_row}, and the {per_row} of all {n_samples:,} that are closest to a training
portrait. Below each, its nearest one by pixels.

## Attribute networks

Held-out figures on {n_held_out:,} drawings; {annotator_parameters} (annotator) and {judge_parameters} (judge)
parameters. The judge never labels the samples that directions are fitted on.

{networks}

## Limits

The drawings are a test bed, not people. "gender" names a way of drawing (hair, lips, jaw, stubble) that takes two
values; it says nothing about anyone. The annotators score drawings of this kind only.
"""
