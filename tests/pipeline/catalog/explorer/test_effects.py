from dataclasses import replace

import pytest

from tests.pipeline.catalog.planted_findings import captioned, planted, section


def test_a_cell_has_the_effect_and_the_target_is_outlined():
    table = captioned(section(planted(), "effects"), "Ridge, disentangled")
    assert list(table) == ["smile", "age", "random"]
    smile = table["smile"]
    assert {name: cell.text for name, cell in smile.items()} == {
        **{"γ": "−2", "smile": "+2.40", "age": "+0.20", "skin": "+0.20"},
        "ratio": "12.0×",
    }
    for row in ("smile", "age"):
        assert [name for name, cell in table[row].items() if "target" in cell.classes] == [row]


def test_what_is_not_significant_is_pale_and_has_no_colour():
    table = captioned(section(planted(), "effects"), "Ridge, disentangled")
    pale = {name: cell for name, cell in table["smile"].items() if "pale" in cell.classes}
    assert set(pale) == {"age", "skin"}
    assert {cell.attributes["style"] for cell in pale.values()} == {"--share:0.00"}
    entangled = captioned(section(planted(), "effects"), "Ridge, before disentangling")
    assert not [cell for cell in entangled["smile"].values() if "pale" in cell.classes]


@pytest.mark.parametrize("strengths, gamma", [((-2.0, -1.0), "−2"), ((1.0, 2.0), "+2")])
def test_signs_are_changed_where_the_best_strength_is_negative(strengths, gamma):
    smile = captioned(section(planted(strengths=strengths), "effects"), "Ridge, disentangled")["smile"]
    assert (smile["γ"].text, smile["smile"].text, smile["age"].text) == (gamma, "+2.40", "+0.20")


def test_colours_are_symmetric_and_those_of_a_rise_or_a_fall():
    def effect(row: dict, gamma: float, attribute: str) -> float:
        return {"smile": 1.5, "age": -1.5, "skin": 99.0}[attribute] * gamma

    found = planted(wanted=("smile",), strengths=(1.0,), effect=effect)
    smile = captioned(section(found, "effects"), "Ridge, disentangled")["smile"]
    kinds = {name: (smile[name].classes - {"cell", "target"}, smile[name].attributes["style"]) for name in effect_of}
    assert kinds == effect_of
    assert smile["ratio"].text == "0.0× *", "which is not clean"


effect_of = {
    "smile": ({"rise"}, "--share:0.50"),
    "age": ({"fall"}, "--share:0.50"),
    "skin": ({"rise"}, "--share:1.00"),
}


def test_the_last_row_is_what_random_directions_do_that_these_were_compared_with():
    effects = section(planted(), "effects")
    random = captioned(effects, "Ridge, disentangled")["random"]
    assert [cell.text for cell in random.values()] == ["any", "0.10", "0.10", "0.10", ""]
    assert all("either" in random[name].classes for name in ("smile", "age", "skin"))
    alone = [replace(each, controls=each.controls.iloc[:0]) for each in planted().measured]
    table = captioned(section(replace(planted(), measured=alone), "effects"), "Ridge, disentangled")
    assert list(table) == ["smile", "age"]


def test_estimators_are_shown_before_and_after():
    captions = [each.text for each in section(planted(), "effects").all("caption")]
    assert captions == [
        "Ridge, before disentangling",
        "Ridge, disentangled",
        "Mean difference, before disentangling",
        "Mean difference, disentangled",
    ]


def test_the_key_runs_from_the_limit_to_the_limit():
    key = section(planted(), "effects").one("p", "scale")
    assert key.text == "−2.5 +2.5 standard deviations"
    assert [stop.attributes["style"] for stop in key.all("i")][::4] == [
        *("--share:1.00", "--share:0.00", "--share:1.00")
    ]
