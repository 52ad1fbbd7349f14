"""A job on a Ray cluster: `python -m jobs.submit RUN.toml --address http://localhost:8265 --root s3://BUCKET/RUN`.

The code, the run, plugs of one's own and small files travel along. `submit` is what it does unless another of its commands is
named: `status`, `logs`, `stop` and `resubmit`.
"""

import json
import os
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from typer import Argument, Option

from jobs.once import Once
from jobs.printing import console, errors, for_people, refuse
from jobs.submission import JOBS, Request, Wired, own_plan
from pipeline.engine.submit import JobServer, Submitted
from pipeline.errors import UserError

COMMANDS = ("submit", "status", "logs", "stop", "resubmit")
HERE = "http://localhost:8265"
REQUEST = "request"  # among what the cluster keeps of a job: what it takes to submit it again

ADDRESS = Annotated[
    str, Option(metavar="URL", help="Of the cluster's job server; `ray dashboard cluster.yaml` forwards it.")
]
ID = Annotated[str, Argument(metavar="ID", help="What `submit` called the job.", show_default=False)]
WAIT = Annotated[bool, Option("--wait/--no-wait", help="Show what the job prints until it ends, and end as it does.")]
ROOT = Annotated[
    str,
    Option(
        metavar="URL",
        help="Where everything is made: s3://BUCKET/RUN, gs://, az://, or a folder that all machines share.",
    ),
]
JOB = Annotated[str, Option(metavar="NAME", help=f"Which job: {', '.join(JOBS)}.")]
ENV = Annotated[
    list[str],
    Option(
        metavar="NAME",
        help="Environment variable of this machine that the job is to have; may be repeated. Whoever may look at the cluster's "
        "dashboard sees its value.",
    ),
]
SHARED = Annotated[
    list[str],
    Option(metavar="FOLDER", help="Folder that all machines of the cluster have at this path; may be repeated."),
]
SKIP = Annotated[bool, Option("--skip-preflight", help="Begin without a look at the machines of the cluster.")]
PLAN = Annotated[bool, Option("--plan", help="Print what would be submitted, and the plan of the job, and stop.")]


def submit(
    context: typer.Context,
    root: ROOT,
    address: ADDRESS = HERE,
    job: JOB = "directions",
    env: ENV = [],  # noqa: B006
    shared: SHARED = [],  # noqa: B006
    wait: WAIT = True,
    skip_preflight: SKIP = False,
    plan: PLAN = False,
) -> None:
    """Submit a job, and show what it prints.

    All other options, and RUN.toml, are the job's own: `python -m jobs.directions --help` lists those of `--job directions`.
    """
    for_people(beside_json="--json" in context.args)
    with refused():
        if "--time" in context.args and not plan:
            raise UserError("--time says how long a plan would take: give --plan, too.")
        request = Request(job, tuple(context.args), root, tuple(env), tuple(shared), not skip_preflight, os.getcwd())
        with TemporaryDirectory(prefix="job-") as folder:
            wired = request.packed(Path(folder))
            if not plan:
                server = JobServer(address)
                _follow(server, _send(server, request, wired), wait, request)
            for line in wired.said():
                console.print(line)
        raise typer.Exit(own_plan(request))


def status(
    job: Annotated[str | None, Argument(metavar="ID", show_default=False)] = None, address: ADDRESS = HERE
) -> None:
    """Print how a job is, or how all jobs of the cluster are."""
    with refused():
        server = JobServer(address)
        found = [server.job(job)] if job else server.jobs()
    for each in found:
        console.print(f"{each.id}  {each.status}  {each.metadata.get('root', '')}".rstrip())
        if job and each.message:
            console.print(each.message)
    if not found:
        console.print("No job was submitted.")


def logs(job: ID, address: ADDRESS = HERE, wait: WAIT = True) -> None:
    """Show what a job printed, and go on until it ends."""
    with refused():
        server = JobServer(address)
        if wait:
            _follow(server, job, wait, None)
        print(server.logs(job), end="")


