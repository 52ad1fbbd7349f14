"""Whether an annotator is at home: planted strangers are told, its own are not, and what the bundled ones keep tells both apart."""

import numpy as np
import pytest
from PIL import Image

from pipeline.annotators.familiarity import KEPT, Figures, Reference, note, read_reference, write_reference
from pipeline.annotators.registry import annotator
from pipeline.domains.digits.data import draw as digits
from pipeline.domains.portraits.data import draw as portraits

PORTRAITS = ("portraits", "portraits-judge")
NOTHING = {"strange": None, "present": None, "alike": None, "alike_attribute": None}


def features(n: int, seed: int, shift: float = 0.0) -> np.ndarray:
    """On a plane among 10 features of very different sizes, one of which is the same everywhere."""
    r = np.random.default_rng(seed)
    return np.column_stack([(r.normal(size=(n, 2)) + shift) @ np.arange(1.0, 19).reshape(2, 9), np.full(n, 7.0)])


def test_one_in_a_hundred_of_the_same_kind_is_beyond_the_limit_and_all_strangers_are():
    reference = Reference(features(600, 0).astype(np.float16))
    assert reference.strange(features(4000, 1)) == pytest.approx(0.01, abs=0.01)
    assert reference.strange(features(100, 2, shift=8.0)) == 1
    assert (reference.distances(reference.features) <= reference.limit).mean() > 0.98


def test_distances_are_those_of_scikit_learn():
    from sklearn.neighbors import NearestNeighbors

    reference, others = Reference(features(300, 0)[:, :9].astype(np.float16)), features(40, 3)[:, :9]
    own = reference.features.astype(float)
    mean, unit = own.mean(axis=0), own.std(axis=0) * 3  # the root of 9 features
    found, _ = NearestNeighbors(n_neighbors=5).fit((own - mean) / unit).kneighbors((others - mean) / unit)
    np.testing.assert_allclose(reference.distances(others), found[:, -1], atol=1e-6)


def test_what_is_kept_is_spread_over_all_and_comes_back(tmp_path):
    given = np.arange(2.0 * KEPT)[:, None]
    write_reference(tmp_path, given)
    kept = read_reference(tmp_path)
    assert len(kept.features) == KEPT and (kept.features[0], kept.features[-1]) == (0, given[-1].astype(np.float16))
    assert read_reference(tmp_path / "nowhere") is None


def test_scores_that_are_the_same_and_things_that_are_not_there_are_figures():
    scores = np.column_stack(
        [np.linspace(0, 1, 100), np.r_[np.ones(97), 0, 0.5, np.nan], np.r_[np.ones(30), np.zeros(70)]]
    )
    found = Figures.of(scores, ("spread", "full", "there"), "there", (0.5, 0.5, 0.5))
    assert (found.present, found.alike_attribute) == (pytest.approx(0.3), "full")
    assert found.alike == pytest.approx(97 / 99)
    assert Figures.of(scores, ("spread", "full", "there"), "there", (0.5, 0.5, np.nan)).present is None, (
        "no border is known"
    )


def test_two_who_disagree_on_an_attribute_are_said():
    apart = {"agrees_with": "b", "agreement": 0.7, "agreement_attribute": "smile"}
    [said] = note("a", 100, **NOTHING, **apart)
    assert said.startswith("'a' and 'b' agree on smile by r = 0.70 at most in 100 images")
    assert list(note("a", 100, **NOTHING, **{**apart, "agreement": 0.85})) == []


def test_each_figure_beyond_its_border_is_a_sentence_with_the_number():
    assert list(note("a", 100, **NOTHING)) == list(note("a", 100, 0.4, 0.6, 0.9, "x")) == []
    [strange, absent, alike] = note("a", 100, 0.6, 0.3, 0.97, "x")
    assert "60% of 100" in strange and "30% of 100" in absent and "97% of 100 images the same score of x" in alike
    assert list(note("a", 10, 1.0, 0.0, 1.0, "x")) == [], "too few to say"


DIGITS = ("pipeline.domains.digits.annotators:annotator", "pipeline.domains.digits.annotators:judge")


@pytest.mark.parametrize("spec", [*PORTRAITS, *DIGITS])
def test_the_bundled_annotators_are_at_home_in_their_own_images_and_nowhere_else(spec):
    drawn = portraits(60, seed=3).permute(0, 2, 3, 1).numpy()
    written = digits("held-out", 60, seed=3)[0].permute(0, 2, 3, 1).numpy().repeat(3, axis=3)
    own, others = (drawn, written) if spec in PORTRAITS else (written, drawn)
    noise = np.random.default_rng(0).integers(0, 256, own.shape, np.uint8)
    embed, reference = annotator(spec).embedder(), annotator(spec).reference()
    shares = [reference.strange(embed(images)) for images in (own, own[:, ::-1].copy(), others, noise, 255 - own)]
    assert list(note(spec, 60, **{**NOTHING, "strange": shares[0]})) == [] and shares[0] < 0.1
    assert len(list(note(spec, 60, **{**NOTHING, "strange": shares[2]}))) == 1
    assert min(shares[2:]) > 0.6 and (spec in DIGITS or shares[1] > 0.6)


@pytest.mark.parametrize("spec", PORTRAITS)
def test_who_knows_drawings_is_lost_in_a_photograph(spec):
    data = pytest.importorskip("skimage.data")
    photograph = Image.fromarray(data.astronaut())
    views = [
        photograph.crop((x, y, x + 224, y + 224)).resize((48, 48))
        for x in range(100, 200, 20)
        for y in range(0, 80, 16)
    ]
    images = np.stack([np.asarray(view) for view in views])
    strange = annotator(spec).reference().strange(annotator(spec).embedder()(images))
    [said] = note(spec, len(images), **{**NOTHING, "strange": strange})
    assert "not at home" in said and strange > 0.9
