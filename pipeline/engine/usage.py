"""What a process holds at most while it makes a part."""

import resource
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

_OWN = Path("/proc/self")


def forget_peak() -> None:
    """Begin anew: `peak_memory` is of what comes. Where the system does not offer that, it is of the process since its start."""
    with suppress(OSError):
        (_OWN / "clear_refs").write_text("5")
    if torch := _torch_with_gpu():
        torch.cuda.reset_peak_memory_stats()


def peak_memory() -> int:
    """The most bytes of RAM that this process has held, with all that it has loaded."""
    try:
        [line] = (line for line in (_OWN / "status").read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024


def peak_gpu_memory() -> int:
    """The most bytes that torch has had on the GPU; 0 without one."""
    torch = _torch_with_gpu()
    return int(torch.cuda.max_memory_reserved()) if torch else 0


def gpu_name() -> str | None:
    """The GPU that this process computes on; None where it has used none."""
    torch = _torch_with_gpu()
    return str(torch.cuda.get_device_name()) if torch else None


def _torch_with_gpu() -> Any:
    """Torch, where this process has used a GPU by it: nothing is loaded or set up for the sake of a figure."""
    torch = sys.modules.get("torch")
    return torch if torch and torch.cuda.is_initialized() else None
