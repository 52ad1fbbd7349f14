"""Parts are computed on a fixed number of threads, and whoever calls gets theirs back."""

import os
import subprocess
import sys

import pytest
import torch
from threadpoolctl import threadpool_info

from pipeline.engine.store import Store
from pipeline.engine.threads import THREADS, fixed_threads
from pipeline.engine.worker import Made, Worker
from tests.pipeline.planted import Numbers


def threads() -> set[int]:
    """Of torch, and of every BLAS and OpenMP that is loaded."""
    return {torch.get_num_threads(), *(library["num_threads"] for library in threadpool_info())}


@pytest.fixture
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_threads_are_fixed_inside_and_as_before_outside(three_threads):
    outside, environment = threads(), dict(os.environ)
    assert 3 in outside
    with fixed_threads():
        assert threads() == {THREADS}
    assert threads() == outside and dict(os.environ) == environment
    with pytest.raises(ZeroDivisionError), fixed_threads():
        1 / 0  # noqa: B018
    assert threads() == outside and dict(os.environ) == environment


def test_what_is_loaded_inside_has_as_many():
    code = (
        "from pipeline.engine.threads import fixed_threads\n"
        "import sys\n"
        "assert 'torch' not in sys.modules and 'numpy' not in sys.modules\n"
        "with fixed_threads():\n"
        "    import torch, scipy.linalg, threadpoolctl\n"
        "    print({torch.get_num_threads(), *(each['num_threads'] for each in threadpoolctl.threadpool_info())})"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "3"}
    printed = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert printed.stdout == f"{{{THREADS}}}\n"


def test_a_worker_makes_parts_on_as_many_and_records_it(three_threads, tmp_path):
    seen = []

    class Watched(Numbers):
        def setup(self) -> None:
            seen.append(threads())

        def process(self, part, store, loaded, out) -> None:
            seen.append(threads())
            super().process(part, store, loaded, out)

    store, stage = Store(tmp_path), Watched(parts=1)
    assert isinstance(Worker().make(stage, 0, store), Made)
    assert seen == [{THREADS}, {THREADS}] and torch.get_num_threads() == 3
    assert store.record(stage, 0)["made"]["threads"] == THREADS
