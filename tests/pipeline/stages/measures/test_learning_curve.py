"""The stage's curves are those of the very activations and noise that the samples have."""

import numpy as np
import pytest

from pipeline.errors import UserError
from pipeline.estimators.learning_curve import split_cosines
from pipeline.hspace.noise import NoiseStreams
from pipeline.stages.finders.mean_difference import MeanDifference
from pipeline.stages.measures.learning_curve import LearningCurve
from pipeline.stages.sources.activations import read_steps


@pytest.fixture(scope="module")
def stage(flow) -> LearningCurve:
    return flow.catalog.learning_curves[0]


@pytest.fixture(scope="module")
def table(stage, store):
    return store.table(stage, "learning_curve.parquet").to_pandas()


def test_every_attribute_in_both_spaces_by_n(table):
    assert set(table["attribute"]) == {"smile", "age", "yaw"} and set(table["space"]) == {"h", "x_T"}
    assert set(table["n"]) == {2}, "4 positives give two draws of 2"
    assert ((table["low"] <= table["cosine"]) & (table["cosine"] <= table["high"])).all()
    assert (table["pairs"] == 4).all()


def test_it_is_of_the_samples_own_h_and_noise(stage, store, table):
    labelled = stage.difference.label(store)
    source = stage.difference.source
    h = np.concatenate([h for _, h in read_steps(store, source)], axis=1).astype(np.float64)
    x_T = NoiseStreams(source.seed, range(source.n), (3, 16, 16)).x_T().flatten(1).numpy().astype(np.float64)
    selection = labelled.selections[1]
    rows = np.concatenate([selection.positives, selection.negatives])
    sign = np.repeat([1, -1], len(rows) // 2)
    for space, values in (("h", h), ("x_T", x_T)):
        own = values[rows]
        [expected] = split_cosines(own @ own.T, sign, (2,), 4)
        found = table[(table["attribute"] == "age") & (table["space"] == space)].iloc[0]
        assert found["cosine"] == pytest.approx(expected.mean(), abs=1e-4)


def test_too_few_positives_are_refused(flow):
    labels = flow.catalog.learning_curves[0].difference.labels
    with pytest.raises(UserError, match="of 4 or more"):
        LearningCurve(MeanDifference(labels, "portraits", ("smile",), 3)).check()
