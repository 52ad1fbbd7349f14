"""A part appears whole or not at all, whatever happens to the process that writes it, and is read as it was written or not."""

import errno
import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.engine.filesystem import Unusable
from pipeline.engine.holdings import holdings
from pipeline.engine.records import sealed
from pipeline.engine.roots import opened
from pipeline.engine.source_code import source_code
from pipeline.engine.store import Store
from pipeline.engine.worker import Made, Worker
from pipeline.errors import UserError
from pipeline.formats.arrays import write_vectors
from pipeline.formats.hashes import sha256
from pipeline.formats.pages import footer_of
from pipeline.formats.parquet import h_writer, write_table
from pipeline.formats.reading import local_file
from schemas.activations import activations_schema, step_table
from tests.pipeline.planted import Numbers

ROOT = Path(__file__).parents[3]
STAGE = Numbers(parts=3)


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "root")


def make(store: Store, part: int = 0, stage=STAGE) -> None:
    with store.part(stage, part, {"host": "here"}) as out:
        stage.process(part, store, None, out)


def write_h(path: Path, rows: int) -> None:
    schema = activations_schema((4, 16, 16))
    with h_writer(path, schema) as writer:
        for step in range(2):
            writer.write_table(step_table(range(rows), step, 999 - step, np.ones((rows, 4, 16, 16)), schema))


def scratch(store: Store) -> list[Path]:
    return list((store.root / ".scratch").iterdir())


def in_subprocess(code: str, store: Store, **options) -> subprocess.Popen:
    """Python code that finds `store` and STAGE, as another process."""
    start = f"from tests.pipeline.engine.test_store import *\nstore = Store(Path({str(store.root)!r}))\n"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", start + code], cwd=ROOT, **pipes, **options)


