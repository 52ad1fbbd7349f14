"""What kinds of machine a part comes from: its own, and those of all that it was made from.

Every part computes on one thread and draws its randomness by itself, so the same machine makes the same bytes. Another one may
not: libraries choose their code by the CPU's instruction set and its maker, by the GPU and by their release, and round otherwise.
"""

import importlib.metadata
import os
import platform
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from threading import local
from typing import Any

COMPUTE = ("torch", "torchvision", "diffusers", "numpy", "scipy", "scikit-learn")
NO_GPU = "none"  # of a part that is for a GPU where there is one

# Of the flags of Linux, those that torch, oneDNN, numpy and OpenBLAS choose their code by:
_FLAGS = ["sse4_2", "avx", "avx2", "fma", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16"]
_FLAGS += ["amx_tile", "asimd", "asimdhp", "asimddp", "sve", "sve2", "bf16", "i8mm"]
_MAKERS = {"GenuineIntel": "Intel", "AuthenticAMD": "AMD"}
_MAKER = ("vendor_id", "CPU implementer")
# Environment variables by which a user has them choose otherwise:
_CHOSEN_BY = (
    "ATEN_CPU_CAPABILITY",
    "DNNL_MAX_CPU_ISA",
    "ONEDNN_MAX_CPU_ISA",
    "MKL_CBWR",
    "MKL_ENABLE_INSTRUCTIONS",
    "NPY_DISABLE_CPU_FEATURES",
    "NPY_ENABLE_CPU_FEATURES",
    "OPENBLAS_CORETYPE",
)

_making = local()  # of each thread: the part that it makes


@dataclass(frozen=True, order=True)
class MachineKind:
    """What decides the last bits of what is computed."""

    cpu: str  # its maker and instruction set
    gpu: str = ""  # "" for a part that is for none
    packages: tuple[tuple[str, str], ...] = ()
    modified: bool = False  # whether the code was that of no commit

    def record(self) -> dict[str, Any]:
        """The kind as JSON."""
        return {**asdict(self), "packages": dict(self.packages)}

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "MachineKind":
        return cls(**{**record, "packages": tuple(record["packages"].items())})


@cache
def cpu() -> str:
    """The maker and instruction set of this machine's CPU, and what a user has set in its place."""
    chosen = [f"{name}={os.environ[name]}" for name in _CHOSEN_BY if os.environ.get(name)]
    return " ".join((*_described(), *chosen))


def _described(info: Path = Path("/proc/cpuinfo")) -> list[str]:
    try:
        first = info.read_text().split("\n\n")[0].splitlines()
    except OSError:  # no Linux
        return [platform.machine(), platform.processor()]
    said = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in first)}
    maker = next((said[name] for name in _MAKER if name in said), platform.machine())
    flags = set((said.get("flags") or said.get("Features") or "").split())
    return [_MAKERS.get(maker, maker), *(flag for flag in _FLAGS if flag in flags)]


@cache
def packages() -> tuple[tuple[str, str], ...]:
    """The releases that compute."""
    return tuple((name, importlib.metadata.version(name)) for name in COMPUTE)


@contextmanager
def sources_noted() -> Iterator[None]:
    """Note the machines behind whatever this thread reads in the block."""
    before = getattr(_making, "kinds", None)
    _making.kinds = set()
    try:
        yield
    finally:
        _making.kinds = before


def note_read(made: Mapping[str, Any]) -> None:
    """A finished part is read, of which its record says this."""
    kinds: set[MachineKind] | None = getattr(_making, "kinds", None)
    if kinds is not None:
        kinds.update(MachineKind.of(each) for each in made.get("machines", ()))


def so_far() -> frozenset[MachineKind]:
    """The machines behind what the part that this thread makes has read."""
    return frozenset(getattr(_making, "kinds", None) or ())


def told(kinds: Collection[MachineKind]) -> tuple[str, ...]:
    """Sentences on machines that are unlike, and on code that nobody can look up; nothing where there is nothing to know."""
    unlike = [f"{what}: {' and '.join(found)}" for what, found in _by_what(kinds) if len(found) > 1]
    notes = []
    if unlike:
        notes.append(
            f"Parts of this run were made on unlike machines ({'; '.join(unlike)}): their bytes may differ in the last bits from "
            "those of one machine."
        )
    if any(each.modified for each in kinds):
        notes.append("Some of this was made by code with uncommitted changes: no commit tells how.")
    return tuple(notes)


def _by_what(kinds: Collection[MachineKind]) -> Iterator[tuple[str, list[str]]]:
    """What each kind has of everything that decides, in order."""
    yield "CPU", sorted({each.cpu for each in kinds})
    yield "GPU", sorted({each.gpu for each in kinds} - {""})
    for name in COMPUTE:
        yield name, sorted({dict(each.packages).get(name, "none") for each in kinds})
