"""One rule says which direction of an attribute to use, and a catalog, its card and the end of a run go by it."""

from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.catalog.recommended import best_of_each
from tests.pipeline.catalog.planted_catalogs import planted_catalog, planted_model, summed
from tests.pipeline.catalog.planted_findings import at_points, planted


def names(found) -> dict[str, str]:
    return {attribute: row.name for attribute, row in best_of_each(found).items()}


def test_it_is_the_disentangled_one_with_the_largest_clean_effect():
    assert names(planted()) == {"smile": "smile/ridge/disentangled", "age": "age/ridge/disentangled"}

    def mean_differences_move_more(row: dict, gamma: float, attribute: str) -> float:
        return (
            gamma * (2.0 if row["method"] == "mean-difference" else 1.2)
            if attribute == row["attribute"]
            else 0.1 * gamma
        )

    found = planted(effect=mean_differences_move_more)
    assert names(found) == {each: f"{each}/mean-difference/disentangled" for each in ("smile", "age")}


def test_where_none_is_clean_it_is_the_one_with_the_best_ratio():
    def unclean(row: dict, gamma: float, attribute: str) -> float:
        if attribute == row["attribute"]:
            return gamma
        return gamma * (0.5 if row["method"] == "mean-difference" else 0.8)

    assert names(planted(effect=unclean))["smile"] == "smile/mean-difference/disentangled"


def test_it_is_at_whichever_point_does_it_best():
    found = at_points(dict.fromkeys(("mid_block", "up_blocks.0"), ("smile", "age")))
    assert names(found)["smile"] == "smile/ridge@up_blocks.0/disentangled"


def test_nothing_measured_recommends_nothing():
    assert names(planted(wanted=(), components=1)) == {}


def test_a_catalog_that_does_not_say_it_is_asked_by_the_rule(tmp_path, monkeypatch):
    """One of an earlier release."""
    folder = planted_catalog(tmp_path / "catalog", planted_model(tmp_path / "model"))
    monkeypatch.setattr("pipeline.catalog.direction_catalog.recommended", lambda catalog: {"smile": "smile/ridge"})
    assert DirectionCatalog.from_pretrained(folder)["smile"].name == "smile/ridge/disentangled"
    about = DirectionCatalog.from_pretrained(folder).about.model_copy(update={"recommended": {}, "recommended_by": ""})
    (folder / "catalog.json").write_text(about.model_dump_json())
    assert DirectionCatalog.from_pretrained(summed(folder))["smile"].name == "smile/ridge"
