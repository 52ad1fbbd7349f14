"""What matters by the bounds is found, and nothing else is: catalogs that are the same differ in nothing."""

from pathlib import Path

import pytest

from pipeline.catalog.compare.bounds import Bounds
from pipeline.catalog.compare.comparison import Comparison, compare
from pipeline.errors import UserError
from tests.pipeline.catalog.planted_catalog import PlantedCatalog, drawn, smooth, standard, turned
from tests.pipeline.catalog.planted_findings import supervised


@pytest.fixture
def compared(tmp_path):
    def of(b: PlantedCatalog, a: PlantedCatalog | None = None, **bounds: object) -> Comparison:
        return compare((a or standard()).write(tmp_path / "a"), b.write(tmp_path / "b"), Bounds(**bounds))

    return of


def with_vector(name: str, cosine: float) -> PlantedCatalog:
    found = standard()
    return found.but(vectors={**found.vectors, name: turned(found.vectors[name], cosine)})


def weaker(name: str, by: float, attribute: str):
    """The effect of one direction on one attribute, less by so much at its largest strength."""

    def effect(row: dict, gamma: float, of: str) -> float:
        return smooth(row, gamma, of) - (by * gamma / 2 if (row["name"], of) == (name, attribute) else 0.0)

    return effect


def test_the_same_catalog_has_not_changed(compared):
    found = compared(standard())
    assert found.findings == [] and not found.vanished and not found.appeared and not found.recommended
    assert len(found.changes) == len(standard().rows) and not any(each.moved for each in found.changes)
    assert [each.pair.cosines.over_all for each in found.changes] == pytest.approx(
        [1.0] * len(found.changes), abs=1e-12
    )
    assert {each.effects.target.difference.value for each in found.changes} == {0.0}


@pytest.mark.parametrize("cosine, matters", [(0.85, True), (0.95, False)])
def test_a_vector_that_has_turned_matters_from_the_bound_on(compared, cosine, matters):
    found = compared(with_vector("smile/ridge", cosine))
    assert found.findings == (["smile/ridge: cosine 0.85"] if matters else [])
    assert compare(found.first, found.second, Bounds(cosine=0.99)).findings == [f"smile/ridge: cosine {cosine:.2f}"]


def test_an_effect_that_has_changed_matters_beyond_the_bound_and_its_error(compared):
    found = compared(standard(effect=weaker("smile/ridge", 0.8, "smile")))
    assert found.findings[0] == "smile/ridge: effect on smile +2.40 to +1.60"
    [moved] = [each for each in found.changes if each.moved]
    assert moved.effects.target.difference.value == pytest.approx(-0.8)
    assert compare(found.first, found.second, Bounds(effect=1.0)).changes[1].reasons == ()


def test_what_may_be_chance_does_not_matter(compared):
    """The same change, of so few samples that change so unlike one another."""
    few = {"std": 2.0, "n": 6}
    found = compared(standard(effect=weaker("smile/ridge", 0.8, "smile"), **few), standard(**few))
    assert not any(each.moved for each in found.changes)


def test_a_change_of_anything_else_matters_too(compared):
    found = compared(standard(effect=weaker("age/ridge", -0.9, "skin")))
    assert found.findings == ["age/ridge: effect on skin +0.20 to +1.10"]


def test_an_effect_that_is_significant_no_more_matters(compared):
    found = compared(standard(limit=2.5))
    assert "smile/ridge: effect on smile no longer significant" in found.findings


def test_an_effect_near_the_border_may_be_significant_in_one_of_two_that_do_the_same(compared):
    """+2.4 and +2.35 of 28 samples, at a limit that is a little higher: a difference of no more than chance."""
    found = compared(standard(effect=weaker("smile/ridge", 0.05, "smile"), limit=2.39), standard(limit=2.38))
    [change] = [each for each in found.changes if each.pair.a == "smile/ridge"]
    assert change.effects.no_longer_significant == ("smile",), "it is shown"
    assert found.findings == []


def test_supervised_directions_that_vanished_matter_and_others_where_everything_does(compared):
    a = standard()
    less = a.but(rows=[row for row in a.rows if row["name"] not in ("age/mean-difference", a.rows[-2]["name"])])
    found = compared(less)
    assert [each.name for each in found.vanished] == ["age/mean-difference", "component-2/principal-components"]
    assert found.findings == ["age/mean-difference vanished"]
    everything = compare(found.first, found.second, Bounds(everything=True)).findings
    assert everything == ["age/mean-difference vanished", "component-2/principal-components vanished"]
    back = Bounds(everything=True)
    assert "age/mean-difference appeared" in compare(found.second, found.first, back).findings
    assert compare(found.second, found.first).findings == []


