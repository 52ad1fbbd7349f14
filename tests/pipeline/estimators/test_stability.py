"""Stability: directions that are planted, with samples few or many, strong or drowned in noise, or not there at all."""

from collections.abc import Callable

import numpy as np
import pytest

from pipeline.estimators.halves import PAIRS, resamples
from pipeline.estimators.linear import classifiers, difference_weights, discriminants, refit
from pipeline.estimators.selection import folds, select, sides
from pipeline.estimators.sketch import Sketch, merge_in_tree
from pipeline.estimators.stability import (
    FEWEST,
    Stability,
    check_enough,
    check_sides,
    expected_cosine,
    inner_products,
    warnings_of,
)
from tests.pipeline.planted_h import Span, cosine

DRAWS = 12  # of samples from a planted model
N, D = 160, 8000  # as few samples beside the features as there are in practice


def directions(n: int, noise: float, seed: int = 0, steps: int = 3) -> list[np.ndarray]:
    """Differences of means at each step, (R, 1, D), of n samples in which an attribute moves h along a direction."""
    rng = np.random.default_rng(seed)
    scores = rng.standard_normal(n)
    weights = difference_weights([select(scores, n // 4)], resamples(range(n), np.zeros((n, 0), bool)))
    return [
        weights @ (np.outer(scores, rng.standard_normal(50)) + noise * rng.standard_normal((n, 50)))
        for _ in range(steps)
    ]


def test_cosines_are_those_of_whole_trajectories():
    steps = directions(n=100, noise=3)
    stability = Stability.of(sum(inner_products(vectors) for vectors in steps))
    v = np.concatenate(steps, axis=2)[:, 0]  # (R, steps * D)
    unit = v / np.linalg.norm(v, axis=1, keepdims=True)
    s = np.array([unit[1 + 2 * i] @ unit[2 + 2 * i] for i in range(PAIRS)])
    assert stability.split_half[0] == pytest.approx(s.mean())
    expected = np.sqrt(2 * np.array([s.mean(), s.min(), s.max()]) / (1 + np.array([s.mean(), s.min(), s.max()])))
    found = [stability.expected[0], stability.lowest[0], stability.highest[0]]
    np.testing.assert_allclose(found, expected)


def test_the_formula_for_more_and_for_fewer_halves():
    """Errors that are planted: a whole has one of variance 1 / k beside a half's, and to the truth there is none."""
    for times in (2.0, 3.0, 5.5):
        for error in (0.1, 1.0, 10.0):
            s = 1 / (1 + error)
            assert expected_cosine(np.array(s), times) == pytest.approx(np.sqrt(1 / (1 + error / times)))
    assert expected_cosine(np.array(0.6)) == pytest.approx(np.sqrt(2 * 0.6 / 1.6))
    np.testing.assert_array_equal(expected_cosine(np.array([-0.9, 0.0, 1.0])), [0, 0, 1])


# Planted truth

Found = tuple[float, float]  # what is expected, and the cosine to the truth


def drawn(n: int, strength: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """h (n, D) in which a latent score moves along a direction, scores (n, 1) that tell it but for an error, the direction."""
    rng = np.random.default_rng(seed)
    truth = rng.standard_normal(D)
    truth /= np.linalg.norm(truth)
    latent = rng.standard_normal((n, 1))
    h = strength * latent * truth + rng.standard_normal((n, D))
    return h.astype(np.float32), latent + 0.5 * rng.standard_normal((n, 1)), truth


def judged(v: np.ndarray, truth: np.ndarray, times: float = 2.0) -> Found:
    """Directions v (R, D)."""
    return float(Stability.of(inner_products(v[:, None]), times).expected[0]), cosine(v[0], truth)


def weights(n: int, scores: np.ndarray) -> np.ndarray:
    """Those that a finder has of one attribute."""
    selection = select(scores[:, 0], n // 4)
    groups = np.zeros((n, 2), bool)
    groups[selection.positives, 0] = groups[selection.negatives, 1] = True
    return resamples(range(n), np.column_stack([groups, scores > 0]))


def of_means(n: int, strength: float, seed: int) -> Found:
    h, scores, truth = drawn(n, strength, seed)
    found = difference_weights([select(scores[:, 0], n // 4)], weights(n, scores))
    return judged((found @ h)[:, 0], truth)


def of_classifiers(loss: str) -> Callable[[int, float, int], Found]:
    def found(n: int, strength: float, seed: int) -> Found:
        h, scores, truth = drawn(n, strength, seed)
        of_h, y = Span(h), sides(scores) if loss == "logistic" else scores
        C = classifiers(of_h.z, y, folds(range(n), 5), loss).C
        return judged(of_h.normals(refit(of_h.z, y, loss, C, weights(n, scores))[:, 0]), truth)

    return found


def of_discriminants(n: int, strength: float, seed: int) -> Found:
    h, scores, truth = drawn(n, strength, seed)
    of_h = Span(h)
    return judged(of_h.displacements(discriminants(of_h.z, scores, 0.9, weights(n, scores))[:, 0]), truth)


def of_sketches(make: Callable[[Sketch], np.ndarray], blocks: int = 4) -> Callable[[int, float, int], Found]:
    """Of sketches of blocks, all of them and two halves, whose samples nobody has any more."""

    def found(n: int, strength: float, seed: int) -> Found:
        h, scores, truth = drawn(n, strength, seed)
        each = [
            Sketch(30, [0.0]).partial_fit(rows, values).settled()
            for rows, values in zip(np.array_split(h, blocks), np.array_split(scores, blocks), strict=True)
        ]
        pairs = [([0, 1], [2, 3]), ([0, 2], [1, 3]), ([0, 3], [1, 2])]
        of_all = merge_in_tree(each).settled()
        halves = [merge_in_tree([each[i] for i in half]).settled() for pair in pairs for half in pair]
        return judged(np.stack([make(one)[0] for one in (of_all, *halves)]), truth)

    return found


ESTIMATORS = {
    "mean difference": of_means,
    "ridge": of_classifiers("squared"),
    "logistic": of_classifiers("logistic"),
    "discriminant": of_discriminants,
    "sketched mean difference": of_sketches(lambda sketch: sketch.sums.mean_differences()),
    "sketched discriminant": of_sketches(lambda sketch: sketch.discriminants(0.9)),
}


@pytest.mark.parametrize("strength", [2.0, 3.5, 5.0])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_planted_direction_is_as_near_as_is_expected(name, strength):
    found = np.array([ESTIMATORS[name](N, strength, seed) for seed in range(DRAWS)])
    expected, is_so = np.sqrt(np.square(found).mean(axis=0))
    assert expected == pytest.approx(is_so, abs=0.03)
    assert 0.15 < is_so < 0.95


@pytest.mark.parametrize("name", ESTIMATORS)
def test_noise_is_no_direction(name):
    """Where cosines to the directions of bootstraps were .66 to .77."""
    found = np.array([ESTIMATORS[name](N, 0.0, seed) for seed in range(DRAWS)])
    assert found[:, 0].mean() < 0.15 and np.abs(found[:, 1]).max() < 0.1


def test_a_direction_is_healthier_with_more_samples_and_less_noise():
    few, many, clean = (
        Stability.of(sum(map(inner_products, directions(n, noise)))) for n, noise in ((60, 4), (2000, 4), (2000, 0.1))
    )
    assert few.split_half[0] < 0.7 < 0.9 < many.split_half[0] < 0.999 < clean.split_half[0]
    assert few.expected[0] < 0.9 < many.expected[0] < 0.999 < clean.expected[0] <= 1
    assert few.lowest[0] < few.expected[0] < few.highest[0]


def test_what_is_not_known_is_none():
    vectors = directions(n=40, noise=1, steps=1)[0]
    assert set(Stability.of(inner_products(vectors[:1])).row(0).values()) == {None}
    one_pair = Stability.of(inner_products(vectors[:3])).row(0)
    assert one_pair["split_half_cosine"] > 0 and one_pair["expected_cosine"] > 0
    assert one_pair["expected_cosine_low"] is None and one_pair["expected_cosine_high"] is None
    several = Stability.of(inner_products(vectors))
    vectors[1] = np.nan  # a half without a positive
    without = Stability.of(inner_products(vectors))
    assert without.split_half[0] != several.split_half[0] and not np.isnan(without.lowest[0])
    vectors[1:] = np.nan
    assert set(Stability.of(inner_products(vectors)).row(0).values()) == {None}


def test_a_direction_of_noise_is_warned_of_with_the_numbers():
    poor = Stability(*np.array([[0.08], [0.385], [0.1], [0.5]]))
    [warning] = poor.warnings(0, "smile/ridge")
    assert warning.startswith("smile/ridge: two halves of the samples give directions of cosine 0.08")
    assert "expected to be 0.39: most of it is noise" in warning
    assert not Stability(*np.full((4, 1), 0.7)).warnings(0, "smile/ridge")
    assert not Stability(*np.full((4, 1), np.nan)).warnings(0, "smile/ridge")


def rare(n: int, positives: int) -> np.ndarray:
    """Logits of n samples, so many of them above 0, and one missing besides."""
    scores = np.concatenate([np.linspace(1, 2, positives), np.linspace(-3, -1, n - positives), [np.nan]])
    return scores


def test_a_rare_attribute_is_warned_of_with_the_numbers():
    scores = rare(10_000, 17)
    [warning] = warnings_of("glasses", scores, select(scores, 100))
    assert warning == (
        "glasses: 17 of 10,000 samples have a score above 0, and the 100 positives reach down to -1: "
        "a direction from them will be poor. Sample more, or take fewer."
    )
    assert warnings_of("glasses", scores, select(scores, 17)) == []
    [warning] = warnings_of("bare", -scores, select(-scores, 100))
    assert "17 of 10,000 samples have a score of 0 or less, and the 100 negatives reach up to 1" in warning


def test_thresholds_are_the_attribute_s_own_and_need_not_be():
    scores = rare(100, 30)
    assert "above 1.9" in warnings_of("glasses", scores, select(scores, 10), threshold=1.9)[0]
    assert warnings_of("yaw", scores, select(scores, 40), threshold=np.nan) == []


def test_sides_that_overlap_are_warned_of():
    scores = np.concatenate([np.full(30, 2.0), np.full(5, -1.0)])
    warnings = warnings_of("smile", scores, select(scores, 10))
    assert "5 of 35 samples have a score of 0 or less, and the 10 negatives reach up to 2" in warnings[0]
    assert "positives reach down to 2 and negatives up to 2: they overlap" in warnings[1]


def test_too_few_examples_are_refused_with_the_numbers():
    check_enough("glasses", rare(10_000, FEWEST))
    with pytest.raises(ValueError, match=f"of 10,000 scored samples .* at least {FEWEST} on either side"):
        check_enough("glasses", rare(10_000, FEWEST - 1))
    check_sides("glasses", FEWEST, 9_983, border=0)
    with pytest.raises(ValueError, match="glasses: 9,983 of 9,987 .* above 2 and 4 are not"):
        check_sides("glasses", 9_983, FEWEST - 1, border=2)


def test_a_score_without_a_border_needs_values_that_differ():
    check_enough("yaw", np.arange(20.0), threshold=np.nan)
    with pytest.raises(ValueError, match="0 of 20"):
        check_enough("yaw", np.ones(20), threshold=np.nan)
    with pytest.raises(ValueError, match="0 of 0"):
        check_enough("yaw", np.full(20, np.nan), threshold=np.nan)
