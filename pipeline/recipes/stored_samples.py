"""The samples behind a catalog, as they lie in the root of the run that made it: images, scores, and h at every step."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.batches import batches
from pipeline.catalog.export.dataset import SampledPart
from pipeline.engine.filesystem import Filesystem
from pipeline.engine.holdings import Held, holdings
from pipeline.engine.records import content_as_recorded
from pipeline.engine.roots import opened
from pipeline.errors import UserError
from pipeline.stages.sources.source import named
from schemas.activations import H_DTYPE, h_columns
from schemas.annotations import ANNOTATIONS
from schemas.catalog import Catalog

SAMPLES, H, SCORES = "samples.parquet", "activations.parquet", "annotations.parquet"


def stored_samples(root: str, about: Catalog) -> Iterator[SampledPart]:
    """Yield the samples that a catalog's directions were found in, a part of the run at a time: memory holds one.

    Raises UserError where the root does not have them, or without their activations, or where something is damaged.
    """
    files = opened(root)
    settings = {f"{each['stage']}-{each['fingerprint']}": each["settings"] for each in about.stages}
    held = [each for each in holdings(files) if each.folder in settings]
    source = _source(held, settings, about, files.address)
    annotations = [each for each in held if source.folder in (each.reads or ()) and _all_have(each, SCORES)]
    n, batch = settings[source.folder]["n"], settings[source.folder]["batch"]
    for number, at in enumerate(batches(n, batch)):
        name = named(f"{number:05d}", at.stop - at.start, batch)
        samples = _table(files, source, name, SAMPLES)
        scores = [_table(files, each, name, SCORES) for each in annotations]
        yield SampledPart(
            samples, pa.concat_tables(scores or [ANNOTATIONS.empty_table()]), _h(files, source, name, samples)
        )


def _source(held: list[Held], settings: dict[str, dict[str, Any]], about: Catalog, address: str) -> Held:
    """The stage whose samples the directions were found in, and whose activations are stored."""
    sampled = [each for each in held if _all_have(each, SAMPLES) and settings[each.folder].get("n") == about.sampling.n]
    if found := [each for each in sampled if _all_have(each, H)]:
        return found[0]
    if sampled:
        raise UserError(
            f"{address} has the samples of this catalog without their activations: they were sketched, or none were kept.\n"
            "Run it with `activations` on, then export again."
        )
    raise UserError(
        f"{address} does not have the samples that this catalog was made from. Give the root of the run that made it."
    )


def _all_have(held: Held, file: str) -> bool:
    return bool(held.records) and all(file in record["files"] for record in held.records.values())


def _read(files: Filesystem, held: Held, part: str, name: str) -> bytes:
    """A file of a part, as it was written."""
    record = held.records.get(part)
    if record is None:
        raise UserError(
            f"{files.address}/{held.folder} has no part {part}. Run the same job to the end, then export again."
        )
    at = f"{held.folder}/{record['folder']}/{name}"
    try:
        content = files.read(at)
    except FileNotFoundError:
        content = b""
    if not content_as_recorded(content, record["files"][name]):
        raise UserError(
            f"{files.address}/{at} is missing or damaged. Run the same job with `repair`, then export again."
        )
    return content


def _table(files: Filesystem, held: Held, part: str, name: str) -> pa.Table:
    return pq.read_table(pa.BufferReader(_read(files, held, part, name)))


def _h(files: Filesystem, source: Held, part: str, samples: pa.Table) -> dict[str, np.ndarray]:
    """h (B, T, *shape) by column. Raises UserError where its rows are not of the samples."""
    file = pq.ParquetFile(pa.BufferReader(_read(files, source, part, H)))
    ids, steps = samples["sample_id"].to_pylist(), [file.read_row_group(i) for i in range(file.num_row_groups)]
    for step, table in enumerate(steps):
        if table["sample_id"].to_pylist() != ids or set(table["step"].to_pylist()) != {step}:
            raise UserError(f"{files.address}/{source.folder}: {H} of part {part} is not of its samples, step by step.")
    return {name: np.stack([_array(table, name) for table in steps], 1) for name in h_columns(file.schema_arrow)}


def _array(table: pa.Table, name: str) -> np.ndarray:
    """h of one step, (B, *shape)."""
    shape = json.loads(table.schema.metadata[name.encode()])["shape"]
    return np.frombuffer(b"".join(table[name].to_pylist()), H_DTYPE).reshape(len(table), *shape)
