"""What must hold after every disturbed run, however it was disturbed."""

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from benchmarks._chaos_job import Trial, records

Sums = dict[str, dict[str, str]]  # part -> file -> SHA-256, of the bytes that lie there


@dataclass(frozen=True)
class Truth:
    """What an undisturbed run has made."""

    parts: Sums
    samples: Counter[str]

    @classmethod
    def of(cls, root: Path) -> "Truth":
        return cls(contents(root), samples(root))

    def losses(self, root: Path) -> list[str]:
        """Return what is not as it was made without any disturbance: parts, their bytes, samples; nothing, if all is well."""
        found = contents(root)
        wrong = [f"{part} is missing" for part in self.parts.keys() - found.keys()]
        wrong += [f"{part} is one too many" for part in found.keys() - self.parts.keys()]
        wrong += [
            f"{part} has other bytes" for part in self.parts.keys() & found.keys() if self.parts[part] != found[part]
        ]
        if (counted := samples(root)) != self.samples:
            wrong.append(
                f"samples: {sorted((counted - self.samples) + (self.samples - counted))[:5]} are wrong in number"
            )
        return sorted(wrong)


def contents(root: Path) -> Sums:
    """Return the hash of every file of every part, taken of the bytes and not of what the records say."""
    found = {}
    for path in records(root):
        record = read(path)
        folder = folder_of(path, record)
        found[f"{path.parent.name}/{path.stem}"] = {
            name: hashlib.sha256((folder / name).read_bytes()).hexdigest() if (folder / name).is_file() else "missing"
            for name in record.get("files", {path.name: "damaged"})
        }
    return found


def read(path: Path) -> dict[str, Any]:
    """Return a record; nothing, of one that is damaged."""
    try:
        return json.loads(path.read_bytes())
    except ValueError:
        return {}


def folder_of(path: Path, record: dict[str, Any]) -> Path:
    """Return where the files of a record lie."""
    return path.parent / str(record.get("folder", path.stem))


def samples(root: Path) -> Counter[str]:
    """Return how often each sample stands in the parts of its stage."""
    counts: Counter[str] = Counter()
    for path in records(root):
        file = folder_of(path, read(path)) / "samples.parquet"
        if path.parent.name.startswith("sample-") and file.is_file():
            ids = pq.read_table(file, columns=["sample_id"])["sample_id"].to_pylist()
            counts.update(f"{path.parent.name}/{each}" for each in ids)
    return counts


def left_behind(trial: Trial, root: Path) -> list[str]:
    """Return what is still there and should not be: files in the making, in the root and beside it, and processes."""
    scratches = [root / ".scratch", *trial.temporary.glob("hspace-directions-*/scratch")]
    files = [path for scratch in scratches if scratch.is_dir() for path in scratch.rglob("*") if path.is_file()]
    folders = [path for scratch in scratches if scratch.is_dir() for path in scratch.iterdir() if path.is_dir()]
    left = [f"{path} is left in scratch" for path in dict.fromkeys([*folders, *files])]
    return [*left, *(f"still alive: {each}" for each in trial.survivors())]
