"""Jobs on a Ray cluster, by its job server: submitted with their code, followed, looked at, stopped."""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

from pipeline.engine.ray_start import read_again
from pipeline.errors import UserError

MOST = 90_000_000  # bytes that a job brings along, packed: the job server takes 100 MiB
AGAIN = 5  # times that logs are asked for again when their connection breaks and the job has said nothing since
PAUSE = 1.0  # seconds before that where the server cannot be reached; twice as many each time
_TALKATIVE = (  # loggers
    "ray.dashboard.modules.job.sdk",
    "ray.dashboard.modules.dashboard_sdk",
    "ray._private.runtime_env.packaging",
)
_OVERRIDES = (
    "RAY_ADDRESS",
    "RAY_API_SERVER_ADDRESS",
)  # by which Ray would go to another cluster than the one that is named


@dataclass(frozen=True)
class Submitted:
    """A job as the cluster knows it."""

    id: str
    status: str  # PENDING, RUNNING, SUCCEEDED, FAILED, STOPPED
    message: str
    entrypoint: str
    exit_code: int | None  # of what ran; None where it did not end by itself
    metadata: Mapping[str, str]

    @property
    def ended(self) -> bool:
        return self.status in ("SUCCEEDED", "FAILED", "STOPPED")


class JobServer:
    """The job server of a cluster, at http://HOST:8265 or wherever its port is forwarded to.

    It takes orders from whoever has the token of the cluster, which lies in ~/.ray/auth_token or in RAY_AUTH_TOKEN. Whoever wants
    to work without one says RAY_AUTH_MODE=disabled. Raises UserError where none answers, or not to this token.
    """

    def __init__(self, address: str):
        if not address.startswith(("http://", "https://")):
            raise UserError(
                f"`address` is {address}: expected that of the job server, as http://HOST:8265.\n"
                "`ray dashboard cluster.yaml` forwards it to http://localhost:8265."
            )
        self.address = address.rstrip("/")
        with _explained(self.address), _environment():
            from ray.job_submission import JobSubmissionClient

            self._client = JobSubmissionClient(self.address)
            self._check_closed()

    def _check_closed(self) -> None:
        """Raise UserError for a server that takes orders from anybody, unless that was said."""
        if os.environ["RAY_AUTH_MODE"] == "token" and _answers(f"{self.address}/api/jobs/"):
            raise UserError(
                f"The cluster at {self.address} takes orders from whoever reaches it, without a token.\n"
                "Start its Ray with RAY_AUTH_MODE=token, or say RAY_AUTH_MODE=disabled here, where nobody else reaches it."
            )

    def submit(
        self, entrypoint: str, folder: Path, name: str, variables: Mapping[str, str], metadata: Mapping[str, str]
    ) -> str:
        """Submit a command that runs on the head node, in a copy of a folder that every machine has, and return its id.

        variables: environment variables of the job and its workers. Whoever may look at the cluster's dashboard sees them.
        """
        runtime = {"working_dir": str(folder), "env_vars": dict(variables)}
        with _explained(self.address), _environment():
            submitted: str = self._client.submit_job(
                entrypoint=entrypoint, runtime_env=runtime, submission_id=name, metadata=dict(metadata)
            )
        return submitted

    def job(self, name: str) -> Submitted:
        with _explained(self.address, name), _environment():
            return _told(self._client.get_job_info(name))

    def jobs(self) -> list[Submitted]:
        """All jobs that were submitted, the latest last."""
        with _explained(self.address), _environment():
            found = [each for each in self._client.list_jobs() if each.submission_id]
        return [_told(each) for each in sorted(found, key=lambda each: each.start_time or 0)]

    def stop(self, name: str) -> bool:
        """Have a job stopped; False for one that had ended."""
        with _explained(self.address, name), _environment():
            return bool(self._client.stop_job(name))

    def logs(self, name: str) -> str:
        with _explained(self.address, name), _environment():
            return str(self._client.get_job_logs(name))

    def follow(self, name: str, show: Callable[[str], None]) -> Submitted:
        """Show what a job prints until it ends, also where the connection breaks meanwhile, and return how it ended."""
        shown = silent = 0
        found: Submitted | None = None
        while True:
            before = shown
            broken: Exception | None = None
            try:
                shown = asyncio.run(self._tail(name, shown, show))
            except Interrupted as error:
                shown, broken = error.shown, error
            silent = 0 if shown > before else silent + 1
            try:
                found = self.job(name)
            except UserError as error:  # the server cannot be reached, as where the port is forwarded anew
                if not (found or shown):
                    raise
                if silent > AGAIN:
                    raise UserError(f"{error}\nThe job is not stopped by that.") from error
                time.sleep(PAUSE * 2**silent)
                continue
            if found.ended and broken is None:
                return found
            if silent > AGAIN:
                raise UserError(
                    f"The logs of {name} cannot be followed any longer: the connection to {self.address} breaks.\n"
                    f"The job goes on: it is {found.status}."
                ) from broken

    async def _tail(self, name: str, shown: int, show: Callable[[str], None]) -> int:
        """Show a job's output behind the characters that were shown before, and return how many are shown now."""
        seen = 0
        try:
            async for lines in self._client.tail_job_logs(name):
                seen += len(lines)
                if seen > shown:
                    show(lines[len(lines) - (seen - shown) :])
                    shown = seen
        except Exception as error:  # aiohttp's and Ray's, of half a dozen kinds
            raise Interrupted(shown, error) from error
        return shown


