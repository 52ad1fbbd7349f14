"""What a stranger wrote into a catalog, with sums that hold, is refused with a reason, and never run or made room for."""

import json
import pickle
import struct
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.numpy import load_file, save_file

from pipeline.catalog import stored
from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.errors import UserError
from tests.pipeline.catalog.planted_catalogs import loaded, planted_catalog, planted_model, summed


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return planted_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def folder(model, tmp_path) -> Path:
    return planted_catalog(tmp_path / "catalog", model)


def refused(folder: Path, match: str) -> None:
    with pytest.raises(UserError, match=match):
        _ = DirectionCatalog.from_pretrained(summed(folder))["smile"].vector


def rewritten(folder: Path, change) -> None:
    """The vectors, changed."""
    vectors = load_file(folder / "directions.safetensors")
    save_file({name: change(vector) for name, vector in vectors.items()}, folder / "directions.safetensors")


def test_every_flipped_byte_of_the_vectors_is_seen(folder):
    file = folder / "directions.safetensors"
    content = file.read_bytes()
    for place in range(0, len(content), len(content) // 40):
        changed = bytearray(content)
        changed[place] ^= 1
        file.write_bytes(changed)
        with pytest.raises(UserError, match="directions.safetensors has changed since it was published"):
            _ = DirectionCatalog.from_pretrained(folder)["smile"].vector


@pytest.mark.parametrize(
    "change, match",
    [
        (lambda v: v.astype(np.float64), "it is F64 .*catalog.json says F32"),
        (lambda v: v[:2], r"it is F32 \[2, 16, 4, 4\]; catalog.json says F32 \[4, 16, 4, 4\]"),
        (lambda v: v.reshape(4, -1), r"it is F32 \[4, 256\]"),
        (lambda v: np.where(v == v.max(), np.nan, v).astype(np.float32), "values that are no finite numbers"),
        (lambda v: np.where(v == v.max(), np.inf, v).astype(np.float32), "values that are no finite numbers"),
    ],
)
def test_vectors_of_another_shape_or_kind_and_no_numbers_are_refused(folder, change, match):
    rewritten(folder, change)
    refused(folder, match)


def test_a_huge_shape_in_a_header_is_refused_without_making_room_for_it(folder):
    for shape in ([2**40, 2**20], [10**9]):
        header = {"smile/ridge/disentangled": {"dtype": "F32", "shape": shape, "data_offsets": [0, 4]}}
        text = json.dumps(header).encode()
        (folder / "directions.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + b"\0" * 4)
        refused(folder, "has no vector 'smile/ridge/disentangled' that can be read")
    (folder / "directions.safetensors").write_bytes(struct.pack("<Q", 2**60) + b"{}")
    refused(folder, "that can be read")


@pytest.mark.parametrize(
    "changed, match",
    [
        ({"sampling": {"timesteps": [999, 1]}}, "has 2 timesteps of 4 steps"),
        ({"captures": []}, "has no shape of h at 'mid_block'"),
        ({"sampling": {"steps": 10**12}}, "has 4 timesteps of 1000000000000 steps"),
    ],
)
def test_a_catalog_that_contradicts_itself_is_refused(folder, model, changed, match):
    about = json.loads((folder / "catalog.json").read_text())
    for key, value in changed.items():
        about[key] = {**about[key], **value} if isinstance(value, dict) else value
    (folder / "catalog.json").write_text(json.dumps(about))
    unet, _ = loaded(model)
    with pytest.raises(UserError, match=match):
        DirectionCatalog.from_pretrained(summed(folder)).edit(unet, {"smile": 1.0})


class Evil:
    """Runs when it is unpickled."""

    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


def test_a_pickle_in_the_place_of_any_file_is_never_run(folder, tmp_path):
    mark = tmp_path / "ran"
    for name in ("directions.safetensors", "directions.parquet", "profiles.parquet", "effects.parquet", "catalog.json"):
        kept = (folder / name).read_bytes()
        for content in (pickle.dumps(Evil(mark)), None):
            if content is None:
                torch.save({"smile": Evil(mark)}, folder / name)
            else:
                (folder / name).write_bytes(content)
            catalog = DirectionCatalog.from_pretrained(summed(folder))
            with pytest.raises(UserError):
                _ = catalog["smile"].vector, catalog.to_pandas(), catalog["smile"].effects
        (folder / name).write_bytes(kept)
    (folder / "vectors.pkl").write_bytes(pickle.dumps(Evil(mark)))
    catalog = DirectionCatalog.from_pretrained(summed(folder))
    assert catalog["smile"].vector.shape == (4, 16, 4, 4) and not mark.exists()


def test_a_table_that_declares_more_than_any_catalog_has_is_not_read():
    """Of two kilobytes, and half a terabyte in memory."""
    sink = pa.BufferOutputStream()
    few = pa.table({"effect": pa.DictionaryArray.from_arrays(np.zeros(10**6, np.int32), ["a"])})
    with pq.ParquetWriter(sink, few.schema) as writer:
        for _ in range(110):
            writer.write_table(few)
    content = sink.getvalue().to_pybytes()
    with pytest.raises(UserError, match=r"effects.parquet declares 110,000,000 values in [\d,]+ bytes"):
        stored.table(content, "effects.parquet")


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + b"\xff" * 64 + b"PAR1", b"no table" * 9])
def test_what_is_no_table_says_so(content):
    with pytest.raises(UserError, match="effects.parquet is no table that can be read"):
        stored.table(content, "effects.parquet")
