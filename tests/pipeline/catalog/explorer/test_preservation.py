from dataclasses import replace

from schemas.columns import meaning_of
from schemas.preservation import MEASURES, OVER_SAMPLES
from tests.pipeline.catalog.planted_findings import planted, section


def table(findings):
    return section(findings, "preservation").one("table", "figures").table()


def test_what_is_left_alone_is_that_of_the_groups_to_use_beside_random_and_unedited():
    rows = table(planted())
    assert list(rows) == [
        "smile, ridge, disentangled",
        "age, ridge, disentangled",
        "smile, mean difference, disentangled",
        "age, mean difference, disentangled",
        "random directions of the same norms, mean",
        "unedited",
    ]
    smile = [cell.text for cell in rows["smile, ridge, disentangled"].values()]
    assert smile == ["−2", "0.87", "0.93", "4.2", "3.1", "0%", "64%", "–", "31%", "0.76", "90%"]


def test_random_directions_are_those_that_these_were_compared_with():
    random = table(planted())["random directions of the same norms, mean"]
    assert (random["γ"].text, random["clipped"].text, random["rises"].text) == ("any", "10%", "–")


def test_the_row_is_that_of_the_best_strength():
    found = planted()
    first, *others = found.measured
    best = (first.preservation["direction"] == "smile/ridge/disentangled") & (first.preservation["strength"] == -2.0)
    kept = first.preservation.assign(identity=first.preservation["identity"].where(~best, 0.31))
    rows = table(replace(found, measured=[replace(first, preservation=kept), *others]))
    assert rows["smile, ridge, disentangled"]["identity"].text == "0.31"
    assert rows["age, ridge, disentangled"]["identity"].text == "0.87"


def test_what_identity_was_measured_by_is_named():
    def said(embedder: str | None) -> str:
        catalog = planted().catalog
        evaluations = [each.model_copy(update={"embedder": embedder}) for each in catalog.evaluations]
        changed = catalog.model_copy(update={"evaluations": evaluations})
        return section(replace(planted(), catalog=changed), "preservation").one("p", "note").text

    assert "Features are those of some features;" in said("some features")
    assert "Features are those of nothing: they were not measured;" in said(None)


def test_every_measure_is_explained_by_its_column():
    said = section(planted(), "preservation").one("p", "note").text
    every = (*MEASURES, *OVER_SAMPLES)
    headings = list(table(planted())["unedited"])
    assert headings == [
        "γ",
        *("MS-SSIM" if each.name == "ms_ssim" else each.name.replace("_", " ") for each in every),
        "rises",
    ]
    assert all(meaning_of(each) in said for each in every)