class Interrupted(Exception):
    """The connection by which logs come broke, after so many characters of them."""

    def __init__(self, shown: int, error: Exception):
        super().__init__(str(error))
        self.shown = shown


def _answers(url: str) -> bool:
    """Whether a stranger is answered, who shows no token."""
    try:
        with urlopen(url, timeout=30):
            return True
    except HTTPError:
        return False


def _told(found: Any) -> Submitted:
    return Submitted(
        id=found.submission_id or found.job_id,
        status=str(getattr(found.status, "value", found.status)),
        message=(found.message or "").partition(", last available logs")[0],
        entrypoint=found.entrypoint,
        exit_code=found.driver_exit_code,
        metadata=found.metadata or {},
    )


@contextmanager
def _environment() -> Iterator[None]:
    """Have Ray go to the address that it is given, with a token unless it is told otherwise, and to say nothing by itself."""
    before = {name: os.environ.pop(name, None) for name in _OVERRIDES}
    added = {} if "RAY_AUTH_MODE" in os.environ else {"RAY_AUTH_MODE": "token"}
    os.environ.update(added)
    try:
        read_again()
        for name in _TALKATIVE:
            logging.getLogger(name).setLevel(logging.ERROR)
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
        os.environ.update({name: value for name, value in before.items() if value is not None})
        read_again()


@contextmanager
def _explained(address: str, name: str = "") -> Iterator[None]:
    """Turn what Ray raises into what the user can mend."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        said = str(error).strip()
        kind = type(error).__name__
        if kind == "AuthenticationError" or "auth" in kind.lower():
            raise UserError(
                f"The cluster at {address} does not take this token, or there is none here.\n"
                "Put the cluster's token into ~/.ray/auth_token, or give its path in RAY_AUTH_TOKEN_PATH."
            ) from error
        if isinstance(error, ConnectionError) or kind in ("ConnectionError", "ConnectTimeout", "ReadTimeout"):
            raise UserError(
                f"No job server answers at {address}.\n"
                "Check `address` and that its port is forwarded: ray dashboard cluster.yaml."
            ) from error
        if name and "does not exist" in said:
            raise UserError(f"The cluster at {address} knows no job {name}.\nSee which there are: status.") from error
        raise UserError(f"The job server at {address} refuses ({said.splitlines()[0] if said else kind}).") from error
