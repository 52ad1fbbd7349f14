from dataclasses import replace

from tests.parsed import Element
from tests.pipeline.catalog.planted_findings import document, planted, section


def lines(figure: Element) -> dict[str, list[float]]:
    """The heights of each line, by its name."""
    groups = figure.all("g")
    drawn, named = [each for each in groups if not each.all("text")], [each for each in groups if each.all("text")]
    heights = [[float(p.split(",")[1]) for p in each.one("polyline").attributes["points"].split()] for each in drawn]
    return dict(zip([each.one("text").text for each in named], heights, strict=True))


def test_the_auc_of_classifiers_rises_as_planted_above_a_baseline_at_a_guess():
    auc, _ = section(planted(), "timesteps").all("figure")
    smile = lines(auc)["smile"]
    assert len(smile) == 4 and smile == sorted(smile, reverse=True) and smile[0] > smile[-1]
    baseline = float(auc.one("line", "baseline").attributes["y1"])
    ticks = {float(each.attributes["y"]) - 4: each.text for each in auc.all("text", "tick end")}
    assert float(ticks[baseline]) == 0.5


def test_norms_are_those_of_the_mean_differences_before_disentangling():
    found = planted()
    norms = {"mean-difference": [1.0, 2.0, 3.0, 4.0], "ridge": [9.0] * 4}
    rows = [{**row, "norm_by_step": norms.get(row["method"], row["norm_by_step"])} for row in found.directions]
    _, figure = section(replace(found, directions=rows), "timesteps").all("figure")
    assert [each.one("text").text for each in figure.all("g") if each.all("text")] == ["smile", "age"]
    assert len(set(lines(figure)["smile"])) == 4
    assert [each.text for each in figure.all("text", "tick end")][-1] == "4"


def test_without_classifiers_there_are_norms_alone_and_without_either_no_section():
    found = planted()
    rows = [row for row in found.directions if row["method"] != "ridge"]
    assert [each.one("h3").text for each in section(replace(found, directions=rows), "timesteps").all("figure")] == [
        "Norms"
    ]
    assert not document(planted(wanted=())).all("section", id="timesteps")
