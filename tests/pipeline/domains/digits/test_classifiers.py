import math

import pytest
import torch

from pipeline.domains.digits.classifiers import ARCHITECTURES, CLASSES, NONE, load_network, save_network, scores


def test_scores_are_log_odds_and_the_probability_of_any_digit():
    probabilities = torch.tensor([[0.5, 0.2, *[0.0125] * 8, 0.2]])
    found = scores(probabilities.log() + 3)
    expected = [math.log(p / (1 - p)) for p in probabilities[0, :NONE].tolist()]
    torch.testing.assert_close(found[0, :NONE], torch.tensor(expected))
    assert found[0, NONE].item() == pytest.approx(0.8)
    assert found.shape == (1, len(CLASSES) + 1)


def test_what_is_certain_has_finite_log_odds():
    assert scores(torch.tensor([[80.0, *[0.0] * 10]])).isfinite().all()


@pytest.mark.parametrize("which", ARCHITECTURES)
def test_a_saved_network_is_read_back(which, tmp_path):
    network = ARCHITECTURES[which]().eval()
    save_network(network, tmp_path, {"steps": 3})
    before = torch.get_rng_state()
    read = load_network(tmp_path)
    assert torch.get_rng_state().equal(before)
    images = torch.randn(2, 1, 32, 32)
    assert type(read) is ARCHITECTURES[which] and not read.training
    assert torch.equal(read(images), network(images))
    assert torch.equal(read.head(read.features(images)), read(images))