def stop(job: ID, address: ADDRESS = HERE) -> None:
    """Stop a job. What it finished is kept, and `resubmit` goes on from there."""
    with refused():
        stopped = JobServer(address).stop(job)
    console.print(f"Stopped: {job}" if stopped else f"{job} had ended already.")


def resubmit(job: ID, address: ADDRESS = HERE, wait: WAIT = True) -> None:
    """Submit a job again, with the code and files as they are now: it makes what is missing."""
    with refused():
        server = JobServer(address)
        before = server.job(job)
        if not before.ended:
            raise UserError(f"{job} is {before.status}: two of them would make the same. Stop it first: stop {job}.")
        if REQUEST not in before.metadata:
            raise UserError(f"{job} was not submitted by this command, so it cannot be submitted again by it.")
        request = Request.of(json.loads(before.metadata[REQUEST]))
        for_people(beside_json="--json" in request.rest)
        with TemporaryDirectory(prefix="job-") as folder:
            _follow(server, _send(server, request, request.packed(Path(folder))), wait, request)


def _send(server: JobServer, request: Request, wired: Wired) -> str:
    """Submit what is packed, and return its id."""
    for line in wired.said():
        console.print(line)
    name = f"{request.job}-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
    metadata = {"root": request.root, REQUEST: json.dumps(asdict(request))}
    server.submit(wired.command, wired.package.folder, name, wired.variables, metadata)
    console.print(f"Submitted: {name} to {server.address}")
    return name


def _follow(server: JobServer, name: str, wait: bool, request: Request | None) -> None:
    """End as the job ends; Ctrl-C leaves it running. A job that was asked for JSON has that alone on standard output."""
    how = f"python -m jobs.submit {{}} {name} --address {server.address}"
    if not wait:
        console.print(f"To follow it: {how.format('logs')}")
        raise typer.Exit(0)
    try:
        ended = server.follow(name, lambda text: print(text, end="", flush=True, file=console.file))
    except KeyboardInterrupt:
        errors.print(f"\nThe job goes on. To follow it: {how.format('logs')}\nTo stop it: {how.format('stop')}")
        raise typer.Exit(130) from None
    if request and "--json" in request.rest and (found := _object(server.logs(name))):
        print(found, flush=True)
    raise typer.Exit(_ended(ended, how))


def _object(log: str) -> str | None:
    """The last line of a job's log that is a JSON object; None where there is none."""
    for line in reversed(log.splitlines()):
        with suppress(ValueError):
            if line.startswith("{") and isinstance(json.loads(line), dict):
                return line
    return None


def _ended(job: Submitted, how: str) -> int:
    """Print how a job ended, where that was not well; the exit code, which is the job's own where it has one."""
    if job.status == "SUCCEEDED":
        return 0
    errors.print(f"{job.id} {job.status}: {job.message}\nTo go on from there: {how.format('resubmit')}")
    return 130 if job.status == "STOPPED" else job.exit_code or 1


@contextmanager
def refused() -> Iterator[None]:
    try:
        yield
    except UserError as error:
        refuse(error)
        raise typer.Exit(2) from None


def application() -> typer.Typer:
    """The commands. What `submit` does not know is for the job."""
    made = typer.Typer(add_completion=False, pretty_exceptions_enable=False, help=__doc__)
    passes_on = {"allow_extra_args": True, "ignore_unknown_options": True}
    made.command(cls=Once, context_settings=passes_on)(submit)
    for command in (status, logs, stop, resubmit):
        made.command(cls=Once)(command)
    return made


def arguments(given: list[str]) -> list[str]:
    """What is given, with the command that is meant where none is named."""
    return given if given and given[0] in (*COMMANDS, "--help") else ["submit", *given]


if __name__ == "__main__":
    sys.exit(application()(arguments(sys.argv[1:])))