def flip_a_bit(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


# Whole or not at all


def test_a_part_is_there_when_its_block_has_ended_and_not_before(store):
    with store.part(STAGE, 0) as out:
        STAGE.process(0, store, None, out)
        assert not store.exists(STAGE, 0) and not (store.root / STAGE.folder).exists()
    assert store.missing(STAGE) == [1, 2]
    assert store.table(STAGE, "numbers.parquet", 0)["number"].to_pylist() == [0]
    assert scratch(store) == []


def test_an_exception_in_the_block_leaves_nothing(store):
    with pytest.raises(ZeroDivisionError), store.part(STAGE, 0) as out:
        STAGE.process(0, store, None, out)
        1 / 0  # noqa: B018
    assert store.missing(STAGE) == [0, 1, 2]
    assert not (store.root / STAGE.folder).exists()
    assert scratch(store) == []


def test_a_parquet_file_without_its_end_is_never_committed(store):
    with pytest.raises(pa.ArrowInvalid), store.part(STAGE, 0) as out:
        STAGE.process(0, store, None, out)
        os.truncate(out / "numbers.parquet", 20)
    assert not store.exists(STAGE, 0)


def test_a_writer_killed_in_the_middle_leaves_no_part_and_its_scratch_is_cleared_later(store):
    writer = in_subprocess(
        "with store.part(STAGE, 0) as out:\n"
        "    STAGE.process(0, store, None, out)\n"
        "    print('writing', flush=True)\n"
        "    sys.stdin.read()",
        store,
        stdin=subprocess.PIPE,
    )
    assert writer.stdout.readline() == "writing\n"

    store.prepare()
    assert len(scratch(store)) == 2, "a living process keeps its scratch, and the lock that says so"

    writer.send_signal(signal.SIGKILL)
    writer.communicate()
    assert store.missing(STAGE) == [0, 1, 2]
    store.prepare()
    assert scratch(store) == []


def test_a_folder_that_was_renamed_but_never_recorded_is_made_again(store):
    make(store)
    expected = store.record(STAGE, 0)["files"]
    record = store.root / STAGE.folder / "00000.json"
    folder = store.folder(STAGE, 0)
    for damage in (lambda folder: None, lambda folder: (folder / "numbers.parquet").write_bytes(b"half")):
        record.unlink()
        damage(folder)
        assert not store.exists(STAGE, 0)
        make(store)
        assert store.record(STAGE, 0)["files"] == expected
        assert store.verify(STAGE, 0) == []


def test_two_workers_may_make_the_same_part(store):
    with store.part(STAGE, 0) as first, store.part(STAGE, 0) as second:
        STAGE.process(0, store, None, first)
        STAGE.process(0, store, None, second)
    assert store.verify(STAGE, 0) == []
    assert [path.name for path in (store.root / STAGE.folder).iterdir()].count("00000.json") == 1
    assert scratch(store) == []


def test_a_finished_part_is_never_removed_by_a_rival_whose_bytes_differ(store):
    with store.part(STAGE, 0) as late:
        write_table(late / "numbers.parquet", pa.table({"number": [77]}))
        make(store)
        first = store.folder(STAGE, 0)
        before = (first / "numbers.parquet").read_bytes()
    assert store.folder(STAGE, 0) == first and (first / "numbers.parquet").read_bytes() == before
    assert store.verify(STAGE, 0) == []


def test_many_processes_that_commit_the_same_part_at_once_all_succeed(store):
    """Each renames onto what the others put there, or are about to record."""
    code = (
        "sys.stdin.readline()\n"
        "for part in range(40):\n"
        "    with store.part(STAGE, part) as out:\n"
        "        STAGE.process(part, store, None, out)\n"
        "    assert store.verify(STAGE, part) == [], part"
    )
    processes = [in_subprocess(code, store, stdin=subprocess.PIPE) for _ in range(3)]
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        _, complaints = process.communicate(timeout=120)
        assert process.returncode == 0, complaints
    assert all(store.verify(STAGE, part) == [] for part in range(40))


# Records and sums


def test_the_record_holds_the_sums_of_every_file_and_how_the_part_was_made(store):
    make(store, 1)
    path = store.folder(STAGE, 1) / "numbers.parquet"
    record = store.record(STAGE, 1)
    assert record["files"] == {"numbers.parquet": {"bytes": path.stat().st_size, "sha256": sha256(path)}}
    assert (record["stage"], record["part"], record["made"]) == ("numbers", 1, {"host": "here"})
    described = json.loads((store.root / STAGE.folder / "stage.json").read_text())
    assert described["settings"] == {"is": "tests.pipeline.planted:Numbers", "parts": 3, "start": 0}


def test_a_worker_records_with_what_a_part_was_made_also_where_there_is_no_git(store, monkeypatch):
    source_code.cache_clear()
    monkeypatch.setenv("PATH", "/nowhere")
    assert isinstance(Worker().make(STAGE, 0, store), Made)
    source_code.cache_clear()
    made = store.record(STAGE, 0)["made"]
    assert (made["pid"], made["torch"]) == (os.getpid(), importlib.metadata.version("torch"))
    assert made["commit"] is None and not made["modified"] and len(made["code_sha256"]) == 64


def test_verify_finds_a_flipped_bit_and_a_missing_file(store):
    make(store)
    path = store.folder(STAGE, 0) / "numbers.parquet"
    assert store.verify(STAGE, 0) == []
    flip_a_bit(path, at=30)
    assert store.verify(STAGE, 0) == [f"{path} has changed since it was written"]
    path.unlink()
    assert store.verify(STAGE, 0) == [f"{path} is missing"]
    make(store, 1)
    make(store, 2)
    with pytest.raises(UserError, match=f"{path} is missing.\nDelete .*00000.json and run the same command"):
        store.check(STAGE)


def write_every_kind(out: Path) -> None:
    write_table(out / "table.parquet", pa.table({"number": np.arange(50)}))
    write_vectors(out / "vectors.safetensors", {"a": np.arange(6.0), "b": np.ones(3)})
    (out / "page.html").write_text("<p>fifty</p>")
    write_h(out / "activations.parquet", rows=2)


def read_activations(store: Store, step: int = 1) -> np.ndarray:
    h = np.empty((2, 4 * 16 * 16), np.float16)
    with store.group(STAGE, "activations.parquet", 0, activations_schema((4, 16, 16)), step, h) as rows:
        assert rows["step"].to_pylist() == [step] * 2
    return h


READERS = {
    "table.parquet": lambda store: store.table(STAGE, "table.parquet", 0),
    "vectors.safetensors": lambda store: store.vectors(STAGE, "vectors.safetensors"),
    "page.html": lambda store: store.text(STAGE, "page.html"),
    "activations.parquet": read_activations,
}


@pytest.mark.parametrize("name", READERS)
def test_no_flipped_bit_of_any_file_is_read(store, name):
    """The part and how to have it made again are named. Of activations, the step that is read and the footer count."""
    with store.part(STAGE, 0) as out:
        write_every_kind(out)
    path = store.folder(STAGE, 0) / name
    READERS[name](store)
    whole = path.read_bytes()
    first = 0
    if name == "activations.parquet":
        first = pq.read_metadata(path).row_group(1).column(0).data_page_offset
    for at in range(first, len(whole), 1 + (len(whole) - first) // 300):
        flip_a_bit(path, at)
        with pytest.raises(
            UserError, match=f"{path} is missing or damaged .*\nDelete .*00000.json and run the same command"
        ):
            READERS[name](store)
        path.write_bytes(whole)
    path.write_bytes(whole[:-1])
    with pytest.raises(UserError, match="damaged"):
        READERS[name](store)
    path.unlink()
    with pytest.raises(UserError, match="is missing or damaged .*No such file"):
        READERS[name](store)


def test_activations_are_recorded_by_their_footer_and_verified_page_by_page(store):
    """They are not read again to be committed."""
    with store.part(STAGE, 0) as out:
        write_every_kind(out)
    path = store.folder(STAGE, 0) / "activations.parquet"
    with local_file(path) as file:
        footer = hashlib.sha256(footer_of(file)).hexdigest()
    assert store.record(STAGE, 0)["files"][path.name] == {
        "bytes": path.stat().st_size,
        "sha256": footer,
        "of": "footer",
    }
    assert store.verify(STAGE, 0) == [] and store.unchanged(STAGE, 0)
    flip_a_bit(path, at=path.stat().st_size // 2)
    assert store.verify(STAGE, 0) == [f"{path} has changed since it was written"] and not store.unchanged(STAGE, 0)
    with pytest.raises(UserError, match="damaged"):
        store.table(STAGE, path.name, 0)


def test_no_flipped_bit_of_a_record_is_read(store):
    """But for one that does not change what its JSON says: an escape, or a space for a tab."""
    make(store)
    path = store.root / STAGE.folder / "00000.json"
    whole, said = path.read_bytes(), json.loads(path.read_text())
    for at in range(len(whole)):
        flip_a_bit(path, at)
        try:
            store.table(STAGE, "numbers.parquet", 0)
            assert json.loads(path.read_text()) == said, at
        except UserError as error:
            assert str(error).startswith(f"{path} ")
        path.write_bytes(whole)


@pytest.mark.parametrize("text", ["[]", "3", "null", "{}", ""])
def test_what_is_no_record_is_refused(store, text):
    make(store)
    (store.root / STAGE.folder / "00000.json").write_text(text)
    with pytest.raises(UserError, match="00000.json "):
        store.record(STAGE, 0)
    assert not store.unchanged(STAGE, 0) and not store.exists(STAGE, 0)
    assert store.missing(STAGE) == [0, 1, 2] and "00000.json: " in store.unsound(STAGE)[0]
    make(store)
    assert store.verify(STAGE, 0) == [] and store.missing(STAGE) == [1, 2] and store.unsound(STAGE) == []


def test_what_does_not_count_as_a_part_is_made_again_and_said(store):
    for part in range(3):
        make(store, part)
    home = store.root / STAGE.folder
    shutil.copy(home / "00001.json", home / "00000.json")
    shutil.rmtree(store.folder(STAGE, 1))
    (store.folder(STAGE, 2) / "numbers.parquet").unlink()
    assert store.missing(STAGE) == [0, 1, 2] and not any(store.exists(STAGE, part) for part in range(3))
    [of_another, gone, empty] = store.unsound(STAGE)
    assert of_another == f"{home}/00000.json: it is the record of another part"
    assert gone.startswith(f"{home}/00001.json: its file 00001-") and gone.endswith("/numbers.parquet is gone")
    assert empty.startswith(f"{home}/00002.json: its file 00002-")
    for part in range(3):
        make(store, part)
    assert store.missing(STAGE) == [] == store.unsound(STAGE)
    assert store.table(STAGE, "numbers.parquet")["number"].to_pylist() == [0, 1, 2]


def test_repairing_finds_what_is_damaged_and_takes_it_out(store):
    for part in range(3):
        make(store, part)
    flip_a_bit(store.folder(STAGE, 1) / "numbers.parquet", at=30)
    assert store.missing(STAGE) == [], "what is damaged is not missing"
    repairing = Store(store.root, repairing=True)
    assert repairing.missing(STAGE) == [1] == store.missing(STAGE)
    assert [each.endswith("has changed since it was written") for each in repairing.unsound(STAGE)] == [True]
    make(store, 1)
    assert repairing.missing(STAGE) == [] and store.verify(STAGE, 1) == []


@pytest.mark.parametrize("where", ["../elsewhere", "00000/../../other", ""])
def test_a_record_that_names_a_folder_elsewhere_is_no_record(store, where):
    make(store)
    path = store.root / STAGE.folder / "00000.json"
    record = {**store.record(STAGE, 0), "folder": where}
    path.write_bytes(sealed(record))
    with pytest.raises(UserError, match="it names"):
        store.record(STAGE, 0)
    assert not store.exists(STAGE, 0)


@pytest.mark.parametrize(
    "said",
    [
        {"files": {"numbers.parquet": {"bytes": 1}}},
        {"files": {"numbers.parquet": {"bytes": "1", "sha256": "0" * 64}}},
        {"files": {"numbers.parquet": {"bytes": 1, "sha256": "/dev/zero"}}},
        {"files": {"numbers.parquet": 7}},
        {"files": {"num\0bers": {"bytes": 1, "sha256": "0" * 64}}},
        {"made": 3},
    ],
)
def test_a_sealed_record_that_says_nonsense_is_no_record(store, said):
    make(store)
    (store.root / STAGE.folder / "00000.json").write_bytes(sealed({**store.record(STAGE, 0), **said}))
    with pytest.raises(UserError, match="is missing or damaged .it "):
        store.record(STAGE, 0)
    assert store.missing(STAGE) == [0, 1, 2]
    [held] = holdings(opened(store.root))
    assert held.records == {} and held.time == "" and "no record of a part" in held.faults[0].why


def test_a_damaged_record_that_is_mended_is_read_by_who_saw_the_damage():
    store = Store(f"memory://{uuid.uuid4()}")
    make(store)
    name = f"{STAGE.folder}/00000.json"
    whole = store.left(name)
    store.leave(name, whole[:-20])
    with pytest.raises(UserError, match="missing or damaged"):
        store.table(STAGE, "numbers.parquet", 0)
    store.leave(name, whole)
    assert len(store.table(STAGE, "numbers.parquet", 0)) == 1


def test_a_record_without_a_seal_is_refused(store):
    make(store)
    path = store.root / STAGE.folder / "00000.json"
    record = json.loads(path.read_text())
    del record["sha256_of_this"]
    path.write_text(json.dumps(record))
    with pytest.raises(UserError, match="no SHA-256 of its own.*\nDelete .*00000.json"):
        store.table(STAGE, "numbers.parquet", 0)


def test_the_record_of_another_stage_is_no_record(store):
    make(store)
    other = Numbers(parts=3, start=5)
    make(store, stage=other)
    shutil.copy(store.root / other.folder / "00000.json", store.root / STAGE.folder / "00000.json")
    with pytest.raises(UserError, match="the record of another part"):
        store.table(STAGE, "numbers.parquet", 0)


def test_another_part_in_a_parts_place_is_not_read(store):
    make(store, 0)
    make(store, 1)
    home, was = store.root / STAGE.folder, store.folder(STAGE, 0)
    shutil.copy(home / "00001.json", home / "00000.json")
    shutil.copy(store.folder(STAGE, 1) / "numbers.parquet", was / "numbers.parquet")
    with pytest.raises(UserError, match="the record of another part"):
        store.table(STAGE, "numbers.parquet", 0)


def test_a_damaged_record_is_no_reason_to_fail_where_its_part_is_not_needed(store):
    make(store)
    flip_a_bit(store.root / STAGE.folder / "00000.json", at=40)
    assert not store.unchanged(STAGE, 0)


@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE, errno.EACCES])
def test_what_cannot_be_read_is_not_missing(store, monkeypatch, code):
    make(store)

    def failing(path: object) -> None:
        raise OSError(code, os.strerror(code), str(path))

    monkeypatch.setattr(os, "scandir", failing)
    with pytest.raises(Unusable, match=f"cannot be read or written .{os.strerror(code)}"):
        store.missing(STAGE)


@pytest.mark.parametrize(("code", "times"), [(errno.EIO, 2), (errno.ESTALE, 1), (errno.EIO, 3), (errno.ENOSPC, 1)])
def test_a_commit_that_fails_in_passing_is_tried_again_and_a_full_disk_is_not(store, monkeypatch, code, times):
    monkeypatch.setattr("pipeline.engine.store._PAUSE", 0.001)
    failures, rename = iter([code] * times), os.rename

    def rename_or_fail(*paths: object) -> None:
        if found := next(failures, None):
            raise OSError(found, os.strerror(found), str(paths[0]))
        rename(*paths)

    monkeypatch.setattr(os, "rename", rename_or_fail)
    if code == errno.ENOSPC or times == 3:
        with pytest.raises(Unusable, match=os.strerror(code)):
            make(store)
        assert store.missing(STAGE) == [0, 1, 2]
    else:
        make(store)
        assert store.verify(STAGE, 0) == []
    assert scratch(store) == []


def test_files_are_left_in_the_root_by_name(store):
    assert store.left("run_summary.json") is None
    store.leave("run_summary.json", b"one")
    store.leave("run_summary.json", b"two")
    assert store.left("run_summary.json") == b"two" and scratch(store) == []


def test_a_root_that_is_not_this_ones_is_told_by_its_mark(store, monkeypatch):
    store.prepare()
    with store.marked() as marked:
        marked.check_shared()
        elsewhere = Store(store.root.parent / "elsewhere", marked.mark)
        with pytest.raises(UserError, match="does not share the folder .*elsewhere: it finds no such folder"):
            elsewhere.check_shared()
        Store(elsewhere.root).prepare()
        with pytest.raises(UserError, match="it finds another folder of that name"), elsewhere.part(STAGE, 0):
            raise AssertionError("nothing is made where it would be lost")
        refused = Worker().make(STAGE, 0, elsewhere)
        assert refused.unusable and refused.user_error
    assert scratch(store) == []
    with pytest.raises(UserError, match="does not share"):
        marked.check_shared()


def test_a_file_that_the_record_does_not_list_is_not_read(store):
    make(store)
    shutil.copy(store.folder(STAGE, 0) / "numbers.parquet", store.folder(STAGE, 0) / "more.parquet")
    with pytest.raises(UserError, match="does not list it"):
        store.table(STAGE, "more.parquet", 0)
    assert not store.holds(STAGE, "more.parquet") and store.holds(STAGE, "numbers.parquet")


def test_a_damaged_part_is_made_again_as_the_error_says(store):
    make(store)
    flip_a_bit(store.folder(STAGE, 0) / "numbers.parquet", at=30)
    with pytest.raises(UserError) as told:
        store.table(STAGE, "numbers.parquet", 0)
    [record] = re.findall(r"Delete (\S+) and run", str(told.value))
    Path(record).unlink()
    make(store)
    assert store.table(STAGE, "numbers.parquet", 0)["number"].to_pylist() == [0]


def test_activations_are_whole_or_no_parquet_at_all(store):
    with store.part(STAGE, 0) as out:
        write_h(out / "activations.parquet", rows=3)
    with store.part(STAGE, 1) as out:
        write_h(out / "activations.parquet", rows=2)
    tables = [store.table(STAGE, "activations.parquet", part) for part in (0, 1)]
    assert pa.concat_tables(tables)["step"].to_pylist() == [0] * 3 + [1] * 3 + [0] * 2 + [1] * 2

    path, schema = store.root / "interrupted.parquet", activations_schema((1,))
    with pytest.raises(ZeroDivisionError), h_writer(path, schema) as writer:
        writer.write_table(step_table([0], 0, 999, np.ones((1, 1)), schema))
        1 / 0  # noqa: B018
    with pytest.raises(pa.ArrowInvalid):
        pq.read_metadata(path)


def test_vectors_come_back_as_float32(store):
    vectors = {"a": np.arange(6.0).reshape(2, 3), "b": np.ones((1, 2, 2), np.float16).transpose(2, 1, 0)}
    with store.part(STAGE, 0) as out:
        write_vectors(out / "directions.safetensors", vectors)
    read = store.vectors(STAGE)
    assert {name: vector.dtype for name, vector in read.items()} == {"a": np.float32, "b": np.float32}
    np.testing.assert_array_equal(read["a"], vectors["a"])


# Where nothing can be written


def test_a_root_that_is_a_file_or_below_one_is_refused_and_stays_as_it_was(tmp_path):
    file = tmp_path / "file"
    file.write_text("mine")
    for root in (file, file / "below"):
        store = Store(root)
        assert store.missing(STAGE) == [0, 1, 2] and store.free_bytes() > 0
        with pytest.raises(UserError, match=f"Cannot write to {root} .*\nGive another folder with `root`"):
            store.prepare()
    assert file.read_text() == "mine" and [*tmp_path.iterdir()] == [file]


def test_a_root_that_may_not_be_written_or_not_even_read_is_refused():
    """As another user where the tests run as root, to whom everything is permitted."""
    code = (
        "if os.getuid() == 0:\n"
        "    os.setuid(65534)\n"
        "try:\n"
        "    print(store.missing(STAGE), store.free_bytes() > 0)\n"
        "    store.prepare()\n"
        "except UserError as error:\n"
        "    print(error)"
    )
    with tempfile.TemporaryDirectory() as name:  # other users may not even look into tmp_path
        locked = Path(name)
        for mode in (0o555, 0o000):
            locked.chmod(mode)
            output, complaints = in_subprocess(code, Store(locked / "root")).communicate(timeout=60)
            said = "[0, 1, 2] True\nCannot write to ROOT (Permission denied)"
            if mode == 0o000:  # what may not be read is not missing
                said = "ROOT/numbers-"
            assert output.startswith(said.replace("ROOT", str(locked / "root"))), complaints
            assert "(Permission denied)" in output
        locked.chmod(0o755)
        assert [*locked.iterdir()] == []


@pytest.mark.parametrize("kind", ["parquet", "safetensors", "activations"])
def test_a_disk_that_is_full_leaves_no_part_and_says_so(store, kind):
    """A limit on the size of files stands in for the disk: the same errors, from the same calls."""
    writes = {
        "parquet": "write_table(out / 'a.parquet', pa.table({'a': np.random.default_rng(0).random(100_000)}))",
        "safetensors": "write_vectors(out / 'a.safetensors', {'a': np.ones((100, 1000))})",
        "activations": "write_h(out / 'a.parquet', rows=600)",
    }
    code = (
        "make(store, 1)\n"
        "import resource\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "class Large(Numbers):\n"
        "    def process(self, part, store, loaded, out):\n"
        f"        {writes[kind]}\n"
        "failure = Worker().make(Large(2), 0, store)\n"
        "print(failure.user_error, failure.message)"
    )
    output, complaints = in_subprocess(code, store).communicate(timeout=60)
    assert output.startswith(f"True Could not write on in {store.root}: File too large.\nMake room"), (
        complaints + output
    )
    assert scratch(store) == []
    assert [path.name for path in store.root.iterdir() if path.name.startswith("large")] == []
    assert store.verify(STAGE, 1) == []


def test_free_bytes_are_those_of_the_disk_that_will_hold_the_root(tmp_path):
    assert Store(tmp_path / "not" / "yet" / "there").free_bytes() == pytest.approx(
        shutil.disk_usage(tmp_path).free, rel=0.05
    )
    assert [*tmp_path.iterdir()] == []
