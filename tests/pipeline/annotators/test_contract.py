"""What every registered annotator must keep to, and one that lives outside the package, which is that of CONTRIBUTING.md.

A new one is tested by being listed in `ANNOTATORS`.
"""

import dataclasses

import numpy as np
import pytest
import torch

from pipeline.annotators.registry import ANNOTATORS, imported
from pipeline.domains.portraits.data import draw
from pipeline.fingerprint import settings
from tests.documented import listed, write_weights


@pytest.fixture(scope="module")
def portraits() -> np.ndarray:
    return draw(4, seed=17).permute(0, 2, 3, 1).numpy()


@pytest.fixture(scope="module", params=[*ANNOTATORS, "beards"])
def annotator(request):
    write_weights()
    with listed("annotator", ANNOTATORS):
        yield imported(ANNOTATORS[request.param])()


@pytest.fixture(scope="module")
def score(annotator):
    return annotator.load()


def test_is_a_frozen_dataclass_that_a_fingerprint_can_hash(annotator):
    assert annotator == type(annotator)()
    described = settings(annotator)
    assert len(described["weights"]) == 64
    with pytest.raises(dataclasses.FrozenInstanceError):
        annotator.weights = ""


def test_is_listed_under_its_name(annotator):
    assert imported(ANNOTATORS[annotator.name]) is type(annotator)
    assert len(set(annotator.attributes)) == len(annotator.attributes) == len(annotator.thresholds) > 0


def test_scores_have_a_row_an_image_and_a_column_an_attribute(annotator, score, portraits):
    scores = score(portraits)
    assert scores.shape == (len(portraits), len(annotator.attributes))
    assert scores.dtype == np.float32
    assert not np.isinf(scores).any()
    assert score(portraits[:0]).shape == (0, len(annotator.attributes))


def test_an_image_scores_the_same_alone_and_among_others(score, portraits):
    noise = np.random.default_rng(0).integers(0, 256, portraits.shape, dtype=np.uint8)
    among_others = score(np.concatenate([noise, portraits]))[len(noise) :]
    alone = np.concatenate([score(image[None]) for image in portraits])
    np.testing.assert_allclose(among_others, alone, atol=1e-4)


def test_scores_are_the_same_at_every_call(score, portraits):
    """Which they are not with dropout or batch statistics, so with a network left in training mode."""
    first = score(portraits)
    score(np.zeros_like(portraits))
    np.testing.assert_array_equal(score(portraits), first)


def test_networks_are_loaded_in_eval_mode_and_scoring_leaves_no_gradient(annotator, portraits, monkeypatch):
    modes = []
    forward = torch.nn.Module.__call__

    def watch(module, *args, **kwargs):
        out = forward(module, *args, **kwargs)
        tensors = out if isinstance(out, tuple) else (out,)
        modes.append(module.training or any(tensor.requires_grad for tensor in tensors))
        return out

    monkeypatch.setattr(torch.nn.Module, "__call__", watch)
    annotator.load()(portraits[:1])
    assert modes and not any(modes)


def test_images_of_another_size_are_resized(score, portraits):
    larger = portraits.repeat(3, axis=1).repeat(3, axis=2)
    scores, expected = score(larger), score(portraits)
    assert (np.isnan(scores) == np.isnan(expected)).all()
    assert np.nanmax(np.abs(scores - expected)) < 5  # a logit or a degree; sizes agree roughly, not exactly


def test_nothing_to_see_is_nan_or_a_score_but_never_an_error(annotator, score):
    scores = score(np.full((2, 48, 48, 3), 128, np.uint8))
    assert scores.shape == (2, len(annotator.attributes))
    if "face" in annotator.attributes:
        face = annotator.attributes.index("face")
        assert (scores[:, face] == 0).all()
        assert np.isnan(np.delete(scores, face, axis=1)).all()


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((1, 48, 48, 3), np.float32), "uint8 .* found float32"),
        (torch.zeros(1, 48, 48, 3, dtype=torch.uint8), "found torch.uint8"),
        (np.zeros((48, 48, 3), np.uint8), r"found \(48, 48, 3\)"),
        (np.zeros((1, 3, 48, 48), np.uint8), r"found \(1, 3, 48, 48\)"),
        (np.zeros((1, 48, 48, 4), np.uint8), r"found \(1, 48, 48, 4\)"),
        (np.zeros((1, 0, 48, 3), np.uint8), r"found \(1, 0, 48, 3\)"),
    ],
)
def test_what_is_not_an_image_is_refused_with_what_was_found(score, images, message):
    with pytest.raises(ValueError, match=message):
        score(images)
