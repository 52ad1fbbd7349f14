"""The faulty proxy: each fault is what it says, happens as often as asked, and leaves the server as that fault would."""

import random
from collections import Counter
from datetime import timedelta

import obstore
import pytest
from obstore.exceptions import BaseError
from obstore.store import S3Store

from benchmarks._proxy import KINDS, Proxy, faulty
from benchmarks._servers import BUCKET, Server

DATA = random.Random(0).randbytes(50_000)


@pytest.fixture
def proxy(moto_server):
    with faulty(moto_server, {}, seed=1, delay=0.05) as proxy:
        yield proxy


def bucket(server: Server, retries: int = 0) -> S3Store:
    """The bucket, as it is seen without any retry unless some are asked for."""
    return S3Store(
        BUCKET,
        endpoint=server.endpoint,
        access_key_id=server.key,
        secret_access_key=server.secret,
        region="us-east-1",
        client_options={"allow_http": True},
        retry_config={"max_retries": retries, "backoff": {"init_backoff": timedelta(milliseconds=10)}},
    )


def put(proxy: Proxy, kind: str, name: str) -> tuple[bool, bool]:
    """Put an object while this strikes once: whether the client was told that it is there, and whether it is."""
    proxy.rates, proxy.at_most = {kind: 1.0}, 1
    try:
        obstore.put(bucket(proxy.server), name, DATA, use_multipart=False)
        told = True
    except BaseError:
        told = False
    assert proxy.struck == {kind: 1}
    try:
        return told, bytes(obstore.get(bucket(proxy.target), name).bytes()) == DATA
    except FileNotFoundError:
        return told, False


@pytest.mark.parametrize(
    ("kind", "told_and_there"),
    [
        ("reset", (False, False)),
        ("500", (False, False)),
        ("503", (False, False)),
        ("cut upload", (False, False)),
        ("lost answer", (False, True)),
        ("500 after", (False, True)),
        ("slow", (True, True)),
    ],
)
def test_a_put_that_is_struck(proxy, kind, told_and_there):
    assert put(proxy, kind, f"put/{kind}") == told_and_there


@pytest.mark.parametrize(("kind", "arrives"), [("reset", False), ("500", False), ("cut answer", False), ("slow", True)])
def test_a_get_that_is_struck(proxy, kind, arrives):
    obstore.put(bucket(proxy.target), "object", DATA)
    proxy.rates, proxy.at_most = {kind: 1.0}, 1
    try:
        found = bytes(obstore.get(bucket(proxy.server), "object").bytes()) == DATA
    except BaseError:
        found = False
    assert (found, proxy.struck) == (arrives, {kind: 1})
    assert bytes(obstore.get(bucket(proxy.server), "object").bytes()) == DATA, "the next one passes"


def test_a_client_that_tries_again_comes_through_all_of_them(proxy):
    proxy.rates = dict.fromkeys(set(KINDS) - {"slow"}, 0.04)
    patient = bucket(proxy.server, retries=10)
    for i in range(60):
        obstore.put(patient, f"patient/{i}", DATA[: 100 + i])
        assert bytes(obstore.get(patient, f"patient/{i}").bytes()) == DATA[: 100 + i]
    assert len(proxy.struck) >= 5


def test_only_requests_of_a_pattern_are_struck(proxy):
    proxy.rates, proxy.only = {"500": 1.0}, r"^PUT .*\.json$"
    obstore.put(bucket(proxy.server), "only/file", DATA)
    with pytest.raises(BaseError):
        obstore.put(bucket(proxy.server), "only/record.json", DATA)
    assert proxy.struck == {"500": 1}


def test_a_seed_decides_which_requests_are_struck_and_rates_how_many(moto_server):
    def struck(seed: int) -> list[str | None]:
        with faulty(moto_server, {"reset": 0.1, "lost answer": 0.2}, seed=seed) as proxy:
            return [proxy.fault("PUT", f"/{i}", uploads=True) for i in range(2000)]

    first = struck(1)
    assert first == struck(1) != struck(2)
    counts = Counter(first)
    assert 150 < counts["reset"] < 250 and 330 < counts["lost answer"] < 470
    assert set(counts) == {None, "reset", "lost answer"}


def test_bytes_of_answers_are_counted(proxy):
    obstore.put(bucket(proxy.server), "counted", DATA)
    before = proxy.passed["GET"]
    obstore.get_range(bucket(proxy.server), "counted", start=10, end=1010)
    assert proxy.passed["GET"] - before == 1000


def test_an_unknown_fault_is_refused(moto_server):
    with pytest.raises(ValueError, match="There is no fault fire; there are reset"):
        Proxy(moto_server, {"fire": 1.0})
