"""Planted changes: a template, a change that moves with the sample, and noise are told apart, on few samples and many."""

import numpy as np
import pandas as pd
import pytest

from pipeline.metrics.preservation import Pairs
from pipeline.metrics.template import CHANGED, FEWEST, centre, follows, of_images, pasted, template

SIZE = 32
SHARP = 2.5  # pixels


def spots(at: np.ndarray, height: float = 60.0, width: float = SHARP) -> np.ndarray:
    """(n, H, W, 1): a round spot in each image, at (n, 2), x and y."""
    y, x = np.mgrid[:SIZE, :SIZE]
    squares = (x - at[:, :1, None]) ** 2 + (y - at[:, 1:, None]) ** 2
    return height * np.exp(-squares / 2 / width**2)[..., None]


def places(n: int, seed: int = 0, spread: float = 4.0) -> np.ndarray:
    """(n, 2): where the sample is."""
    return SIZE / 2 + spread * np.random.default_rng(seed).uniform(-1, 1, (n, 2))


def edited(change: np.ndarray, at: np.ndarray | None = None, parts: int = 1) -> pd.DataFrame:
    """What is known of the images of one edit, with such a change (n, H, W, C) on grey, in so many parts."""
    n = len(change)
    before = np.full((n, SIZE, SIZE, 3), 128, np.uint8)
    after = np.clip(np.round(128 + change), 0, 255).astype(np.uint8) * np.ones((1, 1, 1, 3), np.uint8)
    masks = None if at is None else spots(at, 1.0, 4.0)[..., 0]
    tables = []
    for rows in np.array_split(np.arange(n), parts):
        pairs = Pairs(before[rows], after[rows], None if masks is None else masks[rows])
        tables.append(pd.DataFrame(of_images(pairs, np.zeros(len(rows), int))))
    return pd.concat(tables)


def noise(n: int, seed: int = 0) -> np.ndarray:
    return 20 * np.random.default_rng(seed).standard_normal((n, SIZE, SIZE, 3))


@pytest.mark.parametrize("n", [FEWEST, 40])
def test_a_template_is_all_the_same_and_follows_nothing(n):
    at = places(n)
    found = edited(np.repeat(spots(np.full((1, 2), 9.0)), n, axis=0), at)
    assert pasted(found) == pytest.approx(1, abs=1e-3) and follows(found) == pytest.approx(0, abs=1e-6)


def test_a_template_in_noise_is_its_share_of_the_change():
    at = places(40)
    same = spots(np.full((1, 2), 9.0))
    change = same + noise(40)
    found = edited(change, at)
    expected = np.square(same).mean() / (np.square(same).mean() + 400)
    assert pasted(found) == pytest.approx(expected, rel=0.05) and follows(found) == pytest.approx(0, abs=0.1)


def test_what_moves_with_the_sample_is_little_the_same_and_follows_it():
    at = places(40, spread=8.0)
    found = edited(spots(at), at)
    assert pasted(found) < 0.3 and follows(found) == pytest.approx(1, abs=0.05)
    half = edited(spots(SIZE / 2 + (at - SIZE / 2) / 2), at)
    assert follows(half) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("n", [FEWEST, 12, 40])
def test_noise_has_nothing_in_common_and_follows_nothing_on_few_samples_too(n):
    found = [edited(noise(n, seed), places(n, seed)) for seed in range(20)]
    unclipped = [each["shared"].mean() / each["change"].mean() for each in found]
    assert np.mean(unclipped) == pytest.approx(0, abs=0.005) and max(map(pasted, found)) < 0.05
    assert np.nanmax(np.abs([follows(each) for each in found])) < 0.2


def test_the_share_is_that_of_the_mean_change_corrected_for_the_number_of_samples():
    n = 12
    change = np.round(noise(n) + spots(np.full((1, 2), 9.0)))
    q = np.square(change.mean(axis=0)).mean() / np.square(change).mean()
    assert pasted(edited(change)) == pytest.approx((n * q - 1) / (n - 1), rel=1e-6)


def test_the_share_is_the_same_in_expectation_however_samples_lie_in_parts():
    change = spots(np.full((1, 2), 9.0)) + noise(60)
    whole = pasted(edited(change))
    assert pasted(edited(change, parts=30)) == pytest.approx(whole, abs=0.05)
    alone = edited(change[:5], parts=5)
    assert alone["shared"].isna().all(), "an image has nothing to be compared with"


def test_what_goes_with_the_pose_of_samples_is_not_the_same_in_all():
    pose = np.linspace(-1, 1, 20)[:, None, None, None]
    turning = spots(np.full((1, 2), 20.0))
    assert pasted(edited(pose * turning)) == pytest.approx(0, abs=0.01)
    both = edited(spots(np.full((1, 2), 9.0)) + pose * turning)
    assert pasted(both) == pytest.approx(1 / (1 + np.square(pose).mean()), abs=0.02)


def test_edits_are_compared_with_their_own_images_alone():
    n = 8
    change = np.concatenate([np.repeat(spots(np.full((1, 2), 9.0)) * np.ones(3), n, axis=0), noise(n)])
    before = np.full((2 * n, SIZE, SIZE, 3), 128, np.uint8)
    after = np.clip(128 + change, 0, 255).astype(np.uint8)
    order = np.random.default_rng(1).permutation(2 * n)
    edits = np.repeat([0, 1], n)[order]
    found = template(pd.DataFrame(of_images(Pairs(before[order], after[order]), edits)).assign(edit=edits), ["edit"])
    assert found.loc[0, "pasted"] > 0.99 and found.loc[1, "pasted"] < 0.05
    assert found["follows"].isna().all(), "without a foreground"


def test_what_is_not_known_is_not_said():
    at, moving = places(20, spread=8.0), spots(places(20, spread=8.0))
    assert np.isnan(pasted(edited(moving[: FEWEST - 1]))) and np.isnan(follows(edited(moving[:5], at[:5])))
    still = np.full((20, 2), 9.0)
    assert np.isnan(follows(edited(moving, still))), "all samples are in one place"
    anywhere = spots(places(20, seed=3, spread=14.0))
    assert np.isnan(follows(edited(anywhere, places(20, spread=1.0)))), "no slope can be told"
    nothing = edited(np.zeros((20, SIZE, SIZE, 1)), at)
    assert np.isnan(pasted(nothing)) and np.isnan(follows(nothing))


def test_samples_without_a_foreground_are_left_out():
    at = places(20, spread=8.0)
    found = edited(spots(at), at)
    found.loc[found.index[:4], ["foreground_x", "foreground_y"]] = np.nan
    assert follows(found) == pytest.approx(1, abs=0.1)
    assert centre(np.full((4, 4), np.nan)) == pytest.approx((np.nan, np.nan), nan_ok=True)


def test_centres_are_in_pixels_from_the_left_and_the_top():
    weights = np.zeros((6, 9))
    weights[2, 7] = weights[4, 7] = 3
    assert centre(weights) == (7, 3)


def test_columns_are_those_that_a_part_writes():
    from schemas.scores import CHANGED as COLUMNS

    assert list(CHANGED) == [column.name for column in COLUMNS]
