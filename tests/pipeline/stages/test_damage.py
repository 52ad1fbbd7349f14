"""One flipped bit in any file of the store: whoever reads it says so, and what does not read it makes the same bytes."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.engine.records import sums
from pipeline.engine.stage import Stage, in_order
from pipeline.engine.store import Store
from pipeline.engine.worker import Worker
from pipeline.errors import UserError


@pytest.fixture(scope="module")
def damaged(store, tmp_path_factory) -> Store:
    """A copy, to be damaged and mended."""
    return Store(Path(shutil.copytree(store.root, tmp_path_factory.mktemp("damaged") / "root")))


@contextmanager
def flipped(path: Path, at: int) -> Iterator[None]:
    """One bit of a byte, in this block."""
    whole = path.read_bytes()
    path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :])
    yield
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
    return "the same" if sums(out) == expected else "other bytes"


def readers(flow: Stage, stage: Stage) -> Iterator[tuple[Stage, int]]:
    """Of each stage that reads part 0 of this one, the first part that does."""
    for reader in in_order((flow,)):
        for part in range(reader.n_parts):
            if any(needed == stage and 0 in parts for needed, parts in reader.needs(part)):
                yield reader, part
                break


def test_no_flipped_bit_reaches_a_catalog(flow, damaged, tmp_path):
    worker, refused = Worker(), set()
    for stage in in_order((flow,))[:-1]:
        folder = damaged.folder(stage)
        record = folder.with_name(f"{folder.name}.json")
        for path in (*sorted(folder.iterdir()), record):
            with flipped(path, path.stat().st_size // 2):
                for reader, part in readers(flow, stage):
                    what = outcome(worker, reader, part, damaged, tmp_path / "out")
                    assert what == "the same" or f"Delete {record}" in what, f"{path}, {reader.name}: {what}"
                    if what != "the same":
                        refused.add((stage.name, path.name))
    kinds = {name.rpartition(".")[2] for _, name in refused}
    assert kinds == {"parquet", "safetensors", "json"} and len(refused) > 40
    assert refused >= {
        ("sample", "activations.parquet"),
        ("mean-difference", "directions.safetensors"),
        ("edit", "edits.parquet"),
    }
