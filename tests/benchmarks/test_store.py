"""What the storage benchmark compares is the same work; its timings are its own."""

import shutil

import numpy as np
import pytest
import torch

from benchmarks.store import SHAPE, Planted, Size, in_turns, load_step, ratio, readers, write_all, writers
from pipeline.domains import portraits
from pipeline.engine.store import Store
from pipeline.models import pretrained
from pipeline.stages.sources.activations import read_step


@pytest.fixture(scope="module")
def source() -> Planted:
    return Planted(pretrained.find(str(portraits.MODEL)), 6, 2, batch=2)


@pytest.fixture(scope="module")
def h() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(2, *SHAPE, generator=generator) for _ in range(2)]


def test_a_ratio_is_taken_within_each_round():
    speeds = {"ours": [1.0, 0.1, 1.2], "theirs": [2.0, 0.2, 2.0]}  # a machine that is busy in the second round
    assert ratio(speeds, "ours", "theirs") == 0.5


def test_each_begins_with_an_empty_desk_and_the_warm_up_is_not_counted(tmp_path):
    desk, turns = tmp_path / "desk", []

    def turn(name):
        assert [*desk.iterdir()] == []
        (desk / name).touch()
        turns.append(name)

    speeds = in_turns({"a": lambda: turn("a"), "b": lambda: turn("b")}, 2, 1.0, desk)
    assert "".join(turns) == "ba" + "ab" + "ba"
    assert [len(each) for each in speeds.values()] == [2, 2] and not desk.exists()


def test_all_write_the_same_parts(source, h, tmp_path):
    desk, sizes = tmp_path / "desk", {}
    for name, write in writers(desk, source, h, Size(2, 2, 3, 3, 1)).items():
        shutil.rmtree(desk, ignore_errors=True)
        desk.mkdir()
        write()
        files = [path for path in desk.rglob("*") if path.suffix in (".parquet", ".npy")]
        sizes[name] = sum(path.stat().st_size for path in files)
    numbers = 3 * 2 * 2 * int(np.prod(SHAPE))
    assert all(size == pytest.approx(2 * numbers, rel=0.01) for size in sizes.values()), sizes


def test_both_read_the_same_numbers(source, h, tmp_path):
    write_all(tmp_path, source, [each.half() for each in h])
    for read in readers(tmp_path, source).values():
        read()
    for step in range(2):
        ours, theirs = read_step(Store(tmp_path), source, step)[1], load_step(tmp_path, source, step)
        np.testing.assert_array_equal(ours, theirs)
        assert np.array_equal(theirs[2:4], h[(step + 1) % 2].half().numpy().reshape(2, -1))
