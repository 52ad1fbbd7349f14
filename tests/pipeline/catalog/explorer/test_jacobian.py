from dataclasses import replace

import pytest

from pipeline.catalog.explorer.links import Links
from tests.parsed import Element
from tests.pipeline.catalog.planted_findings import of_single_images, planted, section, sections


@pytest.fixture(scope="module")
def shown() -> Element:
    return section(of_single_images(), "jacobian")


def test_rows_are_in_order_of_rank_and_named_by_their_region(shown):
    assert list(shown.one("table", "figures").table()) == ["mouth 0", "image 0", "mouth mean 1"]


def test_a_row_leads_to_the_pictures_of_its_largest_effect(shown):
    found = of_single_images()
    links = Links([row["name"] for row in found.directions])
    led = {link.text: link.attributes["href"] for link in shown.one("tbody").all("a")}
    assert led["mouth 0"] == links.at("mouth-0/jacobian", 4.0) and len(led) == 3


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
    assert "Random directions of the same norms move no attribute by more than 0.60." in notes[0]
    none = "Directions that lie in the subspaces of most samples have no sample of their own."
    assert none in notes[0]
    found = of_single_images()
    without = replace(found, directions=[row for row in found.directions if row["share"] is None])
    assert none not in section(without, "jacobian").all("p", "note")[0].text


def test_what_was_not_measured_has_no_row():
    found = of_single_images()
    assert not section(replace(found, measured=found.measured[:-1]), "jacobian").one("tbody").all("tr")


def test_without_such_directions_there_is_no_section():
    assert "jacobian" not in sections(planted())
