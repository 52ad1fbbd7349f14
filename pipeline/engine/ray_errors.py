"""What Ray's errors say: who is lost, who is known to be dead, who could never have worked."""

import re
import sys
from typing import Any

from pipeline.errors import UserError


def _kinds() -> Any:
    return sys.modules["ray"].exceptions  # of a process that Ray is used in


def lost(error: Exception) -> bool:
    """Whether a worker will not answer any more."""
    return isinstance(error, _kinds().RayActorError | _kinds().OutOfMemoryError)


def known_dead(error: Exception) -> bool:
    """Whether a worker is known to have died by itself: no connection that broke, and no machine that was taken away."""
    return not isinstance(error, _kinds().ActorUnavailableError) and not getattr(error, "preempted", False)


def unable(error: Exception) -> bool:
    """Whether a worker failed as it started, and was not merely killed: the next one would, too."""
    return getattr(error, "actor_init_failed", False) or not isinstance(error, _kinds().RayActorError)


def check_found(error: Exception) -> None:
    """Raise UserError where a worker does not find a module of what it was given: it would fail at every part."""
    if absent := re.search(r"ModuleNotFoundError: No module named '([\w.]+)'", str(error)):
        raise UserError(
            f"The workers find no module {absent[1]!r}, which this process has.\n"
            "Every machine needs it: in the folder that you start this from, where they share that folder, or installed,\n"
            "or in a folder that PYTHONPATH names there."
        )


def first_line(error: Exception | str) -> str:
    """Return what an error says first."""
    return str(error).strip().splitlines()[0]


def last_line(error: Exception) -> str:
    """Return the line of an error of Ray's that says the cause, without its colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip().splitlines()[-1]
