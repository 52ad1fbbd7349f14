"""Cards come in the order to use them in, each with what it does in small, and with what filters and sorting go by."""

from dataclasses import replace

import pytest

from pipeline.catalog.explorer import gallery
from pipeline.catalog.explorer.findings import Findings
from pipeline.catalog.explorer.gallery import Card
from pipeline.catalog.explorer.links import Links
from tests.parsed import Element
from tests.pipeline.catalog.planted_findings import (
    at_points,
    document,
    of_single_images,
    planted,
    signature,
    signed_picture,
    with_catalog,
    with_profiles,
)

SMILE = "smile/ridge/disentangled"


def cards(findings: Findings) -> dict[str, Card]:
    return {
        card.name: card
        for card in gallery.facts(findings, Links([row["name"] for row in findings.directions]))["cards"]
    }


def shown(findings: Findings) -> dict[str, Element]:
    articles = document(findings, "directions.html").all("article")
    return {str(each.attributes["data-name"]): each for each in articles}


def test_recommended_ones_come_first_then_groups_then_unsupervised_ones_by_rank():
    found = of_single_images()
    recommended = {"age": "age/ridge", "smile": "smile/mean-difference"}
    in_order = cards(replace(found, catalog=found.catalog.model_copy(update={"recommended": recommended})))
    first, rest = list(in_order)[:2], list(in_order)[2:]
    assert first == list(recommended.values()) and [name for name in in_order if in_order[name].recommended] == first
    grouped = [row["name"] for group in found.groups for row in group.rows if row["name"] not in first]
    assert rest[: len(grouped)] == grouped
    ranks = [in_order[name].rank for name in rest[len(grouped) :]]
    assert ranks == [1, 2, 3, 4, 5]


def test_what_has_no_rank_is_the_last():
    found = planted()
    profiles = {name: row for name, row in found.profiles.items() if not name.startswith("component-0")}
    assert list(cards(replace(found, profiles=profiles)))[-1] == "component-0/principal-components"


def test_all_directions_have_a_card_however_many_there_are():
    assert len(shown(planted(components=40))) == 48


def test_the_overview_shows_the_recommended_ones_alone():
    found = with_catalog(recommended={"smile": SMILE})
    top = document(found).one("section", id="recommended")
    assert [each.attributes["data-name"] for each in top.all("article")] == [SMILE]
    assert top.one("article").one("a").attributes["href"] == Links(list(found.profiles)).page(SMILE)
    assert not document(planted()).all("section", id="recommended")


def test_what_can_be_chosen_is_what_there_is():
    found = gallery.facts(of_single_images(), Links([row["name"] for row in of_single_images().directions]))
    assert (found["targets"], found["local"]) == (["age", "smile"], True)
    kinds = ["mean difference", "mean difference, disentangled", "principal components", "ridge", "ridge, disentangled"]
    assert found["methods"] == ["jacobian", *kinds]
    page = document(planted(), "directions.html").one("form")
    assert "Method" in page.text and [each.text for each in page.all("select")[1].all("option")] == ["any", *kinds]
    names = {each.attributes.get("x-model") for each in page.all()}
    assert "local" not in names, "no region was looked at"
    assert "local" in {each.attributes.get("x-model") for each in document(of_single_images(), "directions.html").all()}


def test_filters_and_sorting_go_by_numbers_as_scripts_read_them():
    known = shown(with_profiles(strength=2.0, on_target=-1.25, off_target=0.25))
    card = known[SMILE].attributes
    assert {key: card[f"data-{key}"] for key in ("target", "method", "kind", "on", "off", "local", "rank")} == {
        **{"target": "smile", "method": "ridge, disentangled", "kind": "supervised"},
        **{"on": "-2.4", "off": "0.2", "local": "", "rank": ""},
    }
    card = known["component-1/principal-components"].attributes
    assert {key: card[f"data-{key}"] for key in ("target", "method", "kind", "on", "off", "local", "rank")} == {
        **{"target": "age", "method": "principal components", "kind": "component"},
        **{"on": "-1.25", "off": "0.25", "local": "", "rank": "2"},
    }
    unknown = shown(with_profiles(on_target=None))["component-1/principal-components"].attributes
    assert (unknown["data-on"], unknown["data-off"]) == ("", "")


def test_a_search_finds_names_effects_and_methods_in_small_letters():
    text = str(shown(with_profiles(label="Age +1.4"))["component-1/principal-components"].attributes["data-text"])
    assert "component-1/principal-components" in text and "age +1.4" in text and "component 1" in text
    assert text == text.lower()


