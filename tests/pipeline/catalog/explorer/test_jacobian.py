from dataclasses import replace

import pytest

from pipeline.catalog.templates import data_uri
from tests.parsed import Element
from tests.pipeline.catalog.planted_findings import document, of_single_images, planted, section


@pytest.fixture(scope="module")
def shown() -> Element:
    return section(of_single_images(), "jacobian")


def cards(shown: Element) -> dict[str, Element]:
    return {card.one("h3").one("small").text: card for card in shown.one("div", "cards").all("article")}


def test_cards_are_in_order_of_rank_and_named_by_what_they_do(shown):
    assert list(cards(shown)) == ["mouth 0, rank 3", "image 0, rank 4", "mouth mean 1, rank 5"]
    assert cards(shown)["mouth 0, rank 3"].one("h3").text.startswith("smile +2.5")


def test_a_card_says_where_its_direction_was_found(shown):
    said = {label: card.one("p", "note").text for label, card in cards(shown).items()}
    assert said["mouth 0, rank 3"] == "found on sample 7 at step 2, singular value 0.50, stands for 12"
    assert said["mouth mean 1, rank 5"] == "62% of it in the subspace of a sample, on average over 50"


def test_the_first_row_is_the_sample_that_a_direction_was_found_on(shown):
    own = cards(shown)["mouth 0, rank 3"].one("table", "strip").one("tr", "own").all("img")
    origins = of_single_images().origins
    expected = [origins["mouth-0/jacobian", index] for index in (0, -1, 1)]
    assert [image.attributes["src"] for image in own] == [data_uri(each) for each in expected]
    assert own[1].attributes["alt"] == "the sample that it was found on, unedited, with the region"
    assert not cards(shown)["mouth mean 1, rank 5"].all("tr", "own"), "a mean has no sample of its own"


def test_four_held_out_samples_are_below_it(shown):
    for card in cards(shown).values():
        rows = card.one("table", "strip").one("tbody").all("tr")
        assert len([row for row in rows if "own" not in row.classes]) == 4


def test_the_table_has_the_largest_effect_and_what_carries_over(shown):
    table = shown.one("table", "figures").table()
    assert {name: cell.text for name, cell in table["mouth 0"].items()} == {
        "moves most": "smile at +4",
        "held-out": "+2.50",
        "its own sample": "+1.75",
        "same way": "80%",
        "stands for": "12",
        "in / out of mouth": "8.3×",
    }
    mean = [table["mouth mean 1"][name].text for name in ("its own sample", "same way", "stands for")]
    assert mean == ["–", "–", "62%"]


def test_a_ratio_is_bold_where_the_direction_was_found_in_that_region(shown):
    table = shown.one("table", "figures").table()
    assert table["mouth 0"]["in / out of mouth"].all("strong")
    assert not table["image 0"]["in / out of mouth"].all("strong")


def test_notes_say_what_random_directions_do_and_that_means_have_no_sample(shown):
    notes = [each.text for each in shown.all("p", "note")]
    assert "Random directions of the same norms move no attribute by more than 0.60." in notes
    none = "Directions that lie in the subspaces of most samples have no sample of their own."
    assert none in notes
    found = of_single_images()
    without = replace(found, directions=[row for row in found.directions if row["share"] is None])
    assert none not in [each.text for each in section(without, "jacobian").all("p", "note")]


def test_what_was_not_measured_has_a_card_and_no_row():
    found = of_single_images()
    shown = section(replace(found, measured=found.measured[:-1]), "jacobian")
    assert len(cards(shown)) == 3 and not shown.all("img") and not shown.one("table").one("tbody").all("tr")


def test_without_such_directions_there_is_no_section():
    assert not document(planted()).all("section", id="jacobian")
