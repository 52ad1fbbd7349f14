"""Page, card, README and the end of a run say one thing of each direction to use: read from all of them."""

import os
from pathlib import Path

import numpy as np
import pytest

from benchmarks._agreement import disagreements, of_card, of_pages, of_readme, of_results
from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.catalog.explorer.read import findings
from pipeline.catalog.explorer.site import pages
from pipeline.catalog.summary import Summary
from schemas.catalog import Direction
from tests.pipeline.catalog.planted_catalog import STRENGTHS, standard
from tests.pipeline.catalog.planted_findings import profile
from tests.pipeline.catalog.said import by_card, by_effects, by_tables, differences, files_of

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
    rows = standard().rows
    known = [{**row, **profile(row, None)} for row in rows]  # as a run publishes them, with what their profiles say
    directions = [Direction(**{key: row[key] for key in Direction.model_fields if key in row}) for row in known]
    planted = standard(known={"recommended": USED, "recommended_by": "a rule", "directions": directions})
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
    return DirectionCatalog.open(
        planted.but(best=best, sure=0.16).write(tmp_path_factory.mktemp("agreement") / "catalog")
    )


@pytest.fixture(scope="module")
def written(catalog) -> dict[str, str]:
    return pages(findings(catalog))


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


def test_a_strength_is_taken_for_no_effect_and_a_table_ends_where_it_ends():
    card = """
| direction | chosen on | n | strength | target, 95 % | ratio | smile | age |
|---|---|---|---|---|---|---|---|
| `smile/ridge` | 28 | 28 | +0.52 | +1.02 to +1.62 | 8.2 (4.8 to 12.4) | **+1.32** | -0.16 |
"""
    assert of_card(card, USED) == {"smile": (1.32, 0.16)}
    results = """
| direction | strength | on target | off target |
|---|---|---|---|
| smile | +0.52 | +1.32 (1.02 to 1.62) | 0.16 |

| something | else | of | four |
|---|---|---|---|
| age | 1 | 2 | 3 |
"""
    assert of_results(results) == {"smile": (1.32, 0.16)}


def test_all_of_them_say_how_strengths_were_chosen(catalog):
    said = "trengths chosen on 14 selection samples, effects measured on 28 others"
    assert said in pages(findings(catalog))["index.html"] and said in catalog.read("README.md").decode()


def test_a_direction_without_a_strength_in_its_valid_range_is_said_to_have_none(catalog):
    name = "smile/mean-difference"
    [said] = [line for line in catalog.read("README.md").decode().splitlines() if "so none was chosen" in line]
    assert f"`{name}`" in said and "`smile/ridge`" not in said
    assert findings(catalog).headline(name) is None
    assert catalog[name].warnings[0].startswith("At every strength that there was to choose from"), (
        "in Python and live, too"
    )
    assert not any("At every" in warning for warning in catalog["smile/ridge"].warnings)
    assert "At every strength that there was to choose from" in pages(findings(catalog))["directions.html"]


def test_what_does_not_agree_is_named():
    told = of_readme(README)
    assert disagreements(told, told) == []
    assert disagreements(told, told | {"age": (2.3, 0.2)}) == ["age"]
    assert disagreements(told, {"smile": told["smile"]}) == ["age"]
    assert disagreements(told, told | {"age": (2.41, 0.2)}) == [], "the last decimal may be rounded either way"


def test_our_readme_and_our_results_say_one_thing_of_the_demo():
    root = Path(__file__).parents[2]
    told = of_readme((root / "README.md").read_text()), of_results((root / "docs" / "results.md").read_text())
    assert disagreements(*told) == [] and len(told[0]) == 5


# Every number and name, of every direction


def test_tables_card_and_pages_say_one_thing_in_every_number_and_name(catalog, written):
    assert differences(catalog, written) == []
    card, maps, tables = by_card(catalog.read("README.md").decode()), written["effects.html"], by_tables(catalog)
    of_pages_ = by_effects(maps, files_of(written))
    assert card.keys() == of_pages_.keys() == set(AT) == {name for name, said in tables.items() if said.effects}
    assert {"strength", "on", "off", "low", "high", "ratio", "n", "chosen on"} <= tables["age/ridge"].figures.keys()
    assert tables["age/ridge"].figures["on"] == pytest.approx(-2.4) and len(card["age/ridge"].effects) == 3


@pytest.mark.parametrize(
    "file, told, otherwise, said",
    [
        ("directions.html", "+1.20 SD", "+1.30 SD", "smile/ridge, gallery: on 1.3, not 1.2"),
        ("index.html", "−2.40 SD", "+2.40 SD", "age/ridge, overview: on 2.4, not -2.4"),
        ("effects.html", '<td class="plain">12.0×', '<td class="plain">11.0×', "ridge, effects: ratio 11"),
        (
            "directions/smile-ridge.html",
            "+1: moves its target by",
            "+2: moves its target by",
            "smile/ridge, page: strength 2",
        ),
    ],
)
def test_one_number_that_is_otherwise_is_seen(catalog, written, file, told, otherwise, said):
    assert told in written[file]
    changed = written[file].replace(told, otherwise)
    if file in ("directions.html", "index.html"):  # and what it is sorted by
        on = {"directions.html": ('data-on="1.2"', 'data-on="1.3"'), "index.html": ('data-on="-2.4"', 'data-on="2.4"')}
        changed = changed.replace(*on[file])
    assert any(said in each for each in differences(catalog, {**written, file: changed}))


@pytest.mark.slow
def test_a_catalog_of_a_run_says_one_thing_too():
    """Of the run whose root is in HSPACE_ROOT, as `make demo` leaves it."""
    root = Path(os.environ.get("HSPACE_ROOT") or "runs/portraits")
    if not (root / "catalog" / "catalog.json").is_file():
        pytest.skip(f"{root} has no catalog: name the root of a run by HSPACE_ROOT")
    of_run = DirectionCatalog.open(root / "catalog")
    assert differences(of_run, pages(findings(of_run))) == []


@pytest.mark.slow
def test_the_demo_says_what_our_readme_and_results_say():
    """Of the run whose root is in HSPACE_ROOT, or that `make demo` has made here: its card and its pages beside our documents."""
    root, ours = Path(os.environ.get("HSPACE_ROOT") or "runs/portraits"), Path(__file__).parents[2]
    if not (root / "explorer" / "index.html").is_file():
        pytest.skip(f"{root} has no explorer: name the root of a demo by HSPACE_ROOT")
    recommended = DirectionCatalog.open(root / "catalog").about.recommended
    told = [
        of_card((root / "catalog" / "README.md").read_text(), recommended),
        of_pages((root / "explorer" / "index.html").read_text()),
        of_readme((ours / "README.md").read_text()),
        of_results((ours / "docs" / "results.md").read_text()),
    ]
    assert disagreements(*told) == [] and len(told[0]) == 5
