"""Of a catalog with several capture points every page says where a direction is added, and compares like with like."""

from dataclasses import replace

import pytest

from pipeline.catalog.explorer.findings import Findings
from tests.parsed import Element
from tests.pipeline.catalog.planted_findings import (
    at_points,
    captioned,
    charts,
    document,
    lines,
    of_direction,
    planted,
    section,
)

CHOSEN = at_points({"mid_block": ("age",), "up_blocks.0": ("smile",)})  # a point an attribute
NAMED = at_points(dict.fromkeys(("mid_block", "up_blocks.0"), ("smile", "age")))  # each attribute at each point
BOTH = at_points({"mid_block": ("age",), "mid_block+up_blocks.0": ("smile",)})


def top(findings: Findings) -> Element:
    return document(findings).one("main")


def stable(findings: Findings) -> Findings:
    rows = [{**row, "split_half_cosine": 0.9} if row["attribute"] else row for row in findings.directions]
    return replace(findings, directions=rows)


def test_attributes_with_a_point_each_are_one_group():
    assert [(group.title, len(group.best), group.clean) for group in CHOSEN.groups] == [
        ("Ridge, disentangled", 2, 2),
        ("Mean difference, before disentangling", 2, 0),
        ("Ridge, before disentangling", 2, 0),
    ]


def test_an_attribute_at_several_points_makes_a_group_of_each_the_cleanest_first():
    assert [(group.title, group.clean) for group in NAMED.groups] == [
        ("Ridge, disentangled, at up_blocks.0", 2),
        ("Ridge, disentangled, at mid_block", 1),
        ("Mean difference, before disentangling, at up_blocks.0", 0),
        ("Mean difference, before disentangling, at mid_block", 0),
        ("Ridge, before disentangling, at up_blocks.0", 0),
        ("Ridge, before disentangling, at mid_block", 0),
    ]


def test_all_points_are_recommended_and_each_stands_beside_its_own_random_directions():
    assert [group.point for group in NAMED.measured_in_full] == ["up_blocks.0", "mid_block"]
    controls = [NAMED.largest_control(group.best.index).max() for group in NAMED.measured_in_full]
    assert controls == [0.2, 0.1]
    [group] = CHOSEN.measured_in_full
    assert CHOSEN.largest_control(group.best.index).max() == 0.2, "the larger of those at its two points"


def test_the_top_says_how_many_directions_are_added_where():
    assert top(CHOSEN).one("dl", "facts").terms()["Added at"] == "4 at mid_block; 3 at up_blocks.0"
    assert top(BOTH).one("dl", "facts").terms()["Added at"] == "4 at mid_block; 3 at mid_block + up_blocks.0"
    assert "at one or several points inside it" in top(CHOSEN).one("p", "lead").text
    assert "Added at" not in top(planted()).one("dl", "facts").terms()
    assert "added to the bottleneck of the U-Net at every" in top(planted()).one("p", "lead").text


def test_one_point_that_is_no_bottleneck_is_called_by_its_name():
    elsewhere = at_points({"up_blocks.0": ("smile", "age")})
    lead = top(elsewhere).one("p", "lead").text
    assert "added to the output of the U-Net's up_blocks.0 at every" in lead
    assert "Added at" not in top(elsewhere).one("dl", "facts").terms()


def apart(findings: Findings) -> Findings:
    """What was measured together, in evaluations of one attribute each."""
    parts = [
        replace(each, effects=each.effects[each.effects["direction"].str.startswith(attribute)])
        for each in findings.measured
        for attribute in ("smile", "age")
    ]
    return replace(findings, measured=parts)


def cards(findings: Findings) -> dict[str, str]:
    """How each was found, by its name."""
    articles = document(findings, "directions.html").all("article")
    return {str(each.attributes["data-name"]): each.one("p", "found").text for each in articles}


def test_a_direction_says_where_it_is_added():
    found = cards(CHOSEN)
    assert found["smile/ridge@up_blocks.0/disentangled"] == "smile, ridge, disentangled, at up_blocks.0"
    assert found["age/ridge@mid_block"] == "age, ridge, at mid_block"
    assert found["component-0/principal-components@mid_block"] == "component 0, at mid_block"
    page = of_direction(NAMED, "smile/ridge@up_blocks.0")
    assert page.one("p", "lead").text == "smile, ridge, at up_blocks.0 smile/ridge@up_blocks.0"
    assert "added to the output of the U-Net's up_blocks.0." in page.one("p", "prose").text
    assert not [said for said in cards(planted()).values() if " at " in said]


@pytest.mark.parametrize(
    "name, caption", [("effects", "Ridge, disentangled"), ("judges", "second: ridge, disentangled")]
)
def test_rows_of_heat_maps_say_it(name, caption):
    rows = [row for row in captioned(section(CHOSEN, name), caption) if row != "random"]
    assert rows == ["age mid_block", "smile up_blocks.0"]


def test_tables_say_it():
    left = list(section(CHOSEN, "preservation").one("table").table())
    assert left[:2] == ["age at mid_block, ridge, disentangled", "smile at up_blocks.0, ridge, disentangled"]
    named = section(NAMED, "preservation").one("table").table()
    assert {"smile, ridge, disentangled, at up_blocks.0", "smile, ridge, disentangled, at mid_block"} <= set(named)
    rows = list(section(stable(CHOSEN), "stability").one("table").table())
    assert {"age, ridge, at mid_block", "smile, ridge, at up_blocks.0"} <= set(rows)


def test_of_what_is_near_only_that_of_this_catalog_is_shown():
    """The direction that a component is planted nearest to is of another catalog."""
    assert not of_direction(CHOSEN, "component-0/principal-components@mid_block").all("section", id="nearest")


def test_norms_of_two_points_are_never_in_one_chart():
    norms = {"mid_block": 1.0, "up_blocks.0": 40.0}
    rows = [{**row, "norm_by_step": [norms[row["capture"]]] * 4} for row in CHOSEN.directions]
    part = section(replace(CHOSEN, directions=rows), "timesteps")
    titles = [each.one("h3").text for each in part.all("figure")]
    assert titles == [f"{what} at {point}" for point in norms for what in ("Classifiers", "Norms")]
    drawn = charts(part)
    tops = {title: max(max(heights) for heights in lines(chart).values()) for title, chart in drawn.items()}
    assert [tops[title] for title in drawn if "Norm" in title] == [1.0, 40.0]
    colours = [[(line["label"], line["colour"]) for line in chart["lines"]] for chart in drawn.values()]
    assert colours == [[("age", "c0")]] * 2 + [[("smile", "c1")]] * 2, "an attribute has one colour"
    assert "norms at one do not compare with norms at another" in part.text


def test_the_learning_curve_says_of_which_h_it_is():
    assert "Left in h at mid_block, whole trajectories" in section(CHOSEN, "learning-curve").text
    assert "Left in h, whole trajectories" in section(planted(), "learning-curve").text
