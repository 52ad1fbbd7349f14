"""The command line of a job: every setting of its run as an option, and where to work."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel
from typer import Option

from pipeline.errors import UserError


class Where(NamedTuple):
    """Where the work is done, which changes nothing of what is made."""

    root: Annotated[Path, Option(help="Folder for everything that is made.")]
    workers: Annotated[
        int | None,
        Option(
            help="Worker processes; 0 works in this process, without Ray. "
            "Where there are GPUs, at most so many with a GPU each, and as many without."
        ),
    ] = None
    address: Annotated[str | None, Option(help="Ray cluster; without it, Ray starts on this machine.")] = None
    plan: Annotated[bool, Option("--plan", help="Print what would be made, and stop.")] = False


def options(of: type[BaseModel], root: str) -> Callable[[Callable[[Any, Where], None]], Callable[..., None]]:
    """A decorator: from a function of a run and where to work, to a typer command with an option for each field of both."""
    runs = {
        name: inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.get_default(call_default_factory=True),
            annotation=Annotated[field.rebuild_annotation(), Option(help=field.description)],
        )
        for name, field in of.model_fields.items()
    }
    hints = inspect.get_annotations(Where)
    defaults = {"root": Path(root), **Where._field_defaults}
    where = {
        name: inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=defaults[name], annotation=hints[name])
        for name in Where._fields
    }

    def decorate(job: Callable[[Any, Where], None]) -> Callable[..., None]:
        def command(**given: Any) -> None:
            job(of(**{name: given[name] for name in runs}), Where(**{name: given[name] for name in where}))

        parameters = {**where, **runs}
        command.__doc__, command.__name__ = job.__doc__, job.__name__
        command.__signature__ = inspect.Signature(list(parameters.values()))  # type: ignore[attr-defined]
        command.__annotations__ = {name: each.annotation for name, each in parameters.items()}
        return command

    return decorate


def check_where(where: Where) -> None:
    """Raise UserError where the work cannot be done as asked."""
    root, workers, address, _ = where
    if workers is not None and workers < 0:
        raise UserError(f"{workers} workers: expected at least 1, or 0 to work in this process.")
    if address is not None and workers == 0:
        raise UserError(
            f"--workers 0 works in this process, and --address {address} on a cluster.\nLeave one of them out."
        )
    if address is not None and not root.is_absolute():
        raise UserError(
            f"--root {root} is relative, and workers of the cluster at {address} would each find it in a folder of their own.\n"
            "Give --root as the absolute path of a folder that this machine and all workers share, such as a network disk."
        )
