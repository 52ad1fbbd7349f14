"""Settings of a run, from a person or a file: read, checked, and written as TOML. Each fault says what was found and expected."""

import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import ValidationError

from pipeline.annotators import registry
from pipeline.annotators.regions import WHOLE
from pipeline.errors import UserError
from pipeline.models.bundled import BUNDLED
from schemas.run import Run

EXPECTED = {
    "int": "a whole number",
    "float": "a number",
    "finite": "a number",
    "bool": "true or false",
    "string": "text",
    "tuple": "a list",
    "path": "a path",
}


def run_of(settings: Mapping[str, Any]) -> Run:
    """Make a run of settings by name. Raises UserError for the first that is unknown, or has a value that cannot be."""
    try:
        return Run(**settings)
    except ValidationError as error:
        raise UserError(_told(error)) from error


def read(path: Path) -> dict[str, Any]:
    """Return the settings in a TOML file, which are known to make a run.

    Raises UserError where the file cannot be read, or what it says is no run.
    """
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(
            f"There is no run file {path} that can be read ({error.strerror}).\nGive a TOML file of settings, such as run.toml."
        ) from error
    except ValueError as error:
        raise UserError(f"{path} is no TOML ({error}).\nA setting is a line such as: samples = 1000") from error
    try:
        run_of(settings)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    return settings


def placed(run: Run) -> Run:
    """Return the run with the whole path of whatever it names on this machine, so that it means the same in any folder."""
    files = {
        name: path.absolute() for name in ("images", "condition", "facenet_weights") if (path := getattr(run, name))
    }
    model = run.model if run.model is None or run.model in BUNDLED else _whole(run.model)
    plugs = {
        name: tuple(map(registry.placed, value)) if isinstance(value, tuple) else registry.placed(value)
        for name in ("annotator", "judge", "allow_judge", "embedder")
        if (value := getattr(run, name))
    }
    foreground = run.foreground and _whole_mask(run.foreground)
    regions = tuple(map(_whole_mask, run.region))
    if run.imported:
        files["imported"] = tuple(map(_whole, run.imported))
    return run.model_copy(update={**files, **plugs, "model": model, "foreground": foreground, "region": regions})


def _whole_mask(name: str) -> str:
    return name if name in (WHOLE, *registry.REGIONS) else registry.placed(_whole(name))


def _whole(name: str) -> str:
    """The whole path of what is there, and any other name as it is."""
    return str(Path(name).absolute()) if Path(name).exists() else name


def pinned(run: Run, revision: str | None) -> Run:
    """Return the run of the very commit that its model was found at, where that is a repository of the hub."""
    if revision is None or run.model is None:
        return run
    return run.model_copy(update={"model": f"{run.model.partition('@')[0]}@{revision}"})


def as_toml(run: Run) -> str:
    """Return a run as a TOML file: every setting that it has."""
    return tomli_w.dumps(run.model_dump(mode="json", exclude_none=True))


def _told(error: ValidationError) -> str:
    """The first fault in words: what was found, and what is expected."""
    first = error.errors()[0]
    name = str(first["loc"][0])
    if first["type"] == "extra_forbidden":
        near = get_close_matches(name.replace("-", "_"), Run.model_fields, n=1)
        meant = f"Did you mean `{near[0]}`?" if near else f"There are {', '.join(Run.model_fields)}."
        return f"There is no setting {name}. {meant}"
    plain = first["msg"].removeprefix("Value error, expected ").removeprefix("Input should be ")
    expected = EXPECTED.get(first["type"].partition("_")[0], plain)
    found = first["input"]
    return (
        f"`{name}` is {found!r}: expected {expected}."
        if isinstance(found, str)
        else f"`{name}` is {found}: expected {expected}."
    )
