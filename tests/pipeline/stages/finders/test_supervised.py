"""The supervised finders on planted h: attributes whose labels go together and whose directions do not."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from pipeline.domains.portraits.annotators import PortraitAnnotator
from pipeline.engine.plan import plan
from pipeline.engine.pool import InProcess
from pipeline.engine.progress import Progress
from pipeline.engine.runner import run
from pipeline.engine.store import Store
from pipeline.errors import UserError
from pipeline.estimators.stability import POOR
from pipeline.formats.parquet import h_writer, write_table
from pipeline.stages.finders.linear_classifier import LinearClassifier
from pipeline.stages.finders.linear_discriminant import LinearDiscriminant
from pipeline.stages.finders.mean_difference import MeanDifference
from pipeline.stages.labels.annotate import Annotate, annotations_table
from pipeline.stages.sources.sample import Sample
from pipeline.stages.sources.sketches import SketchActivations, SketchedSample
from pipeline.stages.sources.source import activations_table, samples_table
from schemas.activations import activations_schema

N, T, BATCH = 256, 3, 32
WANTED = ("smile", "gender")
TOP = 48


class Silent(Progress):
    """Progress that nobody sees."""


@pytest.fixture(scope="module")
def annotate(model) -> Annotate:
    return Annotate(Sample(model, N, T, batch=BATCH), (PortraitAnnotator(),))


@pytest.fixture(scope="module")
def truth(annotate) -> np.ndarray:
    """What each attribute adds to h: (A, T, D), orthonormal at each step."""
    D = int(np.prod(annotate.sample.h_shape))
    drawn = np.random.default_rng(1).standard_normal((T, D, 7))
    return 2 * np.stack([np.linalg.qr(step)[0].T for step in drawn], axis=1)


@pytest.fixture(scope="module")
def store(annotate, truth, tmp_path_factory) -> Store:
    """Samples and annotations as their stages would have written them: smile and gender correlate by .6, glasses are rare."""
    store = Store(tmp_path_factory.mktemp("planted"))
    store.prepare()
    sample, rng = annotate.sample, np.random.default_rng(2)
    scores = rng.standard_normal((N, 7))
    scores[:, 3] = 0.6 * scores[:, 0] + 0.8 * scores[:, 3]
    scores[:, 1] = np.where(np.arange(N) < 3, 1.0, -1.0) + 0.01 * scores[:, 1]
    noise = rng.standard_normal((N, T, truth.shape[2])) * rng.uniform(0.15, 0.25, truth.shape[2])
    h = np.einsum("na,atd->ntd", scores, truth) + noise

    schema = activations_schema(sample.h_shape)
    for part in range(sample.n_parts):
        ids = sample.sample_ids(part)
        rows = slice(ids.start, ids.stop)
        with store.part(sample, part) as out:
            with h_writer(out / "activations.parquet", schema) as writer:
                for step in range(T):
                    block = h[rows, step].reshape(len(ids), *sample.h_shape)
                    writer.write_table(activations_table(ids, step, 900 - step, as_tensor(block), schema))
            write_table(out / "samples.parquet", samples_table(ids, 0, np.zeros((len(ids), 8, 8, 3), np.uint8)))
        with store.part(annotate, part) as out:
            table = annotations_table(np.array(ids), annotate.annotators[0], scores[rows])
            write_table(out / "annotations.parquet", pa.concat_tables([table]))
    return store


def as_tensor(array: np.ndarray):
    import torch

    return torch.from_numpy(array.astype(np.float32))


@pytest.fixture(scope="module")
def find(store):
    """Directions (T, D) by attribute, and their rows."""

    def found(finder) -> tuple[dict[str, np.ndarray], dict[str, dict]]:
        run(plan([finder], store), store, InProcess, Silent())
        vectors, rows = store.vectors(finder), store.table(finder, "directions.parquet").to_pylist()
        assert all(row["name"] == f"{row['attribute']}/{finder.method}" for row in rows)
        by_attribute = {row["attribute"]: vectors[row["name"]].reshape(T, -1) for row in rows}
        return by_attribute, {row["attribute"]: row for row in rows}

    return found


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.vdot(a, b) / np.linalg.norm(a) / np.linalg.norm(b))


def finders(annotate: Annotate) -> dict:
    by = (annotate, "portraits", WANTED, TOP)
    return {
        "Eq. 11": MeanDifference(*by),
        "matched": MeanDifference(*by, matched=1),
        "ridge": LinearClassifier(*by),
        "logistic": LinearClassifier(*by, loss="logistic"),
        "joint ridge": LinearClassifier(*by, across="joint"),
        "joint logistic": LinearClassifier(*by, loss="logistic", across="joint"),
        "discriminant": LinearDiscriminant(*by),
        "adjusted": LinearDiscriminant(*by, shrinkage=1.0),
    }


@pytest.mark.parametrize(
    "name", ["Eq. 11", "matched", "ridge", "logistic", "joint ridge", "joint logistic", "discriminant", "adjusted"]
)
def test_planted_directions_come_back(annotate, truth, find, name):
    vectors, rows = find(finders(annotate)[name])
    smile, gender = truth[0], truth[3]
    assert cosine(vectors["smile"], smile) > (0.6 if "ridge" in name or "logistic" in name else 0.8)
    shared = cosine(vectors["smile"], gender)
    if name == "Eq. 11":
        assert shared > 0.35, "the labels' correlation is in the difference of means"
    else:
        assert abs(shared) < 0.25
    for row in rows.values():
        assert row["n"] == N and row["n_positive"] == row["n_negative"] == TOP
        assert 0.3 < row["split_half_cosine"] < 1
        assert 0.5 < row["expected_cosine_low"] < row["expected_cosine"] < row["expected_cosine_high"] < 1
        assert row["base_rate"] == pytest.approx(0.5, abs=0.1) and row["warnings"] == []


def test_every_method_has_the_norm_of_the_mean_difference(annotate, find):
    """At each step, or where one classifier is of all steps, over the trajectory."""
    expected, _ = find(finders(annotate)["Eq. 11"])
    for name in ("ridge", "discriminant"):
        vectors, _ = find(finders(annotate)[name])
        for attribute in WANTED:
            norms = np.linalg.norm(vectors[attribute], axis=1)
            np.testing.assert_allclose(norms, np.linalg.norm(expected[attribute], axis=1), rtol=1e-5)
    joint, _ = find(finders(annotate)["joint ridge"])
    assert np.linalg.norm(joint["smile"]) == pytest.approx(np.linalg.norm(expected["smile"]), rel=1e-5)


def test_classifiers_say_how_well_h_tells_the_attribute(annotate, find):
    for name in ("ridge", "logistic"):
        _, rows = find(finders(annotate)[name])
        row = rows["smile"]
        for figure in ("auc_extremes", "auc_all", "rank_correlation", "accuracy", "penalty"):
            assert len(row[f"{figure}_by_step"]) == T
        assert min(row["auc_extremes_by_step"]) > 0.95 and 0.6 < min(row["accuracy_by_step"]) < 1
        assert 0.8 < max(row["auc_all_by_step"]) < min(row["auc_extremes_by_step"]), "extremes are told more easily"
        assert 0.5 < row["told_by_chance"] < 0.75 and row["above_chance"] is True
        assert (min(row["r2_by_step"]) > 0.5) if name == "ridge" else row["r2_by_step"] is None


def test_labels_that_have_nothing_to_do_with_the_images_are_not_above_chance(annotate, truth, find, store, monkeypatch):
    """The scores of other samples, which are as many on either side."""
    scores = Annotate.scores
    monkeypatch.setattr(
        Annotate, "scores", lambda *of: scores(*of).set_axis(np.random.default_rng(5).permutation(N)).sort_index()
    )
    for i, loss in enumerate(("squared", "logistic")):
        _, rows = find(LinearClassifier(annotate, "portraits", WANTED, TOP - 1 - i, loss=loss))
        for row in rows.values():
            assert row["above_chance"] is False and abs(np.mean(row["auc_all_by_step"]) - 0.5) < 0.15
            assert row["expected_cosine"] < 0.6
    _, rows = find(MeanDifference(annotate, "portraits", WANTED, TOP - 1))
    for row in rows.values():
        assert row["above_chance"] is None and row["told_by_chance"] is None
        weak = row["expected_cosine"] < POOR
        assert weak == any("most of it is noise" in warning for warning in row["warnings"])


def test_sketches_that_keep_everything_lose_nothing(annotate, find):
    sketch = SketchActivations(annotate, "portraits", keep=N - 1, block=2 * N)
    by = (annotate, "portraits", WANTED, TOP)
    for loss in ("squared", "logistic"):
        exact, _ = find(LinearClassifier(*by, loss=loss))
        sketched, rows = find(LinearClassifier(sketch, "portraits", WANTED, TOP, loss=loss))
        assert cosine(exact["smile"], sketched["smile"]) > 0.999
        assert np.linalg.norm(sketched["smile"]) == pytest.approx(np.linalg.norm(exact["smile"]), rel=1e-3)
        assert rows["smile"]["auc_all_by_step"] and rows["smile"]["split_half_cosine"]
    for shrinkage in (0.9, 1.0):
        exact, _ = find(LinearDiscriminant(*by, shrinkage=shrinkage))
        sketched, _ = find(LinearDiscriminant(sketch, "portraits", WANTED, shrinkage=shrinkage))
        assert cosine(exact["gender"], sketched["gender"]) > 0.999


def test_directions_of_sketches_know_both_sides_and_the_halves(annotate, find, store):
    sketch = SketchActivations(annotate, "portraits", keep=16, block=64)
    scores = annotate.scores(store, "portraits")["smile"]
    _, rows = find(MeanDifference(sketch, "portraits", WANTED))
    row = rows["smile"]
    assert row["name"] == "smile/sketched-mean-difference"
    assert (row["n_positive"], row["n_negative"]) == ((scores > 0).sum(), (scores <= 0).sum())
    assert row["threshold_positive"] == row["threshold_negative"] == 0
    assert 0.5 < row["split_half_cosine"] < row["expected_cosine"] < 1
    assert row["expected_cosine_low"] < row["expected_cosine"] < row["expected_cosine_high"], "of 4 blocks, 3 pairs"


@pytest.mark.parametrize("kind", [MeanDifference, LinearClassifier, LinearDiscriminant])
def test_an_attribute_with_too_few_examples_is_refused_with_the_numbers(annotate, store, kind):
    finder = kind(annotate, "portraits", ("smile", "glasses"), TOP)
    with pytest.raises(UserError, match="glasses: 3 of 256 scored samples are above 0 and 253 are not.*at least 5"):
        finder.label(store)


def test_too_few_examples_in_sketches_are_refused_too(annotate, store):
    sketch = SketchActivations(annotate, "portraits", keep=16, block=64)
    run(plan([sketch], store), store, InProcess, Silent())
    with pytest.raises(UserError, match="glasses: 3 of 256 scored samples are above 0 and 253 are not.*at least 5"):
        LinearDiscriminant(sketch, "portraits", ("glasses",)).fit_step(0, store)


def test_what_cannot_be_fitted_is_refused_before_anything_runs(annotate):
    by = (annotate, "portraits", WANTED, TOP)
    many = Annotate(replace(annotate.sample, n=30_000), annotate.annotators)
    sketches = SketchActivations(annotate, "portraits")
    streamed = SketchedSample(annotate.sample.model, N, T, annotator=annotate.annotators[0])
    for finder, said in [
        (LinearClassifier(many, "portraits", WANTED, TOP), "exact up to 20000"),
        (LinearClassifier(*by, loss="hinge"), "expected one of logistic, squared"),
        (MeanDifference(*by, matched=7), "expected 0 to 6"),
        (LinearDiscriminant(*by, shrinkage=0.0), "expected more than 0"),
        (MeanDifference(sketches, "portraits", ("hats",)), "does not score 'hats'.\\nIt scores smile"),
        (MeanDifference(sketches, "portraits", WANTED, TOP), "sketches, which take all: expected 0"),
        (MeanDifference(sketches, "portraits", WANTED, matched=1), "need the stored activations"),
        (LinearClassifier(sketches, "portraits", WANTED, TOP, across="joint"), "joint without sketches"),
        (LinearClassifier(streamed, "portraits", WANTED, TOP), "not stored, only sketched"),
        (MeanDifference(sketches, "mtcnn", WANTED), "no annotator 'mtcnn'"),
        (MeanDifference(annotate.sample, "portraits", WANTED), "has no labels"),
    ]:
        with pytest.raises(UserError, match=said):
            finder.check()
    LinearClassifier(SketchActivations(many, "portraits"), "portraits", WANTED, TOP).check()


def test_others_are_held_fixed_where_enough_samples_have_them_together(annotate):
    """Each lacks other samples: without the one that lacks most, enough are left for what is wanted."""
    finder = MeanDifference(annotate, "portraits", WANTED, TOP)
    scores = pd.DataFrame(0.0, range(N), list(PortraitAnnotator.attributes))
    scores.loc[:59, "age"] = np.nan  # 196 of 256 have it
    scores.loc[166:, "skin"] = np.nan  # 166, of which 106 have both
    scores["yaw"] = np.nan
    assert finder._others(scores) == ["glasses", "age", "eyes_open"]
    assert replace(finder, n=99)._others(scores) == ["glasses", "eyes_open"], "positives and negatives come first"
    assert finder._others(scores.assign(smile=np.nan)) == []
