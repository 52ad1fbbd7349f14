"""Which parts of a stage are there: its folder is listed once, and a record, which never changes, is read once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any, NamedTuple

from pipeline.engine.filesystem import Entry, Filesystem
from pipeline.engine.records import Damaged, is_record, own
from pipeline.engine.roots import is_local, opened
from pipeline.engine.stage import Stage

_AT_ONCE = 32  # records that are asked for side by side, where each takes its time

Held = tuple[str, ...] | str  # the files that a record names, or why it cannot be believed

_READ: dict[
    tuple[str, str], dict[str, tuple[Entry, Held]]
] = {}  # by root and stage: records as they lay there when they were read


class Inventory(NamedTuple):
    """What lies in a stage's folder, by the names of parts."""

    whole: set[str]  # those that exist
    unsound: dict[str, str]  # why others do not, though something of them is there


def inventory(files: Filesystem, stage: Stage, beginning: str = "") -> Inventory:
    """Return what there is of a stage's parts, or of those whose names begin so."""
    listed = files.listing(stage.folder)
    records = {name.removesuffix(".json"): entry for name, entry in listed.items() if is_record(name)}
    known = _READ.setdefault((files.address, stage.folder), {})
    wanted = [name for name in records if name.startswith(beginning)]
    unread = [name for name in wanted if name not in known or known[name][0] != records[name]]
    for name, held in zip(unread, _held_by(files, stage, unread), strict=True):
        known[name] = (records[name], held)
    found = Inventory(set(), {})
    for name in wanted:
        held = known[name][1]
        if isinstance(held, str):
            found.unsound[name] = held
        elif absent := [each for each in held if each not in listed]:
            found.unsound[name] = f"its file {absent[0]} is gone"
        else:
            found.whole.add(name)
    return found


def read_record(files: Filesystem, stage: Stage, name: str) -> dict[str, Any]:
    """Return the record of a part. Raises FileNotFoundError where there is none, and Damaged where it is no record of that part."""
    return own(files.read(_path(stage, name)), stage.folder, name)


def known_record(files: Filesystem, stage: Stage, name: str) -> dict[str, Any]:
    """Return the record of a part that is there: of one in an object store, as this process has read it before."""
    if is_local(files.address):
        return read_record(files, stage, name)
    return own(_asked_once(files.address, _path(stage, name)), stage.folder, name)


def forget() -> None:
    """Have records of object stores asked for again, where they may have been mended or taken out."""
    _asked_once.cache_clear()


def _path(stage: Stage, name: str) -> str:
    return f"{stage.folder}/{name}.json"


def _held_by(files: Filesystem, stage: Stage, names: list[str]) -> Iterator[Held]:
    def read(name: str) -> Held:
        try:
            record = read_record(files, stage, name)
            return tuple(f"{record['folder']}/{each}" for each in record["files"])
        except FileNotFoundError:
            return "it is gone"
        except Damaged as error:
            return str(error)

    if is_local(files.address) or len(names) < 2:
        yield from map(read, names)
        return
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        yield from threads.map(read, names)


@lru_cache(maxsize=20_000)
def _asked_once(address: str, path: str) -> bytes:
    return opened(address).read(path)
