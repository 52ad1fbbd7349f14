"""Parts in an object store: whole or not at all, the record last and once, ranges and no more, and no request that must succeed."""

import errno
import json
import random
import socket
import threading
import time
import uuid
from datetime import timedelta

import numpy as np
import pytest

from benchmarks._proxy import KINDS, Proxy, faulty
from benchmarks._servers import BUCKET, Server
from pipeline.engine import bucket
from pipeline.engine.filesystem import Unusable
from pipeline.engine.inventory import forget
from pipeline.engine.store import Store
from pipeline.errors import UserError
from pipeline.formats.parquet import h_writer
from schemas.activations import activations_schema, step_table
from tests.pipeline.planted import Numbers

STAGE = Numbers(parts=3)
SHAPE = (64, 8, 8)
STEPS = 6


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch, tmp_path):
    """Between tries; and every test has a cache of its own."""
    monkeypatch.setattr(bucket, "_PAUSE", 0.01)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


@pytest.fixture
def store(s3_root) -> Store:
    return Store(s3_root)


@pytest.fixture
def proxy(s3_server, monkeypatch):
    with faulty(s3_server, {}, seed=1, delay=0.02) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.server.endpoint)
        yield proxy


def make(store: Store, part: int = 0) -> None:
    with store.part(STAGE, part, {"host": "here"}) as out:
        STAGE.process(part, store, None, out)


def lying(server: Server, store: Store) -> dict[str, bytes]:
    """Every object below a root, by other means than the store's."""
    folder, client = str(store.root).removeprefix(f"s3://{BUCKET}/"), server.client()
    listed = client.list_objects_v2(Bucket=BUCKET, Prefix=f"{folder}/").get("Contents", [])
    return {
        each["Key"].removeprefix(f"{folder}/"): client.get_object(Bucket=BUCKET, Key=each["Key"])["Body"].read()
        for each in listed
    }


# Whole or not at all


def test_a_part_is_there_when_its_block_has_ended_and_its_files_are_where_its_record_says(store, s3_server):
    with store.part(STAGE, 1) as out:
        STAGE.process(1, store, None, out)
        assert lying(s3_server, store) == {} and store.missing(STAGE) == [0, 1, 2]
    assert store.missing(STAGE) == [0, 2]
    there = lying(s3_server, store)
    record = json.loads(there[f"{STAGE.folder}/00001.json"])
    for name, expected in record["files"].items():
        assert len(there[f"{STAGE.folder}/{record['folder']}/{name}"]) == expected["bytes"]


def test_an_exception_in_the_block_leaves_nothing_there_or_in_scratch(store, s3_server, tmp_path):
    with pytest.raises(ZeroDivisionError), store.part(STAGE, 0) as out:
        (out / "file").write_text("half")
        1 / 0  # noqa: B018
    assert lying(s3_server, store) == {} and store.missing(STAGE) == [0, 1, 2]
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.parent.name != "scratch"]


def test_the_record_is_put_last_and_once_and_only_where_there_is_none(store, proxy):
    make(store, 2)
    puts = [each.rpartition("/")[2] for each in proxy.asked if each.startswith("PUT ")]
    assert puts[-1] == "00002.json" and puts.count("00002.json") == 1 and "numbers.parquet" in puts


def test_without_its_record_a_part_is_not_there_and_is_made_again(store, s3_server, proxy):
    proxy.rates, proxy.only = {"500": 1.0}, r"^PUT .*/00000\.json"
    with pytest.raises(Unusable, match="cannot be written"):
        make(store, 0)
    assert store.missing(STAGE) == [0, 1, 2]
    assert any(name.endswith("/numbers.parquet") for name in lying(s3_server, store))
    proxy.rates = {}
    make(store, 0)
    assert store.missing(STAGE) == [1, 2] and store.verify(STAGE, 0) == []


def test_a_record_whose_files_are_gone_is_no_part(store, s3_server):
    make(store, 0)
    [name] = (each for each in lying(s3_server, store) if each.endswith("numbers.parquet"))
    folder = str(store.root).removeprefix(f"s3://{BUCKET}/")
    s3_server.client().delete_object(Bucket=BUCKET, Key=f"{folder}/{name}")
    assert not store.exists(STAGE, 0) and store.missing(STAGE) == [0, 1, 2]


def test_workers_that_make_the_same_part_at_once_all_succeed_and_leave_one_record(store, s3_server):
    together, failed = threading.Barrier(8), []

    def work(who: int) -> None:
        try:
            with store.part(STAGE, 0, {"host": f"worker {who}"}) as out:
                STAGE.process(0, store, None, out)
                together.wait()
        except Exception as error:
            failed.append(error)

    workers = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    assert failed == []
    assert sorted(name.rpartition("/")[2] for name in lying(s3_server, store)) == [
        "00000.json",
        "numbers.parquet",
        "stage.json",
    ]
    assert store.verify(STAGE, 0) == []


# What is read


