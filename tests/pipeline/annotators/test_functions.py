"""Functions as plugs: what a decorator makes of them, by what they are told apart, and how they travel."""

import math
import pickle
import sys
from dataclasses import replace

import numpy as np
import pytest
from ray import cloudpickle

from pipeline.annotators import attributes, region
from pipeline.annotators.functions import FunctionAnnotator
from pipeline.annotators.names import check_annotator
from pipeline.annotators.registry import annotator
from pipeline.errors import UserError
from pipeline.fingerprint import fingerprint, identity, settings
from pipeline.stages.labels.annotate import Annotate
from pipeline.stages.sources.sample import Sample
from tests.pipeline.annotators.conftest import forget
from tests.pipeline.planted_generator import PlantedModel

IMAGES = np.arange(2 * 4 * 6 * 3, dtype=np.uint8).reshape(2, 4, 6, 3)


@attributes("light", "dark", thresholds=(0.5, math.nan), presence="light", name="shades")
def planted(images):
    """How light images are."""
    return np.stack([images.mean(axis=(1, 2, 3)), 255 - images.mean(axis=(1, 2, 3))], axis=1)


@region
def top(images):
    return np.broadcast_to(np.arange(4)[:, None] < 2, images.shape[:3])


def test_the_decorator_says_what_the_function_does_not():
    assert isinstance(planted, FunctionAnnotator)
    assert (planted.name, planted.attributes, planted.presence) == ("shades", ("light", "dark"), "light")
    assert planted.thresholds[0] == 0.5 and math.isnan(planted.thresholds[1])
    assert planted.describes == "How light images are."
    check_annotator(planted, "planted")


def test_without_keywords_it_has_the_functions_name_and_no_borders():
    made = attributes("a", "b")(_plain)
    assert made.name == "_plain" and all(map(math.isnan, made.thresholds)) and len(made.thresholds) == 2
    assert made == attributes("a", "b")(_plain), "NaN is NaN"
    assert attributes("a", "b", thresholds=0)(_plain).thresholds == (0, 0)
    assert made.describes == ""


def _plain(images):
    return images.mean(axis=(1, 2))[:, :2]


def test_it_is_still_called_by_hand_as_it_was():
    np.testing.assert_array_equal(planted(IMAGES)[:, 0], IMAGES.mean(axis=(1, 2, 3)))
    assert planted(IMAGES).dtype == np.float64 and planted.load()(IMAGES).dtype == np.float32
    assert top(IMAGES).dtype == bool and top.load()(IMAGES).tolist() == top(IMAGES).astype(float).tolist()


@pytest.mark.parametrize("plug", [planted, top])
@pytest.mark.parametrize("library", [pickle, cloudpickle])
def test_it_travels_by_its_name(plug, library):
    travelled = pickle.loads(library.dumps(plug))
    assert travelled == plug and travelled.function is plug.function
    assert travelled.__dict__ == plug.__dict__


def test_a_function_that_is_known_by_its_own_name_travels_too():
    made = attributes("a", "b", name="made")(_plain)
    assert pickle.loads(pickle.dumps(made)) == made


def test_a_function_that_is_not_found_by_its_name_is_carried_along():
    """As one of the file that is run, which workers do not have."""
    source = "def f(images):\n    return images.mean(axis=(1, 2, 3))"
    scope = {"__name__": "__main__"}
    exec(source, scope)
    made = attributes("a", version=1)(scope["f"])
    np.testing.assert_array_equal(pickle.loads(cloudpickle.dumps(made))(IMAGES), IMAGES.mean(axis=(1, 2, 3)))


# Identity


def recognised(stand_in, source: str) -> str:
    stand_in(mine=source)
    identity.cache_clear()
    return fingerprint(settings(annotator("mine:f")))


SOURCE = """
import functools
from pipeline.annotators import attributes

def base(images):
    return images.mean(axis=(1, 2, 3))

@attributes("a")
def f(images):
    return 2 * base(images)
"""

WRAPS = SOURCE.replace('@attributes("a")\n', '@attributes("a")\n@functools.wraps(base)\n')


@pytest.mark.parametrize(
    ("source", "old", "new"),
    [
        (SOURCE, "2 * base", "3 * base"),
        (SOURCE, '("a")', '("b")'),
        (SOURCE, '("a")', '("a", thresholds=1.0)'),
        (SOURCE, '("a")', '("a", name="g")'),
        (SOURCE, '("a")', '("a", version=1)'),
        (SOURCE, "f(images)", "f(images, power=2)"),
        (WRAPS, "2 * base", "3 * base"),
        (WRAPS, "images.mean", "images.max"),
    ],
)
def test_what_changes_the_scores_changes_the_fingerprint(stand_in, source, old, new):
    before = recognised(stand_in, source)
    assert recognised(stand_in, source) == before
    assert old in source and recognised(stand_in, source.replace(old, new)) != before


