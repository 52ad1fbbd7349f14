"""Sketches: of stored activations or made while sampling, in one run or in several, they are the same to the byte."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.annotators.registry import annotator
from pipeline.engine.plan import plan
from pipeline.engine.pool import InProcess
from pipeline.engine.progress import Progress
from pipeline.engine.runner import run
from pipeline.engine.stage import Stage
from pipeline.engine.store import Store
from pipeline.errors import UserError
from pipeline.formats.hashes import sha256
from pipeline.stages.finders.principal_components import PrincipalComponents
from pipeline.stages.labels.annotate import Annotate
from pipeline.stages.sources.activations import read_step
from pipeline.stages.sources.sample import Sample
from pipeline.stages.sources.sketches import SketchActivations, SketchedSample

SIZES = {"keep": 4, "block": 16}


class Made(Progress):
    """What a run makes: stage and how many parts."""

    def __init__(self) -> None:
        self.parts: dict[str, int] = {}

    def advance(self, stage: Stage) -> None:
        self.parts[stage.name] = self.parts.get(stage.name, 0) + 1


def make(store: Store, *goals: Stage) -> dict[str, int]:
    made = Made()
    store.prepare()
    run(plan(goals, store), store, InProcess, made)
    return made.parts


def stored(model, n: int) -> SketchActivations:
    return SketchActivations(Annotate(Sample(model, n, 2, batch=8), (annotator("portraits"),)), "portraits", **SIZES)


def sampled(model, n: int) -> SketchedSample:
    return SketchedSample(model, n, 2, batch=8, annotator=annotator("portraits"), **SIZES)


def sums(store: Store, sketched, n: int) -> list[str]:
    """SHA-256 of every sketch."""
    steps = range(2)
    return [
        sha256(store.folder(sketched, sketched.part_of(block, step)) / f"sketch-{step:03d}.safetensors")
        for block in range(sketched.blocks)
        for step in steps
    ]


@pytest.fixture(scope="module")
def once(model, tmp_path_factory) -> Store:
    """44 samples, sketched in one go: two full blocks and one of 12 samples."""
    store = Store(tmp_path_factory.mktemp("once"))
    make(store, stored(model, 44))
    return store


def test_what_is_merged_knows_all_samples(model, once):
    sketched = stored(model, 44)
    ids, h = read_step(once, sketched.source, 1)
    scores = sketched.annotate.scores(once, "portraits")[list(sketched.scored_by.attributes)].loc[ids].to_numpy()
    sketch = sketched.merged(once, 1)
    assert sketch.pca.n_samples_seen_ == 44
    np.testing.assert_allclose(sketch.pca.mean_, h.astype(np.float64).mean(axis=0), atol=1e-5)
    female = scores[:, sketched.scored_by.attributes.index("gender")] > 0
    difference = h[female].mean(axis=0, dtype=np.float64) - h[~female].mean(axis=0, dtype=np.float64)
    np.testing.assert_allclose(
        sketch.sums.mean_differences()[sketched.scored_by.attributes.index("gender")], difference, atol=1e-5
    )


def test_a_run_that_is_extended_reads_only_what_is_new_and_ends_with_the_same_bytes(model, once, tmp_path, monkeypatch):
    store = Store(tmp_path)
    make(store, stored(model, 20))  # a full block and 4 of 16 samples, whose last batch is not full

    read = []
    group = Store.group
    monkeypatch.setattr(Store, "group", lambda *args: read.append(args[3]) or group(*args))
    made = make(store, stored(model, 44))
    assert made == {"sample": 4, "annotate": 4, "sketch-activations": 4}  # two of six parts were full and stay
    assert set(read) == {2, 3, 4, 5}  # parts of activations: the first two are in the full block
    assert sums(store, stored(model, 44), 44) == sums(once, stored(model, 44), 44)


def test_without_stored_activations_the_sketches_are_the_same(model, once, tmp_path):
    store = Store(tmp_path)
    make(store, sampled(model, 44))
    assert not [*store.root.rglob("activations.parquet")]
    assert sums(store, sampled(model, 44), 44) == sums(once, stored(model, 44), 44)
    images = store.table(sampled(model, 44), "samples.parquet")
    assert images.equals(once.table(stored(model, 44).source, "samples.parquet"))


def test_samples_that_are_sketched_are_extended_from_where_they_were(model, once, tmp_path, monkeypatch):
    store = Store(tmp_path)
    make(store, sampled(model, 20))
    drawn = []
    draw = Sample.draw
    monkeypatch.setattr(Sample, "draw", lambda *args: drawn.append(args[2]) or draw(*args))
    make(store, sampled(model, 44))
    assert drawn == [range(16, 24), range(24, 32), range(32, 40), range(40, 44)]
    assert sums(store, sampled(model, 44), 44) == sums(once, stored(model, 44), 44)


@pytest.mark.parametrize("across", ["per-step", "matched"])
def test_components_of_sketches_are_those_of_the_activations(model, once, across):
    """With everything kept nothing is lost."""
    full = replace(stored(model, 44), keep=43, block=88)
    sketched = PrincipalComponents(full, 3, across)
    exact = PrincipalComponents(full.source, 3, across)
    make(once, sketched, exact)
    for name in exact.names:
        a, b = once.vectors(sketched)[name].ravel(), once.vectors(exact)[name].ravel()
        assert abs(a @ b) / np.linalg.norm(a) / np.linalg.norm(b) > 0.9999
        np.testing.assert_allclose(np.linalg.norm(a), np.linalg.norm(b), rtol=1e-3)


def test_what_sketches_cannot_give_is_refused(model):
    with pytest.raises(UserError, match="not stored, only sketched"):
        PrincipalComponents(sampled(model, 44), 3, "matched").check()
    with pytest.raises(UserError, match="need the stored activations"):
        PrincipalComponents(stored(model, 44), 3, "joint").check()
    with pytest.raises(UserError, match="sketches that keep 4"):
        PrincipalComponents(stored(model, 44), 5).check()
    with pytest.raises(UserError, match="at least twice as many samples"):
        replace(stored(model, 44), keep=30).check()
