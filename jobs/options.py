"""The command line of a job: every setting of its run as an option, and where to work."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel
from typer import Option

from jobs.where import Where


def options(
    defaults: BaseModel, root: str, **told: str
) -> Callable[[Callable[[Any, Where], None]], Callable[..., None]]:
    """A decorator: from a function of a run and where to work, to a typer command with an option for each field of both.

    defaults: a run, whose settings hold where none is given; told: what the help says of a setting, where a job takes it otherwise.
    """
    where, runs = _of_where(root), _of_run(defaults, told)

    def decorate(job: Callable[[Any, Where], None]) -> Callable[..., None]:
        def command(**given: Any) -> None:
            job(type(defaults)(**{name: given[name] for name in runs}), Where(**{name: given[name] for name in where}))

        parameters = {**where, **runs}
        command.__doc__, command.__name__ = job.__doc__, job.__name__
        command.__signature__ = inspect.Signature(list(parameters.values()))  # type: ignore[attr-defined]
        command.__annotations__ = {name: each.annotation for name, each in parameters.items()}
        return command

    return decorate


def _of_where(root: str) -> dict[str, inspect.Parameter]:
    defaults = {"root": Path(root), **Where._field_defaults}
    return {name: _option(name, defaults[name], hint) for name, hint in inspect.get_annotations(Where).items()}


def _of_run(defaults: BaseModel, told: dict[str, str]) -> dict[str, inspect.Parameter]:
    hints = {
        name: Annotated[field.rebuild_annotation(), Option(help=told.get(name, field.description))]
        for name, field in type(defaults).model_fields.items()
    }
    return {name: _option(name, getattr(defaults, name), hint) for name, hint in hints.items()}


def _option(name: str, default: Any, hint: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hint)
