"""Which of several points a direction is best at: planted responses."""

import numpy as np
import pandas as pd
import pytest

from pipeline.metrics.choice import PASTED, REACHED, Tried, ranked, tried
from pipeline.metrics.response import Response

FINE, WEAK = REACHED + 0.25, REACHED - 0.25


def response(effects, realistic=(True, True, True)) -> Response:
    """Of the target and of another attribute at strengths -1, 0.5 and 1."""
    effect = pd.DataFrame(effects, columns=["target", "other"])
    unknown = pd.DataFrame(np.nan, effect.index, ["pasted", "follows"])
    return Response(np.array([-1.0, 0.5, 1.0]), effect, effect > 9, np.array(realistic), unknown)


def test_a_direction_is_read_at_the_realistic_strength_that_moves_least_else():
    effects = [(-0.5, 0.1), (FINE, 0.2), (2 * FINE, 0.9)]
    assert tried(response(effects), "target") == Tried(0.5, FINE, 0.2, pytest.approx(np.nan, nan_ok=True))
    assert tried(response(effects, (True, False, False)), "target").strength == -1.0
    pasted = tried(response(effects), "target", (0.1, PASTED + 0.1, 0.3))
    assert pasted == Tried(1.0, 2 * FINE, 0.9, 0.3)


def test_where_no_strength_moves_it_far_enough_it_is_read_where_it_moves_most():
    effects = [(-0.1, 0.0), (WEAK / 2, 0.0), (WEAK, 0.9)]
    assert tried(response(effects), "target").strength == 1.0


def test_where_it_falls_farther_than_it_rises_it_is_read_there():
    found = tried(response([(-1.2, -0.3), (0.1, 0.0), (0.2, 0.0)]), "target")
    assert (found.strength, found.on_target, found.off_target) == (-1.0, 1.2, 0.3)


def test_what_leaves_the_models_images_at_once_moves_nothing():
    found = tried(response([(-9.0, 0.0), (9.0, 0.0), (9.0, 0.0)], (False, False, False)), "target")
    assert (found.strength, found.on_target, found.fine) == (0.0, 0.0, False)


def one(on: float, off: float, pasted: float = np.nan) -> Tried:
    return Tried(1.0, on, off, pasted)


def test_the_least_off_target_is_best_and_of_two_alike_the_first():
    assert ranked([one(FINE, 0.9), one(FINE, 0.2), one(2 * FINE, 0.5)])[0] == 1
    assert ranked([one(FINE, 0.25), one(FINE, 0.2)])[0] == 0
    assert ranked([one(FINE, 0.9), one(FINE, 0.5), one(FINE, 0.1)]) == [2, 1, 0]


def test_what_does_not_reach_far_enough_or_is_pasted_comes_after():
    assert ranked([one(WEAK, 0.0), one(FINE, 0.6)])[0] == 1
    assert ranked([one(FINE, 0.0, PASTED + 0.1), one(FINE, 0.6, PASTED - 0.1)])[0] == 1


def test_where_nothing_reaches_far_enough_what_moves_most_is_best():
    assert ranked([one(0.1, 0.0), one(WEAK, 0.4), one(0.0, 0.0)]) == [1, 0, 2]
