"""The command line of a job: every setting of a run as an option, a file of settings, and where to work."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

from pydantic.fields import FieldInfo
from typer import Argument, Option

from jobs.where import Where
from pipeline.annotators.registry import REGIONS, listing
from pipeline.models.bundled import BUNDLED
from schemas.run import Run

FILE = "A TOML file with settings, such as a catalog's run.toml; options beside it override it."
SEVERAL = "..."  # at the end of a metavar: the option may be repeated

RUN_FILE = Annotated[Path | None, Argument(metavar="[RUN.toml]", help=FILE, show_default=False)]
MODEL = Annotated[str, Argument(metavar="MODEL", help=str(Run.model_fields["model"].description), show_default=False)]

Job = Callable[[Any, dict[str, Any], Where], None]


def options(
    root: str,
    defaults: Run | None = None,
    settings: Sequence[str] = tuple(Run.model_fields),
    also: Mapping[str, Any] = MappingProxyType({}),
    takes: Any = None,
) -> Callable[[Job], Callable[..., None]]:
    """A decorator: from a function of a file of settings, those given beside it, and where to work, to a typer command.

    defaults: settings that hold where none is given, of a job that is a run of its own and takes no file. settings: those that
    there are options of. also: the options that the job alone has, which count among what is given. takes: what the job is of, in
    the place of a file.
    """
    hints = inspect.get_annotations(Where)
    of_where = {name: _parameter(name, {"root": root, **Where._field_defaults}[name], hints[name]) for name in hints}
    of_run = {name: _of_setting(name, Run.model_fields[name], defaults or Run()) for name in settings}
    of_job = {name: _parameter(name, None, hint) for name, hint in also.items()}
    first = {}
    if takes is not None:
        first = {"run": _parameter("run", inspect.Parameter.empty, takes)}
    elif defaults is None:
        first = {"run": _parameter("run", None, RUN_FILE)}

    def decorate(job: Job) -> Callable[..., None]:
        def command(run: Any = None, **options: Any) -> None:
            given = {name: options[name] for name in (*of_run, *of_job) if options[name] not in (None, [])}
            job(run, given, Where(**{name: options[name] for name in of_where}))

        parameters = {**first, **of_job, **of_run, **of_where}
        command.__doc__, command.__name__ = job.__doc__, job.__name__
        command.epilog = choices()  # type: ignore[attr-defined]
        command.__signature__ = inspect.Signature(list(parameters.values()))  # type: ignore[attr-defined]
        command.__annotations__ = {name: each.annotation for name, each in parameters.items()}
        return command

    return decorate


def choices() -> str:
    """Who labels and judges by name, and what they score, below the options."""
    models = f"Models that come with this project: {', '.join(BUNDLED)}."
    regions = f"Regions by name: {', '.join(REGIONS)}."
    return "\n\n".join(["Annotators and judges by name, and what they score:", *listing(), regions, models])


def _of_setting(name: str, field: FieldInfo, defaults: Run) -> inspect.Parameter:
    """A setting as an option of text, which the run itself reads: one phrase for the command line, TOML and Python."""
    about = field.json_schema_extra
    assert isinstance(about, dict)
    metavar = str(about["metavar"])
    kind = list[str] if metavar.endswith(SEVERAL) else str if metavar else bool
    default = _shown(getattr(defaults, name))
    option = Option(
        help=f"{field.description} Default: {default}." if default else field.description,
        metavar=metavar.removesuffix(SEVERAL) or None,
        rich_help_panel=str(about["group"]),
        show_default=False,
    )
    return _parameter(name, None, Annotated[kind | None, option])


def _shown(default: Any) -> str:
    """A default as a person would type it."""
    if isinstance(default, bool):
        return "on" if default else "off"
    if isinstance(default, tuple):
        return ", ".join(map(str, default))
    return "" if default is None else str(default)


def _parameter(name: str, default: Any, hint: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hint)
