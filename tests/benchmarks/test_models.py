"""What is read from catalogs of several models, planted."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from benchmarks._catalogs import (
    answers,
    beside_random,
    best,
    carried,
    components,
    means,
    methods,
    overview,
    transferred,
)
from benchmarks._compared import WORST
from benchmarks.models import FULL, Made, by_attribute, by_claim, by_method, by_model, figures
from pipeline.catalog.explorer.findings import Findings
from tests.pipeline.catalog.planted_findings import at_points, of_single_images, planted

ATTRIBUTES = ("smile", "age")
POINTS = at_points({"mid_block": ("age",), "up_blocks.0": ("smile",)})


def carriage(shares: dict[tuple[str, str], float]) -> pd.DataFrame:
    """Shares by (point, attribute), in all steps; beside them a third of the steps that takes all, and the image."""
    rows = [(point, None, what, "attribute", share) for (point, what), share in shares.items()]
    rows += [(point, 0, what, "attribute", 1.0) for point, what in shares]
    rows += [(point, None, "image", "pixels", 1.0) for point, _ in shares]
    return pd.DataFrame(rows, columns=["point", "third", "what", "kind", "share"])


def made(found: Findings, model: str = "portraits", capture: str = "bottleneck") -> Made:
    return Made(model, capture, ATTRIBUTES, found)


def singles() -> Findings:
    found = of_single_images()
    assert found.transfer is not None
    return replace(found, transfer=found.transfer.assign(judge="judge"))


def test_the_direction_to_use_is_read_at_the_strength_that_was_chosen():
    rows = {row.attribute: row for row in best(planted())}
    assert set(rows) == set(ATTRIBUTES)
    smile = rows["smile"]
    assert smile.direction.endswith("/disentangled") and smile.point == "mid_block"
    assert (abs(smile.strength), smile.on.value, smile.off) == pytest.approx((2.0, 2.4, 0.2))
    assert smile.clean and smile.beyond and smile.valid == (-2.0, 1.0)
    assert smile.on.low < 2.4 < smile.on.high


def test_what_random_directions_do_as_well_is_said():
    weak = best(planted(effect=lambda row, gamma, attribute: 0.1 * gamma * (attribute == row["attribute"])))
    assert not any(row.beyond or row.clean for row in weak)


def test_estimators_before_and_after_projection_are_told_apart():
    found = {each.title: each for each in methods(planted())}
    after, before = found["Ridge, disentangled"], found["Ridge, before disentangling"]
    assert (after.clean, before.clean) == (2, 0) and after.usable == after.directions == 2
    assert after.off_over_on.value == pytest.approx(1 / 12) and before.off_over_on.value == pytest.approx(2 / 3)


def test_a_direction_without_a_strength_counts_as_one_that_moves_nothing():
    on, ratio = means([(1.0, 0.3)], asked=2)
    assert on.value == 0.5
    assert ratio.value == pytest.approx(np.sqrt(0.3 * WORST)) and ratio.high == WORST
    alone = overview([row for row in best(planted()) if row.attribute == "smile"], asked=2)
    assert alone.clean == 1 and alone.on.value == pytest.approx(1.2)


def test_components_are_beside_the_random_directions_of_their_own_evaluation():
    found = components(planted())
    assert found is not None
    assert (found.k, found.mean, found.random, found.largest_random) == pytest.approx((2, 1.4, 0.9, 0.9))
    assert found.beyond == 2
    assert components(planted(components=0)) is None
    weak = components(planted(effect=lambda row, gamma, attribute: 0.1 * gamma))
    assert weak is not None and weak.beyond == 0
    assert beside_random(planted(), ["nothing"]) is None


def test_of_a_direction_of_one_image_counts_what_it_moves_most_there():
    assert transferred(planted()) is None
    found = singles()
    assert found.transfer is not None
    table = found.transfer
    skin = table["attribute"] == "skin"
    most = table.assign(
        own=np.where(skin, -3.0, table["own"]), others=np.where(skin, -1.5, 9.0), same_way=np.where(skin, 0.6, 0.1)
    )
    told = transferred(replace(found, transfer=most))
    assert told is not None
    assert (told.k, told.own, told.others, told.same_way) == pytest.approx((2, 3.0, 1.5, 0.6))


def test_a_swap_is_asked_at_the_point_of_a_direction_and_over_all_steps():
    shares = carriage({("mid_block", "smile"): 0.1, ("up_blocks.0", "smile"): 0.7, ("mid_block", "age"): 0.9})
    assert carried(shares, "mid_block")["smile"] == 0.1
    assert carried(shares, "mid_block+up_blocks.0")["smile"] == 0.7
    assert carried(None, "mid_block").empty
    at_the_bottleneck, at_points_chosen = (answers(each, shares)[0] for each in (planted(), POINTS))
    assert at_the_bottleneck.holds is False and "smile 0.10" in at_the_bottleneck.told
    assert at_points_chosen.holds is True and "smile 0.70" in at_points_chosen.told
    assert answers(planted(), None)[0].holds is None


def test_claims_hold_where_they_were_planted_and_else_do_not():
    shares = carriage({("mid_block", "smile"): 0.9, ("mid_block", "age"): 0.8})
    assert [each.holds for each in answers(singles(), shares)] == [True, True, True, True, True]
    little = planted(effect=lambda row, gamma, attribute: 0.1 * gamma)
    assert [each.holds for each in answers(little, shares)][1:] == [False, False, False, None]


def test_every_model_and_point_has_its_lines_and_attributes_that_cannot_be_had_are_shown_so():
    both = [made(planted(), capture="bottleneck"), made(POINTS, capture="auto")]
    assert [row[0] for row in by_model(both)[1]] == ["portraits, bottleneck", "portraits, auto"]
    assert by_model(both)[1][0][1] == "2 of 2"
    assert {row[0] for row in by_method(both)[1]} == {"portraits, bottleneck", "portraits, auto"}
    assert len(by_claim(both)[1]) == 5 and len(by_claim(both)[0]) == 3
    missing = replace(both[0], attributes=("smile", "age", "beard"))
    head, rows = by_attribute([missing])
    assert all(len(row) == len(head) for row in rows) and rows[-1] == ["portraits, bottleneck", "beard", *[""] * 8]
    assert by_model([missing])[1][0][1] == "2 of 3"


def test_figures_are_of_the_models_that_they_are_named_after():
    none = planted(effect=lambda row, gamma, attribute: 0.1 * gamma)
    found = figures(
        [
            made(planted()),
            made(planted(), capture="auto"),
            made(none, "portraits-open-skips"),
            made(planted(), "portraits-open-skips", "auto"),
        ]
    )
    assert found["clean_portraits_bottleneck"] == 2 and found["clean_portraits_open_skips_bottleneck"] == 0
    assert found["open_skips_clean_won_by_auto"] == 2
    assert found["portraits_components_over_largest_random"] == pytest.approx(1.4 / 0.9, abs=0.01)


def test_the_runs_are_of_three_models_and_differ_in_nothing_that_costs():
    assert [run.model for run in FULL.runs] == ["portraits", "portraits-open-skips", "digits"]
    assert len({(run.samples, run.held_out, run.steps, run.components, run.jacobians) for run in FULL.runs}) == 1
