from dataclasses import replace

import pytest

from pipeline.catalog.explorer.findings import Findings
from schemas.catalog import LeftOut
from tests.parsed import Element
from tests.pipeline.catalog.planted_findings import (
    another_way,
    document,
    of_single_images,
    planted,
    with_catalog,
    with_sampling,
)


def top(findings: Findings) -> Element:
    return document(findings).one("main")


def tiles(findings: Findings) -> dict[str, str]:
    """What each figure says, by the figure."""
    return {tile.one("strong").text: tile.one("span").text for tile in top(findings).one("ul", "tiles").all("li")}


def facts(findings: Findings) -> dict[str, str]:
    return top(findings).one("dl", "facts").terms()


def test_the_tiles_have_the_figures_of_the_directions_to_use():
    clean, ratios, control = tiles(planted()).items()
    assert clean == ("2 of 2", "attributes with a clean effect of at least 1 SD, by the directions to use")
    assert ratios[0] == "12.0×" and ratios[1].startswith("mean on-target over mean largest off-target effect")
    assert control == (
        "0.10 SD",
        "largest effect of random directions of the same norms, on any attribute of the same judge",
    )


def test_they_are_of_what_the_catalog_says_to_use_and_of_no_group():
    """Of one attribute another estimator is used, which is not clean."""
    used = [row["name"] for row in planted().supervised if row["parents"] and row["method"] == "ridge"]
    other = next(row for row in planted().supervised if not row["parents"] and row["method"] == "mean-difference")
    names = {name.split("/")[0]: name for name in used} | {other["attribute"]: other["name"]}
    found = tiles(with_catalog(recommended=names))
    assert [each for each in found if " of " in each] == ["1 of 2"] and "12.0×" not in found


def test_a_group_is_a_row_with_its_figures():
    table = top(planted(n=3)).one("table", "figures").table()
    assert list(table) == [
        "Ridge, disentangled",
        "Mean difference, disentangled",
        "Ridge, before disentangling",
        "Mean difference, before disentangling",
    ]
    assert [cell.text for cell in table["Ridge, disentangled"].values()] == [
        *("3", "2 of 2", "2 of 2", "2 of 2", "+2.40", "0.20", "12.0×", "–")
    ]
    before = table["Ridge, before disentangling"]
    assert (before["clean"].text, before["ratio of the means"].text) == ("0 of 2", "1.5×")


@pytest.mark.parametrize("way, trials", [("by effects", []), ("by step", None)])
def test_another_way_to_disentangle_is_a_row_of_its_own(way, trials):
    projected = "step" if way == "by step" else "joint"
    found = another_way(f"disentangled-{way.replace(' ', '-')}", trials=trials, projected_by=projected)
    table = top(found).one("table", "figures").table()
    assert table[f"Ridge, disentangled {way}"]["clean"].text == "2 of 2"


def test_directions_are_counted_by_kind():
    assert facts(planted())["Directions"] == "10: 8 supervised, 2 principal components"
    assert facts(of_single_images())["Directions"].endswith(", 3 of single images")
    assert facts(planted(components=0))["Directions"] == "8: 8 supervised"


def test_judges_know_nothing_unless_they_were_allowed_to():
    assert facts(planted())["Judge"] == "judge, second, which labelled nothing that directions are fitted on"
    evaluation = planted().catalog.evaluations[0].model_copy(update={"allowed": ["second"]})
    said = facts(with_catalog(evaluations=[evaluation]))["Judge"]
    assert said == "judge, second; directions that are fitted on its own labels may be judged by second"
    assert facts(replace(planted(), measured=[]))["Judge"] == "none"


def test_a_list_of_etas_is_said_as_a_range():
    assert facts(planted())["Sampling"] == "T = 4 steps, η = 1, seed 0"
    assert facts(with_sampling(eta=[0.5, 0.0, 1.0, 1.0]))["Sampling"] == "T = 4 steps, η = 0 to 1, seed 0"


def test_what_directions_were_found_and_measured_on_is_said():
    found = facts(with_sampling(n=1234, found_in="real images"))
    assert (found["Found on"], found["Measured on"]) == ("1,234 real images", "2 held-out samples")


def test_a_model_in_a_folder_goes_by_the_folders_name():
    model = planted().catalog.model
    for name, title in (("/models/small", "small"), ("google/ddpm", "google/ddpm")):
        heading = top(with_catalog(model=model.model_copy(update={"name": name}))).one("h1").text
        assert heading.endswith(f" of {title}")


def test_what_is_to_be_known_of_the_catalog_stands_above_all():
    missing = LeftOut(what="attribute", name="hat", why="no image has one")
    found = with_catalog(notes=["made on <unlike> machines"], left_out=[missing])
    said = [each.text for each in top(found).one("ul", "warnings").all("li")]
    assert said == ["made on <unlike> machines", "There is no direction of the attribute hat: no image has one."]
    assert not top(planted()).all("ul", "warnings")


def test_without_anything_measured_there_are_no_tiles_and_no_table():
    found = top(replace(planted(), measured=[], profiles={}))
    assert not found.all("ul", "tiles") and not found.all("table")
    assert facts(replace(planted(), measured=[]))["Measured on"] == "nothing"


def test_without_random_directions_there_is_no_tile_of_them():
    alone = [replace(each, controls=each.controls.iloc[:0]) for each in planted().measured]
    assert len(tiles(planted())) == 3 and len(tiles(replace(planted(), measured=alone))) == 2
