from dataclasses import replace

from tests.pipeline.catalog.planted_findings import captioned, of_single_images, planted, section


def test_a_component_is_named_by_what_it_does_the_most_useful_first():
    found = planted()
    ranks = {"component-0/principal-components": 2, "component-1/principal-components": 1}
    profiles = {name: {**row, "rank": ranks.get(name)} for name, row in found.profiles.items()}
    cards = section(replace(found, profiles=profiles), "components").one("div", "cards").all("article")
    assert [card.one("h3").one("small").text for card in cards] == ["component 1, rank 1", "component 0, rank 2"]
    assert cards[0].one("h3").text.startswith("age +1.4")


def test_a_component_without_a_profile_was_not_measured_and_is_the_last():
    found = planted()
    profiles = {name: row for name, row in found.profiles.items() if not name.startswith("component-0")}
    cards = section(replace(found, profiles=profiles), "components").one("div", "cards").all("article")
    assert [card.one("h3").one("small").text for card in cards] == ["component 1, rank 2", "not measured"]


def test_a_card_shows_the_edits_at_both_ends():
    card = section(planted(), "components").one("div", "cards").all("article")[0]
    assert [each.text for each in card.one("table", "strip").all("th")] == ["−2", "unedited", "+2"]
    assert not card.all("tr", "own")
    named = [each.one("text").text for each in card.one("svg").all("g") if each.all("text")]
    assert named == ["age"], "the target alone"


def test_the_largest_effect_of_a_component_is_outlined_where_it_is_large():
    found = section(planted(), "components")
    row = captioned(found, "At strength +2")["PC 0"]
    assert [name for name, cell in row.items() if "target" in cell.classes] == ["age"]
    assert row["age"].text == "+1.40" and "pale" in row["smile"].classes
    assert captioned(found, "At strength −2")["PC 0"]["age"].text == "−1.40"
    small = section(planted(effect=lambda row, gamma, attribute: 0.3 * gamma), "components")
    cells = captioned(small, "At strength +2")["PC 0"].values()
    assert not [cell for cell in cells if "target" in cell.classes]


def test_one_strength_has_one_heat_map():
    found = section(planted(strengths=(1.0,)), "components")
    assert [each.text for each in found.all("caption") if "strength" in each.text] == ["At strength +1"]


def test_the_chart_has_the_variance_of_the_first_ten():
    figure = section(planted(components=12), "components").one("figure", "plot")
    lines = [each for each in figure.all("g", "rank") if not each.all("text")]
    assert len(lines) == 10 and "of the first 10 components" in figure.one("figcaption").text
    assert lines[5].attributes["style"] == "--share:0.70" and "style" not in lines[0].attributes


def test_directions_of_single_images_are_kept_apart():
    captions = [each.text for each in section(of_single_images(), "components").all("caption", "unseen")]
    assert captions and all("component-" in caption for caption in captions)
