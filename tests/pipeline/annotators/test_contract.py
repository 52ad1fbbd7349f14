"""What every annotator must keep to: those of `ANNOTATORS`, that of CONTRIBUTING.md, some outside it, and one of each kind.

A new one is tested by being listed in `ANNOTATORS`. So it is for regions. One of a kind is made in `tiny_networks.every`.
"""

import dataclasses
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils._pytree import tree_leaves

from pipeline.annotators import registry
from pipeline.annotators.base import check_size
from pipeline.annotators.border import masker, scorer
from pipeline.annotators.exported import Exported
from pipeline.annotators.names import check_annotator, spec_of
from pipeline.annotators.onnx import Onnx
from pipeline.annotators.registry import ANNOTATORS, REGIONS, imported
from pipeline.domains.portraits.data import draw
from pipeline.errors import UserError
from pipeline.fingerprint import fingerprint, settings
from tests.documented import added, listed, write_weights
from tests.pipeline.annotators import tiny_networks

ROOT = Path(__file__).parents[3]
LISTED = (*ANNOTATORS, "beards")
OF_KINDS = tiny_networks.EVERY
OUTSIDE = ("outside_plugs:shades", "outside_plugs:Ink", "outside_plugs:bold", "outside_plugs:made")
MASKS = (*REGIONS, "box:1,2,6,5", "outside_plugs:middle", "outside_plugs:Border")
SIZES = ((48, 64), (64, 48), (16, 16), (8, 8), (256, 256))


@pytest.fixture(scope="module")
def portraits() -> np.ndarray:
    return draw(4, seed=17).permute(0, 2, 3, 1).numpy()


@pytest.fixture(scope="module")
def of_kinds(tmp_path_factory) -> dict[str, str]:
    return tiny_networks.every(tmp_path_factory.mktemp("kinds"))


@pytest.fixture(scope="module", params=[*LISTED, *OUTSIDE, *OF_KINDS])
def spec(request, outside_folder, of_kinds):
    write_weights()
    with listed("annotator", ANNOTATORS):
        yield of_kinds.get(request.param, request.param)


@pytest.fixture(scope="module")
def annotator(spec):
    return registry.annotator(spec)


@pytest.fixture(scope="module")
def score(spec, annotator):
    """What the annotator loads; of one outside, at the border that stages have."""
    return annotator.load() if spec in LISTED else scorer(annotator)


def test_is_a_frozen_dataclass_that_a_fingerprint_can_hash(annotator, spec):
    assert annotator == registry.annotator(spec) and hash(annotator) == hash(registry.annotator(spec))
    described = settings(annotator)
    hashed = described.get("weights") or described.get("source") or described.get("function", {}).get("source")
    assert len(hashed) == 64 if hashed else described["version"] >= 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        annotator.name = ""


def test_says_what_it_scores(annotator):
    check_annotator(annotator, spec_of(annotator))
    assert len(set(annotator.attributes)) == len(annotator.attributes) == len(annotator.thresholds) > 0


def test_is_listed_under_its_name_with_what_it_says_of_itself(annotator, spec):
    if spec not in LISTED:
        assert annotator.name not in ANNOTATORS
        return
    path, attributes, describes = ANNOTATORS[annotator.name]
    assert imported(path) is type(annotator)
    assert (attributes, describes) == (annotator.attributes, annotator.describes)
    assert describes.endswith(".") and "\n" not in describes


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


def test_it_travels_to_a_worker_as_what_it_is(annotator, portraits, score):
    travelled = pickle.loads(pickle.dumps(annotator))
    assert travelled == annotator and settings(travelled) == settings(annotator)
    np.testing.assert_array_equal(scorer(travelled)(portraits), score(portraits))


def test_the_border_changes_no_scores(annotator, portraits):
    np.testing.assert_array_equal(scorer(annotator)(portraits), np.float32(annotator.load()(portraits)).reshape(4, -1))


