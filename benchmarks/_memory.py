"""How much memory a process takes, and took at most: Linux's account of it."""

from pathlib import Path


def forget_peak() -> None:
    """Of this process's memory: the imports' peak could hide what is measured (and getrusage counts the parent's, too)."""
    Path("/proc/self/clear_refs").write_text("5")
    assert memory("VmHWM") <= memory("VmRSS") + 2**20, "the peak was not reset"


def memory(what: str) -> int:
    """Bytes, from Linux's account of this process: VmRSS now, VmHWM the most since the peak was forgotten."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(what + ":"):
            return 1024 * int(line.split()[1])
    raise RuntimeError(f"No {what} in /proc/self/status; this benchmark runs on Linux.")
