"""Parts that are whole and not what they must be: fewer rows, rows twice, another part's. Whoever reads one names its file."""

import re
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.engine.records import written
from pipeline.engine.stage import Stage
from pipeline.engine.store import Store
from pipeline.engine.worker import Worker
from pipeline.errors import UserError
from pipeline.stages import reading
from pipeline.stages.publish import Catalog
from pipeline.stages.reading import columns, unlike, unlike_in_any_order
from tests.pipeline.stages.every import STAGES
from tests.pipeline.stages.lies import TOLD, lies, planted, readers

KINDS = [kind for kind in STAGES if kind is not Catalog]  # which is read as a folder


@pytest.fixture(scope="module")
def worker() -> Worker:
    return Worker()


def outcome(worker: Worker, reader: Stage, part: int, store: Store, out: Path) -> str | dict[str, object]:
    """What a reader said, or made."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    try:
        reader.process(part, store, worker._load(reader), out)
    except UserError as error:
        return str(error)
    return written(out)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_whoever_reads_a_part_that_is_not_what_it_must_be_is_named(kind, wired, made_of, worker, tmp_path):
    read = {stage: some for stage in wired if type(stage) is kind and (some := [*readers(wired, stage)])}
    if not read:
        pytest.skip("no stage of the sections reads it")
    truth = made_of(*(reader for some in read.values() for reader, _ in some))
    for stage, some in read.items():
        for i, (file, lie, content) in enumerate(lies(stage, truth)):
            for j, (reader, part) in enumerate(some):
                store = planted(tmp_path / f"{stage.fingerprint}-{i}-{j}", reader, part, (stage, file, content), truth)
                found = outcome(worker, reader, part, store, tmp_path / "out")
                told = isinstance(found, str) and file in found and TOLD in found
                same = found == truth.record(reader, part)["files"]
                assert told or same, f"{file}, {lie}, read by {reader.name}: {found}"
                shutil.rmtree(store.root)


def test_what_differs_is_said_by_its_keys():
    read = pa.table({"sample_id": [0, 1, 1], "attribute": ["a", "b", "b"], "score": [0.0, 1.0, 2.0]})
    assert unlike(read, sample_id=range(3)) == "row 2 is of sample_id 1, where sample_id 2 is expected"
    assert unlike(read, sample_id=[0, 1, 1], attribute=["a", "b", "b"]) is None
    assert "3 rows of 4; without sample_id 3" in unlike(read, sample_id=[0, 1, 1, 3])
    assert "one too many is sample_id 1" in unlike(read, sample_id=[0, 1])
    assert unlike(read.select(["score"]), sample_id=[7]) is None, "of what is not read nothing is said"
    assert unlike({"step": np.array(2)}, step=[3]) == "row 0 is of step 2, where step 3 is expected"


def test_rows_in_any_order_are_those_that_are_expected_or_not():
    read = pa.table({"direction": ["b", "a"], "judge": ["j", "j"]})
    assert unlike_in_any_order(read, **columns([("a", "j"), ("b", "j")], "direction", "judge")) is None
    said = unlike_in_any_order(read, **columns([("a", "j"), ("c", "j")], "direction", "judge"))
    assert "without direction c, judge j" in said and "one too many is direction b, judge j" in said


def test_no_other_code_reads_tables_or_arrays():
    root = Path(reading.__file__).parents[1]
    here = {"stages/reading.py", "stages/finders/finder.py"}
    for path in sorted(each for folder in ("stages", "recipes") for each in (root / folder).rglob("*.py")):
        reads = re.findall(r"store\.(?:table|vectors)\(", path.read_text())
        assert not reads or path.relative_to(root).as_posix() in here, path
