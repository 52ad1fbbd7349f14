from dataclasses import replace

from pipeline.catalog.explorer.findings import Findings
from pipeline.catalog.explorer.site import pages
from tests.parsed import Element
from tests.pipeline.catalog.planted_findings import planted, section, sections


def known_of(**known: object) -> Findings:
    """Of the ridge classifier of smile."""
    found = planted(wanted=("smile",), disentangle=False, components=0)
    rows = [{**row, **known} if row["method"] == "ridge" else row for row in found.directions]
    return replace(found, directions=rows)


def cells(findings: Findings) -> dict[str, Element]:
    return section(findings, "stability").one("table").table()["smile, ridge"]


def test_a_row_has_what_was_measured():
    stable = {"split_half_cosine": 0.91, "expected_cosine": 0.976, "base_rate": 0.3}
    stable |= {"expected_cosine_low": 0.97, "expected_cosine_high": 0.98}
    told = {"auc_extremes_by_step": [0.8, 1, 1, 1], "r2_by_step": [0.1, 0.3, 0.3, 0.1], "accuracy_by_step": None}
    found = cells(known_of(**stable, **told))
    assert {name: cell.text for name, cell in found.items()} == {
        "n+ / n−": "9 / 9",
        "present": "30%",
        "halves": "0.91",
        "expected": "0.98 (0.97 to 0.98)",
        "AUC": "0.75",
        "of extremes": "0.95",
        "ranks": "–",
        "R²": "0.20",
        "accuracy": "–",
        "better than chance": "yes",
    }
    assert cells(known_of(**stable, above_chance=False))["better than chance"].text == "no"


def test_what_was_not_measured_is_a_dash():
    found = cells(known_of(split_half_cosine=0.91, n_positive=None, auc_all_by_step=None, above_chance=None))
    names = ("n+ / n−", "present", "expected", "AUC", "better than chance")
    assert [found[name].text for name in names] == ["–"] * 5


def test_a_direction_whose_stability_was_not_measured_has_no_row():
    assert list(section(known_of(split_half_cosine=0.9), "stability").one("table").table()) == ["smile, ridge"]
    assert "stability" not in sections(planted())


def test_each_warning_is_said_once_and_as_text():
    found = known_of(split_half_cosine=0.9, warnings=["<few> samples", "<few> samples", "all alike"])
    assert [each.text for each in section(found, "stability").one("ul").all("li")] == ["<few> samples", "all alike"]
    assert not section(known_of(split_half_cosine=0.9), "stability").all("ul")


def test_the_page_of_a_direction_says_what_is_expected_of_it_and_whether_h_tells_its_attribute():
    def page(**known: object) -> str:
        return pages(known_of(**known))["directions/smile-ridge.html"]

    cosines = {
        "split_half_cosine": 0.6,
        "expected_cosine": 0.866,
        "expected_cosine_low": 0.8,
        "expected_cosine_high": 0.9,
    }
    text = page(**cosines)
    assert (
        "directions of cosine 0.60; so its own to the one that ever more samples would give is expected to be 0.87"
        in text
    )
    assert "(0.80 to 0.90 by single pairs of halves)" in text and "better than chance" in text
    assert "no better than by chance" in page(**cosines, above_chance=False)
    earlier = page(split_half_cosine=0.6, above_chance=None)  # a catalog of an earlier release
    assert "directions of cosine 0.60<" in earlier and "Told by h" not in earlier
