"""Fits read h as it was written, only the step they ask for, and are told of every flipped bit."""

import re
import tracemalloc
from dataclasses import dataclass

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from pipeline.domains import portraits
from pipeline.engine.store import Store
from pipeline.errors import UserError
from pipeline.formats.parquet import h_writer
from pipeline.models import pretrained
from pipeline.stages.sources.activations import read_parts, read_step, read_steps
from pipeline.stages.sources.sample import Sample
from pipeline.stages.sources.source import activations_table
from schemas.activations import activations_schema

STEP = 1


@dataclass(frozen=True)
class Planted(Sample):
    """Samples whose h is known."""

    shape: tuple[int, int, int] = (2, 3, 2)

    @property
    def h_shape(self) -> tuple[int, int, int]:
        return self.shape

    def h(self, step: int) -> torch.Tensor:
        return torch.randn(self.n, *self.shape, generator=torch.Generator().manual_seed(step))


def make(tmp_path, **options) -> tuple[Store, Planted]:
    source = Planted(pretrained.find(str(portraits.MODEL)), **{"n": 8, "steps": 3, "batch": 3, **options})
    store, schema = Store(tmp_path), activations_schema(source.h_shape)
    for part in range(source.n_parts):
        ids = source.sample_ids(part)
        with store.part(source, part) as out, h_writer(out / "activations.parquet", schema) as writer:
            for step in range(source.steps):
                h = source.h(step)[ids.start : ids.stop]
                writer.write_table(activations_table(ids, step, 999 - step, h, schema))
    return store, source


@pytest.fixture
def made(tmp_path) -> tuple[Store, Planted]:
    return make(tmp_path)


def expected(source: Planted, step: int) -> np.ndarray:
    return source.h(step).numpy().astype(np.float16).reshape(source.n, -1)


def test_a_step_is_that_of_all_samples_in_float16(made):
    store, source = made
    steps = list(read_steps(store, source))
    assert len(steps) == 3
    for step, (ids, h) in enumerate(steps):
        assert ids.tolist() == list(range(8)) and h.dtype == np.float16
        np.testing.assert_array_equal(h, expected(source, step))


def test_parts_come_one_by_one(made):
    store, source = made
    parts = list(read_parts(store, source, STEP, range(1, 3)))
    assert [ids.tolist() for ids, _ in parts] == [[3, 4, 5], [6, 7]]
    np.testing.assert_array_equal(np.concatenate([h for _, h in parts]), expected(source, STEP)[3:])


def test_memory_holds_what_is_asked_for_and_little_else(tmp_path):
    store, source = make(tmp_path, n=64, batch=8, shape=(16, 64, 64))

    def peak(read) -> int:
        tracemalloc.start()
        read()
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    a_part = 8 * 16 * 64 * 64 * 2
    assert peak(lambda: read_step(store, source, STEP)) < 8.2 * a_part
    assert peak(lambda: [None for _ in read_parts(store, source, STEP, range(8))]) < 2.2 * a_part


def test_other_steps_are_not_read(made):
    store, source = made
    for part in range(source.n_parts):
        path = store.folder(source, part) / "activations.parquet"
        content = bytearray(path.read_bytes())
        for step in {0, 2}:
            group = pq.read_metadata(path).row_group(step)
            first = group.column(0).data_page_offset
            content[first : first + group.total_byte_size] = bytes(group.total_byte_size)
        path.write_bytes(content)
    np.testing.assert_array_equal(read_step(store, source, STEP)[1], expected(source, STEP))
    with pytest.raises(UserError, match="damaged"):
        read_step(store, source, 2)


def test_every_flipped_bit_is_reported_with_its_part_or_changes_nothing(made):
    store, source = made
    path = store.folder(source, 1) / "activations.parquet"
    content, h = path.read_bytes(), expected(source, STEP)
    column = pq.read_metadata(path).row_group(STEP).column(3)
    page = range(column.data_page_offset, column.data_page_offset + column.total_compressed_size)
    for at in range(len(content)):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1 << at % 8]) + content[at + 1 :])
        try:
            [(ids, found)] = read_parts(store, source, STEP, range(1, 2))
        except UserError as error:
            assert re.search("00001-[0-9a-f]+/activations.parquet is missing or damaged", str(error))
            assert f"Delete {store.root / source.folder / '00001.json'}" in str(error)
        else:
            assert at not in page and ids.tolist() == [3, 4, 5] and np.array_equal(found, h[3:6]), f"byte {at}"


@pytest.mark.parametrize("damage", ["half", "empty", "missing", "another part"])
def test_a_file_that_is_not_that_of_the_part_is_reported(made, damage):
    store, source = made
    path = store.folder(source, 1) / "activations.parquet"
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "another part":
        path.write_bytes((store.folder(source, 0) / path.name).read_bytes())
    else:
        path.write_bytes(content[: len(content) // 2] if damage == "half" else b"")
    with pytest.raises(UserError, match="00001-[0-9a-f]+/activations.parquet is missing or damaged"):
        read_step(store, source, STEP)
