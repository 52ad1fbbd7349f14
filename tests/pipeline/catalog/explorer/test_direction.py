from dataclasses import replace

import numpy as np
import pytest

from pipeline.catalog.explorer.findings import Findings
from tests.parsed import Element
from tests.pipeline.catalog.planted_findings import another_way, planted, section, with_profiles


def article(findings: Findings, name: str) -> Element:
    [found] = [
        each
        for each in section(findings, "directions").all("article")
        if each.one("dl", "made").terms()["Name"] == name
    ]
    return found


def made(findings: Findings, name: str = "smile/ridge") -> dict[str, str]:
    return article(findings, name).one("dl", "made").terms()


def test_the_first_group_is_shown_and_the_others_are_folded():
    shown = section(planted(), "directions")
    titles = [each.one("h3").one("small").text for each in shown.children if getattr(each, "tag", "") == "article"]
    assert titles == ["Ridge, disentangled"] * 2
    folded = [each.one("summary").text for each in shown.all("details")]
    assert folded == [
        "Mean difference, disentangled 2 directions",
        "Ridge, before disentangling 2 directions",
        "Mean difference, before disentangling 2 directions",
    ]


def test_the_verdict_has_the_best_strength_and_its_effects():
    verdict = article(planted(), "smile/ridge/disentangled").one("p", "verdict")
    assert verdict.one("strong").text == "+2.40 std"
    assert verdict.text == "At strength −2: +2.40 std on target, 0.20 off target, ratio 12.0×, clean"
    entangled = article(planted(), "smile/ridge").one("p", "verdict").text
    assert entangled.endswith("ratio 1.5×, not clean at any strength")


def test_a_strip_has_a_column_a_strength_with_the_best_underlined():
    strip = article(planted(), "smile/ridge/disentangled").one("table", "strip")
    headings = strip.all("th")
    assert [each.text for each in headings] == ["−2", "−1", "unedited", "+1", "+2"]
    assert [each.text for each in headings if "best" in each.classes] == ["−2"]
    alts = [[image.attributes["alt"] for image in row.all("img")] for row in strip.one("tbody").all("tr")]
    assert len(alts) == 2 and alts[1][:3] == ["sample 1, strength −2", "sample 1, strength −1", "sample 1, unedited"]


@pytest.mark.parametrize("n, shown, folded", [(2, 2, 2), (9, 6, 3)])
def test_folded_directions_show_fewer_samples(n, shown, folded):
    for name, rows in (("smile/ridge/disentangled", shown), ("smile/ridge", folded)):
        assert len(article(planted(n=n), name).one("table", "strip").one("tbody").all("tr")) == rows


@pytest.mark.parametrize(
    "known, said",
    [
        ({"pasted": 0.12, "follows": 0.9}, "; where the sample moves by a pixel, it moves by +0.90"),
        ({"pasted": 0.12, "follows": None}, ""),
        ({"pasted": 0.92, "follows": None}, "; a template rather than a meaning"),
    ],
)
def test_how_much_of_the_change_is_pasted_is_said(known, said):
    share = f"{known['pasted']:.0%} of the change is the same pixels in every image"
    assert made(with_profiles(**known))["Pasted"] == share + said
    assert "Pasted" not in made(with_profiles(pasted=None))


def test_how_a_direction_was_made_is_said():
    found = made(planted(), "smile/ridge/disentangled")
    assert found == {
        "Name": "smile/ridge/disentangled",
        "Strength per SD": "+0.71 moves it by one standard deviation",
        "Valid range": "−2.00 to +1.00: images are the model's own, as far as measured",
        "Pasted": "31% of the change is the same pixels in every image; where the sample moves by a pixel, it moves by +0.76",
        "Labels": "labels, 50 samples",
        "Selected": "9 highest (from +1.50) and 9 lowest (to −1.50) scores",
        "Classifier": "held-out AUC 0.60 to 0.90 over the steps",
        "Projected": "90% of the norm left without 1 other",
    }
    assert made(planted(), "smile/mean-difference").keys() == {
        *("Name", "Strength per SD", "Valid range", "Pasted", "Labels", "Selected")
    }


