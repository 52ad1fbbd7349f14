"""One contract for every stage, on a small but whole flow: same part, same bytes; inputs are only read; a stage is listed here."""

from dataclasses import replace

import pytest

from pipeline.engine.plan import plan
from pipeline.engine.stage import Resources, Stage, in_order
from pipeline.engine.store import Store
from pipeline.models.pretrained import LoadedModel
from pipeline.stages.finders.by_step import ByStep, Steps
from pipeline.stages.finders.disentangle import Disentangle
from pipeline.stages.finders.disentangle_by_effects import DisentangleByEffects, Searches
from pipeline.stages.finders.jacobian_directions import JacobianDirections
from pipeline.stages.finders.jacobian_subspaces import JacobianSubspaces
from pipeline.stages.finders.linear_classifier import LinearClassifier
from pipeline.stages.finders.linear_discriminant import LinearDiscriminant
from pipeline.stages.finders.mean_difference import MeanDifference
from pipeline.stages.finders.principal_components import PrincipalComponents
from pipeline.stages.finders.random_directions import RandomDirections
from pipeline.stages.finders.supervised import Supervised
from pipeline.stages.labels.annotate import Annotate
from pipeline.stages.labels.by_part import ByPart
from pipeline.stages.labels.embed import Embed
from pipeline.stages.measures.edit import Edit, EditOrigins
from pipeline.stages.measures.edit_calibrated import EditCalibrated
from pipeline.stages.measures.evaluate import Evaluate
from pipeline.stages.measures.learning_curve import LearningCurve
from pipeline.stages.measures.locality import Locality
from pipeline.stages.measures.profiles import Profiles
from pipeline.stages.measures.score_edits import ScoreEdits
from pipeline.stages.measures.transfer import Transfer
from pipeline.stages.publish import Catalog
from pipeline.stages.report import Report
from pipeline.stages.sources.invert import Invert
from pipeline.stages.sources.sample import Sample
from pipeline.stages.sources.sketches import SketchActivations, Sketched, SketchedSample
from pipeline.stages.sources.source import Source

STAGES = [
    Sample,
    Invert,
    SketchedSample,
    Annotate,
    SketchActivations,
    Steps,
    PrincipalComponents,
    MeanDifference,
    LinearDiscriminant,
    LinearClassifier,
    JacobianSubspaces,
    JacobianDirections,
    RandomDirections,
    Disentangle,
    Searches,
    DisentangleByEffects,
    LearningCurve,
    Edit,
    EditOrigins,
    EditCalibrated,
    Embed,
    ScoreEdits,
    Evaluate,
    Profiles,
    Transfer,
    Locality,
    Catalog,
    Report,
]


def sums(store: Store, flow: Report) -> dict[tuple[str, int], dict[str, str]]:
    """SHA-256 of every file of every part."""
    return {
        (stage.folder, part): {name: file["sha256"] for name, file in store.record(stage, part)["files"].items()}
        for stage in in_order((flow,))
        for part in range(stage.n_parts)
    }


def below(kind: type) -> set[type]:
    """This class and all derived from it."""
    return {kind, *(each for derived in kind.__subclasses__() for each in below(derived))}


def test_every_stage_is_covered(flow):
    known = {kind for kind in below(Stage) if kind.__module__.startswith("pipeline.stages")} - {
        Source,
        ByStep,
        Supervised,
        ByPart,
        Sketched,
    }
    assert known == set(STAGES) == {type(stage) for stage in in_order((flow,))}


def test_same_settings_make_the_same_bytes(make, flow, store, tmp_path):
    again = make(flow, tmp_path)
    assert sums(again, flow) == sums(store, flow)


@pytest.mark.parametrize("kind", STAGES)
def test_a_stage_keeps_its_promises(kind, flow, store):
    for stage in (each for each in in_order((flow,)) if type(each) is kind):
        assert stage.fingerprint == stage.fingerprint and hash(stage) is not None
        assert not store.missing(stage)
        before = in_order(stage.inputs)
        for part in range(stage.n_parts):
            assert not store.verify(stage, part)
            assert all(needed in before for needed, _ in stage.needs(part))
            record = store.record(stage, part)
            assert record["files"] and record["made"]["seconds"] >= 0 and record["made"]["torch"]


def test_who_loads_the_model_wants_a_gpu_and_nobody_else(flow):
    for stage in in_order((flow,)):
        loaded = stage.setup()
        models = [
            each for each in (loaded if isinstance(loaded, tuple) else (loaded,)) if isinstance(each, LoadedModel)
        ]
        assert stage.resources.gpus == len(models), stage.name


def test_a_fit_takes_the_memory_of_its_samples_and_of_their_gram_matrix(flow):
    exact = [each for each in in_order((flow,)) if isinstance(each, LinearDiscriminant) and type(each.source) is Sample]
    for finder in exact:
        many = replace(finder, annotate=replace(finder.annotate, sample=replace(finder.source, n=20_000)))
        h, gram = 2 * 20_000 * 16 * 8 * 8, 8 * 20_000**2
        assert h + 5 * gram < many.step_resources().memory == Steps(many).resources.memory < h + 6 * gram
        assert many.resources == many.annotate.resources == Resources()
    assert exact


def test_a_second_run_finds_nothing_to_do(flow, store):
    assert not [each for each in plan([flow], store) if each.todo]


def test_a_finder_makes_the_directions_that_it_names(flow, store):
    for finder in flow.catalog.finders:
        table = store.table(finder, "directions.parquet")
        vectors = store.vectors(finder)
        assert tuple(table["name"].to_pylist()) == finder.names
        assert set(vectors) == set(finder.names)
        assert {vector.shape for vector in vectors.values()} == {(3, 16, 8, 8)}


def test_every_edit_of_a_held_out_sample_has_its_unedited_counterpart(flow, store):
    [evaluation] = flow.catalog.evaluations
    edits = store.table(evaluation.edit, "edits.parquet").to_pandas()
    counterparts = set(edits[edits["direction"] == "unedited"]["sample_id"])
    fitted = set(store.table(flow.catalog.sample, "samples.parquet")["sample_id"].to_pylist())
    assert set(edits["sample_id"]) == counterparts and len(counterparts) == 4
    assert not counterparts & fitted
