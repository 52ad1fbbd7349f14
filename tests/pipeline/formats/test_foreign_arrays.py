"""Arrays of other programs are read as they are, and what declares more than there may be is refused before it is read."""

import io
import zipfile

import numpy as np
import pytest
from safetensors.numpy import save_file

from pipeline.errors import UserError
from pipeline.formats import foreign_arrays
from pipeline.formats.foreign_arrays import read_array

ARRAY = np.random.default_rng(0).standard_normal((3, 4, 2))


def header(shape: str, kind: str = "<f4") -> bytes:
    """That of an array in NumPy's format."""
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_each_kind_gives_the_array(kind, tmp_path):
    array = ARRAY.astype(kind)
    np.save(tmp_path / "a.npy", array)
    np.savez(tmp_path / "a.npz", act_comp=array, other=ARRAY)
    np.savez_compressed(tmp_path / "small.npz", only=np.asfortranarray(array))
    save_file({"v": array, "w": array}, tmp_path / "a.safetensors")
    found = [("a.npy", None), ("a.npz", "act_comp"), ("small.npz", None), ("a.safetensors", "v")]
    for name, key in found:
        read = read_array(tmp_path / name, key)
        assert read.dtype == kind and np.array_equal(read, array)


def test_which_array_has_to_be_said(tmp_path):
    np.savez(tmp_path / "a.npz", one=ARRAY, two=ARRAY)
    np.save(tmp_path / "a.npy", ARRAY)
    with pytest.raises(UserError, match="2 arrays, and no key says which; it has one, two"):
        read_array(tmp_path / "a.npz")
    with pytest.raises(UserError, match="no 'three'; it has one, two"):
        read_array(tmp_path / "a.npz", "three")
    with pytest.raises(UserError, match="holds one array and no 'one'"):
        read_array(tmp_path / "a.npy", "one")


def test_no_pickle_is_run(tmp_path):
    np.save(tmp_path / "a.npy", np.array([print, ARRAY], object), allow_pickle=True)
    np.savez(tmp_path / "a.npz", v=np.array([print, ARRAY], object))
    for name in ("a.npy", "a.npz"):
        with pytest.raises(UserError, match="is of object; expected floating point"):
            read_array(tmp_path / name)


def test_a_header_that_declares_more_than_there_is_is_refused(tmp_path):
    """A terabyte, and a little more than is there: nothing of that size is made."""
    for shape, why in (("(1000000, 1000000)", "expected at most"), ("(100,)", "should have 400 bytes, and there are")):
        (tmp_path / "a.npy").write_bytes(header(shape) + bytes(16))
        with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
            archive.writestr("v.npy", header(shape) + bytes(16))
        for name in ("a.npy", "a.npz"):
            with pytest.raises(UserError, match=why):
                read_array(tmp_path / name)


def test_what_unpacks_to_more_than_may_be_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(foreign_arrays, "LARGEST", 1000)
    np.savez_compressed(tmp_path / "a.npz", v=np.zeros(10_000))
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_: pytest.fail("it was unpacked"))
    with pytest.raises(UserError, match="v has 80,128 bytes; expected at most 1,000"):
        read_array(tmp_path / "a.npz")


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.safetensors"])
def test_what_is_damaged_or_of_another_kind_is_said(name, tmp_path):
    buffer = io.BytesIO()
    np.save(buffer, ARRAY)
    for content in (b"", b"no array", buffer.getvalue()[:40]):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match="cannot be read"):
            read_array(tmp_path / name)
    with pytest.raises(UserError, match="of no kind that is read; expected .npy, .npz, .safetensors"):
        read_array(tmp_path / "a.csv")


def test_whole_numbers_are_no_vector(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(4))
    save_file({"v": np.arange(4)}, tmp_path / "a.safetensors")
    for name in ("a.npy", "a.safetensors"):
        with pytest.raises(UserError, match="expected floating point"):
            read_array(tmp_path / name)
