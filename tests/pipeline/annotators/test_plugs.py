"""Plugs by `module:object` from the folder that one stands in: what is found, and what is told where it is not."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.annotators import registry
from pipeline.annotators.plugs import importable
from pipeline.annotators.registry import annotator, embedder, mask
from pipeline.domains.portraits.annotators import PortraitJudge
from pipeline.errors import UserError
from pipeline.fingerprint import settings

ROOT = Path(__file__).parents[3]

FUNCTION = """
from pipeline.annotators import attributes, region

@attributes("light")
def light(images):
    return images.mean(axis=(1, 2, 3))
"""

CLASS = """
from dataclasses import dataclass
from typing import ClassVar

@dataclass(frozen=True)
class Dark:
    weights: str = "abc"

    name: ClassVar[str] = "dark"
    attributes: ClassVar[tuple[str, ...]] = ("dark",)
    thresholds: ClassVar[tuple[float, ...]] = (0.5,)

    def load(self):
        return lambda images: 1 - images.mean(axis=(1, 2, 3)) / 255
"""

HOLDER = """
class Of:
    dark = Dark("held")
    class Inner:
        dark = Dark("inner")

def made(weights="made"):
    return Dark(weights)
"""


# What is found


@pytest.mark.parametrize(
    ("spec", "weights"),
    [
        ("mine:Dark", "abc"),
        ("mine:Of.dark", "held"),
        ("mine:Of.Inner.dark", "inner"),
        ("mine:made", "made"),
    ],
)
def test_an_object_a_class_or_a_function_that_makes_one_is_an_annotator(stand_in, spec, weights):
    stand_in(mine=CLASS + HOLDER)
    assert annotator(spec).weights == weights


def test_a_module_in_a_package_is_found_by_its_dots(stand_in):
    folder = stand_in() / "my_package"
    folder.mkdir()
    (folder / "of_mine.py").write_text(CLASS)
    assert annotator("my_package.of_mine:Dark").name == "dark"
    assert settings(annotator("my_package.of_mine:Dark"))["is"] == "my_package.of_mine:Dark"


def test_an_annotator_with_features_is_an_embedder_and_others_are_told_so(stand_in, outside_folder, monkeypatch):
    monkeypatch.chdir(outside_folder)
    assert embedder("outside_plugs:Ink") == annotator("outside_plugs:Ink")
    assert embedder("portraits-judge") == PortraitJudge()
    with pytest.raises(UserError, match="outside_plugs:shades is no embedder .*: it has no embedder"):
        embedder("outside_plugs:shades")
    with pytest.raises(UserError, match="'mtcnn' has no features to compare images by"):
        embedder("mtcnn")


def test_an_image_file_with_a_colon_in_its_name_is_a_mask_all_the_same(stand_in):
    from PIL import Image

    half = np.repeat(np.uint8([255, 0]), 32).reshape(8, 8)
    Image.fromarray(half).save(stand_in() / "a:b.png")
    np.testing.assert_array_equal(mask("a:b.png").load()(np.zeros((1, 8, 8, 3), np.uint8))[0], half / 255)


# The folder that one stands in


def test_the_path_is_as_it_was_whether_the_module_is_found_or_not(stand_in, monkeypatch):
    folder = stand_in(mine=CLASS, broken="import mine\n1 / 0")
    monkeypatch.setattr(sys, "path", [each for each in sys.path if each not in ("", str(folder))])
    before = list(sys.path)
    assert annotator("mine:Dark").name == "dark" and sys.path == before
    with pytest.raises(UserError):
        annotator("broken:Dark")
    assert sys.path == before and "broken" not in sys.modules


def test_a_folder_that_is_on_the_path_stays_there(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    with importable(tmp_path):
        assert sys.path.count(str(tmp_path)) == 1
    assert sys.path[-1] == str(tmp_path)


def test_a_process_that_has_not_the_folder_on_its_path_finds_the_module_there(stand_in):
    """As a console script has not: `python -P` leaves it out."""
    folder = stand_in(mine="import sibling\n" + CLASS, sibling="")
    code = "from pipeline.annotators.registry import annotator; print(annotator('mine:Dark').name)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-P", "-c", code]
    assert subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True).stdout == "dark\n"


# What is told


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("hats", "no annotator 'hats'; there are mtcnn, .*\n.*module:object"),
        ("nowhere:f", "(?s)no module 'nowhere' for 'nowhere:f': looked in {folder}.*PYTHONPATH"),
        ("mine.nowhere:f", "no module 'mine.nowhere'"),
        ("mine:hat", "mine has no 'hat', which 'mine:hat' names. It has light, Dark, .*"),
        ("mine:Dark.hat", "mine has no 'Dark.hat'"),
        ("mine.py:Dark", "names a file; expected its module, .*: mine:Dark"),
        ("plugs/mine.py:Dark", ": plugs.mine:Dark"),
        ("./mine:Dark", ": mine:Dark"),
        ("mine:", "'mine:' names no annotator; expected module:object"),
        (":Dark", "expected module:object"),
        ("mine:Dark:x", "expected module:object"),
        ("__main__:f", "'__main__:f' stands in the file that is run"),
        ("fails:f", "(?s)fails cannot be imported. It raised ZeroDivisionError: division by zero .*fails.py, line 3"),
        ("through:f", "through cannot be imported. It raised ZeroDivisionError: .*fails.py, line 3"),
        ("syntax:f", "It raised SyntaxError: .*syntax.py, line 2"),
        ("exits:f", "exits cannot be imported. It raised SystemExit: 3"),
        ("needs:f", "needs cannot be imported: it needs the module 'not_installed', .*needs.py, line 1"),
        ("mine:plain", "(?s)mine:plain is a function of images, .*import attributes\n\n    @attributes\\("),
        ("mine:Wants", "mine:Wants wants arguments: weights, size. Make one in that module, as mine = Wants"),
        ("mine:raising", "mine:raising\\(\\) made no annotator. It raised KeyError: 'weights' .*mine.py, line"),
        ("mine:nothing", "mine:nothing is no annotator \\(NoneType\\): it has no name, attributes, thresholds, load"),
        ("mine:number", "mine:number is no annotator \\(int\\)"),
        ("mine:np", "mine:np is no annotator \\(module\\)"),
        ("mine:Half", "(?s)mine:Half is no annotator \\(Half\\): it has no thresholds, load.*@attributes"),
        ("mine:around", "mine:around is no annotator \\(FunctionRegion\\): it has no attributes, thresholds"),
        ("mine:Loose", "Loose, which is no frozen dataclass"),
        ("mine:Thawed", "Thawed, which is no frozen dataclass"),
        ("mine:Odd", "mine:Odd has a field that cannot be told by: .* not frozenset"),
        ("mine:Mtcnn", "is called 'mtcnn', as another annotator is already"),
        ("mine:Short", "mine:Short has 1 thresholds of 2 attributes \\(a, b\\)"),
        ("mine:Listed", "\\['a'\\] as its attributes; expected a tuple"),
        ("mine:closed", "depends on more than its source says"),
        (
            "statistics:f",
            "(?s)statistics is not {folder}/statistics.py: Python has another module of that name, .*another",
        ),
    ],
)
def test_what_is_no_annotator_is_told_with_what_to_do(stand_in, spec, message):
    import statistics  # noqa: F401  # which a person's file may not be called, once it is there

    folder = stand_in(
        mine=FUNCTION + CLASS + ERRORS,
        fails="\n\n1 / 0",
        through="import fails",
        syntax="\ndef f(:",
        exits="import sys\nsys.exit(3)",
        needs="import not_installed",
    )
    (folder / "statistics.py").write_text(FUNCTION)
    with pytest.raises(UserError, match=message.format(folder=folder) if "{folder}" in message else message) as told:
        annotator(spec)
    if "It raised" in message:
        assert told.value.__cause__ is not None


ERRORS = """
import numpy as np

