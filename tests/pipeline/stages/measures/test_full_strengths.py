"""Planted truth: a direction is followed until its target has moved, its images break, or no farther offset is ever tried."""

import dataclasses
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

from pipeline.engine.stage import one
from pipeline.engine.store import Store
from pipeline.errors import UserError
from pipeline.metrics.strengths import BOUND, FIRST, WANTED
from pipeline.stages.finders.finder import read_rows, write_directions
from pipeline.stages.finders.random_directions import RandomDirections
from pipeline.stages.labels.annotate import Annotate
from pipeline.stages.labels.embed import Embed
from pipeline.stages.measures.edit import Edit
from pipeline.stages.measures.full_strengths import FullStrengths
from pipeline.stages.measures.sight import seeing
from pipeline.stages.sources.sample import Sample
from tests.pipeline.making import made
from tests.pipeline.planted_generator import (
    H_SHAPE,
    SPREAD,
    PlantedAnnotator,
    PlantedFinder,
    PlantedJudge,
    PlantedModel,
    W,
    direction,
    shades,
)

TRUTH = {  # what one unit of each does, in standard deviations of the attributes
    "alpha": (0.8, 0.5, 0.0, 0.0, 0.0),
    "beta": (0.0, 20.0, 0.0, 0.0, 0.0),
    "gamma": (0.0, 0.0, -0.04, 0.0, 0.0),  # and turns its attribute the wrong way
}
OWN = {"alpha": 0.8, "beta": 20.0, "gamma": 0.04}
FARTHEST = FIRST * 2.0**BOUND


@dataclasses.dataclass(frozen=True)
class Partial(PlantedAnnotator):
    """Reads alpha alone, and does not see it rise much above its mean."""

    name: ClassVar[str] = "partial"
    attributes: ClassVar[tuple[str, ...]] = ("alpha",)
    thresholds: ClassVar[tuple[float, ...]] = (0.0,)
    weights: str = "partial"

    def load(self):
        return lambda images: np.minimum(shades(images)[:, :1], 0.1 * SPREAD[0])


@dataclasses.dataclass(frozen=True)
class Blind(Partial):
    """Says the same of every image."""

    name: ClassVar[str] = "blind"
    weights: str = "blind"

    def load(self):
        return lambda images: np.zeros((len(images), 1), np.float32)


@dataclasses.dataclass(frozen=True)
class Plain(PlantedAnnotator):
    """Says the same in lists, of scores and of features, as any plug may."""

    name: ClassVar[str] = "plain"
    weights: str = "plain"

    def load(self):
        return lambda images: shades(images).tolist()

    def embedder(self):
        return self.load()


@dataclasses.dataclass(frozen=True)
class Shapeless(Plain):
    """Returns a score too few."""

    name: ClassVar[str] = "shapeless"
    weights: str = "shapeless"

    def load(self):
        return lambda images: shades(images)[:-1]


@dataclasses.dataclass(frozen=True)
class Looking(PlantedAnnotator):
    """Sees something wherever alpha is not far above its mean."""

    name: ClassVar[str] = "looking"
    attributes: ClassVar[tuple[str, ...]] = ("there",)
    thresholds: ClassVar[tuple[float, ...]] = (0.5,)
    presence: ClassVar[str] = "there"
    weights: str = "looking"

    def load(self):
        return lambda images: (shades(images)[:, :1] < 4 * SPREAD[0]).astype(np.float32)


@dataclasses.dataclass(frozen=True)
class Elsewhere(PlantedFinder):
    """A direction at right angles to all that images show."""

    def process(self, part, store, loaded, out):
        v = np.random.default_rng(0).standard_normal(512)
        row = {"name": self.names[0], "method": "planted", "n": 1, "attribute": "alpha"}
        write_directions(out, self, {row["name"]: (v - v @ W.T @ W).reshape(1, *H_SHAPE).astype(np.float32)}, [row])


@pytest.fixture(scope="module")
def sample() -> Sample:
    return Sample(PlantedModel(), 300, steps=1, eta=0.0, batch=50, clip=False)


def by(sample: Sample, annotator: PlantedAnnotator, *finders: PlantedFinder, **more: object) -> FullStrengths:
    return FullStrengths(sample, finders, Annotate(sample, (annotator,)), annotator, **more)


@pytest.fixture(scope="module")
def supervised(sample) -> FullStrengths:
    return by(sample, PlantedAnnotator(), PlantedFinder(tuple(TRUTH.values()), tuple(TRUTH)))


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    root = tmp_path_factory.mktemp("full")
    return lambda *goals: made(root, *goals)


