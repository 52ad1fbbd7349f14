"""Tracks that are planted through all steps, against what the components of single steps make of them."""

import numpy as np
import pytest

from pipeline.estimators.component_matching import align_signs, match

T, N = 24, 500


def components(z: np.ndarray, std: np.ndarray, K: int, seed: int = 9) -> np.ndarray:
    """Scores (T, n, K) of the PCA of each step, in its order and with signs as they fall: z (T, n, J) tracks, std (T, J)."""
    flips = np.random.default_rng(seed)
    scores = []
    for h in z * std[:, None, :]:
        U, s, _ = np.linalg.svd(h - h.mean(axis=0), full_matrices=False)
        scores.append((U * s)[:, :K] * flips.choice([-1, 1], K))
    return np.stack(scores)


def independent(J: int, drift: float = 0.0, seed: int = 0) -> np.ndarray:
    """Tracks (T, N, J): what a step leaves of one is sqrt(1 - drift^2) of it, and the rest is new."""
    rng = np.random.default_rng(seed)
    steps = [rng.standard_normal((N, J))]
    for _ in range(T - 1):
        steps.append(np.sqrt(1 - drift**2) * steps[-1] + drift * rng.standard_normal((N, J)))
    return np.stack(steps)


def which(z: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The planted track that each component is nearest to, and the sign that it has of it: (T, K) each."""
    correlations = np.stack([np.corrcoef(a.T, b.T)[: a.shape[1], a.shape[1] :] for a, b in zip(z, scores, strict=True)])
    nearest = np.abs(correlations).argmax(axis=1)
    return nearest, np.sign(np.take_along_axis(correlations, nearest[:, None, :], axis=1)[:, 0])


def purity(tracks: np.ndarray) -> float:
    """Mean share of the steps at which a direction is the planted track that it mostly is: tracks (T, k)."""
    return float(np.mean([np.bincount(track).max() / len(track) for track in tracks.T]))


def crossing(J: int) -> np.ndarray:
    """Standard deviations (T, J) that cross again and again."""
    rng = np.random.default_rng(4)
    t = np.arange(T)[:, None] / T
    waves = np.sin(2 * np.pi * (t * rng.uniform(0.3, 1.2, J) + rng.uniform(0, 1, J)))
    return np.exp(-0.2 * np.arange(J) + 0.8 * waves)


def test_tracks_whose_variances_cross_are_followed_where_the_papers_order_mixes_them():
    z = independent(12)
    scores = components(z, crossing(12), K=12)
    order, sign = match(scores, 5)
    nearest, planted_sign = which(z, scores)
    found = np.take_along_axis(nearest, order, axis=1)
    assert purity(nearest[:, :5]) < 0.6
    assert purity(found) > 0.95
    assert len({np.bincount(track).argmax() for track in found.T}) == 5

    signs = sign * np.take_along_axis(planted_sign, order, axis=1)
    for j, track in enumerate(found.T):
        of_the_track = signs[track == np.bincount(track).argmax(), j]
        assert abs(of_the_track.mean()) > 0.95


@pytest.mark.parametrize("seed", range(3))
def test_tracks_that_change_slowly_are_followed_until_nothing_of_their_beginning_is_left(seed):
    z = independent(8, drift=0.25, seed=seed)
    assert np.mean(z[0] * z[-1]) < 0.55
    scores = components(z, np.tile(np.linspace(3, 1, 8), (T, 1)), K=8)
    order, sign = match(scores, 4)
    nearest, planted_sign = which(z, scores)
    np.testing.assert_array_equal(np.take_along_axis(nearest, order, axis=1), np.tile(np.arange(4), (T, 1)))
    signs = sign * np.take_along_axis(planted_sign, order, axis=1)
    assert (np.abs(signs.mean(axis=0)) == 1).all()


def test_two_that_tie_at_a_step_are_themselves_again_after_it():
    z = independent(3)
    std = np.tile([2.0, 1.5, 0.5], (T, 1))
    scores = components(z, std, K=3)
    tie = T // 2
    a, b = scores[tie, :, 0].copy(), scores[tie, :, 1].copy()
    scores[tie, :, 0], scores[tie, :, 1] = (a + 1.02 * b) / 2, (a - 0.98 * b) / 2  # any rotation is as good at a tie
    order, _ = match(scores, 2)
    nearest, _ = which(z, scores)
    found = np.take_along_axis(nearest, order, axis=1)
    np.testing.assert_array_equal(np.delete(found, tie, axis=0), np.tile([0, 1], (T - 1, 1)))


def test_a_track_that_is_weak_for_a_while_is_found_again_and_nothing_takes_its_place():
    z = independent(6)
    std = np.tile([4.0, 3.0, 2.5, 2.0, 1.5, 1.0], (T, 1))
    std[8:11, 0] = 0.01  # the last of all, and not among the candidates
    scores = components(z, std, K=5)
    order, sign = match(scores, 3)
    nearest, _ = which(z, scores)
    found = np.take_along_axis(nearest, order, axis=1)
    gone = np.isin(np.arange(T), range(8, 11))
    first = list(found[0]).index(0)
    assert (found[~gone, first] == 0).all()
    assert (sign[gone, first] == 0).all() and (sign[~gone] != 0).all()
    others = np.delete(found, first, axis=1)
    assert purity(others) == 1 and (np.delete(sign, first, axis=1) != 0).all()


def test_more_candidates_than_directions_keep_a_track_that_falls_behind():
    z = independent(4)
    std = np.tile([4.0, 3.0, 2.0, 1.0], (T, 1))
    std[10:14, 0] = 0.3  # behind the other three
    scores = components(z, std, K=4)
    order, sign = match(scores, 2)
    nearest, _ = which(z, scores)
    found = np.take_along_axis(nearest, order, axis=1)
    assert purity(found) == 1 and (sign != 0).all()
    assert set(found[0]) == {0, 1}


def test_steps_of_noise_are_left_out_and_do_not_disturb_the_others():
    """As the noisiest steps of a diffusion model: their components say nothing of what is to come."""
    z = independent(6)
    z[:4] = np.random.default_rng(8).standard_normal((4, N, 6))
    scores = components(z, crossing(6), K=6)
    order, sign = match(scores, 3)
    nearest, _ = which(z, scores)
    assert (sign[:4] == 0).all() and (sign[4:] != 0).mean() > 0.95
    assert purity(np.take_along_axis(nearest, order, axis=1)[4:]) > 0.95


def test_directions_are_ordered_by_the_variance_of_their_scores():
    z = independent(5)
    std = np.tile([1.0, 3.0, 2.0, 5.0, 4.0], (T, 1))
    std[0] = std[0, ::-1]
    order, _ = match(components(z, std, K=5), 3)
    np.testing.assert_array_equal(order[1:], np.tile([0, 1, 2], (T - 1, 1)))


def test_signs_and_order_within_a_step_do_not_matter():
    z, std = independent(6), crossing(6)
    scores = components(z, std, K=6)
    shuffled = scores[:, :, np.random.default_rng(5).permutation(6)] * np.array([1, -1, 1, -1, -1, 1])
    directions = [
        np.take_along_axis(s, o[:, None, :], 2) * g[:, None, :] for s in (scores, shuffled) for o, g in [match(s, 6)]
    ]
    agreement = np.abs(np.einsum("tnk,tnk->k", *directions)) / np.einsum("tnk,tnk->k", directions[0], directions[0])
    np.testing.assert_allclose(agreement, 1)


def test_one_step_is_left_as_it_is():
    scores = components(independent(4)[:1], crossing(4)[:1], K=4)
    order, sign = match(scores, 3)
    assert order.tolist() == [[0, 1, 2]] and sign.tolist() == [[1, 1, 1]]


def test_a_candidate_that_does_not_vary_is_nobodys():
    scores = np.concatenate([components(independent(2), np.tile([2.0, 1.0], (T, 1)), K=2), np.zeros((T, N, 1))], axis=2)
    order, sign = match(scores, 3)
    assert (order[:, :2] == [0, 1]).all() and (sign[:, :2] != 0).all()
    assert (np.delete(sign[:, 2], np.flatnonzero(sign[:, 2])) == 0).all() and (sign[:, 2] == 0).sum() >= T - 1


@pytest.mark.parametrize("k", [0, 4])
def test_more_directions_than_candidates_are_refused(k):
    with pytest.raises(ValueError, match="expected 1 to 3"):
        match(np.zeros((2, 10, 3)), k)


def test_each_step_agrees_in_sign_with_the_first():
    rng = np.random.default_rng(1)
    first = rng.standard_normal((3, 20))
    flips = np.array([[1, -1, 1], [-1, -1, 1]])[:, :, None]
    steps = [first, *(first * flip + 0.01 for flip in flips)]
    aligned = align_signs(steps)
    assert aligned.shape == (3, 3, 20)
    assert np.all(np.einsum("ktd,kd->kt", aligned, first) > 0)
