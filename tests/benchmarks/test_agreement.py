"""Page, card, README and the end of a run say one thing of each direction to use: read from all of them."""

import numpy as np
import pytest

from benchmarks._agreement import disagreements, of_card, of_pages, of_readme
from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.catalog.explorer.read import findings
from pipeline.catalog.explorer.site import pages
from pipeline.catalog.summary import Summary
from tests.pipeline.catalog.planted_catalog import STRENGTHS, standard

README = """
| | smile | age | random, as long |
|---|---|---|---|
| on target | +1.20 | +2.40 | |
| anything else, at most | 0.10 | 0.20 | 0.10 |
"""
USED = {"smile": "smile/ridge", "age": "age/ridge"}
AT = {"smile/ridge": 1.0, "age/ridge": -2.0}


@pytest.fixture(scope="module")
def catalog(tmp_path_factory) -> DirectionCatalog:
    """Strengths that are not the best of those that were measured: chosen on samples that the catalog is not of."""
    planted = standard(known={"recommended": USED, "recommended_by": "a rule"})
    best = [
        {
            "direction": row["name"],
            "target": row["attribute"],
            "chosen_by": "selection",
            "strength": AT.get(row["name"], 0.5),
            "strength_index": sorted(STRENGTHS).index(AT[row["name"]]) if row["name"] in AT else None,
            "selection_n": 14,
            "selection_on_target": 1.3,
            "selection_off_target": 0.1,
            "selection_clean": True,
        }
        for row in planted.rows
        if row["attribute"]
    ]
    return DirectionCatalog.open(planted.but(best=best).write(tmp_path_factory.mktemp("agreement") / "catalog"))


def test_all_of_them_report_the_strength_that_was_chosen(catalog):
    index = pages(findings(catalog))["index.html"]
    card = catalog.read("README.md").decode()
    expected = {"smile": (1.2, 0.1), "age": (2.4, 0.2)}
    for told in (of_pages(index), of_card(card, catalog.recommended), of_readme(README)):
        assert told.keys() == expected.keys()
        assert np.allclose([told[name] for name in expected], [*expected.values()], atol=1e-5)
    summary = {each.attribute: each for each in Summary.of(catalog).recommended}
    assert {name: (each.strength, each.n, each.chosen_on) for name, each in summary.items()} == {
        "smile": (1.0, 28, 14),
        "age": (-2.0, 28, 14),
    }
    assert summary["age"].on_target == pytest.approx(-2.4), "what is seen at that strength"


def test_all_of_them_say_how_strengths_were_chosen(catalog):
    said = "trengths chosen on 14 selection samples, effects measured on 28 others"
    assert said in pages(findings(catalog))["index.html"] and said in catalog.read("README.md").decode()


def test_a_direction_without_a_strength_in_its_valid_range_is_said_to_have_none(catalog):
    name = "smile/mean-difference"
    [said] = [
        line for line in catalog.read("README.md").decode().splitlines() if "there is none to use them at" in line
    ]
    assert f"`{name}`" in said and "`smile/ridge`" not in said
    assert findings(catalog).headline(name) is None
    assert catalog[name].warnings[0].startswith("At none of its measured strengths"), "in Python and live, too"
    assert not any("At none" in warning for warning in catalog["smile/ridge"].warnings)
    assert "At none of its measured strengths" in pages(findings(catalog))["directions.html"]


def test_what_does_not_agree_is_named():
    told = of_readme(README)
    assert disagreements(told, told) == []
    assert disagreements(told, told | {"age": (2.3, 0.2)}) == ["age"]
    assert disagreements(told, {"smile": told["smile"]}) == ["age"]
    assert disagreements(told, told | {"age": (2.41, 0.2)}) == [], "the last decimal may be rounded either way"
