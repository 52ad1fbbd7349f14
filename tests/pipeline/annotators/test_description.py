"""A network's outputs become the scores that its JSON says they are."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit, logit, softmax

from pipeline.annotators.description import Architecture, Description, Output, described, log_odds, read
from pipeline.errors import UserError

LOGITS = np.random.default_rng(0).normal(size=(6, 4)) * 3


def test_log_odds_are_those_of_the_probabilities_and_do_not_saturate():
    np.testing.assert_allclose(log_odds(LOGITS), logit(softmax(LOGITS, axis=1)), rtol=1e-9)
    certain = np.array([[300.0, 0.0, 0.0], [0.0, 200.0, -50.0]])
    np.testing.assert_allclose(log_odds(certain)[[0, 1], [0, 1]], [300 - math.log(2), 200])
    assert np.isfinite(log_odds(certain)).all()


def test_between_two_classes_the_score_is_the_difference_of_their_logits():
    np.testing.assert_allclose(log_odds(LOGITS[:, :2])[:, 0], LOGITS[:, 0] - LOGITS[:, 1], rtol=1e-9)


def test_each_meaning():
    names = ("a", None, "c", "d")
    kept = [0, 2, 3]
    np.testing.assert_allclose(Output(names, "value").scores(LOGITS, ""), LOGITS[:, kept], rtol=1e-6)
    np.testing.assert_allclose(Output(names, "logit").scores(LOGITS, ""), LOGITS[:, kept], rtol=1e-6)
    chances = Output(names, "probability", softmax=True).scores(LOGITS, "")
    np.testing.assert_allclose(chances, softmax(LOGITS, axis=1)[:, kept], rtol=1e-6)
    years = Output(("years",), "expectation", values=(10, 20, 30, 40), softmax=True)
    np.testing.assert_allclose(years.scores(LOGITS, "")[:, 0], softmax(LOGITS, axis=1) @ [10, 20, 30, 40], rtol=1e-6)
    given = Output(("years",), "expectation", values=(10, 20, 30, 40)).scores(softmax(LOGITS, axis=1), "")
    np.testing.assert_allclose(given, years.scores(LOGITS, ""), rtol=1e-6)
    assert Output(names, "value").scores(LOGITS, "").dtype == np.float32


def test_borders_follow_from_what_is_meant_and_can_be_given():
    assert Output(("a", None, "b"), "logit").borders == Output(("a", "b"), "classes").borders == (0.0, 0.0)
    assert Output(("a",), "probability").borders == (0.5,)
    assert math.isnan(Output(("a",), "value").borders[0])
    given = Output(("a", None, "b"), "logit", thresholds=(1.0, 2.0, None)).borders
    assert given[0] == 1.0 and math.isnan(given[1]) and len(given) == 2


def test_columns_of_one_output_mean_several_things():
    """As networks have it that give races, genders and ages in one row."""
    raw = {"all": LOGITS}
    said = Description((Output(("a", None), "classes", columns=(0, 2)), Output(("b", "c"), "value", columns=(2, 4))))
    found = said.scores(raw, "net")
    np.testing.assert_allclose(found[:, 0], LOGITS[:, 0] - LOGITS[:, 1], rtol=1e-5)
    np.testing.assert_allclose(found[:, 1:], LOGITS[:, 2:], rtol=1e-6)
    assert said.attributes == ("a", "b", "c")


def test_what_a_network_gives_for_nothing_is_missing_and_not_a_number():
    found = Output(("a", "b"), "value", missing=-1.1).scores(np.float32([[-1.1, 2], [0, -1.1]]), "")
    np.testing.assert_array_equal(np.isnan(found), [[True, False], [False, True]])


def test_another_number_of_columns_is_told():
    with pytest.raises(UserError, match="net.onnx gives 4 numbers .* where its JSON has 2 attributes: a, b"):
        Output(("a", "b"), "value").scores(LOGITS, "net.onnx")


def test_some_of_the_attributes_alone():
    said = Description((Output(("a", "b"), "value", output="x"), Output(("c",), "value", output="y")))
    assert said.only("b", "net").attributes == ("b",)
    assert len(said.only("b", "net").outputs) == 1 and said.only(None, "net") is said
    with pytest.raises(UserError, match="net has no attribute 'bb'; it has 3, b among them"):
        said.only("bb", "net")


def test_an_output_that_the_network_has_not():
    said = Description((Output(("a",), "value", output="age"),))
    with pytest.raises(UserError, match="names the output 'age'; the network has x, y"):
        said.scores({"x": LOGITS[:, :1], "y": LOGITS}, "net")
    with pytest.raises(UserError, match="does not say which output it means; the network has x, y"):
        Description((Output(("a",), "value"),)).scores({"x": LOGITS[:, :1], "y": LOGITS}, "net")


@pytest.mark.parametrize(
    ("held", "said"),
    [
        ({}, "outputs: Field required"),
        ({"outputs": []}, "describes no outputs"),
        ({"outputs": [{"attributes": ["a"], "means": "odds"}]}, "outputs.0.means: Input should be 'value', 'logit'"),
        ({"outputs": [{"attributes": ["a"], "means": "value", "name": "x"}]}, "outputs.0.name: "),
        ({"outputs": [{"attributes": ["a"], "means": "classes"}]}, "one class alone"),
        ({"outputs": [{"attributes": ["a"], "means": "expectation"}]}, "has one name and the `values`"),
        ({"outputs": [{"attributes": ["a"], "means": "value", "thresholds": [1, 2]}]}, "2 thresholds of 1 attributes"),
        ({"outputs": [{"attributes": [None], "means": "value"}]}, "an output without names"),
        ({"outputs": [{"attributes": ["a"], "means": "logit", "softmax": True}]}, "has none. Leave it out"),
        (
            {"outputs": [{"attributes": ["a"], "means": "value"}], "preprocessing": {"size": 3}},
            "has a size and does not",
        ),
        (
            {"outputs": [{"attributes": ["a"], "means": "value"}], "preprocessing": {"scale": 3}},
            "preprocessing.scale: ",
        ),
        ({"outputs": [{"attributes": ["a"], "means": "value"}], "preprocesing": {}}, "preprocesing: "),
    ],
)
def test_json_that_says_something_else_is_told(held, said, tmp_path):
    with pytest.raises(UserError, match=said):
        described(held, Description, tmp_path / "net.json")


def test_an_architecture_has_arguments_and_as_many_outputs_as_are_named():
    output = {"attributes": ["a", "b"], "means": "logit"}
    found = described({"architecture": "x", "arguments": {"z": 1, "b": 2.0}, "outputs": [output]}, Architecture, "")
    assert found.width == 2 and dict(found.arguments) == {"z": 1, "b": 2.0} and isinstance(hash(found), int)
    columns = {"attributes": ["c"], "means": "logit", "columns": [6, 7]}
    assert described({"architecture": "x", "outputs": [output, columns]}, Architecture, "").width == 7


def test_a_file_that_is_no_json_object(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps([1]))
    with pytest.raises(UserError, match="holds no JSON object"):
        read(tmp_path / "a.json")
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(UserError, match="cannot be read as JSON"):
        read(tmp_path / "a.json")


def test_the_json_of_the_documents_is_one(tmp_path):
    text = (Path(__file__).parents[3] / "docs" / "your_annotator.md").read_text()
    [shown] = re.findall(r"^```json\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    found = described(json.loads(shown), Description, tmp_path)
    assert found.attributes == ("tower", "age") and found.thresholds == (0, 400)
    assert found.preprocessing.wanted == (224, 224) and found.features == "embedding"


def test_log_odds_of_two_sided_logits_match_a_sigmoid():
    assert np.allclose(expit(log_odds(np.array([[2.0, 0.5]])))[0, 0], softmax([2.0, 0.5])[0])
