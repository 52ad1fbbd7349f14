"""A cache gives what it was given, or nothing, and does not grow without end."""

import hashlib

import pytest

from pipeline.engine.cache import Cache


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def never() -> bytes:
    raise AssertionError("read again")


def test_what_was_read_is_not_read_again(tmp_path):
    cache = Cache(tmp_path / "cache")
    assert cache.get(sha256(b"a"), lambda: b"a") == b"a"
    assert cache.get(sha256(b"a"), never) == Cache(tmp_path / "cache").get(sha256(b"a"), never) == b"a"


def test_what_is_damaged_in_the_cache_is_read_again(tmp_path):
    cache = Cache(tmp_path)
    cache.get(sha256(b"a"), lambda: b"a")
    [kept] = tmp_path.glob("??/*")
    kept.write_bytes(b"b")
    assert cache.get(sha256(b"a"), lambda: b"a") == b"a"
    assert cache.get(sha256(b"a"), never) == b"a"


def test_what_does_not_have_its_hash_is_given_and_not_kept(tmp_path):
    cache = Cache(tmp_path)
    assert cache.get(sha256(b"a"), lambda: b"b") == b"b"
    assert [*tmp_path.glob("??/*")] == []


def test_the_oldest_make_room(tmp_path):
    cache = Cache(tmp_path, room=1000)
    contents = [bytes([i]) * 100 for i in range(30)]
    for content in contents:
        cache.get(sha256(content), lambda content=content: content)
        assert sum(path.stat().st_size for path in tmp_path.glob("??/*")) <= 1100
    assert cache.get(sha256(contents[-1]), never) == contents[-1]
    with pytest.raises(AssertionError):
        cache.get(sha256(contents[0]), never)


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path):
    (tmp_path / "file").write_text("")
    assert Cache(tmp_path / "file").get(sha256(b"a"), lambda: b"a") == b"a"