def test_an_unsupervised_direction_that_moved_is_told_and_matters_where_everything_does(compared):
    found = compared(with_vector("component-0/principal-components", 0.7))
    [moved] = [each for each in found.changes if each.moved]
    assert moved.reasons == ("cosine 0.70",) and not moved.matters and found.findings == []
    assert len(compare(found.first, found.second, Bounds(everything=True)).findings) == 1


def test_another_direction_to_use_matters(compared):
    other = supervised("smile", "mean-difference", True, projected_by="joint")
    a = standard()
    a = a.but(rows=[*a.rows, other], vectors={**a.vectors, other["name"]: drawn("other")})
    found = compared(a.but(effect=weaker("smile/ridge/disentangled", 0.2, "smile")), a)
    [changed] = found.recommended
    assert (changed.before, changed.after) == ("smile/ridge/disentangled", "smile/mean-difference/disentangled")
    assert found.findings == [
        "recommended for smile: smile/ridge/disentangled before, smile/mean-difference/disentangled now"
    ]


def test_a_direction_to_use_where_there_was_none_matters_where_everything_does(compared):
    a = standard()
    without = a.but(rows=[row for row in a.rows if row["attribute"] != "age"])
    found = compared(a, without)
    assert [(each.attribute, each.before) for each in found.recommended] == [("age", None)] and found.findings == []
    everything = compare(found.first, found.second, Bounds(everything=True)).findings
    assert "recommended for age: nothing before, age/ridge/disentangled now" in everything
    assert (
        "recommended for age: age/ridge/disentangled before, nothing now" in compare(found.second, found.first).findings
    )


def test_where_vectors_do_not_lie_in_one_space_effects_alone_are_compared_and_that_is_said(compared):
    wide = standard(captures=[("mid_block", (2, 4, 4))], effect=weaker("smile/ridge", 0.8, "smile"))
    found = compared(wide.but(vectors={name: v.reshape(4, 2, 4, 4) for name, v in wide.vectors.items()}))
    assert len(found.changes) == 6 and all(each.pair.cosines is None and each.effects for each in found.changes)
    assert "smile/ridge: effect on smile +2.40 to +1.60" in found.findings
    assert any("Vectors are not compared where h at mid_block is [8, 2, 2]" in note for note in found.notes)


def test_what_is_to_be_known_of_the_comparison_is_said(compared):
    found = compared(
        standard(model={"weights_sha256": "cd" * 32}, sampling={"seed": 3, "eta": 0.0, "timesteps": [999, 682, 20, 1]})
    )
    said = " ".join(found.notes)
    assert "of different weights" in said and "The seeds are 0 and 3." in said and "over the 2 timesteps" in said
    assert "measured on different noise" in said and "sampled in different ways (eta 1.0 and 0.0)" in said


def test_the_same_noise_is_known_as_such(compared):
    assert "on the same noise, but the scores of each sample are not at hand" in " ".join(compared(standard()).notes)


def test_catalogs_with_nothing_in_common_cannot_be_compared(compared, tmp_path):
    a = standard()
    supervised, others = a.but(rows=a.rows[:4]), a.but(rows=a.rows[6:])
    with pytest.raises(UserError, match="of 0 directions of the same meaning none has"):
        compared(others, supervised)
    with pytest.raises(UserError, match="is no catalog"):
        compare(tmp_path / "a", tmp_path / "nowhere")


def test_a_damaged_catalog_is_not_compared(compared):
    found = compared(standard())
    table = Path(found.second) / "effects.parquet"
    table.write_bytes(table.read_bytes()[:-1] + b"x")
    with pytest.raises(UserError, match="effects.parquet has changed since it was published"):
        compare(found.first, found.second)


@pytest.mark.parametrize("wrong", [{"cosine": 1.5}, {"confidence": 1.0}, {"effect": -1.0}, {"match": -0.1}])
def test_bounds_are_checked(wrong):
    with pytest.raises(UserError, match=f"`{next(iter(wrong))}`"):
        Bounds(**wrong)