def plain(images):
    return images.mean(axis=(1, 2, 3))

def raising():
    return {}["weights"]

def nothing():
    pass

number = 3

@region
def around(images):
    return images[..., 0]

@dataclass(frozen=True)
class Wants:
    weights: str
    size: int

class Half:
    name = "half"
    attributes = ("half",)

class Loose:
    name, attributes, thresholds = "loose", ("a",), (0.0,)
    def load(self):
        pass

@dataclass
class Thawed:
    name, attributes, thresholds = "loose", ("a",), (0.0,)
    def load(self):
        pass

@dataclass(frozen=True)
class Odd(Dark):
    border: object = frozenset()

@dataclass(frozen=True)
class Mtcnn(Dark):
    name = "mtcnn"

@dataclass(frozen=True)
class Short(Dark):
    attributes = ("a", "b")

@dataclass(frozen=True)
class Listed(Dark):
    attributes = ["a"]

def make(k):
    @attributes("k")
    def closed(images):
        return images[..., k].mean(axis=(1, 2))
    return closed

closed = make(1)
"""


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("mine:plain", "(?s)a function of images, .*import region\n\n    @region"),
        ("mine:light", "mine:light is no region \\(FunctionAnnotator\\): it has no check"),
        ("mine:eyes", "mine:eyes is called 'eyes', as another region is already"),
        ("mine:none", "mine has no 'none', .* It has around, eyes."),
        ("nowhere:f", "no module 'nowhere'"),
        ("box:1,2", "no box"),
    ],
)
def test_what_is_no_region_is_told_with_what_to_do(stand_in, spec, message):
    stand_in(mine=FUNCTION + CLASS + ERRORS + "\n@region\ndef eyes(images):\n    return images[..., 0]\n")
    with pytest.raises(UserError, match=message):
        mask(spec)


def test_what_a_module_says_of_its_own_decorators_is_passed_on(stand_in):
    stand_in(mine=FUNCTION.replace('"light"', '"light/dark"', 1))
    with pytest.raises(UserError, match="mine:light has 'light/dark' as the name of an attribute; expected letters"):
        annotator("mine:light")


def test_the_list_of_annotators_costs_no_import():
    code = (
        "import sys; from pipeline.annotators.registry import listing\n"
        "print(*listing(), sep='\\n')\n"
        "print([name for name in ('torch', 'facenet_pytorch', 'diffusers') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    *lines, loaded = done.stdout.splitlines()
    assert loaded == "[]", done.stderr
    assert lines[0].startswith("mtcnn (face, yaw, pitch, roll, mouth_width): Whether there is a face")
    kinds = [f"{kind}:{each.of}:" for kind, each in registry.KINDS.items()]
    assert [line.partition(" ")[0] for line in lines] == [*registry.ANNOTATORS, *kinds]
