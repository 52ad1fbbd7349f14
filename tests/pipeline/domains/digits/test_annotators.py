import shutil

import numpy as np
import pytest
import torch

from pipeline.annotators import registry
from pipeline.domains.digits import MODEL, annotators
from pipeline.domains.digits.annotators import DigitAnnotator, DigitJudge, annotator, judge
from pipeline.domains.digits.card import ETA, STEPS, log_odds, rgb, scores_of
from pipeline.domains.digits.data import NONE, digits, draw, vary
from pipeline.domains.samples import sample
from pipeline.errors import UserError
from pipeline.fingerprint import settings

BOTH = pytest.mark.parametrize("make", [annotator, judge])
MEASURED = ("slant", "stroke_width", "ink", "loops")


@pytest.fixture(scope="module")
def held_out() -> tuple[torch.Tensor, torch.Tensor]:
    images, classes = digits("held-out")
    return (vary(images, NONE, torch.Generator()) * 255).round().to(torch.uint8), classes


@BOTH
def test_digits_that_it_has_never_seen_are_recognised(make, held_out):
    images, classes = held_out
    scores = scores_of(make(), images)
    assert (log_odds(scores).argmax(axis=1) == classes.numpy()).mean() >= 0.97
    assert np.median(scores["digit"]) > 0.98


@BOTH
def test_what_is_no_digit_is_not_taken_for_one(make, held_out):
    upside = held_out[0][:100].unflatten(2, (4, 8)).flip(2).flatten(2, 3)  # quarters of its height from below
    assert np.mean(scores_of(make(), upside)["digit"] > 0.5) < 0.25
    noise = torch.randint(256, (50, 1, 32, 32), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    assert np.mean(scores_of(make(), noise)["digit"] > 0.5) < 0.1


def test_the_two_agree_on_what_they_measure(held_out):
    ours, theirs = scores_of(annotator(), held_out[0]), scores_of(judge(), held_out[0])
    for name in MEASURED:
        assert np.corrcoef(ours[name], theirs[name])[0, 1] > 0.93, name
        assert not np.array_equal(ours[name], theirs[name])


def test_what_the_model_samples_are_digits():
    samples = sample(MODEL, 40, 11, STEPS, ETA)
    scores = scores_of(judge(), samples)
    assert np.mean(scores["digit"] > 0.5) > 0.6
    assert len(set(log_odds(scores).argmax(axis=1))) >= 7
    assert torch.equal(sample(MODEL, 2, 11, STEPS, ETA), samples[:2])


@BOTH
def test_a_larger_image_has_nearly_the_same_scores(make):
    images = rgb(draw("held-out", 20, seed=7)[0])
    score = make().load()
    larger = images.repeat(3, axis=1).repeat(3, axis=2)
    np.testing.assert_allclose(score(larger), score(images), atol=1)  # of a degree, or of log odds


@BOTH
def test_an_image_scores_the_same_alone_and_among_others(make):
    images = rgb(draw("held-out", 6, seed=7)[0])
    score = make().load()
    alone = np.concatenate([score(image[None]) for image in images])
    np.testing.assert_allclose(score(images), alone, atol=1e-4)
    assert score(images).dtype == np.float32 and score(images[:0]).shape == (0, 15)


@BOTH
def test_features_are_what_the_classifier_reads(make):
    images = rgb(draw("held-out", 6, seed=7)[0])
    features = make().embedder()(images)
    assert features.shape == (6, {"digits": 768, "digits-judge": 64}[make().name])
    assert np.linalg.norm(features[0] - features[1]) > 0.1


def test_an_annotator_says_what_decides_its_scores():
    said = settings(annotator())
    assert said["presence"] == "digit" and said["version"] == 1 and len(said["weights"]) == 64
    assert settings(annotator()) == said != settings(judge())
    assert len(said["attributes"]) == len(said["thresholds"]) == 15
    assert DigitAnnotator() == annotator() != DigitJudge()


@BOTH
def test_an_image_that_is_not_square_is_refused(make):
    with pytest.raises(ValueError, match=r"square images, found \(40, 48\)"):
        make().load()(np.zeros((1, 40, 48, 3), np.uint8))
    with pytest.raises(UserError, match="these are 40 x 48"):
        make().check(40, 48)
    make().check(64, 64)


@BOTH
def test_it_is_found_by_its_module_as_any_plug_is(make):
    assert registry.annotator(f"pipeline.domains.digits.annotators:{make.__name__}") == make()


def test_missing_weights_say_how_to_remake_them(tmp_path, monkeypatch):
    monkeypatch.setattr(annotators, "FOLDER", tmp_path)
    with pytest.raises(UserError, match="no weights: expected .* --only classifiers"):
        judge()


@pytest.mark.parametrize("load", ["load", "embedder"])
def test_weights_that_change_after_they_were_hashed_are_refused(load, tmp_path, monkeypatch):
    shutil.copytree(annotators.FOLDER / "judge", tmp_path / "judge")
    monkeypatch.setattr(annotators, "FOLDER", tmp_path)
    brought = judge()
    getattr(brought, load)()
    weights = tmp_path / "judge" / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(UserError, match="model.safetensors has changed since it was first read"):
        getattr(brought, load)()


def test_the_classifiers_are_small():
    for folder in ("annotator", "judge"):
        assert (annotators.FOLDER / folder / "model.safetensors").stat().st_size < 200_000