def test_a_version_stands_for_the_source(stand_in):
    one, two = (SOURCE.replace('("a")', f'("a", version={version})') for version in (1, 2))
    before = recognised(stand_in, one)
    assert recognised(stand_in, one.replace("2 * base", "3 * base")) == before
    assert recognised(stand_in, two) != before


def test_one_name_in_two_modules_is_two_annotators(stand_in):
    stand_in(mine=SOURCE, yours=SOURCE)
    one, other = annotator("mine:f"), annotator("yours:f")
    assert one != other and settings(one) != settings(other)


def test_a_changed_body_makes_its_scores_again_and_nothing_else(stand_in):
    sample = Sample(PlantedModel(), 4, steps=1, eta=0.0, batch=4)

    def folder(source: str) -> str:
        stand_in(mine=source)
        identity.cache_clear()
        return Annotate(sample, (annotator("mine:f"),)).folder

    assert folder(SOURCE) == folder(SOURCE) != folder(SOURCE.replace("2 * base", "3 * base"))


def test_closures_and_lambdas_are_refused():
    def closed(images):
        return images.mean(axis=(1, 2, 3)) * len(IMAGES) + sys.maxsize

    def around(power):
        def inner(images):
            return images.mean(axis=(1, 2, 3)) ** power

        return inner

    assert settings(attributes("a")(closed))["function"]["is"].endswith(".closed")
    for function in (around(2), lambda images: images):
        with pytest.raises(UserError, match="depends on more than its source says"):
            settings(attributes("a", name="named")(function))


# What is refused where it is written


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: attributes(_plain), "`attributes` needs names; expected @attributes\\("),
        (lambda: attributes()(_plain), "has \\(\\) as its attributes; expected a tuple of at least one name"),
        (lambda: attributes("a", "a")(_plain), "test_functions:_plain has the attribute 'a' twice"),
        (lambda: attributes("")(_plain), "'' as the name of an attribute"),
        (lambda: attributes("a/b")(_plain), "'a/b' as the name of an attribute; expected letters.*\n.*named by it"),
        (lambda: attributes("a,b")(_plain), "'a,b' as the name"),
        (lambda: attributes("a b")(_plain), "'a b' as the name"),
        (lambda: attributes(" a")(_plain), "' a' as the name"),
        (lambda: attributes("a:b")(_plain), "'a:b' as the name"),
        (lambda: attributes("-a")(_plain), "'-a' as the name"),
        (lambda: attributes("a\n")(_plain), "'a\\\\n' as the name"),
        (lambda: attributes(["a", "b"])(_plain), "\\['a', 'b'\\] as the name of an attribute"),
        (lambda: attributes("a", name="b/c")(_plain), "'b/c' as the name of an annotator"),
        (lambda: attributes("a", "b", thresholds=(1.0,))(_plain), "1 thresholds of 2 attributes"),
        (lambda: attributes("a", thresholds=("x",))(_plain), "thresholds \\('x',\\); expected a tuple of numbers"),
        (lambda: attributes("a", presence="b")(_plain), "presence 'b'; expected one of its attributes a"),
        (lambda: attributes("a")(type("C", (), {})), "@attributes stands above C, which is no plain function"),
        (lambda: attributes("a")(print), "stands above print, which is no plain function"),
        (lambda: attributes("a")(planted), "which is no plain function"),
        (lambda: attributes("a")(lambda: 1), "cannot be called with images alone"),
        (lambda: attributes("a")(lambda images, size: 1), "cannot be called with images alone .*'size'"),
        (lambda: region(name="image")(_plain), "called 'image', which is the whole image"),
        (lambda: region(name="a/b")(_plain), "'a/b' as the name of a region"),
        (lambda: region(lambda: 1), "cannot be called with images alone"),
    ],
)
def test_what_cannot_be_a_plug_is_told_where_it_is_written(make, message):
    with pytest.raises(UserError, match=message):
        make()


@pytest.mark.parametrize("name", ["slant", "5_o_clock", "Größe", "x.y", "a+b", "a-b"])
def test_names_that_tables_and_command_lines_hold_are_taken(name):
    assert attributes(name)(_plain).attributes == (name,)


def test_two_that_differ_in_a_threshold_are_two():
    assert replace(planted, thresholds=(0.5, 1.0)) != planted
    forget()
