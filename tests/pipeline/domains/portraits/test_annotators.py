import shutil

import numpy as np
import pytest
import torch
from sklearn.metrics import r2_score, roc_auc_score

from pipeline.annotators.base import stranger
from pipeline.annotators.mtcnn import Mtcnn
from pipeline.domains.portraits import MODEL, OPEN_SKIPS, annotators
from pipeline.domains.portraits.annotators import PortraitAnnotator, PortraitJudge
from pipeline.domains.portraits.attributes import ATTRIBUTES, LOGITS
from pipeline.domains.portraits.data import draw
from pipeline.domains.portraits.train_attributes import labels
from pipeline.errors import UserError
from pipeline.models.pretrained import find

SEED, N = 31, 192  # drawings that neither network was trained on


@pytest.fixture(scope="module")
def held_out() -> np.ndarray:
    return draw(N, SEED).permute(0, 2, 3, 1).numpy()


@pytest.mark.parametrize("kind", [PortraitAnnotator, PortraitJudge])
def test_what_was_drawn_is_what_is_read(kind, held_out):
    scores, truth = kind().load()(held_out), labels(N, SEED).numpy()
    for i, attribute in enumerate(ATTRIBUTES):
        measure = roc_auc_score if attribute in LOGITS else r2_score
        assert measure(truth[:, i], scores[:, i]) > 0.9, attribute


@pytest.mark.parametrize("kind", [PortraitAnnotator, PortraitJudge])
def test_noise_and_tint_change_scores_little(kind, held_out):
    score = kind().load()
    noise = np.random.default_rng(0).normal(4, 4, held_out.shape)
    tinted = (held_out + noise).clip(0, 255).astype(np.uint8)
    change = np.abs(score(tinted) - score(held_out)).mean(0)
    spread = score(held_out).std(0)
    assert (change < 0.35 * spread).all(), dict(zip(ATTRIBUTES, change / spread, strict=True))


def test_annotator_and_judge_are_two_networks():
    assert PortraitAnnotator().weights != PortraitJudge().weights
    assert PortraitAnnotator() != PortraitJudge()


def test_an_image_that_is_not_square_is_refused():
    for asked in (PortraitAnnotator().load(), lambda images: PortraitJudge().check(*images.shape[1:3])):
        with pytest.raises(UserError, match="square images, found 40 x 48"):
            asked(np.zeros((1, 40, 48, 3), np.uint8))


@pytest.mark.parametrize("kind", [PortraitAnnotator, PortraitJudge])
def test_no_models_but_the_bundled_ones_are_known(kind, tiny_model):
    bundled, with_open_skips, other = (find(str(folder)).weights for folder in (MODEL, OPEN_SKIPS, tiny_model))
    assert stranger(kind(), bundled) is None and stranger(kind(), with_open_skips) is None
    assert stranger(kind(), other) == f"{kind.name!r} does not know what this model shows: {kind.describes}"
    assert stranger(Mtcnn(), other) is None, "which does not say that it knows some models alone"


def test_missing_weights_say_how_to_remake_them(tmp_path, monkeypatch):
    monkeypatch.setattr(annotators, "PORTRAITS", tmp_path)
    with pytest.raises(UserError, match="no weights: expected .* --only attributes"):
        PortraitJudge()


@pytest.mark.parametrize("load", ["load", "embedder"])
def test_weights_that_change_after_they_were_hashed_are_refused(load, tmp_path, monkeypatch):
    """Scores would stand under the fingerprint of another network."""
    shutil.copytree(annotators.PORTRAITS / "judge", tmp_path / "judge")
    monkeypatch.setattr(annotators, "PORTRAITS", tmp_path)
    judge, weights = PortraitJudge(), tmp_path / "judge" / "model.safetensors"
    getattr(judge, load)()
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(UserError, match="model.safetensors has changed since it was first read"):
        getattr(judge, load)()


def test_the_networks_are_small():
    for kind in (PortraitAnnotator, PortraitJudge):
        assert (annotators.PORTRAITS / kind.folder / "model.safetensors").stat().st_size < 2_000_000


def test_scoring_does_not_touch_the_global_random_stream(held_out):
    before = torch.get_rng_state()
    PortraitAnnotator().load()(held_out[:2])
    assert torch.equal(torch.get_rng_state(), before)
