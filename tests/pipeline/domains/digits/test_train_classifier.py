import pytest
import torch

from pipeline.domains.digits.classifiers import NONE
from pipeline.domains.digits.data import draw, to_float
from pipeline.domains.digits.train_classifier import SPOILT, ClassifierTraining, soften, spoil


@pytest.fixture
def batch() -> tuple[torch.Tensor, torch.Tensor]:
    images, classes = draw("judge", 64, seed=1)
    return to_float(images), classes


def test_what_is_spoilt_is_none_and_the_rest_stays(batch):
    images, classes = spoil(*batch, torch.Generator().manual_seed(0))
    assert (classes[:SPOILT] == NONE).all() and classes[SPOILT:].equal(batch[1][SPOILT:])
    assert images[SPOILT:].equal(batch[0][SPOILT:])
    assert all(not images[i].equal(batch[0][i]) for i in range(SPOILT))
    assert images.min() >= -1 and images.max() <= 1


def test_patches_in_disorder_have_the_same_pixels(batch):
    images, _ = spoil(*batch, torch.Generator().manual_seed(0))
    assert images[0].flatten().sort().values.equal(batch[0][0].flatten().sort().values)


def test_softened_images_are_still_like_themselves(batch):
    soft = soften(batch[0], torch.Generator().manual_seed(0))
    pair = torch.stack([soft.flatten(), batch[0].flatten()])
    assert torch.corrcoef(pair)[0, 1] > 0.9 and not soft.equal(batch[0])
    assert soft.min() >= -1 and soft.max() <= 1


@pytest.mark.parametrize("which", ["annotator", "judge"])
def test_a_short_training_learns_and_repeats_itself(which):
    training = ClassifierTraining(which, images=600, steps=40, batch=64)
    losses: list[float] = []
    network = training.run(lambda step, loss: losses.append(loss))
    again = training.run()
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])
    assert all(torch.equal(weight, again.state_dict()[name]) for name, weight in network.state_dict().items())


def test_settings_are_what_decides_the_weights():
    assert ClassifierTraining("judge", seed=4).settings == {
        "images": 24_000,
        "seed": 4,
        "steps": 2500,
        "batch": 64,
        "learning_rate": 4e-3,
    }
