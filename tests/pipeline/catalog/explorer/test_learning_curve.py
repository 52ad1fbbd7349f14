from dataclasses import replace

from tests.pipeline.catalog.planted_findings import LEARNING_CURVE, document, planted, section, with_sampling


def test_the_curves_are_of_both_spaces():
    in_h = LEARNING_CURVE["space"] == "h"
    table = LEARNING_CURVE.assign(to_truth=LEARNING_CURVE["to_truth"].where(in_h, 1.0))
    h, x_t = section(replace(planted(), learning_curve=table), "learning-curve").all("figure")
    assert (h.one("h3").text, x_t.one("h3").text) == ("In h-space", "In the noise x_T")
    lines = [
        [each.one("polyline").attributes["points"] for each in of.all("g") if not each.all("text")] for of in (h, x_t)
    ]
    heights = [{point.split(",")[1] for point in line.split()} for line in (lines[0][0], lines[1][0])]
    assert [len(each) for each in heights] == [3, 1], "it rises in h; in x_T it is planted flat"


def test_an_attribute_is_a_line_and_a_number_of_samples_a_tick():
    h, _ = section(planted(), "learning-curve").all("figure")
    assert [each.one("text").text for each in h.all("g") if each.all("text")] == ["smile", "age"]
    ticks = [float(each.attributes["x"]) for each in h.all("text", "tick middle")]
    assert [each.text for each in h.all("text", "tick middle")] == ["2", "4", "8"]
    assert ticks[1] - ticks[0] == ticks[2] - ticks[1], "twice as many is one step further"


def test_the_noise_of_every_step_is_said_to_matter_where_it_does():
    said = "With η above 0 images depend on the noise of every step"
    assert said in section(planted(), "learning-curve").one("p", "note").text
    assert said not in section(with_sampling(eta=0.0), "learning-curve").one("p", "note").text


def test_without_a_table_there_is_no_section():
    for none in (None, LEARNING_CURVE.iloc[:0]):
        assert not document(replace(planted(), learning_curve=none)).all("section", id="learning-curve")
