"""A step says the same of its samples at hand and of sketches that keep everything."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.estimators import dual
from pipeline.estimators.selection import Selection
from pipeline.estimators.sketch import Sketch
from pipeline.estimators.step import Blocks, Labelled, Samples, Sketches
from tests.pipeline.planted_h import relative_error, small

WANTED = [2, 0]  # of three scores


@pytest.fixture(scope="module")
def both() -> tuple[Samples, Sketches]:
    """The same samples, whose two sides are whole, at hand and sketched."""
    of_h, scores = small()
    n = len(scores)
    columns = [*WANTED, 1]  # the wanted first
    selections = [Selection.of(y, np.flatnonzero(y > 0), np.flatnonzero(y <= 0)) for y in scores[:, WANTED].T]
    labelled = Labelled(np.arange(n), np.arange(n), scores[:, columns], np.zeros(3), tuple(selections))
    sketch = Sketch(n - 1, np.zeros(3)).partial_fit(of_h.h, scores)
    return Samples(of_h.h, labelled, np.ones((n, 1))), Sketches(sketch.settled(), WANTED)


def whole(blocks: Blocks) -> np.ndarray:
    """(R, A, D)."""
    return np.concatenate(list(blocks), axis=2)


def test_many_columns_come_one_block_after_the_other(both):
    samples, _ = both
    wide = replace(samples, h=np.tile(samples.h, 50))  # 10,000 columns
    blocks = list(wide.mean_differences())
    assert [block.shape[2] for block in blocks] == [dual.WIDE, 10_000 - dual.WIDE]
    expected = np.tile(whole(samples.mean_differences()), 50)
    np.testing.assert_allclose(np.concatenate(blocks, axis=2), expected, atol=1e-5 * np.abs(expected).max())


def test_differences_of_means_and_their_norms_are_the_same(both):
    samples, sketches = both
    assert relative_error(whole(sketches.mean_differences()), whole(samples.mean_differences())) < 1e-4
    np.testing.assert_allclose(sketches.norms(), samples.norms(), rtol=1e-4)
    sizes = [[len(each.positives), len(each.negatives)] for each in samples.labelled.selections]
    np.testing.assert_array_equal(sketches.counts.T, sizes)


@pytest.mark.parametrize("shrinkage", [1.0, 0.5])
def test_discriminants_are_the_same(both, shrinkage):
    found = [whole(each.discriminants(shrinkage)) for each in both]
    for exact, sketched in zip(found[0][0], found[1][0], strict=True):
        exact, sketched = exact / np.linalg.norm(exact), sketched / np.linalg.norm(sketched)
        assert relative_error(sketched, exact) < 1e-2
