"""How many threads compute a part. Sums are rounded by how they are split, so other numbers of threads make other bytes."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from threadpoolctl import ThreadpoolController

THREADS = 1  # of a part, wherever it is made; more parts at once use more of a machine

_WHEN_LOADED = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")  # read by libraries that are loaded later


@contextmanager
def fixed_threads() -> Iterator[None]:
    """Have BLAS, OpenMP and torch compute on `THREADS` threads in this block, and as before after it."""
    before = {name: os.environ.get(name) for name in _WHEN_LOADED}
    torch = sys.modules.get("torch")
    of_torch = torch.get_num_threads() if torch else None
    os.environ.update(dict.fromkeys(_WHEN_LOADED, str(THREADS)))
    try:
        if torch:
            torch.set_num_threads(THREADS)
        with _libraries(len(sys.modules)).limit(limits=THREADS):
            yield
    finally:
        if torch and of_torch:
            torch.set_num_threads(of_torch)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@lru_cache(maxsize=1)
def _libraries(modules: int) -> ThreadpoolController:
    """What computes on threads, looked for again when there are more modules: that costs as much as making a small part."""
    return ThreadpoolController()
