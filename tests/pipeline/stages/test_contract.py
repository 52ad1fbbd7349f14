"""One contract for every stage: same part, same bytes; inputs are only read; each is made of what it reads and nothing else."""

from dataclasses import replace
from importlib.metadata import version

import pytest

from pipeline.engine.plan import plan
from pipeline.engine.stage import Resources, Stage, in_order
from pipeline.engine.store import Store
from pipeline.errors import UserError
from pipeline.in_use import sharing
from pipeline.models.pretrained import LoadedModel
from pipeline.stages import reading
from pipeline.stages.finders.finder import read_directions
from pipeline.stages.publish import Catalog
from tests.pipeline.making import made
from tests.pipeline.stages.every import STAGES
from tests.pipeline.stages.lies import NOBODYS, TOLD, lies, lying

SHAPES = {  # of directions of three steps, by capture point
    "mid_block": (3, 16, 8, 8),
    "up_blocks.0": (3, 16, 16, 16),
    "mid_block+up_blocks.0": (3, 16 * 8 * 8 + 16 * 16 * 16),
}
FINDERS = [kind for kind in STAGES if ".finders." in kind.__module__ and hasattr(kind, "names")]


@pytest.fixture
def stages(request, wired) -> list[Stage]:
    """Those of a kind."""
    return [each for each in wired if type(each) is request.param]


@pytest.fixture(scope="session")
def elsewhere(tmp_path_factory):
    """Makes stages in another store, which is shared like the first."""
    root = tmp_path_factory.mktemp("elsewhere")
    return lambda *goals: made(root, *goals)


def sums(store: Store, stage: Stage) -> list[dict[str, str]]:
    """SHA-256 of every file of every part."""
    files = [store.record(stage, part)["files"] for part in range(stage.n_parts)]
    return [{name: file["sha256"] for name, file in of_part.items()} for of_part in files]


def test_only_what_takes_the_time_makes_other_bytes_each_time():
    assert [kind.__name__ for kind in STAGES if not kind.repeatable] == ["Dtypes"]


def test_every_stage_is_covered(wired):
    assert {type(stage) for stage in wired} == set(STAGES), "add one to a section of conftest.py"


@pytest.mark.parametrize("stages", STAGES, indirect=True)
def test_a_stage_keeps_its_promises(stages, made_of, elsewhere):
    store, other = made_of(*stages), elsewhere(*stages)
    for stage in stages:
        assert not store.missing(stage)
        assert not stage.repeatable or sums(store, stage) == sums(other, stage), "same settings, same bytes"
        before = in_order(stage.inputs)
        for part in range(stage.n_parts):
            assert not store.verify(stage, part)
            assert all(needed in before for needed, _ in stage.needs(part))
            record = store.record(stage, part)
            folder = store.folder(stage, part)
            written = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
            assert set(record["files"]) == written
            assert record["made"]["torch"] == version("torch")


@pytest.mark.parametrize("stages", STAGES, indirect=True)
def test_who_loads_the_model_wants_a_gpu_and_nobody_else(stages):
    for stage in stages:
        loaded = stage.setup()
        models = [
            each for each in (loaded if isinstance(loaded, tuple) else (loaded,)) if isinstance(each, LoadedModel)
        ]
        assert stage.resources.gpus == len(models), stage.name


@pytest.mark.parametrize("stages", STAGES, indirect=True)
def test_what_one_stage_has_loaded_no_other_loads_again(stages, wired, monkeypatch):
    def again(*args, **settings):
        raise AssertionError("the weights are read again")

    with sharing():
        held = [each.setup() for each in wired]
        monkeypatch.setattr("pipeline.models.checkpoint.load", again)
        assert held and [stage.setup() for stage in stages]


def test_a_fit_takes_the_memory_of_its_samples_and_of_their_gram_matrix(finders):
    labels = finders.discriminant.labels
    many = replace(finders.discriminant, labels=replace(labels, sample=replace(labels.sample, n=20_000)))
    h, gram = 2 * 20_000 * 16 * 8 * 8, 8 * 20_000**2
    assert h + 5 * gram < many.step_resources().memory == many.steps.resources.memory < h + 6 * gram
    assert many.labels.resources == Resources()
    for few in (many.resources, finders.streamed.steps.resources):
        assert 0 < few.memory < 3e8, "what does not grow with the samples"


@pytest.mark.parametrize("stages", FINDERS, indirect=True)
def test_a_finder_makes_the_directions_that_it_names(stages, made_of):
    for finder in stages:
        store = made_of(finder)
        vectors = store.vectors(finder)
        assert tuple(store.table(finder, "directions.parquet")["name"].to_pylist()) == finder.names
        assert set(vectors) == set(finder.names)
        points = store.table(finder, "directions.parquet")["capture"].to_pylist()
        assert {v.shape for v in vectors.values()} == {SHAPES[point] for point in points}


@pytest.mark.parametrize("stages", [kind for kind in STAGES if kind is not Catalog], indirect=True)
def test_rows_that_are_not_of_the_part_are_told_where_they_are_read(stages, made_of, tmp_path):
    for stage in stages:
        truth = made_of(stage)
        for i, (file, lie, content) in enumerate(lies(stage, truth)):
            if (stage.name, file) in NOBODYS:
                continue
            store = lying(tmp_path / f"{stage.fingerprint}-{i}", stage, file, content, truth)
            with pytest.raises(UserError, match=f"{file} is whole, and {TOLD}"):
                if file.startswith("directions."):
                    read_directions(store, (stage,))
                else:
                    (reading.arrays if file.endswith(".safetensors") else reading.table)(store, stage, file, 0)
                pytest.fail(f"{stage.name}: {lie} of {file} is not told")


def test_a_second_run_finds_nothing_to_do(flow, store):
    assert not [each for each in plan([flow], store) if each.todo]


def test_every_edit_of_a_held_out_sample_has_its_unedited_counterpart(sources, measured, made_of):
    edit = measured.evaluation.edit
    store = made_of(edit)
    edits = store.table(edit, "edits.parquet").to_pandas()
    counterparts = set(edits[edits["direction"] == "unedited"]["sample_id"])
    fitted = set(store.table(sources.sample, "samples.parquet")["sample_id"].to_pylist())
    assert set(edits["sample_id"]) == counterparts and len(counterparts) == 4
    assert not counterparts & fitted
