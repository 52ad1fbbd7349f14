"""A root in an object store, by obstore: S3 and what speaks its protocol, Google Cloud Storage, Azure, or memory.

Of the libraries that reach them all, obstore alone has the put that fails where there is an object already, which makes a commit
record the first or none (fsspec and pyarrow.fs have not); it retries what fails in passing, and has no dependencies of its own.

A part is made in a folder of this machine's temporary disk, sent up file by file, and there once its record is. A record is small,
so one put makes it. Nothing is renamed, and what a listing says is believed only of what was found in it, and then read.
"""

import os
import random
import re
import secrets
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property, partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import obstore
from obstore import exceptions
from obstore.store import MemoryStore, ObjectStore, from_url

from pipeline.batches import batches
from pipeline.engine.cache import Cache
from pipeline.engine.filesystem import MARKS, Entry, Failing, NotShared, Unusable, explained, temporary
from pipeline.engine.scratch import Scratch

T = TypeVar("T")

_RANGE = 8 * 2**20  # bytes that are asked for at once; several ranges of a large object travel side by side
_AT_ONCE = 8
_NO_BUCKET = re.compile(
    "NoSuchBucket|ContainerNotFound|specified bucket does not exist"
)  # as S3, Azure and Google say it
_WITHOUT_OBJECT = ("be listed", "be written")  # what needs none to be there
_TRIES, _PAUSE = 5, 0.5  # of a request; seconds before the second one, which double
_PATIENT = {"max_retries": 4, "retry_timeout": timedelta(seconds=60)}
_SOON = timedelta(seconds=20)  # until a first request is given up, whose address may be wrong
_HASTY = {"max_retries": 2, "retry_timeout": _SOON}


