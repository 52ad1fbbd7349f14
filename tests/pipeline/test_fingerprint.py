"""Identity of plugs: what changes the bytes changes the fingerprint, and nothing else does."""

import ast
import importlib.util
import linecache
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pytest
from PIL import Image

from pipeline.annotators.mask_files import mask_file
from pipeline.domains.portraits.annotators import PortraitAnnotator
from pipeline.engine.plan import plan
from pipeline.engine.pool import InProcess
from pipeline.engine.progress import Progress
from pipeline.engine.runner import run
from pipeline.engine.stage import Stage
from pipeline.engine.store import Store
from pipeline.errors import UserError
from pipeline.fingerprint import fingerprint, identity, not_hashed, settings
from tests.pipeline.planted import Numbers, Squares

ANNOTATOR = """
from dataclasses import dataclass

@dataclass(frozen=True)
class Mine:
    weights: str = "abc"
    name = "mine"
    attributes = ("beard",)
    thresholds = (0.0,)

    def load(self):
        return lambda images: images.mean(axis=(1, 2, 3))[:, None]

def score(images):
    return images.mean(axis=(1, 2, 3))[:, None]
"""


@pytest.fixture
def plugged(tmp_path, monkeypatch):
    """Imports a module of a user's from source."""

    def load(name: str, source: str):
        path = tmp_path / f"{name}.py"
        path.write_text(source)
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        identity.cache_clear()
        linecache.checkcache()
        return module

    return load


def recognised(value: object) -> str:
    return fingerprint(settings(value))


def test_two_plugs_of_one_class_name_and_equal_fields_differ(plugged):
    one, other = (plugged(name, ANNOTATOR).Mine() for name in ("one", "other"))
    assert settings(one)["is"] == "one:Mine" and settings(other)["is"] == "other:Mine"
    assert recognised(one) != recognised(other)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("thresholds = (0.0,)", "thresholds = (0.5,)"),
        ('attributes = ("beard",)', 'attributes = ("moustache",)'),
        ('name = "mine"', 'name = "ours"'),
        ('weights: str = "abc"', 'weights: str = "abd"'),
        ("lambda images: images.mean", "lambda images: images.max"),
    ],
)
def test_what_a_plug_says_of_itself_and_its_code_are_part_of_it(plugged, old, new):
    before = recognised(plugged("one", ANNOTATOR).Mine())
    assert recognised(plugged("one", ANNOTATOR).Mine()) == before
    assert recognised(plugged("one", ANNOTATOR.replace(old, new)).Mine()) != before


def test_a_version_stands_for_the_code(plugged):
    versioned = ANNOTATOR.replace('    name = "mine"', '    name = "mine"\n    version = 1')
    before = recognised(plugged("one", versioned).Mine())
    assert recognised(plugged("one", versioned.replace("images.mean", "images.max")).Mine()) == before
    assert recognised(plugged("one", versioned.replace("version = 1", "version = 2")).Mine()) != before


def test_a_function_is_its_module_name_and_source(plugged):
    described = settings(plugged("one", ANNOTATOR).score)
    assert described["is"] == "one:score" and len(described["source"]) == 64
    changed = settings(plugged("one", ANNOTATOR.replace("axis=(1, 2, 3))[:, None]\n", "axis=(1, 2))\n")).score)
    assert changed["is"] == "one:score" and changed["source"] != described["source"]


FUNCTIONS = """
def plain(images, k=1):
    return k

def make(k):
    def closed(images):
        return k
    return closed

anonymous = lambda images: 1
"""


def test_a_functions_defaults_count_and_what_depends_on_more_is_refused(plugged):
    module = plugged("one", FUNCTIONS)
    before = recognised(module.plain)
    module.plain.__defaults__ = (2,)
    assert recognised(module.plain) != before
    for function in (module.make(1), module.anonymous):
        with pytest.raises(UserError, match="depends on more than its source says"):
            settings(function)


