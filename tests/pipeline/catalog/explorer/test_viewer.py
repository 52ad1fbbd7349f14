"""What a viewer is given: images and figures at every strength, 0 in its place, as they were planted."""

import json
from dataclasses import replace

import pandas as pd
import pytest

from pipeline.catalog.explorer.findings import Findings
from pipeline.catalog.explorer.viewer import viewer
from pipeline.catalog.templates import data_uri
from schemas.columns import meaning_of
from schemas.preservation import MEASURES, OVER_SAMPLES
from tests.pipeline.catalog.planted_findings import (
    NASTY,
    numbers,
    of_single_images,
    planted,
    signature,
    signed_picture,
    with_profiles,
)

SMILE = "smile/ridge/disentangled"
COMPONENT = "component-0/principal-components"


def shown(findings: Findings, name: str = SMILE) -> dict:
    [row] = [row for row in findings.directions if row["name"] == name]
    return viewer(findings, row, "a title")


def changed(findings: Findings, name: str, at: float, attribute: str | None = None, **known: object) -> Findings:
    """With other figures of a direction at a strength: its effects, or those on an attribute."""

    def of(table: pd.DataFrame) -> pd.DataFrame:
        mine = (table["direction"] == name) & (table["strength"] == at)
        mine &= (table["attribute"] == attribute) | (attribute is None)
        return table.assign(**{key: table[key].mask(mine, value) for key, value in known.items()})

    return replace(findings, measured=[replace(each, effects=of(each.effects)) for each in findings.measured])


def test_a_page_is_handed_what_the_viewer_makes():
    found = shown(planted())
    assert numbers(planted(), SMILE) == {**json.loads(json.dumps(found)), "title": "smile"}


def test_strengths_rise_with_0_in_its_place():
    assert shown(planted())["strengths"] == [-2.0, -1.0, 0.0, 1.0, 2.0]
    assert shown(planted(strengths=(1.0, 2.5)))["strengths"] == [0.0, 1.0, 2.5]
    assert shown(planted(), COMPONENT)["strengths"] == [-2.0, 0.0, 2.0]


def begins(findings: Findings, name: str = SMILE) -> float:
    found = shown(findings, name)
    return found["strengths"][found["begins"]]


@pytest.mark.parametrize("strengths, best", [((-2.0, -1.0, 1.0), -2.0), ((-1.0, 2.0), 2.0), ((-0.5,), -0.5)])
def test_a_supervised_direction_begins_at_its_best_strength(strengths, best):
    assert begins(planted(strengths=strengths)) == best


@pytest.mark.parametrize("strength, begun", [(2.0, 2.0), (-2.0, -2.0), (2.0 + 1e-7, 2.0), (0.0, 0.0)])
def test_another_begins_at_the_farthest_strength_inside_the_valid_range(strength, begun):
    assert begins(with_profiles(strength=strength), COMPONENT) == begun


def test_without_a_profile_it_begins_at_the_largest():
    without = replace(planted(strengths=(-1.0, 3.0)), profiles={})
    assert begins(without, COMPONENT) == 3.0
    found = shown(without)
    assert (found["per_sd"], found["valid"], found["target"]) == (None, [None, None], "smile")
    assert shown(without, COMPONENT)["target"] is None


def test_it_knows_its_target_and_range():
    found = shown(planted(), COMPONENT)
    assert (found["target"], found["per_sd"], found["valid"]) == ("age", 0.71, [-2.0, 1.0])
    assert shown(planted(wanted=(NASTY,)), f"{NASTY}/ridge")["target"] == NASTY


def test_images_are_those_of_their_sample_and_strength():
    found = shown(planted(image=signed_picture, n=3))
    assert [[signature(image) for image in row] for row in found["samples"]] == [
        [(SMILE if at else "unedited", at, i) for at in (-2.0, -1.0, 0.0, 1.0, 2.0)] for i in range(3)
    ]
    assert found["own"] is None


def test_an_image_that_is_not_there_leaves_its_cell_empty():
    found = planted(image=signed_picture)
    first, *others = found.measured
    images = {key: rows[:1] if key == (SMILE, 1) else rows for key, rows in first.images.items() if key != (SMILE, 3)}
    rows = shown(replace(found, measured=[replace(first, images=images), *others]))["samples"]
    there = [[at for at, image in zip((-2, -1, 0, 1, 2), row, strict=True) if image] for row in rows]
    assert there == [[-2, -1, 0, 1], [-2, 0, 1]]


def test_the_sample_that_it_was_found_on_comes_with_it():
    found = of_single_images()
    expected = [data_uri(found.origins["mouth-0/jacobian", index]) for index in (0, -1, 1)]
    assert shown(found, "mouth-0/jacobian")["own"] == expected
    assert shown(found, "mouth-1/jacobian")["own"] is None, "a mean has no sample of its own"


