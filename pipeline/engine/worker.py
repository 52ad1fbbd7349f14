"""A worker makes parts, one at a time, anywhere: it loads what a stage needs once, and commits each part with how it was made."""

import importlib.metadata
import os
import platform
import socket
import subprocess
import time
import traceback
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.engine.filesystem import NotShared, Unusable
from pipeline.engine.stage import Stage
from pipeline.engine.store import Store
from pipeline.engine.threads import THREADS, fixed_threads
from pipeline.errors import UserError

LOADED_AT_ONCE = 3  # stages whose models a worker keeps in memory
_PACKAGES = ("torch", "torchvision", "diffusers", "numpy", "pyarrow", "scikit-learn", "facenet-pytorch", "ray")
_EXTRAS = ("timm", "transformers", "onnxruntime", "onnxruntime-gpu")  # where they are installed


@dataclass(frozen=True)
class Failure:
    """Why a part could not be made, in a form that travels between processes."""

    message: str  # for a UserError its text, otherwise the last line of the traceback
    traceback: str
    user_error: bool
    not_shared: bool = False  # the store cannot be worked with there: every further part would fail alike


@dataclass
class Worker:
    """Makes parts, each on as many threads as any other worker would: the bytes do not depend on where a part is made.

    `make` never raises for what a stage does wrong: it returns the failure.
    """

    loaded: dict[str, Any] = field(default_factory=dict)

    def cannot_write(self, store: Store) -> str | None:
        """Why nothing made here would come into the store, or None."""
        try:
            store.check_shared()
        except NotShared as error:
            return str(error)
        return None

    def make(self, stage: Stage, part: int, store: Store) -> Failure | None:
        try:
            self._make(stage, part, store)
        except Unusable as error:
            return Failure(str(error), "", True, not_shared=True)
        except UserError as error:
            return Failure(str(error), "", True)
        except Exception as error:
            return Failure(f"{type(error).__name__}: {error}", traceback.format_exc(), False)
        return None

    def _make(self, stage: Stage, part: int, store: Store) -> None:
        made = provenance()
        with fixed_threads(), store.part(stage, part, made) as out:
            loaded = self._load(stage)
            started = time.monotonic()
            stage.process(part, store, loaded, out)
            made["seconds"] = round(time.monotonic() - started, 3)

    def _load(self, stage: Stage) -> Any:
        if stage.fingerprint not in self.loaded:
            while len(self.loaded) >= LOADED_AT_ONCE:
                del self.loaded[next(iter(self.loaded))]
            self.loaded[stage.fingerprint] = stage.setup()
        return self.loaded[stage.fingerprint]


def provenance() -> dict[str, Any]:
    """Where and with what a part is made: nothing here changes what it should contain."""
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "threads": THREADS,
        **_versions(),
    }


def _installed(package: str) -> str | None:
    """The version of a package; None where it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


@cache
def _versions() -> dict[str, str]:
    extras = {package: found for package in _EXTRAS if (found := _installed(package))}
    versions = {package: importlib.metadata.version(package) for package in _PACKAGES} | extras
    root = Path(__file__).parents[2]
    try:
        git = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=False)
    except OSError:  # no git on this machine
        return versions
    return {**versions, "commit": git.stdout.strip()}
