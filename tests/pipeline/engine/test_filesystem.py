"""What every filesystem promises: the store believes nothing else."""

import hashlib
import pickle
import uuid

import pytest

from pipeline.engine.filesystem import Filesystem, NotShared
from pipeline.engine.records import all_as_recorded, written
from pipeline.engine.roots import opened
from pipeline.engine.store import Store
from pipeline.errors import UserError
from tests.pipeline.planted import Numbers, Squares

STAGE = Numbers(parts=3)


@pytest.fixture(params=["disk", "memory"])
def root(request, tmp_path) -> str:
    return str(tmp_path / "root") if request.param == "disk" else f"memory://{uuid.uuid4()}"


@pytest.fixture
def files(root) -> Filesystem:
    return opened(root)


def test_a_file_is_written_in_the_place_of_another_and_a_new_one_only_once(files):
    with files.staging() as staging:
        files.write("a/b", b"one", staging)
        files.write("a/b", b"two", staging)
        assert files.read("a/b") == b"two"
        assert not files.write_new("a/b", b"three", staging) and files.read("a/b") == b"two"
        assert files.write_new("a/c", b"three", staging) and files.read("a/c") == b"three"


def test_what_is_not_there_is_not_there(files):
    for name in ("a", "a/b", "a/b/c"):
        with pytest.raises(FileNotFoundError):
            files.read(name)
        files.remove(name)
    assert files.listing("a") == {} and files.folders() == []
    with pytest.raises(FileNotFoundError), files.open("a"):
        pass


def test_a_listing_has_all_that_is_below_with_sizes_and_tells_what_has_changed(files):
    with files.staging() as staging:
        for name, content in (("a/x", b"1"), ("a/b/y", b"22"), ("ab/z", b"333"), (".marks/m", b"")):
            files.write(name, content, staging)
        before = files.listing("a")
        assert {name: entry.bytes for name, entry in before.items()} == {"x": 1, "b/y": 2}
        assert files.folders() == ["a", "ab"]
        files.write("a/x", b"9", staging)
    after = files.listing("a")
    assert after["x"] != before["x"] and after["b/y"] == before["b/y"]


def test_a_file_is_read_by_ranges_and_never_beyond_its_end(files):
    content = bytes(range(256)) * 40_000  # several ranges of a bucket, several pieces of a disk
    with files.staging() as staging:
        files.write("a", content, staging)
    with files.open("a") as file:
        assert file.size == len(content)
        assert file.read(3, 10) == content[3:10] and file.read(0, 0) == b""
        filled = bytearray(len(content) - 5)
        pieces = [bytes(piece) for piece in file.fill(5, memoryview(filled))]
        assert b"".join(pieces) == bytes(filled) == content[5:] and len(pieces) > 1
        with pytest.raises(OSError, match="ends too early"):
            file.read(len(content) - 2, len(content) + 2)


def test_a_part_is_published_whole_in_the_place_of_what_is_damaged(files, tmp_path):
    for damage in (None, b"half"):
        with files.staging() as staging:
            out = staging / "part"
            (out / "below").mkdir(parents=True)
            (out / "x").write_bytes(b"one")
            (out / "below" / "y").write_bytes(b"two")
            recorded = written(out)
            assert all_as_recorded(out, recorded)
            if damage:
                files.write("stage/00000-a/x", damage, staging)
            files.publish(out, "stage/00000-a", recorded)
        assert files.read("stage/00000-a/x") == b"one" and files.read("stage/00000-a/below/y") == b"two"
    files.remove("stage/00000-a")
    assert files.listing("stage") == {}


def test_a_mark_is_seen_while_it_lasts_and_only_in_its_root(files, root):
    files.prepare()
    with files.marked() as mark:
        files.check_shared(mark)
        assert files.folders() == []
        elsewhere = opened(f"{root}-elsewhere")
        with pytest.raises(NotShared):
            elsewhere.check_shared("of-nobody")
    with pytest.raises(NotShared):
        files.check_shared("gone")


def test_content_is_cached_by_its_hash_at_most(files):
    content, other = uuid.uuid4().bytes, b"other"
    sha256 = hashlib.sha256(content).hexdigest()
    assert files.cached(sha256, lambda: other) == other, "what it gives is not believed: the caller looks"
    assert files.cached(sha256, lambda: content) == content


def test_a_store_makes_and_reads_parts_on_each(root):
    store, squares = Store(root), Squares(STAGE)
    store.prepare()
    assert pickle.loads(pickle.dumps(store)) == store
    assert store.missing(STAGE) == [0, 1, 2]
    for stage in (STAGE, squares):
        for part in range(3):
            with store.part(stage, part, {"host": "here"}) as out:
                stage.process(part, store, None, out)
    assert store.missing(squares) == [] == store.unsound(squares)
    assert store.table(squares, "numbers.parquet")["number"].to_pylist() == [0, 1, 4]
    assert store.finished(STAGE) == ["00000", "00001", "00002"] and store.verify(STAGE, 2) == []
    assert store.location(STAGE, 1).startswith(f"{root}/{STAGE.folder}/00001-")
    store.leave("summary.json", b"{}")
    assert store.left("summary.json") == b"{}" and store.left("nothing") is None


def test_damage_is_found_on_each_and_repaired(root):
    store = Store(root)
    for part in range(3):
        with store.part(STAGE, part) as out:
            STAGE.process(part, store, None, out)
    files, at = opened(root), store.location(STAGE, 1).removeprefix(f"{root}/")
    content = bytearray(files.read(f"{at}/numbers.parquet"))
    content[30] ^= 1
    with files.staging() as staging:
        files.write(f"{at}/numbers.parquet", bytes(content), staging)
    with pytest.raises(UserError, match="has changed since it was written|checksum"):
        store.check(STAGE)
    assert store.missing(STAGE) == []
    assert Store(root, repairing=True).missing(STAGE) == [1] == store.missing(STAGE)
    with store.part(STAGE, 1) as out:
        STAGE.process(1, store, None, out)
    store.check(STAGE)