def found(store: Store, stage: FullStrengths) -> pd.DataFrame:
    """By direction without its method, and sign."""
    table = store.table(stage, "strengths.parquet").to_pandas()
    names = table["direction"].str.removesuffix("/planted")
    return table.assign(name=names, sign=np.sign(table["strength"]).astype(int)).set_index(["name", "sign"])


def test_a_target_moves_by_what_is_wanted_whatever_the_length(supervised, stores):
    table = found(stores(supervised), supervised)
    assert set(table["ended"]) == {"moved"} and len(table) == 6
    for name, slope in OWN.items():
        for sign in (-1, 1):
            moved = slope * abs(table.loc[(name, sign), "strength"])
            assert moved == pytest.approx(WANTED, rel=0.1), "but for the spread of a few hundred samples"
            assert table.loc[(name, sign), "moved"] == 1
    assert (table["tried"] <= 3).all()


def test_a_longer_vector_gets_the_same_edits(sample, supervised, stores):
    longer = tuple(tuple(1000 * each for each in row) for row in TRUTH.values())
    same = by(sample, PlantedAnnotator(), PlantedFinder(longer, tuple(TRUTH)))
    one_, other = (found(stores(stage), stage) for stage in (supervised, same))
    np.testing.assert_allclose(1000 * other["strength"], one_["strength"], rtol=1e-4)
    np.testing.assert_allclose(other["offset"], one_["offset"])


def test_what_does_nothing_ends_at_the_bound_and_says_so(sample, stores):
    """Nothing to be seen in alpha, and nothing that would not be the model's own: the offset is in a corner that no image shows."""
    stage = by(sample, Partial(), Elsewhere(((1.0,),), ("alpha",)))
    table = found(stores(stage), stage)
    assert set(table["ended"]) == {"bound"} and table["moved"].max() < 1e-3
    assert set(table["offset"]) == {FARTHEST}
    assert table["tried"].to_dict() == {("alpha", 1): 3, ("alpha", -1): 1}, "the other side begins where this one ended"


def test_where_an_annotator_tells_nothing_apart_the_images_say_how_far(sample, stores):
    stage = by(sample, Blind(), PlantedFinder(((0, 0, 0, 0, 0.01),)))
    assert set(found(stores(stage), stage)["ended"]) == {"moved"}


def test_the_two_sides_end_where_each_of_them_does(sample, stores):
    stage = by(sample, Partial(), PlantedFinder(((1.0, 0, 0, 0, 0),), ("alpha",)), looking=Looking())
    table = found(stores(stage), stage)
    assert table.loc[("alpha", -1), "ended"] == "moved"
    assert table.loc[("alpha", 1), "ended"] == "unrealistic", "it cannot rise, and what is there is lost"
    assert 1 < table.loc[("alpha", 1), "strength"] < 4, "at the last strength before that"


def test_images_that_are_no_longer_the_models_end_a_direction(sample, stores):
    """The annotator sees nothing of beta, whose stripe becomes as bright as in no sample."""
    stage = by(sample, Partial(), PlantedFinder(((0, 1.0, 0, 0, 0),)), n=4)
    among = dataclasses.replace(stage, embed=Embed(sample, PlantedJudge()))
    store = stores(stage, among)
    ended = found(store, among)
    assert "unrealistic" in set(ended["ended"]) and ended["offset"].min() < FARTHEST
    assert set(found(store, stage)["ended"]) == {"bound"}, "where nobody says what images the model has"


def test_an_unsupervised_direction_is_followed_by_what_it_moves_most(sample, stores):
    stage = by(sample, PlantedAnnotator(), PlantedFinder(((0.2, 0, 0, -3.0, 0), (0, 0, 0.5, 0, 0))))
    table = found(stores(stage), stage)
    assert table["attribute"].isna().all() and set(table["ended"]) == {"moved"}
    for name, slope in (("direction-0", 3.0), ("direction-1", 0.5)):
        for sign in (-1, 1):
            assert slope * abs(table.loc[(name, sign), "strength"]) == pytest.approx(WANTED, rel=0.1)


