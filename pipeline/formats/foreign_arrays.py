"""Arrays that other programs wrote, one at a time: `.npy`, `.npz` and `.safetensors`. Nothing in them is run.

What a file says that it holds is looked at before any of it is read: a header may declare more than there is memory.
"""

import os
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import IO, Any
from zipfile import BadZipFile, ZipFile

import numpy as np
from numpy.lib import format as npy
from safetensors import SafetensorError, safe_open

from pipeline.errors import UserError

LARGEST = 4 * 2**30  # bytes of an array
_FLOATS = {"F16": 2, "F32": 4, "F64": 8}  # of safetensors, by their bytes


def read_array(path: Path, key: str | None = None) -> np.ndarray:
    """Return an array of floating-point numbers, as it is stored. key: which one, where the file holds several.

    Raises UserError for a file that is none of these kinds, an array that is not in it, not of floating point, or beyond `LARGEST`.
    """
    try:
        return _READERS[path.suffix](path, key)
    except KeyError as error:
        raise UserError(f"{path} is of no kind that is read; expected {', '.join(_READERS)}.") from error
    except (OSError, ValueError, EOFError, SyntaxError, BadZipFile, SafetensorError) as error:
        raise UserError(f"{path} cannot be read ({str(error).splitlines()[0]}). Copy it again.") from error


def check_bytes(path: Path, what: str, size: int) -> None:
    """Raise UserError for an array, or a file of them, that is too large."""
    if size > LARGEST:
        raise UserError(f"{path}: {what} has {size:,} bytes; expected at most {LARGEST:,}.")


def _npy(path: Path, key: str | None) -> np.ndarray:
    if key is not None:
        raise UserError(f"{path} holds one array and no {key!r}: leave out its key.")
    with open(path, "rb") as file:
        return _of_npy(path, path.name, file, path.stat().st_size)


def _npz(path: Path, key: str | None) -> np.ndarray:
    with ZipFile(path) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist()]
        name = chosen(path, key, names)
        member = archive.getinfo(f"{name}.npy")
        check_bytes(path, name, member.file_size)
        with archive.open(member) as file:
            return _of_npy(path, name, file, member.file_size)


def _safetensors(path: Path, key: str | None) -> np.ndarray:
    with safe_open(path, "np") as file:
        name = chosen(path, key, list(file.keys()))
        part = file.get_slice(name)
        kind, shape = part.get_dtype(), part.get_shape()
        if kind not in _FLOATS:
            raise UserError(f"{path}: {name} is of {kind}; expected floating point: {', '.join(_FLOATS)}.")
        check_bytes(path, name, _FLOATS[kind] * prod(shape))
        return np.asarray(file.get_tensor(name))


_READERS: dict[str, Any] = {".npy": _npy, ".npz": _npz, ".safetensors": _safetensors}


def chosen(path: Path, key: str | None, names: Sequence[str]) -> str:
    """Return which of several arrays is meant. Raises UserError for one that is not there, and where none is named of several."""
    if key is None and len(names) == 1:
        return names[0]
    if key is None or key not in names:
        found = f"no {key!r}" if key is not None else f"{len(names)} arrays, and no key says which"
        raise UserError(f"{path} has {found}; it has {', '.join(names[:20])}.")
    return key


def _of_npy(path: Path, name: str, file: IO[bytes], size: int) -> np.ndarray:
    """An array in NumPy's format, of which `size` bytes are there with its header."""
    version = npy.read_magic(file)
    shape, _, dtype = npy.read_array_header_1_0(file) if version == (1, 0) else npy.read_array_header_2_0(file)
    if dtype.kind != "f":
        raise UserError(f"{path}: {name} is of {dtype}; expected floating point.")
    declared = prod(shape) * dtype.itemsize
    check_bytes(path, name, declared)
    if declared > size:
        raise UserError(f"{path}: {name} should have {declared:,} bytes, and there are {size:,}. Copy the file again.")
    file.seek(0, os.SEEK_SET)
    return npy.read_array(file, allow_pickle=False)
