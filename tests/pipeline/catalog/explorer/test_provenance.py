"""Each kind of direction says where it came from, with its own numbers."""

from dataclasses import replace

import pytest

from pipeline.catalog.explorer.findings import Findings
from pipeline.catalog.explorer.provenance import provenance
from tests.pipeline.catalog.planted_findings import (
    component,
    direction,
    of_direction,
    planted,
    single,
    supervised,
    with_sampling,
)


def said(row: dict, findings: Findings | None = None) -> str:
    return provenance(findings or planted(), row)


def first(row: dict, findings: Findings | None = None) -> str:
    """How it was found."""
    return said(row, findings).partition(". ")[0]


def test_a_supervised_direction_says_by_whose_scores_and_on_how_many_samples():
    row = supervised("eyes_open", "mean-difference", n=1234)
    assert first(row) == (
        "Found by mean difference from the scores of eyes open by labels on 1,234 samples, "
        "the 9 highest (from +1.50) against the 9 lowest (to −1.50)"
    )


def test_what_is_not_known_of_it_is_left_out():
    row = supervised("smile", "ridge", n_positive=None, n_negative=None, annotator=None, n=None)
    assert first(row) == "Found by ridge from the scores of smile on all samples"
    row = supervised("smile", "ridge", threshold_positive=None, threshold_negative=float("nan"))
    assert first(row).endswith("the 9 highest (from –) against the 9 lowest (to –)")


def test_real_images_are_called_so():
    found = with_sampling(found_in="real images")
    assert "on 50 real images" in first(supervised("smile", "ridge"), found)
    assert (
        first(component(2), found) == "Found without labels: number 2 of principal components of h, on 50 real images"
    )


def test_a_component_says_its_number_and_what_has_none_says_none():
    assert first(component(2)) == "Found without labels: number 2 of principal components of h, on 50 samples"
    assert first(direction("x", "imported")) == "Found without labels: imported of h, on 50 samples"


def test_one_of_a_single_image_says_where_in_it_and_at_which_step():
    assert first(single("left_eye", 0)) == (
        "Found without labels, from the Jacobian for the region left eye, on sample 7 at step 2 "
        "(singular value 0.50); it stands for 12 singular vectors that are nearly the same"
    )
    assert "for the whole image, on sample 7" in first(single("image", 0))


def test_a_mean_of_single_images_says_what_they_share():
    row = single("mouth", 1, sample_id=None, step=None, singular_value=None, found=None, share=0.62)
    assert first(row) == (
        "Found without labels, from the Jacobian for the region mouth: what the subspaces of 50 samples share; "
        "62% of it lies in one of them on average"
    )


@pytest.mark.parametrize("by, how", [("joint", ""), ("step", " step by step")])
def test_what_was_projected_away_is_named_once(by, how):
    parents = ["smile/ridge", "age/ridge", "age/mean-difference", "eyes_open/ridge"]
    row = supervised("smile", "ridge", True, projected_by=by) | {"parents": parents}
    sentence = f"What it shared with age, eyes open was projected away{how}; 90% of its norm is left."
    assert sentence in said(row) and "projected away" not in said(supervised("smile", "ridge"))
    assert "What it shared with nothing was" in said({**row, "parents": parents[:1]})


@pytest.mark.parametrize("eta, how", [(1.0, "eta = 1"), (0.5, "eta = 0.5"), ([0.0, 0.5, 1.0, 1.0], "eta by step")])
def test_every_direction_says_its_steps_and_where_it_is_added_and_by_what_it_was_made(eta, how):
    found = with_sampling(eta=eta)
    for row in (supervised("smile", "ridge"), component(0), single("mouth", 0)):
        row = {**row, "capture": "mid_block+up_blocks.0"}
        assert said(row, found).endswith(
            f"It has a vector for each of 4 steps ({how}, seed 0), and is added to the output of the U-Net's mid block "
            "and the output of the U-Net's up_blocks.0. The stage s-0 made it."
        )


def test_its_page_says_it():
    found = planted()
    rows = [{**row, "stage": "s-<7>"} for row in found.directions]
    changed = replace(found, directions=rows)
    prose = of_direction(changed, "smile/ridge").one("p", "prose").text
    assert prose == said({**rows[2], "name": "smile/ridge"}, changed) and "s-<7>" in prose
