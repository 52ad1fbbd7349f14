"""Planted depths and times: swaps of h take what comes by there, when it is decided, and nothing else."""

import dataclasses
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

from pipeline.annotators.regions import Box
from pipeline.engine.stage import one
from pipeline.engine.store import Store
from pipeline.errors import UserError
from pipeline.stages.measures.carriage import Carriage
from pipeline.stages.sources.sample import Sample
from pipeline.stages.sources.sample_ids import SWAPPED
from tests.pipeline.making import made
from tests.pipeline.planted_depths import (
    CARRIED,
    DECIDED,
    SHAPES,
    STEPS,
    DepthsAnnotator,
    DepthsModel,
    PlantedDepths,
    shades_of_halves,
)
from tests.pipeline.planted_generator import ATTRIBUTES, SIZE, SPREAD, STRIPE

POINTS = tuple(SHAPES)
SAMPLE = Sample(DepthsModel(), n=8, steps=STEPS, eta=0.0, batch=10)
DELTAS = Box(0, 3 * STRIPE, SIZE, 4 * STRIPE)  # the stripe of delta, which comes in last
CARRIAGE = Carriage(SAMPLE, (*POINTS, "mid_block+up_blocks.1"), DepthsAnnotator(), 64, DELTAS)


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    return made(tmp_path_factory.mktemp("carriage"), CARRIAGE)


@pytest.fixture(scope="module")
def table(store) -> pd.DataFrame:
    return store.table(CARRIAGE, "carriage.parquet").to_pandas()


def shares(table: pd.DataFrame, point: str, third: int | None = None) -> dict[str, float]:
    at = table[(table["point"] == point) & (table["third"].isna() if third is None else table["third"] == third)]
    return at.set_index("what")["share"].to_dict()


def test_a_row_for_each_point_span_and_thing(table):
    assert len(table) == 4 * 4 * (5 + 3) and not table.duplicated(["point", "third", "what"]).any()
    of_points = table.drop_duplicates("point").set_index("point")
    assert of_points["depth"].to_dict() == {point: i for i, point in enumerate(CARRIAGE.points)}
    assert of_points["numbers"].tolist() == [20, 80, 320, 340]
    assert set(table["what"][table["kind"] == "attribute"]) == set(ATTRIBUTES)
    assert set(table["what"][table["kind"] == "pixels"]) == {"image", "foreground", "background"}
    assert (table["n"] == 64).all()


@pytest.mark.parametrize("point", POINTS)
def test_a_swap_takes_what_has_come_in_by_then(table, point):
    found = shares(table, point)
    assert [found[name] for name in ATTRIBUTES] == pytest.approx(CARRIED[point], abs=0.03)


def test_a_swap_at_several_points_takes_what_comes_in_at_any(table):
    found = shares(table, "mid_block+up_blocks.1")
    assert [found[name] for name in ATTRIBUTES] == pytest.approx([1.0] * 5, abs=0.03)


@pytest.mark.parametrize("third", [0, 1, 2])
@pytest.mark.parametrize("point", POINTS)
def test_it_takes_it_in_the_third_that_decides_it(table, point, third):
    found = shares(table, point, third)
    expected = [share * (third == when) for share, when in zip(CARRIED[point], DECIDED, strict=True)]
    assert [found[name] for name in ATTRIBUTES] == pytest.approx(expected, abs=0.03)


def test_pixels_go_as_their_attributes_do(table):
    """The stripe of delta is foreground. Of the others the mid block takes all, all, nothing and half of the way."""
    mid, last = shares(table, "mid_block"), shares(table, "up_blocks.1")
    variances = np.square(SPREAD)
    others = (variances * CARRIED["mid_block"])[[0, 1, 2, 4]].sum() / variances[[0, 1, 2, 4]].sum()
    assert mid["foreground"] == pytest.approx(0.0, abs=0.02) and mid["background"] == pytest.approx(others, abs=0.1)
    assert mid["image"] < mid["background"]
    assert [last[name] for name in ("image", "foreground", "background")] == pytest.approx([1.0] * 3, abs=0.03)


def test_intervals_hold_the_shares_and_are_narrow_where_everything_is_taken(table):
    assert ((table["low"] <= table["share"]) & (table["share"] <= table["high"])).all()
    whole = table[(table["point"] == "up_blocks.1") & table["third"].isna()]
    assert (whole["high"] - whole["low"] < 0.1).all()


def test_the_shares_by_point_and_thing(store, table):
    found = CARRIAGE.shares(store)
    assert len(found) == 4 * 8
    assert found["up_blocks.0", "gamma"] == pytest.approx(shares(table, "up_blocks.0")["gamma"])


# How it is made


def test_samples_are_its_own_and_a_part_is_a_point(tmp_path, monkeypatch):
    drawn: list[int] = []
    noise = Sample.noise
    monkeypatch.setattr(Sample, "noise", lambda self, loaded, ids: (drawn.extend(ids), noise(self, loaded, ids))[1])
    stage = Carriage(SAMPLE, POINTS, None, 14)
    store = made(tmp_path, stage)
    assert drawn == list(SWAPPED[:14]) * 3
    assert [store.table(stage, "carriage.parquet", i)["point"][0].as_py() for i in range(3)] == list(POINTS)
    assert not store.finished(SAMPLE), "the sample says how, and is not made"


