"""The folder of an export: there whole or not at all, and never in the place of what is somebody else's."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from pipeline.errors import UserError

MARK = ".export.json"  # by which a folder is known to be an export; what begins with a dot is read as data by no tool


@contextmanager
def written(out: Path, to: str) -> Iterator[Path]:
    """An empty folder to write an export into. It becomes `out` when the block ends well, and vanishes otherwise.

    It is written beside `out` and renamed, so nothing that lies there, a link in particular, is ever written to. An earlier export
    to the same format is replaced. to: the format.

    Raises UserError where `out` is anything else that holds something, or cannot be written.
    """
    _check(out, to)
    with _explained(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        made = staging / "made"
        made.mkdir()
        yield made
        with _explained(out):
            (made / MARK).write_text(json.dumps({"export": to, "files": _files(made)}, indent=2) + "\n")
            _check(out, to)
            _put(made, out, staging / "before")
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _put(made: Path, out: Path, before: Path) -> None:
    """Rename a folder to `out`; what was there goes to `before`, and comes back where that fails."""
    there = out.exists()
    if there:
        os.rename(out, before)
    try:
        os.rename(made, out)
    except OSError:
        if there:
            os.rename(before, out)
        raise


def _check(out: Path, to: str) -> None:
    """Raise UserError unless there is nothing at `out`, or an empty folder, or an earlier export to the same format."""
    name = "" if out.name in ("", "..") else out.name
    if why := ("it has no name of its own" if not name else _occupied(out, to)):
        raise UserError(
            f"{out} cannot be the folder of this export: {why}.\nName one that is not there yet, or an earlier export to {to}."
        )


def _occupied(out: Path, to: str) -> str | None:
    """Why something at `out` must stay; None where nothing does."""
    if out.is_symlink():
        return "it is a link"
    if not out.exists():
        return None
    if not out.is_dir():
        return "it is a file"
    files = _files(out)
    if not files:
        return None
    mark = _mark(out)
    if mark.get("export") != to:
        return f"it is an export to {mark['export']}" if mark else f"it holds {files[0]}, which no export wrote"
    more = sorted(set(files) - {*mark["files"], MARK})
    return f"it holds {more[0]}, which no export wrote" if more else None


def _mark(out: Path) -> dict[str, Any]:
    """What an export left of itself; empty where there is nothing of it."""
    try:
        mark = json.loads((out / MARK).read_bytes())
        return mark if isinstance(mark["export"], str) and isinstance(mark["files"], list) else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _files(folder: Path) -> list[str]:
    """Whatever lies below a folder and is no folder itself; a link is not followed."""
    return sorted(
        str((Path(at) / name).relative_to(folder))
        for at, folders, names in os.walk(folder)
        for name in [*names, *(each for each in folders if (Path(at) / each).is_symlink())]
    )


@contextmanager
def _explained(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f"{out} cannot be written ({error.strerror}). Name a folder that can be.") from error
