"""Lies: files that are whole, and of other rows than their part's. Imported by name."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.engine.stage import Stage
from pipeline.engine.store import Store

TOLD = "not what its part must have"
UNKNOWN = {"left_out.parquet", "broken.parquet"}  # nothing says before how many rows these have
NOBODYS = {("publish-annotations", "annotations.parquet")}  # that no stage reads

Lie = Callable[[Stage, int, str, Store], bytes | None]  # of a file of a part; None where it cannot be told of it


def table(content: bytes) -> pa.Table:
    return pq.read_table(io.BytesIO(content))


def written(table: pa.Table) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


def fewer(stage: Stage, part: int, file: str, store: Store) -> bytes | None:
    rows = table(store.read(stage, file, part))
    return written(rows.slice(0, len(rows) - 1)) if len(rows) else None


def twice(stage: Stage, part: int, file: str, store: Store) -> bytes | None:
    rows = table(store.read(stage, file, part))
    return written(pa.concat_tables([rows, rows])) if len(rows) else None


def one_for_another(stage: Stage, part: int, file: str, store: Store) -> bytes | None:
    rows = table(store.read(stage, file, part))
    return written(pa.concat_tables([rows.slice(0, 1), rows.slice(0, len(rows) - 1)])) if len(rows) > 1 else None


def of_another_part(stage: Stage, part: int, file: str, store: Store) -> bytes | None:
    others = (each for each in range(stage.n_parts) if each != part and store.holds(stage, file, each))
    return next((store.read(stage, file, each) for each in others), None)


def planted(root: Path, reader: Stage, part: int, told: tuple[Stage, str, bytes], truth: Store) -> Store:
    """A store with all that a part reads, but for one file of part 0 of a stage, which its stage lied about."""
    store = Store(root)
    store.prepare()
    lied, file, content = told
    for needed, parts in reader.needs(part):
        for each in parts:
            if not store.exists(needed, each):
                with store.part(needed, each) as out:
                    for name in truth.record(needed, each)["files"]:
                        lies = (needed, each, name) == (lied, 0, file)
                        (out / name).write_bytes(content if lies else truth.read(needed, name, each))
    return store


def lies(stage: Stage, store: Store) -> Iterator[tuple[str, str, bytes]]:
    """Every lie of every file of part 0."""
    kinds: dict[str, tuple[Lie, ...]] = {
        ".parquet": (fewer, twice, one_for_another, of_another_part),
        ".safetensors": (of_another_part,),
    }
    for file in store.record(stage, 0)["files"]:
        for lie in kinds.get(Path(file).suffix, ()) if file not in {*UNKNOWN, "activations.parquet"} else ():
            if content := lie(stage, 0, file, store):
                yield file, lie.__name__, content


def lying(root: Path, stage: Stage, file: str, content: bytes, truth: Store) -> Store:
    """A store with all parts of a stage and of what it reads itself, of which part 0 is a lie."""
    store = Store(root)
    store.prepare()
    for of in (stage, *(each for each, _ in stage.needs(0)), *stage.inputs):
        for part in range(of.n_parts):
            if truth.exists(of, part) and not store.exists(of, part):
                with store.part(of, part) as out:
                    for name in truth.record(of, part)["files"]:
                        lies = (of, part, name) == (stage, 0, file)
                        (out / name).write_bytes(content if lies else truth.read(of, name, part))
    return store


def readers(wired: list[Stage], stage: Stage) -> Iterator[tuple[Stage, int]]:
    """Of each stage that reads part 0 of this one, the first part that does."""
    for reader in wired:
        for part in range(reader.n_parts):
            if any(needed == stage and 0 in parts for needed, parts in reader.needs(part)):
                yield reader, part
                break
