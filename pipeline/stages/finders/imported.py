"""Imported: directions that were found elsewhere, as a finder like any other: they are measured and published beside the others."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path, PurePath

import numpy as np
from pydantic import ValidationError

from pipeline.annotators.names import check_name
from pipeline.engine.stage import Need, Stage
from pipeline.engine.store import Store
from pipeline.errors import UserError
from pipeline.fingerprint import not_hashed
from pipeline.formats.foreign_arrays import check_bytes, chosen, read_array
from pipeline.formats.hashes import check_unchanged, sha256_of
from pipeline.hspace.capture import canonical, singles
from pipeline.stages.finders.finder import write_directions
from pipeline.stages.sources.source import Source
from schemas.imported import ImportedDirection, ImportedDirections

LARGEST_DESCRIPTION = 2**20  # bytes
PICKLES = (".pt", ".pth")


@dataclass(frozen=True)
class Imported(Stage):
    """The directions of a description, at the steps of a source. `imported` makes one; what decides it is what the files hold."""

    sample: Source  # whose model, T and h they are for
    described: str  # schemas.imported, as JSON
    content: str  # SHA-256 of the files, one after another
    folder_of_files: str = not_hashed("")

    @cached_property
    def about(self) -> ImportedDirections:
        return ImportedDirections.model_validate_json(self.described)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"{each.name}/{self.about.method}" for each in self.about.directions)

    @property
    def files(self) -> list[Path]:
        """The files that vectors lie in, each once."""
        return _files(Path(self.folder_of_files), self.about)

    def needs(self, part: int) -> Iterator[Need]:
        return iter(())  # of the source only its model, T and h's shape

    def check(self) -> None:
        model, expected = self.sample.model, self.about.weights_sha256
        if expected is not None and expected != model.weights:
            raise UserError(
                f"{self.folder_of_files}: these directions were found in a U-Net of weights {expected}, and {model.name} has "
                f"{model.weights}.\nWith another model they mean nothing: run the one that they are of."
            )
        for each in self.about.directions:
            self._vector(each)

    def part_bytes(self) -> int:
        return 4 * len(self.names) * self.sample.steps * prod(self._shape)

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        check_unchanged(self.files, self.content)
        vectors = {name: self._vector(each) for name, each in zip(self.names, self.about.directions, strict=True)}
        rows = [
            {
                "name": name,
                "method": self.about.method,
                "capture": self.about.capture,
                "attribute": each.attribute,
                "component": None if each.attribute else index,
                "n": 0,
            }
            for index, (name, each) in enumerate(zip(self.names, self.about.directions, strict=True))
        ]
        write_directions(out, self, vectors, rows)

    @cached_property
    def _shape(self) -> tuple[int, ...]:
        return self.sample.model.h_shape(self.about.capture)

    def _vector(self, each: ImportedDirection) -> np.ndarray:
        """A direction (T, *shape of h) float32 at the steps of the source. Raises UserError for a vector that cannot be one."""
        path = Path(self.folder_of_files) / each.file
        array = _array(path, each.key)
        where = f"{path}, of {each.name!r}"
        if each.row is not None:
            if not 0 <= each.row < len(np.atleast_1d(array)):
                raise UserError(f"{where}: there is no row {each.row} of {list(array.shape)}.")
            array = array[each.row]
        found = at_steps(array, self.about.timesteps, self.sample.reverse_process.timesteps, self._shape)
        if found is None:
            steps = "" if self.about.timesteps is None else f"{len(self.about.timesteps)} x "
            raise UserError(
                f"{where}: the vector has the shape {list(array.shape)}; expected {steps}{list(self._shape)}, the shape of h at "
                f"{self.about.capture}.\nName the capture point that it is of, and its timesteps where it has one a step."
            )
        if not np.isfinite(found).all() or not found.any():
            raise UserError(f"{where}: the vector is zero, or not finite in float32.")
        return found


def imported(path: str | Path, source: Source) -> Imported:
    """Read a description of directions from outside, and what identifies its files.

    Raises UserError for what is no description, names that cannot be names, and files that are not beside it.
    """
    path = Path(path).absolute()
    about = described(path)
    check_name(about.method, "method", str(path))
    for each in about.directions:
        check_name(each.name, "direction", str(path))
        if each.attribute is not None:
            check_name(each.attribute, "attribute", str(path))
        if PurePath(each.file).name != each.file or each.file in ("", "..") or (path.parent / each.file).is_symlink():
            raise UserError(
                f"{path} names {each.file!r}; expected a file beside it, by its name alone, which is no link."
            )
        if not (path.parent / each.file).is_file():
            raise UserError(f"{path} names {each.file}, which is not beside it.")
        check_bytes(path.parent / each.file, "the file", (path.parent / each.file).stat().st_size)
    if len({each.name for each in about.directions}) < len(about.directions):
        raise UserError(f"{path} has two directions of one name: give each a name of its own.")
    return Imported(source, about.model_dump_json(), sha256_of(_files(path.parent, about)), str(path.parent))


def at_steps(
    array: np.ndarray, timesteps: list[int] | None, wanted: list[int], shape: tuple[int, ...]
) -> np.ndarray | None:
    """Return an array as a direction (len(wanted), *shape) float32, at each step the vector of the nearest timestep.

    timesteps: of the array's first axis; None where it is one vector. Returns None for an array of another shape.
    """
    vectors = array[None] if timesteps is None else array
    plain = [(n, *each) for n in (len(timesteps or [0]),) for each in (shape, (prod(shape),), (1, *shape))]
    if vectors.shape not in plain:
        return None
    nearest = np.abs(np.subtract.outer(wanted, timesteps or [0])).argmin(axis=1)
    with np.errstate(over="ignore"):  # of what is no float32: it is looked for afterwards
        return vectors.reshape(len(vectors), *shape)[nearest].astype(np.float32)


def described(path: Path) -> ImportedDirections:
    """Read a description. Raises UserError for what is none, and for several capture points at once."""
    about = _read(path)
    if len(singles(canonical(about.capture))) > 1:
        raise UserError(
            f"{path} is of {about.capture}; expected one capture point: describe those of each by themselves."
        )
    return about.model_copy(update={"capture": canonical(about.capture)})


def _read(path: Path) -> ImportedDirections:
    try:
        if path.stat().st_size > LARGEST_DESCRIPTION:
            raise UserError(f"{path} has {path.stat().st_size:,} bytes; expected at most {LARGEST_DESCRIPTION:,}.")
        return ImportedDirections.model_validate(json.loads(path.read_bytes()))
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}). Expected a description of directions.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UserError(f"{path} is no description of directions: {where}: {first['msg']}.") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is no JSON ({error}).") from error


def _files(folder: Path, about: ImportedDirections) -> list[Path]:
    return [folder / name for name in dict.fromkeys(each.file for each in about.directions)]


def _array(path: Path, key: str | None) -> np.ndarray:
    if path.suffix not in PICKLES:
        return read_array(path, key)
    from pipeline.models.pickles import read_one_or_more

    tensors = read_one_or_more(path)
    tensor = tensors[chosen(path, key, list(tensors))]
    if not tensor.is_floating_point():
        raise UserError(f"{path} holds {tensor.dtype}; expected floating point.")
    check_bytes(path, key or "the tensor", 4 * tensor.numel())  # which may be a view of less
    return tensor.float().numpy()
