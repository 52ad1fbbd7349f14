"""Memory of a process that runs a network on the CPU, again and again, in tensors of the same sizes."""

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # malloc.h of glibc


def keep_freed_memory() -> bool:
    """Have glibc keep what is freed, for the next pass; whether it does (elsewhere than on Linux with glibc, nothing changes).

    By default a large tensor is given back to the system when it is freed, and the next one of its size is paid for anew, page
    fault by page fault. The bits do not change.
    """
    if sys.platform != "linux":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_M_MMAP_MAX, 0)) and bool(mallopt(_M_TRIM_THRESHOLD, 2**31 - 1))
