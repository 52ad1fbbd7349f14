"""A root with parts as the store leaves them, in which a test plants what is wrong."""

import hashlib
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def plant(root: Path, parts: int = 3) -> Path:
    """Samples 0 to 2n - 1 in n parts, and n parts of another stage."""
    for part in range(parts):
        write_part(root, "sample-ab", part, [2 * part, 2 * part + 1])
        write_part(root, "catalog-cd", part, [part])
    (root / "catalog-cd" / "stage.json").write_text("{}")
    return root


def write_part(root: Path, stage: str, part: int, ids: list[int]) -> None:
    folder = root / stage / f"{part:05}-{part:08x}"
    folder.mkdir(parents=True)
    pq.write_table(pa.table({"sample_id": ids}), folder / "samples.parquet")
    (folder / "more.txt").write_text(f"{stage} {part}")
    files = {path.name: {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()} for path in sorted(folder.iterdir())}
    (root / stage / f"{part:05}.json").write_text(json.dumps({"folder": folder.name, "files": files}))
