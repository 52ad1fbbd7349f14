"""What is done to finished parts: every kind changes the file that it names, and no part is hurt twice."""

import random
from collections import Counter
from pathlib import Path

import pytest

from benchmarks._chaos_rot import KINDS, damage, files_of_parts, flip_bit, part_of
from tests.benchmarks.planted_root import plant


def contents(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_records_and_their_files_are_all_there_is_to_damage(tmp_path):
    root = plant(tmp_path)
    assert sorted(files_of_parts(root)) == sorted(set(contents(root)) - {root / "catalog-cd" / "stage.json"})


def test_what_is_damaged_is_what_it_says_and_nothing_else(tmp_path):
    kinds: Counter[str] = Counter()
    for seed in range(12):
        root = plant(tmp_path / str(seed))
        before = contents(root)
        damaged = damage(root, 4, random.Random(seed))
        after = contents(root)
        assert {path for path in before if before[path] != after.get(path)} == damaged.keys()
        assert 3 <= len({part_of(root, path) for path in damaged}) == len(damaged) <= 4
        kinds.update(damaged.values())
    assert kinds.keys() == KINDS.keys()


def test_a_seed_decides(tmp_path):
    one, two = plant(tmp_path / "1"), plant(tmp_path / "2")
    damage(one, 4, random.Random(5)), damage(two, 4, random.Random(5))
    assert [*contents(one).values()] == [*contents(two).values()]


@pytest.mark.parametrize("seed", range(8))
def test_a_flipped_bit_is_one_bit(seed, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(bytes(100))
    flip_bit(path, [], random.Random(seed))
    assert len(path.read_bytes()) == 100
    assert sum(byte.bit_count() for byte in path.read_bytes()) == 1
