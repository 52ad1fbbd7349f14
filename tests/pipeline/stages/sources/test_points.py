"""Several capture points in one run: seen at one of them, everything is as if that one alone had been recorded."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.annotators.registry import annotator
from pipeline.engine.plan import plan
from pipeline.engine.pool import InProcess
from pipeline.engine.runner import run
from pipeline.engine.store import Store
from pipeline.errors import UserError
from pipeline.stages.finders.by_step import ByStep
from pipeline.stages.finders.linear_classifier import LinearClassifier
from pipeline.stages.finders.linear_discriminant import LinearDiscriminant
from pipeline.stages.finders.mean_difference import MeanDifference
from pipeline.stages.finders.principal_components import PrincipalComponents
from pipeline.stages.labels.annotate import Annotate
from pipeline.stages.sources.activations import read_parts, read_step
from pipeline.stages.sources.invert import Invert
from pipeline.stages.sources.sample import Sample
from pipeline.stages.sources.sketches import SketchActivations, SketchedSample
from pipeline.stages.sources.source import Source
from tests.pipeline.making import Silent

MID, UP = "mid_block", "up_blocks.0"
BOTH = f"{MID}+{UP}"
T = 2
SKETCHES = {"keep": 4, "block": 16}
WANTED = ("skin", "yaw")


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    store = Store(tmp_path_factory.mktemp("points"))
    store.prepare()
    return store


@pytest.fixture(scope="module")
def make(store):
    """A stage, made."""

    def made(stage):
        run(plan([stage], store), store, InProcess, Silent())
        return stage

    return made


def stored(model, point: str) -> Sample:
    return Sample(model, 48, T, batch=8, point=point)


def sketched(model, point: str) -> SketchedSample:
    return SketchedSample(model, 48, T, batch=8, point=point, annotator=annotator("portraits"), **SKETCHES)


def sketches_of(sample: Sample, at: str | None = None) -> SketchActivations:
    return SketchActivations(labels_of(sample), "portraits", at=at, **SKETCHES)


def labels_of(sample: Sample) -> Annotate:
    return Annotate(sample, (annotator("portraits"),))


def inverted(model, real, point: str) -> Invert:
    return Invert(model, steps=T, batch=4, images=real, point=point)


@pytest.mark.parametrize("point", [MID, UP])
@pytest.mark.parametrize("kind", ["sampled", "inverted"])
def test_h_at_one_of_several_points_is_that_of_the_point_alone_to_the_bit(model, real, make, store, kind, point):
    source = stored if kind == "sampled" else lambda model, point: inverted(model, real, point)
    both, alone = make(source(model, BOTH)), make(source(model, point))
    seen: Source = both.seen_at(point)
    assert seen.folder == both.folder != alone.folder and seen.h_shape == alone.h_shape
    for step in range(T):
        (ids, h), (ids_alone, h_alone) = read_step(store, seen, step), read_step(store, alone, step)
        assert np.array_equal(ids, ids_alone) and np.array_equal(h, h_alone) and h.std() > 0
    assert store.table(both, "samples.parquet").equals(store.table(alone, "samples.parquet"))


def test_h_of_all_points_is_theirs_side_by_side(model, make, store):
    both = make(stored(model, BOTH))
    whole = read_step(store, both, 1)[1]
    each = [read_step(store, both.seen_at(point), 1)[1] for point in (MID, UP)]
    np.testing.assert_array_equal(whole, np.concatenate(each, axis=1))
    assert whole.shape[1] == both.h_size == sum(both.seen_at(point).h_size for point in (MID, UP))


def test_only_the_pages_of_the_point_are_read(model, make, store):
    """With every other byte of h gone, a point reads as before, and the other one is damaged."""
    both = make(stored(model, BOTH))
    path = store.folder(both, 0) / "activations.parquet"
    before = path.read_bytes()
    h = {point: next(read_parts(store, both.seen_at(point), 1, range(1)))[1] for point in (MID, UP)}
    try:
        for point, other in ((MID, UP), (UP, MID)):
            path.write_bytes(without(path, before, other))
            np.testing.assert_array_equal(next(read_parts(store, both.seen_at(point), 1, range(1)))[1], h[point])
            with pytest.raises(UserError, match="damaged"):
                next(read_parts(store, both.seen_at(other), 1, range(1)))
    finally:
        path.write_bytes(before)


def without(path: Path, content: bytes, point: str) -> bytes:
    """A file with the pages of one point blank, those of all steps."""
    import pyarrow.parquet as pq

    path.write_bytes(content)
    blank, metadata = bytearray(content), pq.read_metadata(path)
    column = metadata.schema.names.index(point)
    for group in range(metadata.num_row_groups):
        chunk = metadata.row_group(group).column(column)
        pages_of = slice(chunk.data_page_offset, chunk.data_page_offset + chunk.total_compressed_size)
        blank[pages_of] = bytes(chunk.total_compressed_size)
    return bytes(blank)


@pytest.mark.parametrize("point", [MID, UP])
def test_sketches_at_one_of_several_points_are_those_of_the_point_alone(model, make, store, point):
    both, alone = make(sketched(model, BOTH)), make(sketched(model, point))
    of_stored = make(sketches_of(stored(model, BOTH), at=point))
    for step in range(T):
        for block in range(both.blocks):
            states = [
                store.vectors(each, each.file_name(step), each.part_of(block, step))
                for each in (alone, both.seen_at(point), of_stored)
            ]
            for state in states[1:]:
                assert state.keys() == states[0].keys()
                assert all(np.array_equal(state[name], states[0][name], equal_nan=True) for name in state)


def test_sketches_that_are_extended_are_those_of_one_go_at_every_point(model, make, store, tmp_path):
    extended = Store(tmp_path)
    extended.prepare()
    all_at_once = make(sketched(model, BOTH))
    for goal in (replace(all_at_once, n=20), all_at_once):
        run(plan([goal], extended), extended, InProcess, Silent())
    for part in range(all_at_once.n_parts):
        assert store.record(all_at_once, part)["files"] == extended.record(all_at_once, part)["files"]


def directions(store: Store, finder: ByStep) -> dict[str, np.ndarray]:
    """By what is before the point in their names."""
    vectors = store.vectors(finder)
    assert set(vectors) == set(finder.names)
    rows = store.table(finder, "directions.parquet").to_pylist()
    assert {row["capture"] for row in rows} == {finder.source.at}
    return {name.partition("@")[0]: v for name, v in vectors.items()}


def on_stored(model, recorded: str, at: str | None) -> list[ByStep]:
    sample = stored(model, recorded)
    by = (labels_of(sample), "portraits", WANTED, 12)
    seen = sample if at is None else sample.seen_at(at)
    return [
        MeanDifference(*by, at=at),
        LinearDiscriminant(*by, at=at),
        LinearClassifier(*by, at=at),
        LinearClassifier(*by, across="joint", at=at),
        PrincipalComponents(seen, 3),
        PrincipalComponents(seen, 3, "joint"),
        LinearClassifier(sketches_of(sample, at), "portraits", WANTED, 12),
    ]


def on_sketched(model, recorded: str, at: str | None) -> list[ByStep]:
    sample = sketched(model, recorded)
    seen = sample if at is None else sample.seen_at(at)
    return [
        MeanDifference(seen, "portraits", ("gender",)),
        LinearDiscriminant(seen, "portraits", ("gender",), shrinkage=0.5),
        PrincipalComponents(seen, 3),
    ]


@pytest.mark.parametrize("finders", [on_stored, on_sketched])
def test_directions_at_one_of_several_points_are_those_of_the_point_alone(model, make, store, finders):
    for of_both, of_one in zip(finders(model, BOTH, UP), finders(model, UP, None), strict=True):
        found, expected = directions(store, make(of_both)), directions(store, make(of_one))
        assert found.keys() == expected.keys() and all(name.endswith(f"@{UP}") for name in of_both.names)
        for name in found:
            assert found[name].shape == (T, *of_one.source.h_shape)
            np.testing.assert_array_equal(found[name], expected[name])


def test_a_part_of_several_points_is_as_large_as_the_plan_says(model, make, store):
    sample = make(stored(model, BOTH))
    written = sum(path.stat().st_size for path in store.folder(sample, 0).iterdir())
    assert 0.8 * sample.part_bytes() < written < 1.1 * sample.part_bytes()
    alone = [stored(model, point).part_bytes() for point in (MID, UP)]
    assert sum(alone) > sample.part_bytes() > max(alone)
