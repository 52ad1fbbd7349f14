"""The page of a direction says what was planted: what it is, what is to be known of it, what is near, what it is at each step."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pipeline.catalog.explorer.findings import Findings
from pipeline.catalog.explorer.links import Links
from pipeline.catalog.field_figures import FieldFigures
from tests.parsed import Element
from tests.pipeline.catalog.planted_findings import (
    another_way,
    at_points,
    charts,
    lines,
    of_direction,
    of_single_images,
    planted,
    with_catalog,
    with_profiles,
)

SMILE = "smile/ridge/disentangled"


def about(findings: Findings, name: str = "smile/ridge") -> dict[str, str]:
    return of_direction(findings, name).one("section", id="about").one("dl").terms()


def head(findings: Findings, name: str) -> tuple[str, str, str]:
    """What stands at the top: the line above, the heading, and the line below."""
    main = of_direction(findings, name).one("main")
    return main.one("p", "kicker").text, main.one("h1").text, main.one("p", "lead").text


def test_it_is_called_by_what_it_does_and_how_it_was_made():
    assert head(planted(), SMILE)[1:] == ("smile", f"smile, ridge, disentangled {SMILE}")
    assert head(of_single_images(), "mouth-0/jacobian")[1:] == ("smile +2.5", "mouth 0, jacobian mouth-0/jacobian")
    name = "component-1/principal-components"
    assert head(with_profiles(label=None), name)[1:] == ("component 1", f"component 1 {name}")


def test_a_valid_range_says_whether_it_is_shown_by_all_that_was_measured():
    def said(**known: object) -> str:
        return about(replace(with_profiles(), **known))["Valid range"]

    nothing = about(with_profiles(valid_low=0.0, valid_high=0.0))["Valid range"]
    assert nothing.startswith("none: images were seen to leave the model’s own")
    once = pd.DataFrame({"direction": ["smile/ridge"], "judge": "judge", "attribute": "smile", "strength": [0.5]})
    once = once.assign(effect=1.0, effect_low=0.5, effect_high=1.5, n=28)
    assert said(verified=once.assign(realistic=True)) == "−2.00 to +1.00: images were measured to be the model’s own"
    unsure = once.assign(realistic=None).astype({"realistic": object})
    assert "that they are is not shown by so few" in said(verified=unsure)
    assert "measured to be" in said(verified=unsure, confirmed=once.assign(realistic=True)), "the later samples count"
    found = planted()
    [first, *rest] = found.measured
    none = replace(first, preservation=first.preservation[first.preservation["direction"] == "unedited"])
    empty = replace(found, measured=[none, *rest])
    assert "is not shown" in about(empty)["Valid range"], "nothing was measured in it"


def test_a_strength_per_sd_says_what_images_there_did():
    rows = [("smile/ridge", judge, each, 0.9) for judge in ("judge", "second") for each in ("smile", "age")]
    table = pd.DataFrame(rows, columns=["direction", "judge", "attribute", "strength"])
    table = table.assign(effect=1.25, effect_low=0.85, effect_high=1.65, n=28, realistic=True)
    said = about(replace(with_profiles(strength_per_sd=0.8), verified=table))["Strength per SD"]
    assert "images at +0.90 moved it by +1.25 (+0.85 to +1.65) on 28 other samples" in said
    assert "other samples" not in about(replace(with_profiles(strength_per_sd=-0.8), verified=table))["Strength per SD"]
    assert "other samples" not in about(with_profiles(strength_per_sd=0.8))["Strength per SD"]
    again = table.assign(effect=0.75, effect_low=0.5, effect_high=1.0, n=56)
    fresh = replace(with_profiles(strength_per_sd=0.8, confirmed_n=56), verified=table, confirmed=again)
    assert "moved it by +0.75 (+0.50 to +1.00) on 56 other samples" in about(fresh)["Strength per SD"]


def test_what_was_measured_once_more_says_on_how_many_other_samples():
    name, said = "component-0/principal-components", "re-measured on 28 other samples"
    assert said in of_direction(with_profiles(confirmed_n=28), name).one("main").text
    assert all(said not in of_direction(each, name).text for each in (planted(), with_profiles(confirmed_n=None)))


def test_it_says_whether_it_is_the_one_to_use():
    found = with_catalog(recommended={"smile": SMILE})
    assert head(found, SMILE)[0].endswith("of smile") and head(found, "smile/ridge")[0] == "Direction"


def test_of_several_capture_points_it_says_its_own():
    found = at_points({"mid_block": ("age",), "mid_block+up_blocks.0": ("smile",)})
    name = "smile/ridge@mid_block+up_blocks.0/disentangled"
    assert head(found, name)[2] == f"smile, ridge, disentangled, at mid_block + up_blocks.0 {name}"


def test_what_is_known_of_it_is_said():
    assert about(planted()) == {
        "Strength per SD": "+0.71 moves smile by one standard deviation",
        "Valid range": "−2.00 to +1.00: images were measured to be the model’s own",
        "Pasted": "31% of the change is the same pixels in every image; where the sample moves by a pixel, it moves by +0.76",
        "At its best strength": "−2: moves its target by −2.40 SD, −2.76 to −2.04 (95 % intervals)",
        "Norm": "2.00",
        "Told by h": "better than chance",
    }
    assert set(about(replace(planted(), profiles={}))) == {"At its best strength", "Norm", "Told by h"}
    rows = [{**row, "split_half_cosine": 0.91} for row in planted().directions]
    assert about(replace(planted(), directions=rows))["Stability"].endswith("of cosine 0.91")


@pytest.mark.parametrize(
    "known, said",
    [
        ({"strength_in_range": False}, "+0.71 moves smile by one standard deviation, beyond its valid range"),
        ({"verified": None}, "+0.71 moves smile by one standard deviation, not verified on images"),
        ({"strength_by": "fall"}, "−0.71 lowers smile by one standard deviation; it does not rise so far"),
        ({"strength_per_sd": None, "verified": None}, "not reached"),
    ],
)
def test_strengths_say_what_is_not_known_of_them(known, said):
    assert about(with_profiles(**known))["Strength per SD"] == said


def test_what_it_is_by_samplers_of_the_other_kind_is_said():
    row = {"sampler": "deterministic", "strength_per_sd": 0.9, "strength": 0.7, "effect": 0.82}
    found = replace(planted(), samplers={"smile/ridge/disentangled": row})
    assert about(found, SMILE)["By deterministic samplers"] == "+0.90; measured: +0.82 SD at +0.70"
    row |= {"strength_per_sd": None}
    assert about(found, SMILE)["By deterministic samplers"] == "not reached; measured: +0.82 SD at +0.70"
    row |= {"strength_in_range": False}
    said = about(found, SMILE)["By deterministic samplers"]
    assert said.endswith("+0.82 SD at +0.70, where images are no longer the model’s own")


@pytest.mark.parametrize("follows, said", [(0.9, "; where the sample moves by a pixel, it moves by +0.90"), (None, "")])
def test_how_much_of_the_change_is_pasted_is_said(follows, said):
    share = "12% of the change is the same pixels in every image"
    assert about(with_profiles(pasted=0.12, follows=follows))["Pasted"] == share + said
    assert "Pasted" not in about(with_profiles(pasted=None))


def warned(findings: Findings, name: str = "smile/ridge") -> list[str]:
    return [
        said.text
        for listed in of_direction(findings, name).one("main").all("ul", "warnings")
        for said in listed.all("li")
    ]


@pytest.mark.parametrize(
    "known, said",
    [
        ({"strength_in_range": False}, ["not measured to be the model's own"]),
        ({"verified": False}, ["No images were made"]),
        ({"strength_by": "fall"}, ["at minus that strength it falls"]),
        ({"pasted": 0.92, "follows": 0.1}, ["a template"]),
        ({"pasted": 0.92, "follows": None}, ["a template"]),
        ({"strength_in_range": False, "verified": None, "pasted": 0.92}, ["model's own", "No images were made"]),
        ({"strength_per_sd": None, "verified": None}, []),
        ({"pasted": 0.92, "follows": 0.9}, []),
    ],
)
def test_what_is_doubtful_of_it_stands_above_all(known, said):
    found = warned(with_profiles(**known))
    assert len(found) == len(said) and all(part in each for part, each in zip(said, found, strict=True))


def test_warnings_of_its_finder_come_first():
    rows = [{**row, "warnings": ["few <samples>"]} for row in planted().directions]
    found = warned(replace(with_profiles(verified=False), directions=rows))
    assert (found[0], len(found)) == ("few <samples>", 2) and warned(planted()) == []


def test_what_other_papers_report_of_it():
    figures = FieldFigures("smile/ridge", "smile", 2.0, 3.25, 3.5, 4.8, 0.25, 0.125, 0.875)
    found = about(replace(planted(), figures={"smile/ridge": figures}))
    assert found["EPR"].startswith("3.50: ") and found["EPR"].endswith("at strength +2.00")
    assert found["As a slider"] == "range 4.80 SD, monotonicity 88%, smoothness 0.25, mean of 1 − MS-SSIM 0.12"
    some = figures._replace(smoothness=float("nan"), monotonicity=None, conceptual_range=float("nan"))
    found = about(replace(planted(), figures={"smile/ridge": some}))
    assert found["As a slider"] == "mean of 1 − MS-SSIM 0.12", "what is not known is not said"


def test_where_it_acts_and_whether_it_carries_over_is_said_at_its_largest():
    found = of_single_images()
    locality = found.locality.assign(ratio=[8.3 if at == 1 else 2.0 for at in found.locality["strength_index"]])
    farther = replace(found, locality=locality.assign(strength=locality["strength"].where(locality["strength"] < 0, 5)))
    said = about(farther, "mouth-0/jacobian")
    assert said["In mouth"] == "an area of it changes 8.3× as much as one outside"
    other = found.transfer.assign(own=[-2.25 if each == "smile" else 0.5 for each in found.transfer["attribute"]])
    carried = about(replace(found, transfer=other), "mouth-0/jacobian")["Carries over"]
    assert "moves smile by −2.25 SD" in carried and "80% of the others" in carried and "+2.50 on average" in carried
    assert {"In mouth", "Carries over"}.isdisjoint(about(found, "smile/ridge"))
    nothing = replace(found, transfer=found.transfer.assign(own=float("nan")))
    assert "Carries over" not in about(nothing, "mouth-0/jacobian")


def test_what_was_tried_before_it_was_projected_away_is_a_table():
    tried = [
        ([], 1.0, 1.2, 0.8, True),
        (["skin"], 0.91, 1.1, 0.2, True),
        (["skin", "age"], 0.1, np.nan, np.nan, False),
        (["skin", "hat"], 0.9, 1.0, 0.0, False),
    ]
    names = ("removed", "kept", "on_target", "off_target", "accepted")
    found = another_way("disentangled-by-effects", trials=[dict(zip(names, trial, strict=True)) for trial in tried])
    table = of_direction(found, "smile/ridge/disentangled-by-effects").one("section", id="trials").one("table").table()
    assert {row: [cell.text for cell in cells.values()] for row, cells in table.items()} == {
        "nothing": ["100%", "+1.20", "0.80", "1.5×", "yes"],
        "skin": ["91%", "+1.10", "0.20", "5.5×", "yes"],
        "skin, age": ["10%", "–", "–", "–", "no"],
        "skin, hat": ["90%", "+1.00", "0.00", "–", "no"],
    }
    section = of_direction(found, "smile/ridge/disentangled-by-effects").one("section", id="trials").text
    assert "These samples chose it" in section
    assert not of_direction(found, SMILE).all("section", id="trials")


# Nearest directions


def nearest(findings: Findings, name: str) -> list[tuple[str, str, str]]:
    """What each is called and its cosine, and where its link leads to."""
    [*rows] = [row for part in of_direction(findings, name).all("section", id="nearest") for row in part.all("tr")[1:]]
    return [(row.one("th").text, row.all("td")[0].text, str(row.one("th").one("a").attributes["href"])) for row in rows]


def test_the_nearest_are_those_with_the_largest_cosine_and_lead_to_their_pages():
    pairs = [("smile/ridge", "smile/mean-difference", 0.4), (SMILE, "smile/ridge", -0.6)]
    pairs += [("smile/ridge", "smile/mean-difference/disentangled", 0.8), ("smile/ridge", "elsewhere", 1.0)]
    found = replace(planted(components=0), cosines=pd.DataFrame(pairs, columns=["direction", "other", "cosine"]))
    page = Links([row["name"] for row in found.directions]).page
    assert nearest(found, "smile/ridge") == [
        ("smile, mean difference, disentangled", "+0.80", f"../{page('smile/mean-difference/disentangled')}"),
        ("smile, ridge, disentangled", "−0.60", f"../{page(SMILE)}"),
        ("smile, mean difference", "+0.40", f"../{page('smile/mean-difference')}"),
    ]
    [row] = of_direction(found, SMILE).one("section", id="nearest").one("tbody").all("tr")
    both = row.all("td")[1].one("a").attributes["href"]
    assert both == "../compare.html#smile-ridge-disentangled&smile-ridge"
    assert not of_direction(found, "age/ridge").all("section", id="nearest")


def test_unsupervised_directions_and_the_supervised_one_nearest_to_them_lead_to_one_another():
    assert [each[:2] for each in nearest(planted(), "component-1/principal-components")] == [("smile, ridge", "−0.70")]
    assert [each[:2] for each in nearest(planted(), "smile/ridge")] == [
        ("age +1.4 (component 0)", "−0.70"),
        ("age +1.4 (component 1)", "−0.70"),
    ]
    unknown = with_profiles(nearest=None, nearest_cosine=None, nearest_cosine_by_step=None)
    assert nearest(unknown, "component-1/principal-components") == nearest(unknown, "smile/ridge") == []


# By timestep


def by_step(findings: Findings, name: str) -> dict[str, dict]:
    """The charts, by their titles."""
    found = charts(of_direction(findings, name).one("section", id="by-timestep"))
    return {title.removesuffix(" by timestep"): chart for title, chart in found.items()}


def test_charts_have_what_is_known_of_each_step():
    known = {"norm_by_step": [4.0, 3.0, 2.0, 1.0], "r2_by_step": [0.1, 0.2, 0.3, 0.4], "norm_kept_by_step": [0.9] * 4}
    found = planted()
    rows = [{**row, **known} if row["name"] == SMILE else row for row in found.directions]
    drawn = by_step(replace(found, directions=rows), SMILE)
    assert {title: lines(chart) for title, chart in drawn.items()} == {
        "Norm": {"": [4.0, 3.0, 2.0, 1.0]},
        "How well h tells the attribute": {"AUC": [0.6, 0.7, 0.8, 0.9], "R²": [0.1, 0.2, 0.3, 0.4]},
        "Norm left by the projection": {"": [0.9] * 4},
    }
    assert all([tick[0] for tick in chart["x"]["ticks"]] == [0, 1, 2, 3] for chart in drawn.values())
    component = by_step(found, "component-1/principal-components")
    assert {title: lines(chart)[""] for title, chart in component.items()} == {
        "Norm": [1.0] * 4,
        "Explained variance": [0.15] * 4,
        "Cosine to smile/ridge": [-0.9] * 4,
    }
    assert component["Explained variance"]["y"]["percent"] and component["Cosine to smile/ridge"]["baseline"] == 0


# Its viewer and its code


def test_its_viewer_is_given_its_numbers_and_a_place_for_the_code():
    page: Element = of_direction(planted(), SMILE)
    part = page.one("div", **{"x-data": "direction"})
    assert part.attributes["data-file"] == Links([row["name"] for row in planted().directions]).file(SMILE)
    assert part.one("input", type="range") and part.one("section", id="use").one("pre").one("code")


def test_an_attribute_that_the_judge_does_not_score_is_said_to_be_such():
    def said(findings: Findings, name: str) -> int:
        return len(
            [each for each in of_direction(findings, name).all("p", "note") if "judge does not score" in each.text]
        )

    assert said(planted(wanted=("smile", "beard")), "beard/ridge") == 1
    assert said(planted(), "smile/ridge") == said(planted(), "component-0/principal-components") == 0
    assert said(replace(planted(), measured=[]), "smile/ridge") == 0, "the viewer says that nothing was measured"
