"""Planted shares come back in the cells, in the order of a pass, and what was chosen by them is told with its numbers."""

from dataclasses import replace

import pandas as pd
import pytest

from pipeline.catalog.explorer.findings import Findings
from tests.parsed import Element
from tests.pipeline.catalog.planted_findings import at_points, captioned, carriage, choice, planted, section, sections

CHOSEN = {"mid_block": ("age",), "up_blocks.0": ("smile",)}


def shown(**known: object) -> Element:
    return section(replace(at_points(CHOSEN), **known), "carriage")


def whole(**known: object) -> dict[str, dict[str, Element]]:
    return captioned(shown(**known), "In all steps")


def rows_of_choice(table: pd.DataFrame) -> list[list[str]]:
    found = shown(choice=table).one("table", "chosen").one("tbody").all("tr")
    return [[cell.text for cell in row.all() if cell.tag in ("th", "td")] for row in found]


def test_columns_are_points_in_the_order_of_a_pass_with_the_size_of_h():
    assert list(whole()["smile"]) == ["mid_block 8 × 2 × 2", "up_blocks.0 8 × 3 × 2", "up_blocks.1 400 numbers"]
    assert carriage()["depth"].iloc[0] != 0, "the table is not in that order"


def test_a_cell_has_the_share_and_its_interval():
    smile = list(whole()["smile"].values())
    assert [cell.text for cell in smile] == ["6% 2% to 10%", "62% 58% to 66%", "70% 66% to 74%"]
    assert smile[1].attributes["title"] == "smile at up_blocks.0: 62%, 95 % interval 58% to 66%"
    assert [cell.attributes["style"] for cell in smile] == ["--share:0.06", "--share:0.62", "--share:0.70"]


def test_what_is_not_above_nothing_is_pale_and_has_no_colour():
    cell, *others = whole()["background"].values()
    assert "pale" in cell.classes and cell.attributes["style"] == "--share:0.00" and cell.text == "−1% −5% to 3%"
    assert not [each for each in others if "pale" in each.classes]


def test_what_is_seen_in_images_themselves_comes_apart_below_the_attributes():
    [table] = [each for each in shown().all("table", "depths")]
    rows = table.one("tbody").all("tr")
    assert [row.one("th").text for row in rows] == ["smile", "age", "image", "background"]
    assert ["apart" in row.classes for row in rows] == [False, False, True, False]


def test_outlined_is_where_directions_of_an_attribute_are_added():
    def outlined(findings: Findings) -> set[tuple[str, str]]:
        table = captioned(section(findings, "carriage"), "In all steps")
        return {(row, at.split()[0]) for row, cells in table.items() for at in cells if "target" in cells[at].classes}

    assert outlined(at_points(CHOSEN)) == {("age", "mid_block"), ("smile", "up_blocks.0")}
    both = outlined(at_points({"mid_block+up_blocks.0": ("smile",)}))
    assert both == {("smile", "mid_block"), ("smile", "up_blocks.0")}
    said = "Outlined is where the directions of this catalog are added."
    assert (
        said in shown().text and said not in section(replace(planted(wanted=()), carriage=carriage()), "carriage").text
    )


def test_each_third_of_the_steps_has_a_map_of_its_own():
    table = carriage()
    noisiest = (table["third"] == 0) & (table["what"] == "smile")
    table["share"] = table["share"].where(~noisiest, 0.97)
    part = shown(carriage=table)
    captions = [each.text for each in part.all("caption")]
    assert captions[1:] == ["The noisiest third of the steps", "The middle third", "The last third, where details come"]
    assert [cell.text for cell in captioned(part, captions[1])["smile"].values()] == ["97%"] * 3
    assert [cell.text for cell in captioned(part, captions[2])["smile"].values()] == ["3%", "31%", "35%"]


def test_a_share_that_is_no_number_is_a_dash_and_what_was_not_swapped_is_empty():
    table = carriage()
    smile = (table["what"] == "smile") & table["third"].isna()
    unknown = table.assign(**{key: table[key].where(~smile, float("nan")) for key in ("share", "low", "high")})
    assert {cell.text for cell in whole(carriage=unknown)["smile"].values()} == {"–"}
    gap = table[~(smile & (table["point"] == "up_blocks.0"))]
    assert [cell.text for cell in whole(carriage=gap)["smile"].values()] == ["6% 2% to 10%", "", "70% 66% to 74%"]


def test_the_choice_tells_what_decided_with_the_chosen_first():
    assert rows_of_choice(choice()[::-1]) == [
        ["age", "mid_block", "chosen", "80%", "−2.00", "+0.90", "0.10", "–", "16"],
        ["smile", "up_blocks.0", "chosen", "62%", "+1.50", "+1.30", "0.20", "10%", "16"],
        ["smile", "mid_block + up_blocks.0", "rank 2", "–", "+1.00", "+1.25", "0.40", "62%", "16"],
    ]


def test_without_a_choice_there_are_maps_alone():
    for none in (None, choice().iloc[:0]):
        part = shown(choice=none)
        assert not part.all("table", "chosen") and "The points that were chosen" not in part.text
        assert len(part.all("table", "heat")) == 4


def test_without_an_interval_a_share_is_pale_and_stands_alone():
    one_pair = carriage().assign(low=float("nan"), high=float("nan"), n=2)
    cell = whole(carriage=one_pair)["age"]["mid_block 8 × 2 × 2"]
    assert (cell.text, cell.attributes["title"], "pale" in cell.classes) == ("80%", "age at mid_block: 80%", True)


def test_it_says_how_many_samples_had_what_was_looked_at():
    table = carriage()
    fewer = table.assign(n=[40, 50, *[64] * (len(table) - 2)])
    assert "Shares are of 40 to 64 samples" in shown(carriage=fewer).text and "are of 64 samples" in shown().text


@pytest.mark.parametrize("none", [None, carriage().iloc[:0]])
def test_without_swaps_there_is_no_section(none):
    assert "carriage" not in sections(replace(at_points(CHOSEN), carriage=none))
