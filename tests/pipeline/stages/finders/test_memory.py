"""Fits take no more memory than they say, and no second copy of h: measured in a process that does nothing else."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest

from benchmarks._fits import FITS, finder, measured, plant

N, SHAPE = 512, (64, 24, 24)  # h of a step: 38 MB


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    root = tmp_path_factory.mktemp("planted")
    plant(root, N, SHAPE)
    return root


@pytest.fixture(scope="module")
def apart():
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        yield process


@pytest.mark.parametrize("name", FITS)
def test_a_fit_takes_no_more_memory_than_it_says(planted, apart, name):
    peak, _ = apart.submit(measured, planted, N, SHAPE, name).result()
    h = 2 * N * int(np.prod(SHAPE))
    bound = finder(N, SHAPE, name).step_resources().memory
    assert h < peak < bound < 4 * h + 200_000_000
