"""What the PCA benchmark computes; its timings are its own."""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.pca import (
    BATCH,
    SPECTRA,
    K,
    exact_components,
    rounded,
    smallest_cosine,
    smallest_principal_cosine,
    speedup,
)


def test_a_speedup_is_taken_within_each_batch_and_the_first_is_left_out():
    seconds = {"IncrementalPCA": [1.0, 20.0, 220.0, 22.0], "keep k": [9.0, 1.0, 10.0, 1.0], "keep 4k": []}
    assert speedup(seconds) == 22


def test_the_exact_components_are_those_of_the_svd():
    X = np.random.default_rng(0).standard_normal((40, 100)).astype(np.float32) * np.linspace(
        0.5, 3, 100, dtype=np.float32
    )
    _, _, vt = np.linalg.svd(X.astype(np.float64) - X.mean(axis=0, dtype=np.float64), full_matrices=False)
    found = exact_components(X, k=5, columns=16)
    np.testing.assert_allclose(np.abs(np.sum(found * vt[:5], axis=1)), 1, rtol=1e-10)


def test_a_principal_cosine_is_of_the_subspaces_and_not_of_their_bases():
    truth = np.eye(4)[:2]
    turned = np.array([[0.6, 0.8], [-0.8, 0.6]]) @ truth
    assert smallest_principal_cosine(turned, truth) == pytest.approx(1)
    assert smallest_principal_cosine(np.eye(4)[[0, 2]], truth) == pytest.approx(0)


def test_components_without_a_gap_are_not_compared():
    theirs = SimpleNamespace(singular_values_=np.array([9.0, 5.0, 4.99, 3.0, 1.0]), components_=np.eye(5))
    ours = SimpleNamespace(components_=np.array(np.eye(5)[[0, 2, 1, 3, 4]]))
    assert smallest_cosine(theirs, ours) == 1
    ours.components_[3] = 0
    assert smallest_cosine(theirs, ours) == 0


@pytest.mark.parametrize("name", SPECTRA)
def test_rows_are_the_same_every_time_and_have_the_stated_variances(name):
    first, again = (np.concatenate(list(SPECTRA[name].rows(D=300, batches=8))) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert first.shape == (8 * BATCH, 300) and first.dtype == np.float32
    variances = np.linalg.svd(first - first.mean(axis=0), compute_uv=False) ** 2 / len(first)
    j = np.array([1, 5, K - 10])
    noise = variances[-1]
    np.testing.assert_allclose(variances[j - 1] - noise, 1 / j ** SPECTRA[name].power, rtol=0.35)


PEAK = """
import numpy as np
from benchmarks.pca import forget_peak, memory
before = memory("VmRSS")
del_me = np.ones(2**23)  # 64 MiB
del del_me
assert memory("VmHWM") - before > 50 * 2**20
forget_peak()
assert memory("VmHWM") - before < 20 * 2**20
"""


def test_a_peak_is_seen_once_and_then_forgotten():
    """In a process whose heap has nothing free."""
    subprocess.run([sys.executable, "-c", PEAK], check=True)


def test_cosines_are_rounded_downwards():
    assert rounded(0.99989999) == 0.9998999
    assert rounded(0.99899999999) < 0.999