@pytest.fixture(scope="module")
def elsewhere(outside_folder, of_kinds) -> dict[str, str]:
    """Fingerprints of all of them in another process, which stands in the folder of those outside."""
    write_weights()
    module, folder = added("annotator").module, added("annotator").folder
    specs = [*LISTED[:-1], f"{module.__name__}:BeardAnnotator", *OUTSIDE, *of_kinds.values(), *MASKS[-2:]]
    code = (
        "import json, sys; from pipeline.annotators.registry import annotator, mask\n"
        "from pipeline.fingerprint import fingerprint, settings\n"
        "of = lambda spec: (mask if spec in sys.argv[-2:] else annotator)(spec)\n"
        "print(json.dumps({spec: fingerprint(settings(of(spec))) for spec in sys.argv[1:]}))"
    )
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}"}
    done = subprocess.run(
        [sys.executable, "-c", code, *specs], cwd=outside_folder, env=environment, capture_output=True, text=True
    )
    assert not done.returncode, done.stderr
    return json.loads(done.stdout)


def test_it_is_the_same_in_every_process(annotator, spec, elsewhere):
    there = f"{type(annotator).__module__}:BeardAnnotator" if spec == "beards" else spec
    assert fingerprint(settings(annotator)) == elsewhere[there]


@pytest.mark.parametrize("size", SIZES)
def test_images_of_a_size_are_scored_or_refused_before_work(annotator, score, size):
    images = np.random.default_rng(1).integers(0, 256, (2, *size, 3), np.uint8)
    try:
        check_size(*size, annotator)
    except UserError as error:
        assert str(size[0]) in str(error) and str(size[1]) in str(error)
        return
    assert score(images).shape == (2, len(annotator.attributes))


def test_networks_are_loaded_in_eval_mode_and_scoring_leaves_no_gradient(annotator, spec, portraits, monkeypatch):
    modes = []
    forward = torch.nn.Module.__call__

    def watch(module, *args, **kwargs):
        out = forward(module, *args, **kwargs)
        tensors = [each for each in tree_leaves(out) if isinstance(each, torch.Tensor)]
        trains = module.training and not isinstance(annotator, Exported)  # a program that is fixed has no modes
        modes.append(trains or any(tensor.requires_grad for tensor in tensors))
        return out

    monkeypatch.setattr(torch.nn.Module, "__call__", watch)
    annotator.load()(portraits[:1])
    by_torch = "weights" in settings(annotator) and not isinstance(annotator, Onnx)
    assert bool(modes) == by_torch and not any(modes)


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


# Regions


@pytest.fixture(scope="module", params=MASKS)
def mask(request, outside_folder):
    return registry.mask(request.param)


@pytest.fixture(scope="module")
def find(mask):
    return masker(mask)


def test_a_region_is_a_mask_an_image_or_none(mask, find, portraits):
    masks = find(portraits)
    assert (masks.shape, masks.dtype) == (portraits.shape[:3], np.float32)
    there = masks[~np.isnan(masks).any(axis=(1, 2))]
    assert len(there) and there.min() >= 0 and there.max() <= 1 and 0 < there.mean() < 1
    assert find(portraits[:0]).shape == (0, 48, 48)


def test_a_region_does_not_depend_on_the_images_beside_it_or_the_call(find, portraits):
    images = np.concatenate([np.zeros_like(portraits[:1]), portraits])
    first = find(images)
    np.testing.assert_array_equal(np.concatenate([find(image[None]) for image in images]), first)
    np.testing.assert_array_equal(find(images), first)


def test_a_region_travels_and_is_told_from_others(mask, find, portraits):
    travelled = pickle.loads(pickle.dumps(mask))
    assert travelled == mask and settings(travelled) == settings(mask)
    np.testing.assert_array_equal(masker(travelled)(portraits), find(portraits))


def test_a_region_outside_is_the_same_in_every_process(outside_folder, elsewhere):
    for each in MASKS[-2:]:
        assert fingerprint(settings(registry.mask(each))) == elsewhere[each]


@pytest.mark.parametrize("size", SIZES)
def test_a_region_is_found_in_images_of_any_size_that_it_takes(mask, find, size):
    mask.check(*size)
    assert find(np.random.default_rng(1).integers(0, 256, (2, *size, 3), np.uint8)).shape == (2, *size)
