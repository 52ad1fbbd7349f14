"""Planted directions among noise: the clusters and the mean subspace are those that were put in."""

import numpy as np
import pytest

from pipeline.estimators.subspaces import clusters, mean_subspace


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def test_directions_that_are_nearly_one_are_gathered_whatever_their_sign():
    rng = np.random.default_rng(0)
    axes = np.eye(50)[:3]
    counts = (7, 4, 2)
    planted = np.concatenate([axis + 0.02 * rng.standard_normal((n, 50)) for axis, n in zip(axes, counts, strict=True)])
    truth = np.repeat([0, 1, 2], counts)
    order = rng.permutation(len(planted))
    found = clusters(unit(planted * rng.choice([-1, 1], (len(planted), 1)))[order], 0.8)
    assert [len(each.members) for each in found] == list(counts)
    for i, each in enumerate(found):
        assert set(truth[order][each.members]) == {i}
        assert each.representative in each.members


def test_the_representative_is_the_one_with_the_most_near_it():
    angles = np.radians([0, 20, 40, 60])  # the second and third have two others within 25 degrees, the ends one
    fan = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    first, second = clusters(fan, np.cos(np.radians(25)))
    assert first.representative == 1 and first.members.tolist() == [0, 1, 2]
    assert second.members.tolist() == [3]


def test_what_is_apart_is_never_gathered():
    same = unit(np.ones((4, 5)))
    assert [each.members.tolist() for each in clusters(same, 0.9, apart=np.array([1, 2, 1, 2]))] == [[0, 2], [1, 3]]


def test_the_mean_subspace_has_first_what_all_subspaces_contain():
    rng = np.random.default_rng(1)
    shared, half = np.eye(40)[0], np.eye(40)[1]
    subspaces = []
    for i in range(20):
        rest = np.zeros((2, 40))
        rest[:, 2:] = rng.standard_normal((2, 38))
        basis = np.linalg.qr(np.stack([shared, half if i % 2 else rest[0], rest[1]]).T)[0].T
        subspaces.append(np.linalg.qr(rng.standard_normal((3, 3)))[0] @ basis)  # any basis of the subspace will do
    shares, directions = mean_subspace(np.stack(subspaces), 3)
    assert shares[:2] == pytest.approx([1.0, 0.5], abs=1e-9) and shares[2] < 0.4
    assert abs(directions[0] @ shared) == pytest.approx(1) and abs(directions[1] @ half) == pytest.approx(1)
    assert directions @ directions.T == pytest.approx(np.eye(3), abs=1e-12)


def test_the_sign_of_a_direction_is_the_rules_and_not_the_librarys(monkeypatch):
    subspaces = np.stack([np.linalg.qr(np.random.default_rng(i).standard_normal((12, 3)))[0].T for i in range(7)])
    _, directions = mean_subspace(subspaces, 3)
    assert all(each[np.abs(each).argmax()] > 0 for each in directions)
    eigh = np.linalg.eigh
    monkeypatch.setattr(np.linalg, "eigh", lambda matrix: (eigh(matrix)[0], -eigh(matrix)[1]))
    assert mean_subspace(subspaces, 3)[1] == pytest.approx(directions, abs=1e-12)


def test_the_share_is_the_mean_squared_cosine_to_a_subspace():
    rng = np.random.default_rng(2)
    subspaces = np.stack([np.linalg.qr(rng.standard_normal((12, 3)))[0].T for _ in range(7)])
    shares, directions = mean_subspace(subspaces, 2)
    squared = np.square(np.einsum("nmd,kd->nmk", subspaces, directions)).sum(axis=1)  # (n, k)
    assert squared.mean(axis=0) == pytest.approx(shares)