def test_a_direction_of_single_images_is_called_by_what_it_does_and_acts_in_a_region():
    card = cards(of_single_images())["mouth-0/jacobian"]
    assert (card.title, card.found_as, card.kind) == ("smile +2.5", "mouth 0, jacobian", "single image")
    assert card.region == ("mouth", 8.3)
    assert float(str(shown(of_single_images())["mouth-0/jacobian"].attributes["data-local"])) == 8.3


def test_a_card_says_on_how_many_other_samples_a_direction_was_measured_once_more():
    name = "component-0/principal-components"
    assert "re-measured on 28 other samples" in shown(with_profiles(confirmed_n=28))[name].one("p", "found").text
    assert "re-measured" not in shown(planted())[name].one("p", "found").text


def test_what_has_no_name_for_what_it_does_is_called_by_how_it_was_made():
    assert cards(with_profiles(label=None))["component-1/principal-components"].title == "component 1"
    assert {card.title for card in cards(planted()).values()} == {"smile", "age", "age +1.4"}


def changed(findings: Findings, **known: object) -> Findings:
    return replace(findings, profiles={name: {**row, **known} for name, row in findings.profiles.items()})


@pytest.mark.parametrize(
    "low, high, strengths",
    [
        (-2.0, 1.0, (-2.0, 0.0, 1.0)),
        (-2.0, 1.0 - 1e-7, (-2.0, 0.0, 1.0)),  # as float32 has it
        (0.0, 2.0, (-2.0, 0.0, 2.0)),
        (0.0, 0.5, (-2.0, 0.0, 2.0)),  # no strength is inside
        (None, None, (-2.0, 0.0, 2.0)),
    ],
)
def test_images_are_of_its_best_strength_and_of_the_valid_range_the_other_way(low, high, strengths):
    found = changed(planted(image=signed_picture), valid_low=low, valid_high=high)
    assert found.headline(SMILE).strength == -2
    assert cards(found)[SMILE].strengths == strengths
    rows = shown(found)[SMILE].one("table", "strip").one("tbody").all("tr")
    for i, row in enumerate(rows):
        pictures = [signature(each.attributes["src"]) for each in row.all("img")]
        assert pictures == [(SMILE if each else "unedited", each, i) for each in strengths]


def test_images_of_an_unsupervised_one_are_of_the_strength_of_its_profile_or_of_both_ends():
    name = "component-0/principal-components"
    assert cards(planted())[name].strengths == (-2, 0, 2), "no strength is in its profile"
    every = of_single_images()
    assert cards(changed(every, strength=-4.0))["mouth-0/jacobian"].strengths == (-4, 0, 4)
    one_way = planted(strengths=(1.0, 2.0))
    assert cards(changed(one_way, strength=1.0, on_target=0.7, off_target=0.1))[name].strengths == (0, 1)
    assert cards(one_way)[SMILE].strengths == (0, 2)


@pytest.mark.parametrize("n, rows", [(1, 1), (2, 2), (9, 2)])
def test_a_card_shows_two_samples_at_most(n, rows):
    assert len(cards(planted(n=n))[SMILE].rows) == rows


def test_what_was_not_measured_has_a_card_without_images():
    card = shown(replace(planted(), measured=[], profiles={}))[SMILE]
    assert not card.all("table") and not card.all("img")
    terms = card.one("dl").terms()
    assert terms == {"effect": "not measured", "strength per SD": "not reached"}


def test_figures_of_a_card_are_those_of_the_strength_that_it_shows():
    terms = shown(planted())[SMILE].one("dl").terms()
    assert terms == {"smile at −2": "−2.40 SD", "else, at most": "0.20 SD", "strength per SD": "+0.71"}
    known = with_profiles(strength=2.0, on_target=1.25, off_target=None)
    terms = shown(known)["component-0/principal-components"].one("dl").terms()
    assert terms == {"age at +2": "+1.25 SD", "else, at most": "– SD", "strength per SD": "+0.71"}


def test_warnings_are_counted_and_folded():
    found = with_profiles(verified=False, strength_in_range=False)
    known = shown(found)[SMILE].one("details", "known")
    assert known.one("summary").text.startswith("2 ") and len(known.all("li")) == 2
    assert not shown(planted())[SMILE].all("details")


def test_of_several_capture_points_a_card_names_its_own():
    found = cards(at_points({"mid_block": ("age",), "mid_block+up_blocks.0": ("smile",)}))
    at = {card.target: card.at for card in found.values() if card.kind == "supervised"}
    assert at == {"age": "mid_block", "smile": "mid_block + up_blocks.0"}
    assert {card.at for card in cards(planted()).values()} == {None}
