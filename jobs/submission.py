"""From what a person asks for to what a cluster is sent: the job's own command line, read, checked, and written anew."""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import typer

from jobs.packing import Package
from jobs.printing import option
from jobs.where import Where
from pipeline.engine.roots import is_local, normal
from pipeline.errors import UserError
from pipeline.recipes.settings import read, run_of

PROJECT = Path(__file__).parents[1]


class Job(NamedTuple):
    """A job that can be submitted. It is imported when it is: networks take a while."""

    module: str  # as `python -m` takes it, with its command where it has several
    function: str  # of the module
    takes: str  # what it is of: a file of settings, or a setting by its metavar

    @property
    def command(self) -> Any:
        """Its command line."""
        from jobs.command_line import app

        module = import_module(self.module.split()[0])
        return typer.main.get_command(app(getattr(module, self.function)))


JOBS = {
    "directions": Job("jobs.directions", "directions", "FILE"),
    "portraits": Job("jobs.portraits", "portraits", ""),
    "celebahq": Job("jobs.celebahq whole", "whole", ""),
    "celebahq-small": Job("jobs.celebahq small", "small", ""),
    "annotate": Job("jobs.annotate", "annotate", "IMAGES"),
    "carriage": Job("jobs.carriage", "carriage", "MODEL"),
}


@dataclass(frozen=True)
class Wired:
    """A job, ready to be sent."""

    command: str
    package: Package
    variables: Mapping[str, str]  # of its environment
    root: str

    def said(self) -> Iterator[str]:
        """What is sent, in lines for people."""
        yield from self.package.said()
        yield from (f"Variable: {name}, seen by whoever may look at the dashboard" for name in self.variables)
        yield f"Command: {self.command}"


@dataclass(frozen=True)
class Request:
    """What a person asks for: everything that it takes to submit it again."""

    job: str
    rest: tuple[str, ...]  # of the command line: the job's own
    root: str
    env: tuple[str, ...] = ()  # names of variables
    shared: tuple[str, ...] = ()
    preflight: bool = True
    folder: str = "."  # that one stands in

    @classmethod
    def of(cls, saved: Mapping[str, Any]) -> "Request":
        given: dict[str, Any] = {name: tuple(it) if isinstance(it, list) else it for name, it in saved.items()}
        return cls(**given)

    def packed(self, folder: Path) -> Wired:
        """Pack into an empty folder. Raises UserError for what cannot be, and for what the cluster would not see."""
        if self.job not in JOBS:
            raise UserError(f"There is no job {self.job!r} to submit; there are {', '.join(JOBS)}.")
        check_root(self.root)
        if not Path(self.folder).is_dir():
            raise UserError(f"The folder {self.folder}, which the job was submitted from, is not on this machine.")
        os.chdir(self.folder)
        package = Package(folder, tuple(Path(each).absolute() for each in self.shared))
        package.add_code(PROJECT)
        arguments = self._arguments(package)
        package.check()
        where = ["--root", normal(self.root), "--address", "auto", *(["--preflight"] if self.preflight else [])]
        command = f"python -m {JOBS[self.job].module} {shlex.join([*arguments, *where])}"
        return Wired(command, package, variables(self.env), self.root)

    def _arguments(self, package: Package) -> list[str]:
        """The job's own command line as it is on the cluster: of files that it names, what they are called there."""
        job = JOBS[self.job]
        first, settings, where = parsed(job, self.rest)
        if job.takes == "FILE":
            file = Path(first) if first else None
            run = run_of({**(read(file) if file else {}), **settings})
            told = run.model_dump(mode="json", exclude_unset=True, exclude_none=True)
            return [package.write_run(package.settings(told, file.parent if file else None)), *where]
        placed = package.settings({job.takes: first} if first else {})
        return [*placed.values(), *as_options(package.settings(settings)), *where]


def parsed(job: Job, rest: tuple[str, ...]) -> tuple[str | None, dict[str, Any], list[str]]:
    """Read a job's command line: what it is of, the settings that are given, and other options as they are.

    Ends the process with 2, as the job would, where it cannot be read.
    """
    given = job.command.make_context(f"jobs.submit ({job.module})", list(rest)).params
    first = given.pop("run", None)
    there = {name: value for name, value in given.items() if value not in (None, [], ())}
    refused = [name for name in ("root", "address", "plan", "preflight") if option(name) in rest]
    if refused:
        raise UserError(f"`{refused[0]}` is given twice: give it once.")
    workers = [f"--workers={there['workers']}"] if "workers" in there else []
    where = [*workers, *(option(name) for name in ("repair", "json") if there.get(name))]
    settings = {name: value for name, value in there.items() if name not in Where._fields}
    return (None if first is None else str(first)), settings, where


def as_options(settings: Mapping[str, Any]) -> Iterator[str]:
    """Settings as a command line gives them."""
    for name, value in settings.items():
        if isinstance(value, bool):
            yield option(name if value else f"no-{name}")
        else:
            yield from (f"{option(name)}={each}" for each in (value if isinstance(value, list | tuple) else [value]))


def variables(names: tuple[str, ...]) -> dict[str, str]:
    """Environment variables by name. Raises UserError for one that is not set, or is given with its value."""
    if told := [name for name in names if "=" in name]:
        raise UserError(
            f"--env {told[0].partition('=')[0]}=... has a value: give the name alone, of a variable that is set here."
        )
    if absent := [name for name in names if name not in os.environ]:
        raise UserError(f"--env {absent[0]}: there is no such variable here. Set it, or leave it out.")
    return {name: os.environ[name] for name in names}


def check_root(root: str) -> None:
    """Raise UserError for a root that machines of a cluster cannot share."""
    if root.startswith("memory:") or (is_local(root) and not Path(normal(root)).is_absolute()):
        raise UserError(
            f"`root` is {root}, which each machine of the cluster would have for itself.\n"
            "Give object storage, as s3://BUCKET/RUN, or the absolute path of a folder that all machines share."
        )


def own_plan(request: Request) -> int:
    """Print the job's own plan, made on this machine; its exit code."""
    command = [*JOBS[request.job].module.split(), *request.rest, "--root", request.root, "--plan"]
    return subprocess.run([sys.executable, "-m", *command], cwd=request.folder, check=False).returncode
