from dataclasses import replace

import pandas as pd
import pytest

from pipeline.catalog.explorer.findings import Findings
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
        "samples": "5",
        "its own sample": "+1.75",
        "same way": "80%",
        "stands for": "12",
        "in / out of mouth": "8.3×",
    }
    mean = [table["mouth mean 1"][name].text for name in ("its own sample", "same way", "stands for")]
    assert mean == ["–", "–", "62%"]


def measured_again(direction: str = "mouth-0/jacobian", realistic: bool | None = True) -> pd.DataFrame:
    """Smile +1.2 on 28 other samples at +4, not significant."""
    rows = [
        (direction, each, gamma, index, 1.2) for each in ("judge", "second") for index, gamma in ((0, 4.0), (1, -4.0))
    ]
    table = pd.DataFrame(rows, columns=["direction", "judge", "strength", "strength_index", "effect"])
    return table.assign(attribute="smile", n=28, significant=False, realistic=realistic).astype({"realistic": object})


def of_smile(**known: object) -> Findings:
    """mouth-0 is called after smile."""
    found = of_single_images()
    profile = found.profiles["mouth-0/jacobian"] | {"target": "smile"}
    return replace(found, profiles=found.profiles | {"mouth-0/jacobian": profile}, **known)


def test_what_was_measured_once_more_counts_and_the_largest_of_several_says_so(shown):
    note = "The largest of 6 effects on the same held-out samples, which is too large by chance as well."
    assert note in shown.all("p", "note")[1].text
    found = of_smile(confirmed=measured_again())
    again = section(found, "jacobian")
    cells = again.one("table", "figures").table()["mouth 0"]
    assert (cells["held-out"].text, cells["samples"].text) == ("+1.20", "28") and "pale" in cells["held-out"].classes
    assert cells["its own sample"].text == "+1.75" and cells["in / out of mouth"].text == "8.3×", "the same edit"
    nearer = section(of_smile(confirmed=measured_again().assign(strength=1.0)), "jacobian")
    cells = nearer.one("table", "figures").table()["mouth 0"]
    assert (cells["its own sample"].text, cells["same way"].text, cells["in / out of mouth"].text) == ("–",) * 3
    assert "Of those that were measured once more" in again.all("p", "note")[1].text


def test_images_that_were_seen_to_leave_the_models_own_are_marked(shown):
    found = of_single_images()
    assert "°" not in shown.text
    *_, last = found.measured
    lost = last.preservation["direction"].eq("mouth-0/jacobian")
    kept = last.preservation.astype({"realistic": object})
    kept.loc[lost, "realistic"] = False
    marked = replace(found, measured=[*found.measured[:-1], replace(last, preservation=kept)])
    table = section(marked, "jacobian").one("table", "figures").table()
    assert table["mouth 0"]["held-out"].text == "+2.50 °" and "°" not in table["image 0"]["held-out"].text
    again = section(of_smile(confirmed=measured_again(realistic=False)), "jacobian").one("table", "figures").table()
    assert again["mouth 0"]["held-out"].text == "+1.20 °"


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