@pytest.mark.parametrize(
    "known, said",
    [
        ({"strength_in_range": False}, "+0.71 moves it by one standard deviation, beyond its valid range"),
        ({"verified": None}, "+0.71 moves it by one standard deviation, not verified on images"),
        ({"strength_by": "fall"}, "−0.71 lowers it by one standard deviation; it does not rise so far"),
        ({"strength_per_sd": None, "verified": None}, "not reached"),
    ],
)
def test_strengths_say_what_is_not_known_of_them(known, said):
    assert made(with_profiles(**known))["Strength per SD"] == said


def test_nothing_is_said_of_the_strength_of_what_has_no_profile():
    assert made(replace(planted(), profiles={})).keys().isdisjoint({"Strength per SD", "Valid range"})


def verdicts(findings: Findings) -> list[str]:
    return [each.text for each in section(findings, "directions").all("p", "verdict")]


def test_why_an_effect_was_not_measured():
    unknown = [said for said in verdicts(planted(wanted=("smile", "beard"))) if "not measured" in said]
    assert unknown == ["Its effect was not measured: the judge does not score this attribute."] * 4
    without = verdicts(planted(effect=lambda *_: float("nan")))
    assert without == ["Its effect was not measured: no image has a score of this attribute, or all have the same."] * 8
    nobody = replace(planted(), measured=planted().measured[1:])
    assert verdicts(nobody) == ["Its effect was not measured."] * 8
    assert not section(nobody, "directions").all("table", "strip")


def test_what_was_tried_before_it_was_projected_away_is_a_table():
    tried = [
        ([], 1.0, 1.2, 0.8, True),
        (["skin"], 0.91, 1.1, 0.2, True),
        (["skin", "age"], 0.1, np.nan, np.nan, False),
    ]
    names = ("removed", "kept", "on_target", "off_target", "accepted")
    found = another_way("disentangled-by-effects", trials=[dict(zip(names, trial, strict=True)) for trial in tried])
    table = article(found, "smile/ridge/disentangled-by-effects").one("table", "figures").table()
    assert {row: [cell.text for cell in cells.values()] for row, cells in table.items()} == {
        "nothing": ["100%", "+1.20", "0.80", "1.5×", "yes"],
        "skin": ["91%", "+1.10", "0.20", "5.5×", "yes"],
        "skin, age": ["10%", "–", "–", "–", "no"],
    }
    assert not article(found, "smile/ridge/disentangled").all("table", "figures")


def curves(findings: Findings) -> Element:
    return article(findings, "smile/ridge/disentangled").one("svg", "chart")


def test_the_curve_of_the_target_is_its_own_and_the_last():
    drawn = [each for each in curves(planted()).all("g") if not each.all("text")]
    assert [each.attributes["class"] for each in drawn] == ["other", "other", "target"]
    labels = {
        each.one("text").text: each.attributes["class"] for each in curves(planted()).all("g") if each.all("text")
    }
    assert labels == {"skin": "other", "age": "other", "smile": "target"}


def test_a_strength_without_scores_has_no_whisker():
    found = planted(components=0)
    effects = found.measured[0].effects
    nobody = effects["strength"] == 2.0
    gone = effects.assign(n=effects["n"].where(~nobody, 0), effect=effects["effect"].where(~nobody))
    without = replace(found, measured=[replace(found.measured[0], effects=gone)])
    assert len(curves(found).all("line", "whisker")) == 4 and len(curves(without).all("line", "whisker")) == 3


def test_the_band_is_the_largest_control_limit_at_each_strength_and_none_at_0():
    found = planted(components=0)
    [every] = found.measured
    limit = every.effects["control_limit"].where(every.effects["attribute"] != "age", 2.4)
    wide = replace(found, measured=[replace(every, effects=every.effects.assign(control_limit=limit))])

    def heights(findings: Findings) -> list[float]:
        points = [point.split(",") for point in curves(findings).one("polygon", "band").attributes["points"].split()]
        above, below = points[: len(points) // 2], points[len(points) // 2 :]
        return [float(low) - float(high) for (_, high), (_, low) in zip(above, reversed(below), strict=True)]

    narrow, widened = heights(found), heights(wide)
    assert narrow[2] == widened[2] == 0 and narrow[0] == narrow[4] > 0
    assert widened[0] == pytest.approx(narrow[0] * 2.4 / 0.35, abs=1)
