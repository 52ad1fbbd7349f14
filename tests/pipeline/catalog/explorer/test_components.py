from dataclasses import replace

import pytest

from pipeline.catalog.explorer.findings import Findings
from pipeline.catalog.explorer.links import Links
from tests.pipeline.catalog.planted_findings import (
    at_points,
    captioned,
    charts,
    lines,
    of_single_images,
    planted,
    section,
)


def test_the_largest_effect_of_a_component_is_outlined_where_it_is_large():
    found = section(planted(), "components")
    row = captioned(found, "At strength +2")["PC 0"]
    assert [name for name, cell in row.items() if "target" in cell.classes] == ["age"]
    assert row["age"].text == "+1.40" and "pale" in row["smile"].classes
    assert captioned(found, "At strength −2")["PC 0"]["age"].text == "−1.40"
    small = section(planted(effect=lambda row, gamma, attribute: 0.3 * gamma), "components")
    cells = captioned(small, "At strength +2")["PC 0"].values()
    assert not [cell for cell in cells if "target" in cell.classes]


def test_a_large_effect_that_is_not_significant_or_not_of_the_models_images_is_no_meaning():
    found = planted()
    [supervised, both] = found.measured
    unsure = both.effects.assign(significant=False)
    kept = both.preservation.astype({"realistic": object})
    kept.loc[(kept["direction"] == "component-0/principal-components") & (kept["strength"] == 2), "realistic"] = False
    doubtful = replace(found, measured=[supervised, replace(both, effects=unsure, preservation=kept)])
    part = section(doubtful, "components")
    cells = captioned(part, "At strength +2")["PC 0 °"]
    assert cells["age"].text == "+1.40" and not [cell for cell in cells.values() if "target" in cell.classes]
    assert "PC 0" in captioned(part, "At strength −2"), "images to that side did not leave the model's own"
    assert f"Effects on {both.n} samples." in part.all("p", "note")[1].text


def test_one_strength_has_one_heat_map():
    found = section(planted(strengths=(1.0,)), "components")
    assert [each.text for each in found.all("caption")] == ["At strength +1"]


def test_components_of_unlike_strengths_are_each_at_its_own():
    found = planted()
    [supervised, both] = found.measured
    nearer = both.effects["direction"].str.startswith("component-1")
    effects = both.effects.assign(strength=both.effects["strength"].where(~nearer, both.effects["strength"] / 2))
    part = section(replace(found, measured=[supervised, replace(both, effects=effects)]), "components")
    assert [each.text for each in part.all("caption")] == [
        "Each at its lowest strength",
        "Each at its highest strength",
    ]
    table = captioned(part, "Each at its highest strength")
    assert {name: row["γ"].text for name, row in table.items()} == {"PC 0": "+2", "PC 1": "+1"}


@pytest.mark.parametrize("caption, gamma", [("At strength −2", -2.0), ("At strength +2", 2.0)])
def test_rows_and_cells_lead_to_the_pictures_of_that_edit(caption, gamma):
    found = planted()
    at = Links([row["name"] for row in found.directions]).at
    [table] = [
        each
        for each in section(found, "components").all("table")
        if each.all("caption") and each.one("caption").text == caption
    ]
    for i, row in enumerate(table.one("tbody").all("tr")):
        led = {str(link.attributes["href"]) for link in row.all("a")}
        assert led == {at(f"component-{i}/principal-components", gamma)} and len(row.all("a")) == 4


def variance(findings: Findings) -> dict:
    [chart] = charts(section(findings, "components")).values()
    return chart


def test_the_chart_has_the_variance_of_the_first_ten_the_first_the_strongest():
    chart = variance(planted(components=12))
    assert lines(chart) == {str(j): pytest.approx([0.3 / (j + 1)] * 4) for j in range(10)}
    strong = [line["share"] for line in chart["lines"]]
    assert strong == sorted(strong, reverse=True) and (strong[0], strong[5]) == (1.0, pytest.approx(0.7))
    assert chart["y"]["percent"] and chart["y"]["low"] == 0 and {line["colour"] for line in chart["lines"]} == {"rank"}
    said = section(planted(components=12), "components").one("figcaption").text
    assert "first 10 components" in said


def test_without_shares_of_the_variance_there_is_no_chart():
    found = planted()
    rows = [{**row, "explained_variance_ratio": None} for row in found.directions]
    assert not charts(section(replace(found, directions=rows), "components"))


def test_directions_of_single_images_are_kept_apart():
    tables = section(of_single_images(), "components").all("table", "heat")
    rows = [row.one("th").text for table in tables for row in table.one("tbody").all("tr")]
    assert rows == ["PC 0", "PC 1"] * 2


def test_of_several_capture_points_a_row_says_its_own():
    part = section(at_points({"mid_block": ("age",), "up_blocks.0": ("smile",)}), "components")
    assert list(captioned(part, "At strength +1")) == ["PC 0 mid_block"]


def test_what_was_not_measured_has_a_chart_and_no_heat_map():
    part = section(replace(planted(), measured=planted().measured[:1]), "components")
    assert charts(part) and not part.all("table")
