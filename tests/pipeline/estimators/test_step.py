"""A step says the same of its samples at hand and of sketches that keep everything."""

import numpy as np
import pytest

from pipeline.estimators.selection import Selection
from pipeline.estimators.sketch import Sketch
from pipeline.estimators.step import Labelled, Samples, Sketches
from tests.pipeline.planted_h import relative_error, small

WANTED = [2, 0]  # of three scores


@pytest.fixture(scope="module")
def both() -> tuple[Samples, Sketches]:
    """The same samples, whose two sides are whole, at hand and sketched."""
    of_h, scores = small()
    n = len(scores)
    columns = [*WANTED, 1]  # the wanted first
    whole = [Selection.of(y, np.flatnonzero(y > 0), np.flatnonzero(y <= 0)) for y in scores[:, WANTED].T]
    labelled = Labelled(np.arange(n), np.arange(n), scores[:, columns], np.zeros(3), tuple(whole))
    sketch = Sketch(n - 1, np.zeros(3)).partial_fit(of_h.h, scores)
    return Samples(of_h.h, labelled, np.ones((n, 1))), Sketches([sketch.settled()], WANTED)


def test_differences_of_means_and_their_norms_are_the_same(both):
    samples, sketches = both
    assert relative_error(sketches.mean_differences(), samples.mean_differences()) < 1e-4
    np.testing.assert_allclose(sketches.norms(), samples.norms(), rtol=1e-4)
    sizes = [[len(each.positives), len(each.negatives)] for each in samples.labelled.selections]
    np.testing.assert_array_equal(sketches.counts.T, sizes)


@pytest.mark.parametrize("shrinkage", [1.0, 0.5])
def test_discriminants_are_the_same(both, shrinkage):
    found = [each.discriminants(shrinkage) for each in both]
    for exact, sketched in zip(found[0][0], found[1][0], strict=True):
        exact, sketched = exact / np.linalg.norm(exact), sketched / np.linalg.norm(sketched)
        assert relative_error(sketched, exact) < 1e-2
