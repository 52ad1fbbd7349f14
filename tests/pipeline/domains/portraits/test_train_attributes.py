import pytest
import torch

from pipeline.domains.portraits.attributes import (
    ARCHITECTURES,
    ATTRIBUTES,
    LOGITS,
    in_batches,
    is_made,
    load_network,
    save_network,
)
from pipeline.domains.portraits.data import draw
from pipeline.domains.portraits.render import sample_factors
from pipeline.domains.portraits.train_attributes import AttributeTraining, accuracy, augment, error, labels


@pytest.fixture(scope="module")
def portraits() -> torch.Tensor:
    return draw(64, seed=41)


def test_labels_are_the_factors_in_the_order_of_the_attributes():
    factors, truth = sample_factors(5, seed=1), labels(5, seed=1)
    for i, attribute in enumerate(ATTRIBUTES):
        assert torch.equal(truth[:, i], getattr(factors, attribute))


@pytest.mark.parametrize("which", ARCHITECTURES)
def test_training_is_seeded_reports_and_lowers_the_error(which, portraits):
    training = AttributeTraining(which, n=64, seed=41, epochs=12, batch=32)
    losses = []
    one = training.run(portraits, lambda step, loss: losses.append(loss))
    other = training.run(portraits)
    assert len(losses) == training.steps == 24
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])
    assert torch.equal(in_batches(one, portraits), in_batches(other, portraits))


@pytest.mark.parametrize("which", ARCHITECTURES)
def test_a_saved_network_comes_back_ready_to_score(which, portraits, tmp_path):
    training = AttributeTraining(which, n=64, seed=0, epochs=1)
    network = training.run(portraits)
    assert not is_made(tmp_path / which, training.settings)
    save_network(network, tmp_path / which, training.settings)
    assert is_made(tmp_path / which, training.settings)
    assert not is_made(tmp_path / which, AttributeTraining(which, n=64, seed=1).settings)

    loaded = load_network(tmp_path / which)
    assert not loaded.training
    assert not any(weight.requires_grad for weight in loaded.parameters())
    assert torch.equal(in_batches(loaded, portraits), in_batches(network, portraits))


def test_augmenting_is_slight_in_range_and_seeded(portraits):
    images = portraits.float() / 127.5 - 1
    changed = augment(images, torch.Generator().manual_seed(0))
    assert changed.min() >= -1 and changed.max() <= 1
    assert 0.01 < (changed - images).abs().mean() < 0.15
    assert torch.equal(changed, augment(images, torch.Generator().manual_seed(0)))


def test_the_error_of_the_truth_is_the_smoothing_alone():
    truth = labels(64, seed=2)
    scores = truth.clone()
    for attribute in LOGITS:
        i = ATTRIBUTES.index(attribute)
        scores[:, i] = (truth[:, i] * 2 - 1) * torch.logit(torch.tensor(0.975))
    assert error(scores, truth, truth.var(0)) == pytest.approx(2 / 7 * 0.1169, abs=1e-3)  # entropy of 0.975


def test_accuracy_of_the_truth_is_one_and_of_noise_is_nothing(portraits):
    truth = labels(64, seed=41)
    rows = iter([truth])
    assert set(accuracy(lambda images: next(rows), portraits, truth).values()) == {1.0}
    noise = torch.randn(64, len(ATTRIBUTES), generator=torch.Generator().manual_seed(0))
    of_noise = accuracy(lambda images: noise, portraits, truth)
    assert of_noise["smile"] < 0 and 0.3 < of_noise["glasses"] < 0.7