def test_with_nobody_to_ask_the_images_say_how_far(sample, stores):
    finder = PlantedFinder(((1.0, 0, 0, 0, 0), (0, 0, 0, 0, 250.0)))
    stage = FullStrengths(sample, (finder,))
    table = found(stores(stage), stage)
    assert set(table["ended"]) == {"moved"} and (table["moved"] == 1).all()
    offsets = table["strength"].abs() * [SPREAD[0], SPREAD[0], 250 * SPREAD[4], 250 * SPREAD[4]]
    assert offsets.max() <= 2 * offsets.min(), "pixels count for as much wherever they are"


def test_plugs_are_heard_as_everywhere_else(sample, supervised, stores):
    """Lists are numbers, too, and what is no score is told by the name of the plug."""
    finder, embedder = supervised.finders[0], PlantedJudge()
    plain = by(sample, Plain(), finder, embed=Embed(sample, Plain()))
    same = by(sample, PlantedAnnotator(), finder, embed=Embed(sample, embedder))
    ours, theirs = (found(stores(stage), stage) for stage in (plain, same))
    pd.testing.assert_frame_equal(ours, theirs)
    with pytest.raises(UserError, match="Shapeless returned the shape"):
        seeing(Shapeless())(np.zeros((3, 20, 20, 3), np.uint8))


def test_samples_are_not_those_that_are_measured(sample, supervised, monkeypatch):
    asked = []
    monkeypatch.setattr(Sample, "noise", lambda self, loaded, ids: asked.extend(ids) or NoNoise())
    with pytest.raises(RuntimeError, match="asked"):
        supervised._unedited(supervised.setup()[0])
    assert len(asked) == supervised.n and min(asked) >= 3_000_000_000


class NoNoise:
    def x_T(self):
        raise RuntimeError("asked")


# What reads them


def test_directions_of_an_attribute_are_followed_as_far_as_the_one_that_was_tried(sample, supervised, stores):
    other = PlantedFinder(((0.7, 0, 0, 0, 0),), ("alpha",))
    store = stores(supervised, other)
    low, high = supervised.ends(store, read_rows(store, (other,)))["alpha/planted"]
    table = found(store, supervised)
    assert (low, high) == (table.loc[("alpha", -1), "strength"], table.loc[("alpha", 1), "strength"])
    lost = PlantedFinder(((0, 0, 0, 1.0, 0),), ("delta",))
    with pytest.raises(UserError, match="It was not looked for how far to follow delta/planted"):
        supervised.ends(store, read_rows(stores(lost), (lost,)))


def test_edits_are_at_shares_of_each_directions_own_strengths(sample, supervised, stores):
    shares = (-1.0, -0.5, 0.5, 1.0)
    edit = Edit(sample, supervised.finders, shares, 2, full=supervised)
    store = stores(edit)
    table, ends = store.table(edit, "edits.parquet").to_pandas(), found(store, supervised)["strength"]
    edited = table[table["direction"] != "unedited"]
    for (name, index), rows in edited.groupby(["direction", "strength_index"]):
        end = ends[(name.removesuffix("/planted"), int(np.sign(shares[index])))]
        np.testing.assert_allclose(rows["strength"], abs(shares[index]) * end, rtol=1e-6)
    assert next(iter(edit.needs(1))) == one(supervised) and not list(edit.needs(0))
    fixed = dataclasses.replace(edit, full=None)
    at = stores(fixed).table(fixed, "edits.parquet").to_pandas()
    assert set(at.loc[at["direction"] != "unedited", "strength"]) == set(shares)


def test_random_directions_go_as_far_as_the_farther_side_of_the_others(sample, supervised, stores):
    each = RandomDirections(sample, supervised.finders, 3, norms="each", full=supervised)
    largest = dataclasses.replace(each, k=1, norms="largest")
    store = stores(each, largest)
    norms = [row["norm"] for row in read_rows(store, (each,))]
    far = found(store, supervised)["strength"].abs().groupby("name").max()
    expected = [far[name] * np.linalg.norm(direction(*TRUTH[name])) for name in TRUTH]
    np.testing.assert_allclose(norms, expected, rtol=1e-4)
    assert read_rows(store, (largest,))[0]["norm"] == pytest.approx(max(expected), rel=1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n": 1}, "Strengths are found on 1 samples: expected at least 2"),
        ({"annotator": PlantedJudge()}, "planted-judge has not scored the unedited samples"),
        ({"unedited": None}, "planted has not scored the unedited samples"),
        ({"looking": PlantedJudge()}, "'planted-judge' does not say whether there is anything to score"),
    ],
)
def test_what_cannot_work_is_refused(supervised, change, message):
    with pytest.raises(UserError, match=message):
        dataclasses.replace(supervised, **change).check()
