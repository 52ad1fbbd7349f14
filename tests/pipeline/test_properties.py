"""What h-space is known for (Haas et al. 2024, Fig. 2; Kwon et al. 2023), measured on the bundled model by its judge.

Shares: how far scores went from a sample's own toward another's, 0 not at all, 1 all the way.
"""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from pipeline.annotators.registry import annotator
from pipeline.domains import portraits
from pipeline.estimators.linear import mean_difference
from pipeline.estimators.selection import select
from pipeline.hspace.edits import Add, Edit, Swap
from pipeline.hspace.noise import NoiseStreams
from pipeline.hspace.reverse_process import ReverseProcess
from pipeline.models import pretrained
from pipeline.models.pretrained import LoadedModel

STEPS, SEED = 10, 3
FITTED, HELD_OUT = range(80), range(1000, 1016)


@dataclass
class Bench:
    """The bundled model, its judge, and directions for age and yaw from its annotator."""

    loaded: LoadedModel
    process: ReverseProcess
    directions: dict[str, torch.Tensor]

    def images(self, ids: list[int], edits: list[Edit] | None = None) -> np.ndarray:
        return self.loaded.to_images(self.process.run(self.loaded.denoiser, noise(ids), edits or []))


def noise(ids) -> NoiseStreams:
    return NoiseStreams(SEED, ids, (3, 48, 48))


@pytest.fixture(scope="module")
def bench() -> Bench:
    model = pretrained.find(str(portraits.MODEL))
    loaded, process = model.load(), ReverseProcess(model.ddim(), STEPS)
    h = []
    x_0 = process.run(loaded.denoiser, noise(FITTED), on_h=lambda step, t, each: h.append(each))
    labels = annotator("portraits")
    scores = labels.load()(loaded.to_images(x_0))
    directions = {}
    for attribute in ("age", "yaw"):
        selection = select(scores[:, labels.attributes.index(attribute)], 20)
        vectors = [mean_difference(each.flatten(1).numpy(), selection) for each in h]
        directions[attribute] = torch.from_numpy(np.stack(vectors)).float().view(STEPS, *h[0].shape[1:])
    return Bench(loaded, process, directions)


@pytest.fixture(scope="module")
def unedited(bench) -> np.ndarray:
    return bench.images(list(HELD_OUT))


def scores(images: np.ndarray) -> dict[str, np.ndarray]:
    judge = annotator("portraits-judge")
    return dict(zip(judge.attributes, judge.load()(images).T, strict=True))


def background(images: np.ndarray) -> np.ndarray:
    """Mean colour of the two upper corners, where no face is: (B, 3)."""
    corners = np.concatenate([images[:, :6, :6], images[:, :6, -6:]], axis=2)
    return corners.reshape(len(images), -1, 3).mean(axis=1)


def share(own: np.ndarray, other: np.ndarray, now: np.ndarray) -> float:
    """The slope of (now - own) on (other - own)."""
    return float(np.sum((now - own) * (other - own)) / np.sum((other - own) ** 2))


def test_swapping_h_swaps_what_the_face_shows_and_not_the_background(bench, unedited):
    half = len(HELD_OUT) // 2
    rows = list(range(len(HELD_OUT)))
    partners = rows[half:] + rows[:half]
    ids = [*HELD_OUT, *HELD_OUT]
    swapped = bench.images(ids, [Swap(rows + partners)])[len(rows) :]

    own, now = scores(unedited), scores(swapped)
    assert share(own["gender"], own["gender"][partners], now["gender"]) > 0.5
    assert share(own["age"], own["age"][partners], now["age"]) > 0.3
    colour = background(unedited)
    assert abs(share(colour, colour[partners], background(swapped))) < 1 / 3


def effects(bench: Bench, unedited: np.ndarray, edits: list[Edit]) -> dict[str, float]:
    """Mean change of each attribute, in its standard deviations over the unedited samples."""
    before, after = scores(unedited), scores(bench.images(list(HELD_OUT), edits))
    return {name: float((after[name] - before[name]).mean() / before[name].std()) for name in before}


def test_effects_grow_with_gamma_and_turn_with_its_sign(bench, unedited):
    v = bench.directions["yaw"]
    measured = [effects(bench, unedited, [Add(v, gamma)])["yaw"] for gamma in (-0.8, -0.4, 0.4, 0.8)]
    assert measured == sorted(measured)
    assert measured[0] < -0.5 and measured[-1] > 0.5


def test_two_directions_added_change_both_attributes(bench, unedited):
    both = effects(bench, unedited, [Add(v, 0.7) for v in bench.directions.values()])
    assert both["age"] > 0.5 and both["yaw"] > 0.5
