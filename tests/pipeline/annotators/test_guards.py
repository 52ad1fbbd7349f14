"""An image's numbers are its own, or the plug is refused with what was found."""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.transforms import v2

from pipeline.annotators.border import embedding, scorer
from pipeline.annotators.guards import check_evaluates, own
from pipeline.errors import UserError
from tests.pipeline.annotators.tiny_networks import pictures


def network(last: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 5, stride=4), last, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2)
    )


def pixels(images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255


class Held:
    def __init__(self, held: nn.Module):
        self.network = held

    def score(self, images):
        return self.network(pixels(images))

    __call__ = score


class Reads(nn.Module):
    def __init__(self, held: nn.Module):
        super().__init__()
        self.held = held

    def forward(self, images):
        return self.held(pixels(images))


left = network(nn.BatchNorm2d(8))


def names_it(images):
    return left(pixels(images))


def closes_over(held: nn.Module):
    return lambda images: held(pixels(images))


def decorated(held: nn.Module):
    @torch.inference_mode()
    def score(images):
        return held(pixels(images))

    return score


@dataclass(frozen=True)
class Loads:
    """What loads as it is told to."""

    loads: ClassVar = None
    name: ClassVar[str] = "loads"
    attributes: ClassVar[tuple[str, ...]] = ("a", "b")
    thresholds: ClassVar[tuple[float, ...]] = (0.0, 0.0)
    version: ClassVar[int] = 1

    def load(self):
        return type(self).loads

    embedder = load


@pytest.fixture
def loading(monkeypatch):
    def of(function):
        monkeypatch.setattr(Loads, "loads", staticmethod(function))
        return Loads()

    return of


WAYS = [closes_over, decorated, Held, Reads, lambda held: Held(held).score, lambda held: partial(run, held)]


def run(held, images):
    return held(pixels(images))


@pytest.mark.parametrize("way", WAYS, ids=range(len(WAYS)))
@pytest.mark.parametrize("last", [nn.BatchNorm2d(8), nn.Dropout(0.1)], ids=["normalised", "dropped"])
def test_a_network_in_training_mode_is_refused_before_it_scores(way, last, loading):
    held = network(last)
    with pytest.raises(UserError, match=rf"in training mode: {type(last).__name__}.*\n?.*Call .eval\(\)"):
        scorer(loading(way(held.train())))
    with pytest.raises(UserError, match="in training mode"):
        embedding(loading(way(held)))
    scorer(loading(way(held.eval())))(pictures())


def test_a_network_that_a_function_names_is_seen_too():
    with pytest.raises(UserError, match="BatchNorm2d in Sequential"):
        check_evaluates(names_it, "plug")


def test_modules_that_train_and_evaluate_alike_are_left_alone():
    """Transforms of torchvision are modules, too, and are never told to evaluate."""
    transform = v2.Compose([v2.Resize(8), v2.Normalize([0.5], [0.5])])
    check_evaluates(lambda images: transform(images), "plug")
    check_evaluates(closes_over(network(nn.Dropout(0.0)).train()), "plug")
    check_evaluates(closes_over(network(nn.GroupNorm(2, 8)).train()), "plug")


def by_batch(images):
    numbers = images.astype(np.float64)
    return ((numbers - numbers.mean()) / numbers.std()).mean(axis=(1, 2))[:, :2]


def by_chance(images):
    return np.random.default_rng().normal(size=(len(images), 2))


def hidden(images):
    """Dropout that no module says anything of."""
    return torch.nn.functional.dropout(pixels(images)[:, :2, 0, :6], 0.5).mean(2)


def test_scores_that_hang_on_the_batch_are_refused_with_the_numbers(loading):
    score = scorer(loading(by_batch))
    with pytest.raises(UserError, match=r"number 1 of 2 was [-\d.e]+ alone and [-\d.e]+ beside two others"):
        score(pictures())


@pytest.mark.parametrize("chance", [by_chance, hidden])
def test_scores_that_hang_on_chance_are_refused(chance, loading):
    with pytest.raises(UserError, match="does not give an image scores of its own: number . of 2 .* again"):
        scorer(loading(chance))(pictures())
    with pytest.raises(UserError, match="does not give an image features of its own"):
        embedding(loading(chance))(pictures())


def test_scores_that_are_missing_by_the_batch_are_refused():
    def only_alone(images):
        return np.full((len(images), 2), 1.0 if len(images) == 1 else np.nan)

    with pytest.raises(UserError, match="was 1 alone and nan beside"):
        own(only_alone, "plug")(pictures())


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_rounding_is_let_pass(kind, loading):
    held = network(nn.BatchNorm2d(8)).eval().to(kind)
    score = scorer(loading(lambda images: held(pixels(images).to(kind))))
    assert score(pictures()).shape == (4, 2)


def test_it_is_seen_once_and_changes_no_scores():
    calls = []

    def score(images):
        calls.append(len(images))
        return images.reshape(len(images), -1)[:, :2].astype(np.float32)

    images, checked = pictures(), own(score, "plug")
    np.testing.assert_array_equal(checked(images), score(images))
    np.testing.assert_array_equal(checked(images[:1]), score(images[:1]))
    assert calls == [4, 1, 1, 3, 4, 1, 1]


def test_no_gradient_is_kept_unless_it_is_asked_for(loading):
    held, seen = network(nn.Identity()), []

    def score(images):
        seen.append(held(pixels(images)).requires_grad)
        with torch.enable_grad():
            given = pixels(images).requires_grad_()
            [slope] = torch.autograd.grad(held(given).sum(), given)
        return slope.abs().mean((2, 3))[:, :2]

    assert (scorer(loading(score))(pictures()) > 0).all() and not any(seen)