def test_a_step_is_read_without_the_others(store, proxy):
    """A step is 24 KiB of 150: the footer is asked for, and the step's own bytes."""
    schema, values = activations_schema(SHAPE), np.random.default_rng(0).standard_normal((3, *SHAPE))
    with store.part(STAGE, 0) as out, h_writer(out / "activations.parquet", schema) as writer:
        for step in range(STEPS):
            writer.write_table(step_table(range(3), step, 999 - step, values + step, schema))
    size = store.record(STAGE, 0)["files"]["activations.parquet"]["bytes"]
    for step, most in ((4, size / 3), (1, size / 4)):
        before, into = proxy.passed["GET"], np.empty((3, *SHAPE), np.float16)
        with store.group(STAGE, "activations.parquet", 0, schema, step, into) as rows:
            assert rows["step"].to_pylist() == [step] * 3
        assert np.array_equal(into, (values + step).astype(np.float16))
        assert into.nbytes < proxy.passed["GET"] - before < most


@pytest.mark.parametrize("name", ["numbers.parquet", "00000.json"])
def test_a_flipped_bit_of_an_object_is_found_and_its_part_made_again(name, store, s3_server, tmp_path):
    make(store, 0)
    there = lying(s3_server, store)
    [path] = (each for each in there if each.endswith(name))
    content = bytearray(there[path])
    content[len(content) // 2] ^= 4
    key = f"{str(store.root).removeprefix(f's3://{BUCKET}/')}/{path}"
    s3_server.client().put_object(Bucket=BUCKET, Key=key, Body=bytes(content))

    bucket_of_another = Store(f"{store.root}/")
    for each in (tmp_path / "hspace-directions-0").glob("cache/*/*"):
        each.unlink()
    forget()
    with pytest.raises(UserError, match=name.partition(".")[0]):
        bucket_of_another.table(STAGE, "numbers.parquet", 0)
    assert 0 in Store(store.root, repairing=True).missing(STAGE)
    make(store, 0)
    assert store.verify(STAGE, 0) == [] and lying(s3_server, store)[path] != bytes(content)


# No request must succeed


def session(root: str) -> None:
    """Everything that a run asks of its store."""
    store = Store(root)
    store.prepare()
    with store.marked() as marked:
        for part in store.missing(STAGE):
            marked.check_shared()
            make(marked, part)
    assert store.table(STAGE, "numbers.parquet")["number"].to_pylist() == [0, 1, 2]
    assert store.verify(STAGE, 1) == [] and store.missing(STAGE) == []
    store.leave("summary.json", b"{}")
    assert store.left("summary.json") == b"{}"


def struck_once(proxy: Proxy, kind: str, at: int) -> None:
    """Go through a session of which one request is struck, and see that all is there."""
    proxy.rates, proxy.after, proxy.at_most = {kind: 1.0}, at, proxy.struck.total() + 1
    root = f"s3://{BUCKET}/struck-{uuid.uuid4().hex}"
    session(root)
    store = Store(root)
    names = sorted(name.rpartition("/")[2] for name in lying(proxy.target, store))
    assert names == [*(f"0000{i}.json" for i in range(3)), *["numbers.parquet"] * 3, "stage.json", "summary.json"]


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"slow"}))
def test_a_session_survives_every_kind_of_fault(kind, proxy):
    for at in random.Random(kind).sample(range(12), 2):
        before = proxy.struck[kind]
        struck_once(proxy, kind, at)
        assert proxy.struck[kind] == before + 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_session_survives_a_fault_at_any_of_its_requests(kind, proxy):
    at = 0
    while True:
        before = proxy.struck[kind]
        struck_once(proxy, kind, at)
        if proxy.struck[kind] == before:
            break
        at += 1
    assert at > 5


@pytest.fixture
def stranger(monkeypatch):
    """An address that nothing is known of takes no connection for an answer."""
    monkeypatch.setattr(bucket, "_ANSWERED", set())
    monkeypatch.setattr(bucket, "_SOON", timedelta(seconds=1))
    with socket.create_server(("127.0.0.1", 0), backlog=50) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        yield


@pytest.mark.parametrize("ask", [lambda store: store.missing(STAGE), Store.prepare, lambda store: store.left("x")])
def test_an_address_where_nobody_answers_is_given_up_soon_whatever_is_asked_first(ask, stranger):
    begun = time.monotonic()
    with pytest.raises(Unusable, match="Check the bucket's name"):
        ask(Store(f"s3://{BUCKET}/{uuid.uuid4().hex}"))
    assert time.monotonic() < begun + 60


@pytest.mark.parametrize(
    "ask", [lambda store: store.missing(STAGE), Store.prepare, make, lambda store: store.left("x")]
)
def test_a_bucket_that_is_not_there_is_said_to_be_so_at_once(ask, s3_server, monkeypatch):
    monkeypatch.setattr(bucket.time, "sleep", lambda _: pytest.fail("it was tried again"))
    with pytest.raises(Unusable, match=r"There is no bucket at s3://no-such-bucket/x\.\nCreate it"):
        ask(Store("s3://no-such-bucket/x"))


def test_a_scratch_that_is_full_is_unusable(store, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr("pipeline.engine.scratch.os.open", full)
    with pytest.raises(Unusable, match="Make room"):
        make(store)


def test_a_store_that_never_answers_is_unusable_and_says_what_to_look_at(store, proxy):
    make(store, 0)
    proxy.rates = {"503": 1.0}
    with pytest.raises(Unusable, match=r"(?s)cannot be listed .*and the connection"):
        store.missing(STAGE)
