"""Faults that strike what is finished: bits that flip, files that are cut off, files in the place of others."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

from benchmarks._chaos_check import folder_of
from benchmarks._chaos_job import records

Damage = Callable[[Path, list[Path], random.Random], bool]  # a file, all files -> whether the file is another one now


def files_of_parts(root: Path) -> list[Path]:
    """Return every file of every finished part, its record included."""
    found = []
    for path in sorted(records(root)):
        record = json.loads(path.read_text())
        found += [path, *(folder_of(path, record) / name for name in record["files"])]
    return found


def flip_bit(path: Path, files: list[Path], chance: random.Random) -> bool:
    """Flip a bit in place, as a disk does: neither size nor time of the file say so."""
    size = path.stat().st_size
    if not size:
        return False
    with open(path, "r+b") as file:
        at = chance.randrange(size)
        file.seek(at)
        [byte] = file.read(1)
        file.seek(at)
        file.write(bytes([byte ^ 1 << chance.randrange(8)]))
    return True


def truncate(path: Path, files: list[Path], chance: random.Random) -> bool:
    size = path.stat().st_size
    if not size:
        return False
    with open(path, "r+b") as file:
        file.truncate(chance.randrange(size))
    return True


def lose(path: Path, files: list[Path], chance: random.Random) -> bool:
    """Remove a file of a part; a part without its record was never there, and nobody can name it."""
    if path.name[0].isdigit() and path.suffix == ".json":
        return False
    path.unlink()
    return True


def swap(path: Path, files: list[Path], chance: random.Random) -> bool:
    """Put a whole file of another part in the place of this one: of the same name, where there is any."""
    others = [each for each in files if each != path and each.suffix == path.suffix]
    alike = [each for each in others if each.name == path.name] or others
    alike = [each for each in alike if each.is_file() and each.read_bytes() != path.read_bytes()]
    if not alike:
        return False
    shutil.copyfile(chance.choice(alike), path)
    return True


KINDS: dict[str, Damage] = {
    "bit flipped": flip_bit,
    "file truncated": truncate,
    "file swapped": swap,
    "file lost": lose,
}


def damage(root: Path, count: int, chance: random.Random) -> dict[Path, str]:
    """Damage so many files, each of another part, and return how each was damaged."""
    files, by_part = files_of_parts(root), dict[str, list[Path]]()
    for path in files:
        by_part.setdefault(part_of(root, path), []).append(path)
    done: dict[Path, str] = {}
    for part in chance.sample(sorted(by_part), min(count, len(by_part))):
        path, kind = chance.choice(by_part[part]), chance.choice(list(KINDS))
        if KINDS[kind](path, files, chance):
            done[path] = kind
    return done


def part_of(root: Path, path: Path) -> str:
    """Return the stage and the number of a part, of one of its files or its record."""
    stage, name, *_ = path.relative_to(root).parts
    return f"{stage}/{name.removesuffix('.json').partition('-')[0]}"