# Figures


def test_effects_are_those_that_were_planted_the_target_first():
    [judge, second] = shown(planted())["judges"]
    assert (judge["name"], judge["attributes"], judge["target"]) == ("judge", ["smile", "skin", "age"], True)
    assert judge["effects"] == [[round(at * each, 4) for each in (1.2, 0.1, 0.1)] for at in (-2, -1, 0, 1, 2)]
    assert (second["name"], second["attributes"], second["target"]) == ("second", ["mouth width"], False)
    assert [row[0] for row in second["effects"]] == [-0.2, -0.1, 0.0, 0.1, 0.2]


def test_errors_are_those_of_95_percent_and_none_at_0():
    """By Student's t: of four samples 3.182 standard errors."""
    [judge, _] = shown(changed(planted(n=4), SMILE, 1.0, "smile", std=1.0))["judges"]
    assert [row[0] for row in judge["errors"]] == pytest.approx([0.0636, 0.0636, 0.0, 1.5912, 0.0636], abs=1e-4)
    assert judge["errors"][3] == pytest.approx([1.5912, 0.0636, 0.0636], abs=1e-4)


def test_what_is_significant_is_told_and_nothing_at_0():
    [judge, _] = shown(planted())["judges"]
    assert judge["significant"] == [
        *([[True, False, False]] * 2),
        [None] * 3,
        *([[True, False, False]] * 2),
    ]


def test_the_limit_is_the_largest_of_any_attribute_at_each_strength():
    [judge, _] = shown(changed(planted(), SMILE, 2.0, "age", control_limit=2.4))["judges"]
    assert judge["limits"] == [0.35, 0.35, 0.0, 0.35, 2.4]
    [unknown, _] = shown(changed(planted(), SMILE, 2.0, control_limit=float("nan")))["judges"]
    assert unknown["limits"] == [0.35, 0.35, 0.0, 0.35, None]


def test_what_nobody_scored_is_not_known():
    [judge, _] = shown(changed(planted(), SMILE, 2.0, "smile", n=0, effect=float("nan")))["judges"]
    assert [row[0] for row in judge["effects"]] == [-2.4, -1.2, 0.0, 1.2, None]
    assert [row[0] for row in judge["errors"]][-1] is None
    first, *others = planted().measured
    gone = first.effects[~((first.effects["attribute"] == "age") & (first.effects["strength"] == 1.0))]
    [missing, _] = shown(replace(planted(), measured=[replace(first, effects=gone), *others]))["judges"]
    assert missing["effects"][3] == [1.2, 0.1, None] and missing["significant"][3][2] is None


def test_a_target_that_is_not_judged_is_not_marked():
    [judge, _] = shown(planted(wanted=("smile", "beard")), "beard/ridge")["judges"]
    assert (judge["target"], judge["attributes"]) == (False, ["skin", "age", "smile"])


def test_a_direction_is_judged_by_its_own_evaluation():
    found = planted()
    [judge, _] = shown(found, COMPONENT)["judges"]
    assert judge["attributes"][0] == "age" and [row[0] for row in judge["effects"]] == [-1.4, 0.0, 1.4]
    alone = [replace(each, by_others=each.by_others.iloc[:0]) for each in found.measured]
    assert [each["name"] for each in shown(replace(found, measured=alone))["judges"]] == ["judge"]


def test_what_is_left_alone_is_told_of_each_strength_beside_the_unedited():
    found = planted()
    first, *others = found.measured
    table = first.preservation
    edited = (table["direction"] == SMILE) & (table["strength"] == -1.0)
    unedited = table["direction"] == "unedited"
    kept = table.assign(identity=table["identity"].mask(edited, 0.31).mask(unedited))
    measures = shown(replace(found, measured=[replace(first, preservation=kept), *others]))["kept"]
    by_name = {each["name"]: each for each in measures}
    assert by_name["identity"]["values"] == [0.87, 0.31, None, 0.87, 0.87]
    assert by_name["MS-SSIM"]["values"] == [0.93] * 5
    assert "presence" not in by_name, "nothing is known of it"
    fields = {each.name: each for each in (*MEASURES, *OVER_SAMPLES)}
    assert by_name["identity"]["meaning"] == meaning_of(fields["identity"])
    assert {name for name, each in by_name.items() if each["share"]} == {"clipped", "precision", "pasted"}


def test_what_was_not_measured_has_no_strengths():
    found = shown(replace(planted(), measured=[]))
    assert found == {
        **{"name": SMILE, "title": "a title", "target": "smile", "per_sd": 0.71, "valid": [-2.0, 1.0]},
        "strengths": [],
    }
