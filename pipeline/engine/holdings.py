"""What a root holds, seen by its folders and records alone: nobody has to know which runs made it."""

import re
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from pipeline.engine.filesystem import Entry, Filesystem
from pipeline.engine.records import DESCRIPTION, Damaged, fault, is_record, own, unsealed

_AT_ONCE = 8  # parts that are looked at side by side
_STAGE = re.compile(r".+-[0-9a-f]{16}")  # a stage's folder: whatever else lies in a root is somebody else's


@dataclass(frozen=True)
class Fault:
    """What is wrong with a part; of a stage's own description, the part is ''."""

    stage: str  # its folder
    part: str
    why: str


@dataclass(frozen=True)
class Held:
    """The folder of a stage."""

    folder: str
    reads: frozenset[str] | None  # the folders of what it reads; None where that cannot be told
    records: dict[str, dict[str, Any]]  # of the finished parts, by name
    bytes: int  # of all that lies there
    strays: dict[str, int]  # what belongs to no finished part, and its bytes, by folder
    faults: tuple[Fault, ...]  # what can be seen without a look into the files

    @property
    def name(self) -> str:
        """The stage's name."""
        return self.folder.rpartition("-")[0]

    @property
    def time(self) -> str:
        """When the newest part was made; empty where that is not recorded."""
        return max((str(each["made"].get("time", "")) for each in self.records.values()), default="")


def holdings(files: Filesystem) -> list[Held]:
    """The folders of stages in a root, in order of their names."""
    folders = [folder for folder in files.folders() if _STAGE.fullmatch(folder)]
    return [found for folder in folders if (found := _held(files, folder))]


def _held(files: Filesystem, folder: str) -> Held | None:
    """A stage's folder; None for any other."""
    listed = files.listing(folder)
    names = [name.removesuffix(".json") for name in listed if is_record(name)]
    if not names and DESCRIPTION not in listed:
        return None
    records: dict[str, dict[str, Any]] = {}
    faults: list[Fault] = []
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        read = list(threads.map(partial(_record, files, folder), sorted(names)))
    for name, found in zip(sorted(names), read, strict=True):
        if isinstance(found, Damaged):
            faults.append(Fault(folder, name, f"{name}.json is no record of a part: {found}"))
        elif found:
            records[name] = found
            faults += _seen(folder, name, found, listed)
    try:
        reads = frozenset(unsealed(files.read(f"{folder}/{DESCRIPTION}"))["reads"])
    except FileNotFoundError:
        reads = None
        faults.append(Fault(folder, "", f"{DESCRIPTION} is missing"))
    except (Damaged, KeyError, TypeError) as error:
        reads = None
        faults.append(Fault(folder, "", f"{DESCRIPTION} cannot be read: {error}"))
    total = sum(each.bytes for each in listed.values())
    return Held(folder, reads, records, total, _strays(records, listed), tuple(faults))


def _record(files: Filesystem, folder: str, name: str) -> dict[str, Any] | Damaged | None:
    """The record of a part, or what is wrong with it; None where it went since it was listed."""
    try:
        return own(files.read(f"{folder}/{name}.json"), folder, name)
    except Damaged as error:
        return error
    except FileNotFoundError:
        return None


def _seen(folder: str, part: str, record: dict[str, Any], listed: dict[str, Entry]) -> Iterator[Fault]:
    """Files of a part that are gone, or of another size."""
    for name, expected in record["files"].items():
        found = listed.get(f"{record['folder']}/{name}")
        if found is None:
            yield Fault(folder, part, f"{record['folder']}/{name} is missing")
        elif found.bytes != expected["bytes"]:
            yield Fault(folder, part, f"{record['folder']}/{name} has {found.bytes} bytes, of {expected['bytes']}")


def _strays(records: dict[str, dict[str, Any]], listed: dict[str, Entry]) -> dict[str, int]:
    named, strays = {each["folder"] for each in records.values()}, dict[str, int]()
    for name, entry in listed.items():
        folder, inside, _ = name.partition("/")
        if inside and folder not in named:
            strays[folder] = strays.get(folder, 0) + entry.bytes
    return strays


def damage(files: Filesystem, held: Held) -> Iterator[Fault]:
    """What is wrong with the finished parts of a stage, every byte of them looked at."""
    known = {each.part for each in held.faults}
    parts = [name for name in held.records if name not in known]
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        for found in threads.map(partial(_damage, files, held), parts):
            yield from found


def _damage(files: Filesystem, held: Held, part: str) -> list[Fault]:
    record = held.records[part]
    at = record["folder"]
    looked = {
        name: fault(partial(files.open, f"{held.folder}/{at}/{name}"), expected)
        for name, expected in record["files"].items()
    }
    return [Fault(held.folder, part, f"{at}/{name} {why}") for name, why in looked.items() if why]


def take_out(files: Filesystem, fault: Fault) -> None:
    """Take a damaged part out, so that it is made again: its record goes, and with it the part."""
    files.remove(f"{fault.stage}/{fault.part}.json" if fault.part else f"{fault.stage}/{DESCRIPTION}")


def needed(by: Collection[str], held: Sequence[Held]) -> set[str]:
    """The folders of some stages, and of all that these read, through however many others."""
    reads = {each.folder: each.reads or frozenset() for each in held}
    found: set[str] = set()
    left = list(by)
    while left:
        if (folder := left.pop()) not in found and folder in reads:
            found.add(folder)
            left += reads[folder]
    return found