def test_progress_is_told_as_many_passes_as_there_are(tmp_path, monkeypatch):
    rows = []
    forward = PlantedDepths.forward
    monkeypatch.setattr(PlantedDepths, "forward", lambda self, x, t: (rows.append(len(x)), forward(self, x, t))[1])
    stage = Carriage(SAMPLE, POINTS, None, 14)
    made(tmp_path, stage)
    assert sum(rows) == stage.n_parts * stage.part_work() and max(rows) <= SAMPLE.batch


@pytest.mark.parametrize("batch", [1, 3, 7, 64])
def test_shares_do_not_depend_on_the_batch(table, batch, tmp_path):
    sample = dataclasses.replace(SAMPLE, batch=batch)
    stage = Carriage(sample, POINTS[1:2], DepthsAnnotator(), 64)
    found = shares(made(tmp_path, stage).table(stage, "carriage.parquet").to_pandas(), POINTS[1])
    expected = shares(table, POINTS[1])
    assert all(found[name] == pytest.approx(expected[name], abs=0.01) for name in ATTRIBUTES)


def test_how_many_samples_there_are_changes_nothing():
    more = dataclasses.replace(CARRIAGE, sample=dataclasses.replace(SAMPLE, n=1_000))
    assert more.folder == CARRIAGE.folder
    other = dataclasses.replace(CARRIAGE, sample=dataclasses.replace(SAMPLE, seed=1))
    assert other.folder != CARRIAGE.folder and not CARRIAGE.inputs


@pytest.mark.parametrize(("steps", "thirds"), [(1, set()), (2, set()), (3, {0, 1, 2})])
def test_few_steps_have_no_thirds(model, steps, thirds, tmp_path):
    stage = Carriage(Sample(model, n=4, steps=steps, batch=8), ("mid_block",), None, 4)
    found = made(tmp_path, stage).table(stage, "carriage.parquet").to_pandas()
    assert set(found["third"].dropna()) == thirds and found["third"].isna().sum() == 1


# What is looked at


@dataclasses.dataclass(frozen=True)
class Partial(DepthsAnnotator):
    """Sees beta only where alpha is above 0, gamma nowhere, delta always alike; epsilon is whether there is anything."""

    name: ClassVar[str] = "partial"
    presence: ClassVar[str] = "epsilon"
    attributes: ClassVar[tuple[str, ...]] = ("image", *ATTRIBUTES[1:])
    weights: str = "partial"

    def load(self):
        def score(images: np.ndarray) -> np.ndarray:
            found = shades_of_halves(images)
            found[found[:, 0] < 0, 1], found[:, 2], found[:, 3] = np.nan, np.nan, 0.5
            return found

        return score


@pytest.fixture(scope="module")
def partial(tmp_path_factory) -> tuple[dict[tuple[str, str], float], pd.DataFrame]:
    stage = Carriage(SAMPLE, ("mid_block",), Partial(), 64)
    store = made(tmp_path_factory.mktemp("partial"), stage)
    table = store.table(stage, "carriage.parquet").to_pandas()
    return stage.shares(store), table[table["third"].isna()].set_index(["kind", "what"])


def test_who_has_no_score_is_left_out_and_what_has_none_is_null(partial):
    _, table = partial
    beta, gamma, delta = (table.loc["attribute", name] for name in ("beta", "gamma", "delta"))
    assert beta["share"] == pytest.approx(1.0, abs=0.03) and 4 <= beta["n"] < 40
    assert gamma["n"] == 0 and delta["n"] == 64
    assert np.isnan([*gamma[["share", "low", "high"]], *delta[["share", "low", "high"]]]).all()


def test_presence_is_no_attribute_and_an_attribute_goes_before_a_region_of_its_name(partial):
    found, table = partial
    assert list(table.loc["attribute"].index) == ["image", "beta", "gamma", "delta"]
    assert found.keys() == {("mid_block", "image"), ("mid_block", "beta")}
    assert found["mid_block", "image"] == pytest.approx(1.0, abs=0.03)
    assert table.loc["pixels", "image"]["share"] < 0.8


# What is refused


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"n": 0}, "an even number of at least 2"),
        ({"n": 5}, "between 5 samples"),
        ({"points": ()}, "at no point"),
        ({"points": ("mid_block", "after")}, "mid_block, mid_block: expected capture points, each once"),
        ({"points": ("mid_block", "up_blocks.7")}, "has no module up_blocks.7"),
        ({"points": ("mid_block+up_blocks.7",)}, "has no module up_blocks.7"),
        ({"foreground": Box(0, 0, 99, 99)}, "does not lie in images of 16 x 16"),
    ],
)
def test_what_cannot_work_is_refused(model, changed, message):
    stage = Carriage(Sample(model, n=4, steps=3, batch=8), ("mid_block",), None)
    stage.check()
    with pytest.raises(UserError, match=message):
        dataclasses.replace(stage, **changed).check()


def test_an_annotator_that_cannot_read_the_images_is_refused(model):
    @dataclasses.dataclass(frozen=True)
    class Large(DepthsAnnotator):
        def check(self, height: int, width: int) -> None:
            raise UserError(f"{height} x {width} is too small")

    with pytest.raises(UserError, match="16 x 16 is too small"):
        Carriage(Sample(model, n=4, steps=3, batch=8), ("mid_block",), Large()).check()


def test_a_part_reads_nothing(model):
    stage = Carriage(Sample(model, n=4, steps=3, batch=8), ("mid_block", "up_blocks.0"), None)
    assert not [*stage.needs(0)] and stage.n_parts == 2 and one(stage, 1) == (stage, range(1, 2))
    assert stage.resources.gpus == 1
