"""One flipped bit in any file of the store: whoever reads it says so, and what does not read it makes the same bytes."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.engine.records import written
from pipeline.engine.stage import Stage
from pipeline.engine.store import Store
from pipeline.engine.worker import Worker
from pipeline.errors import UserError
from tests.pipeline.stages.every import STAGES


@pytest.fixture(scope="module")
def worker() -> Worker:
    return Worker()


@contextmanager
def flipped(path: Path, at: int) -> Iterator[None]:
    """One bit of a byte, in this block."""
    whole = path.read_bytes()
    path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :])
    try:
        yield
    finally:
        path.write_bytes(whole)


def outcome(worker: Worker, reader: Stage, part: int, store: Store, out: Path) -> str:
    """What became of a part that was made of what lies in the store."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    try:
        reader.process(part, store, worker._load(reader), out)
    except UserError as error:
        return str(error)
    expected = store.record(reader, part)["files"]
    return "the same" if written(out) == expected else "other bytes"


def readers(wired: list[Stage], stage: Stage) -> Iterator[tuple[Stage, int]]:
    """Of each stage that reads part 0 of this one, the first part that does."""
    for reader in wired:
        for part in range(reader.n_parts):
            if any(needed == stage and 0 in parts for needed, parts in reader.needs(part)):
                yield reader, part
                break


@pytest.mark.parametrize("kind", STAGES)
def test_no_flipped_bit_reaches_what_is_made_of_it(kind, wired, made_of, worker, tmp_path):
    read = {stage: some for stage in wired if type(stage) is kind and (some := [*readers(wired, stage)])}
    if not read:
        pytest.skip("no stage of the sections reads it")
    store = made_of(*(reader for some in read.values() for reader, _ in some))
    for stage, some in read.items():
        folder = store.folder(stage)
        record = folder.with_name(f"{stage.part_name(0)}.json")
        refused = set()
        for path in (record, *sorted(folder.iterdir())):
            with flipped(path, path.stat().st_size // 2):
                for reader, part in some:
                    what = outcome(worker, reader, part, store, tmp_path / "out")
                    assert what == "the same" or f"Delete {record}" in what, f"{path}, {reader.name}: {what}"
                    if what != "the same":
                        refused.add(path.suffix)
        assert {".json"} < refused, "its record is read, and some other file"
