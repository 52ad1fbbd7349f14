import numpy as np
import pytest
import torch

from pipeline.domains.digits.card import (
    CLASSES,
    MEASURED,
    PER_ROW,
    SHEET,
    agreement,
    attributes,
    frechet,
    neighbours,
    recognised,
    shares,
    sheet,
    table,
    write_card,
)
from pipeline.domains.digits.data import draw


def scored(odds: np.ndarray, digit: np.ndarray) -> dict[str, np.ndarray]:
    return {**dict(zip(CLASSES, odds.T, strict=True)), "digit": digit}


def test_a_digit_is_recognised_at_nine_to_one():
    odds = np.full((4, 10), -5.0)
    odds[[0, 1, 2], [3, 3, 7]] = [5, 2.1, 2.3]
    table_ = recognised({"some": scored(odds, np.array([0.9, 0.6, 0.4, 0.1]))})
    assert [row[1] for row in table_] == ["50.0%", "50.0%"]


def test_shares_are_of_the_likeliest_digit():
    odds = np.full((5, 10), -5.0)
    odds[np.arange(5), [0, 0, 0, 9, 4]] = -1
    assert shares(scored(odds, np.ones(5))).tolist() == [0.6, 0, 0, 0, 0.2, 0, 0, 0, 0, 0.2]


def test_the_distance_of_attributes_is_in_deviations_of_the_training_set():
    values = np.random.default_rng(0).normal(3, 2, 4000)
    shifted = {
        name: {m: values + by for m in MEASURED} for name, by in (("training", 0), ("samples", 1), ("held out", 0))
    }
    shown = {name: shifted[name] for name in ("samples", "training", "held out")}
    assert attributes(shown)[0][-2:] == ["0.50", "0.00"]


def test_the_frechet_distance_is_that_of_normal_distributions():
    """|mean difference|^2 + (difference of deviations)^2, a feature."""
    values = np.random.default_rng(0).normal(size=(50_000, 2))
    assert frechet(values, values) == pytest.approx(0, abs=1e-6)
    assert frechet(values, 3 * values + [1, 2]) == pytest.approx(1 + 4 + 2 * 4, rel=0.02)


def test_a_copy_of_a_training_image_is_found_out():
    images = draw("train", 30, seed=0)[0]
    rows = neighbours({"samples": images[:1], "training": images[:20], "held out": images[20:]})
    assert rows[0][1:] == ["0.0"] * 4
    assert float(rows[1][1]) > 5


def test_the_distance_to_a_neighbour_is_a_root_mean_square_in_levels():
    dark, light = (torch.full((1, 1, 32, 32), level, dtype=torch.uint8) for level in (100, 117))
    assert neighbours({"samples": dark, "training": light, "held out": light})[0][1] == "17.0"


def test_agreement_is_a_correlation():
    values = np.arange(5.0)
    ours, theirs = ({"some": {name: sign * values for name in MEASURED}} for sign in (1, -2))
    assert agreement(ours, theirs, ["some"]) == [["some", *["-1.000"] * 4]]


def test_a_sheet_has_its_images_in_reading_order():
    images = torch.arange(2 * PER_ROW, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 32, 32)
    picture = np.asarray(sheet(images, scale=1))
    assert picture.shape == (64, 32 * PER_ROW)
    assert (picture[0, 0], picture[0, 40], picture[40, 0]) == (0, 1, PER_ROW)


def test_a_table_is_markdown():
    assert table(["a", "b"], [["x", "1"]]) == "| a | b |\n| :-- | --: |\n| x | 1 |"


def test_the_card_holds_what_was_measured(tmp_path):
    held_out = draw("held-out", 60, seed=3)
    write_card(tmp_path, draw("judge", 80, seed=4)[0], draw("train", 90, seed=0)[0], held_out, minutes=12.3, steps=77)
    card = (tmp_path / "README.md").read_text()
    assert card.startswith("---\nlicense: apache-2.0\n") and "{" not in card.split("```python")[0]
    assert "of 80 samples" in card and "90 of the training images" in card and "77 gradient\nsteps" in card
    assert "12 minutes on one core" in card
    assert (tmp_path / SHEET).stat().st_size < 200_000