@dataclass(frozen=True)
class Bucket:
    """A folder of a bucket."""

    address: str

    @property
    def _store(self) -> ObjectStore:
        return self._patient if self.address in _ANSWERED or self._in_memory else self._hasty

    @cached_property
    def _patient(self) -> ObjectStore:
        return MemoryStore() if self._in_memory else self._connected(retry_config=_PATIENT)

    @cached_property
    def _hasty(self) -> ObjectStore:
        return self._connected({"timeout": _SOON / 2}, retry_config=_HASTY)

    def _connected(self, client: Mapping[str, Any] = MappingProxyType({}), **options: Any) -> ObjectStore:
        """The store at the address, by what the environment says of credentials, regions and endpoints."""
        http = os.environ.get("AWS_ALLOW_HTTP", "").lower() in ("1", "true", "yes")
        to_client: Any = {"allow_http": http, **client}
        return from_url(self.address, client_options=to_client, **options)

    @property
    def _in_memory(self) -> bool:
        return self.address.startswith("memory:")

    @cached_property
    def _scratch(self) -> Scratch:
        return Scratch(temporary() / "scratch")

    @cached_property
    def _cache(self) -> Cache:
        return Cache(temporary() / "cache")

    # Reading

    def folders(self) -> list[str]:
        found = self._ask("be listed", lambda: obstore.list_with_delimiter(self._store)["common_prefixes"])
        return sorted(name for each in found if (name := each.strip("/").rpartition("/")[2])[0] != ".")

    def listing(self, folder: str) -> dict[str, Entry]:
        found = self._ask("be listed", lambda: list(obstore.list(self._store, folder, chunk_size=1000)))
        return {
            each["path"].removeprefix(f"{folder}/"): Entry(each["size"], each["e_tag"] or str(each["last_modified"]))
            for chunk in found
            for each in chunk
        }

    def read(self, name: str) -> bytes:
        return self._ask("be read", lambda: bytes(obstore.get(self._store, name).bytes()))

    @contextmanager
    def open(self, name: str, size: int | None = None) -> Iterator["Object"]:
        yield Object(self, name, self.size(name) if size is None else size)

    def size(self, name: str) -> int:
        return self._ask("be read", lambda: obstore.head(self._store, name)["size"])

    def range(self, name: str, start: int, stop: int) -> memoryview:
        """The bytes of a range. Raises OSError where they are not all there."""
        try:
            found = self._ask(
                "be read", lambda: memoryview(obstore.get_range(self._store, name, start=start, end=stop))
            )
        except Unusable:
            if self.size(name) >= stop:
                raise
            raise OSError("it ends too early") from None
        if len(found) != stop - start:
            raise OSError("it ends too early")
        return found

    def cached(self, sha256: str, read: Callable[[], bytes]) -> bytes:
        return self._cache.get(sha256, read)

    # Writing

    def write(self, name: str, content: bytes, staging: Path) -> None:
        self._ask("be written", lambda: obstore.put(self._store, name, content))

    def write_new(self, name: str, content: bytes, staging: Path) -> bool:
        """A put whose answer was lost is tried again, and finds what it wrote."""
        try:
            self._ask("be written", lambda: obstore.put(self._store, name, content, mode="create"))
        except exceptions.AlreadyExistsError:
            return self.read(name) == content
        return True

    def publish(self, local: Path, folder: str, files: dict[str, Any]) -> None:
        """File by file; each is looked at when it is there. Whoever else sends the same part sends the same bytes."""
        for file, recorded in files.items():
            name = f"{folder}/{file}"
            self._ask("be written", partial(obstore.put, self._store, name, local / file))
            if (there := self.size(name)) != recorded["bytes"]:
                raise Failing(f"{self.address}/{name} has {there} bytes there, of {recorded['bytes']} that were sent.")

    def remove(self, name: str) -> None:
        below = [f"{name}/{each}" for each in self.listing(name)]
        for paths in (name, below) if below else (name,):
            with suppress(FileNotFoundError):
                self._ask("be removed", partial(obstore.delete, self._store, paths))

    # Housekeeping

    def prepare(self) -> None:
        """See that the bucket is there and may be written, before any work, without the patience that work has."""
        name = f"{MARKS}/{secrets.token_hex(8)}"
        self._ask("be written", lambda: obstore.put(self._store, name, b""))
        self._ask("be removed", lambda: obstore.delete(self._store, name))
        self.clear_scratch()

    def clear_scratch(self) -> None:
        self._scratch.clear()

    @contextmanager
    def staging(self) -> Iterator[Path]:
        with ExitStack() as kept:
            with explained(str(self._scratch.home)):
                folder = kept.enter_context(self._scratch.staging())
            yield folder

    @contextmanager
    def marked(self) -> Iterator[str]:
        name = f"{MARKS}/{secrets.token_hex(8)}"
        self._ask("be written", lambda: obstore.put(self._store, name, b""))
        try:
            yield name
        finally:
            self.remove(name)

    def at_work(self) -> str:
        found = self._ask("be listed", lambda: [each for some in obstore.list(self._store, MARKS) for each in some])
        newest = max((each["last_modified"] for each in found), default=None)
        return f"the mark of a run that began at {newest:%Y-%m-%d %H:%M} UTC is there" if newest else ""

    def check_shared(self, mark: str) -> None:
        if mark in _SEEN:
            return
        try:
            self.read(mark)
        except FileNotFoundError as error:
            raise NotShared(
                f"A worker on {socket.gethostname()} finds another bucket at {self.address}.\n"
                "Give all workers the same endpoint and account in their environment (AWS_ENDPOINT_URL and its like)."
            ) from error
        _SEEN.add(mark)

    def free_bytes(self) -> int | None:
        return None

    def _ask(self, what: str, do: Callable[[], T]) -> T:
        """Do something, again where the object store fails: obstore does so by itself for some requests, and not for all.

        Raises Unusable, with what to do, for what the store refuses or does not answer; soon, where it never has.
        """
        begun = time.monotonic()
        for tried in range(_TRIES):
            try:
                with explained(str(self._scratch.home)):
                    answer = do()
                _ANSWERED.add(self.address)
                return answer
            except FileNotFoundError as error:
                if error.errno is None and (what in _WITHOUT_OBJECT or _NO_BUCKET.search(str(error))):
                    raise self._no_bucket() from error
                _ANSWERED.add(self.address)
                raise
            except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError) as error:
                raise Unusable(
                    f"{self.address} may not {what} with these credentials ({_said(error)}).\n"
                    "Check the credentials in the environment of this machine and of every worker, and what their role may do."
                ) from error
            except exceptions.AlreadyExistsError:
                raise
            except exceptions.BaseError as error:
                if _NO_BUCKET.search(str(error)):
                    raise self._no_bucket() from error
                hopeless = self.address not in _ANSWERED and time.monotonic() > begun + _SOON.seconds
                if tried == _TRIES - 1 or hopeless:
                    raise Unusable(
                        f"{self.address} cannot {what} ({_said(error)}).\n"
                        "Check the bucket's name, its region and endpoint, and the connection; then run the same command again."
                    ) from error
            time.sleep(_PAUSE * 2**tried * (1 + random.random()))
        raise AssertionError("it was tried")

    def _no_bucket(self) -> Unusable:
        return Unusable(f"There is no bucket at {self.address}.\nCreate it, or give another `root`.")


_ANSWERED: set[str] = set()  # addresses that have answered this process
_SEEN: set[str] = set()  # marks that this process has seen, and need not ask for again


class Object:
    """An object, read by ranges."""

    def __init__(self, bucket: Bucket, name: str, size: int) -> None:
        self._bucket, self._name, self.size = bucket, name, size

    def read(self, start: int, stop: int) -> bytes:
        return b"".join(self._pieces(start, stop))

    def fill(self, start: int, into: memoryview) -> Iterator[memoryview]:
        at = 0
        for content in self._pieces(start, start + len(into)):
            piece = into[at : at + len(content)]
            piece[:] = content
            at += len(content)
            yield piece

    def _pieces(self, start: int, stop: int) -> Iterator[memoryview]:
        """The bytes of a range, in order: several requests side by side where it is large."""
        ranges = [(start + each.start, start + each.stop) for each in batches(stop - start, _RANGE)]
        if len(ranges) < 2:
            yield from (self._bucket.range(self._name, *each) for each in ranges)
            return
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            yield from threads.map(lambda each: self._bucket.range(self._name, *each), ranges)


def _said(error: Exception) -> str:
    """What an error says, on one line: obstore's go on for many, with the source of each."""
    text = str(error).split("\n\nDebug source:")[0]
    return re.sub(r"\s+", " ", text).strip().rstrip(".")