def test_the_class_that_a_plug_is_derived_from_is_part_of_it(plugged):
    derived = ANNOTATOR.replace("class Mine:", "class Mine(Base):").replace(
        "@dataclass", "class Base:\n    def helper(self):\n        return 1\n\n@dataclass", 1
    )
    before = recognised(plugged("one", derived).Mine())
    assert recognised(plugged("one", derived.replace("return 1", "return 2")).Mine()) != before


def test_a_plug_in_the_file_that_is_run_is_refused_unless_it_has_a_version(plugged):
    """Workers find no source of it there."""
    mine = plugged("one", ANNOTATOR).Mine
    mine.__module__ = "__main__"
    identity.cache_clear()
    with pytest.raises(UserError, match="__main__:Mine stands in the file that is run.*\nPut it into a module"):
        settings(mine())
    mine.version = 1
    identity.cache_clear()
    assert settings(mine())["is"] == "__main__:Mine"


def test_a_plug_without_readable_source_is_refused_unless_it_has_a_version():
    made = {}
    exec("class Made:\n    pass\nclass Versioned:\n    version = 1", made)
    with pytest.raises(
        UserError, match="source of builtins:Made cannot be read .*\nPut it into a file, or give it a version"
    ):
        settings(dataclass(frozen=True)(made["Made"])())
    assert settings(dataclass(frozen=True)(made["Versioned"])())["version"] == 1


def test_classes_of_this_project_keep_their_identity_when_they_move():
    assert settings(PortraitAnnotator())["is"] == "PortraitAnnotator"
    assert settings(PortraitAnnotator())["attributes"][0] == "smile"


def test_what_a_file_is_called_counts_where_directions_are_named_by_it(tmp_path):
    for name in ("left", "right"):
        Image.linear_gradient("L").save(tmp_path / f"{name}.png")
    left, right = (mask_file(tmp_path / f"{name}.png") for name in ("left", "right"))
    assert left.content == right.content and recognised(left) != recognised(right)
    (tmp_path / "elsewhere").mkdir()
    moved = mask_file((tmp_path / "left.png").rename(tmp_path / "elsewhere" / "left.png"))
    assert recognised(moved) == recognised(left)


# A threshold that changes, in a flow


@dataclass(frozen=True)
class Scorer:
    """A plug whose threshold is none of its fields."""

    version: ClassVar[int] = 1
    thresholds: ClassVar[tuple[float, ...]] = (0.0,)
    where: str = not_hashed("here")


@dataclass(frozen=True)
class Scored(Stage):
    """Numbers, scored."""

    numbers: Stage
    scorer: Scorer = field(default_factory=Scorer)

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        (out / "scores.txt").write_text(f"{self.scorer.thresholds}")


class Made(Progress):
    def __init__(self) -> None:
        self.names: list[str] = []

    def advance(self, stage: Stage) -> None:
        self.names.append(stage.name)


def make(store: Store, *goals: Stage) -> list[str]:
    made = Made()
    run(plan(goals, store), store, InProcess, made)
    return made.names


def goals() -> tuple[Stage, ...]:
    numbers = Numbers(parts=2)
    return Scored(Scored(numbers)), Squares(numbers)


def test_a_changed_threshold_remakes_what_used_it_and_nothing_else(tmp_path, monkeypatch):
    store = Store(tmp_path)
    assert sorted(make(store, *goals())) == ["numbers"] * 2 + ["scored"] * 2 + ["squares"] * 2
    assert make(store, *goals()) == []
    monkeypatch.setattr(Scorer, "thresholds", (0.5,))
    assert make(store, *goals()) == ["scored", "scored"]
    monkeypatch.setattr(Scorer, "thresholds", (0.0,))
    assert make(store, *goals()) == []


def test_where_a_plug_lies_changes_nothing():
    there = Scored(Numbers(parts=2), Scorer(where="there"))
    assert there.folder == Scored(Numbers(parts=2)).folder


def test_no_two_dataclasses_of_the_project_share_a_name():
    """They are told apart by their names alone, so that they keep them when they move."""
    root = Path(__file__).parents[2] / "pipeline"
    names = [
        node.name
        for path in root.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef) and any("dataclass" in ast.unparse(each) for each in node.decorator_list)
    ]
    assert len(names) > 60 and [name for name, count in Counter(names).items() if count > 1] == []
