"""What chaos calls a loss: every kind is planted, and found; and nothing else is."""

import json
import shutil
import subprocess

import pytest

from benchmarks._chaos_check import Truth, left_behind
from benchmarks._chaos_job import Trial, ended
from tests.benchmarks.planted_root import plant, write_part


@pytest.fixture
def root(tmp_path):
    return plant(tmp_path / "root")


@pytest.fixture
def truth(root):
    return Truth.of(root)


def test_a_root_has_lost_nothing_of_itself_or_of_its_equal(root, truth, tmp_path):
    assert len(truth.parts) == 6 and truth.samples.total() == 6
    assert truth.losses(root) == truth.losses(plant(tmp_path / "other")) == []


def test_a_part_that_is_missing_and_one_too_many(root, truth):
    (root / "catalog-cd" / "00001.json").unlink()
    write_part(root, "catalog-cd", 7, [7])
    assert truth.losses(root) == ["catalog-cd/00001 is missing", "catalog-cd/00007 is one too many"]


def test_other_bytes_under_a_record_that_says_they_are_right(root, truth):
    (root / "catalog-cd" / "00002-00000002" / "more.txt").write_text("other")
    assert truth.losses(root) == ["catalog-cd/00002 has other bytes"]


def test_files_that_are_gone(root, truth):
    shutil.rmtree(root / "catalog-cd" / "00000-00000000")
    assert truth.losses(root) == ["catalog-cd/00000 has other bytes"]


def test_a_sample_that_is_there_twice(root, truth):
    write_part(root, "sample-ab", 3, [0])
    record = json.loads((root / "sample-ab" / "00003.json").read_text())
    assert record["folder"] == "00003-00000003"
    assert truth.losses(root) == ["sample-ab/00003 is one too many", "samples: ['sample-ab/0'] are wrong in number"]


def test_what_is_left_in_scratch_and_who_still_lives(root, tmp_path):
    trial = Trial(str(root), tmp_path, lambda: 0)
    assert left_behind(trial, root) == []
    (root / ".scratch" / "making").mkdir(parents=True)
    (trial.temporary / "hspace-directions-0" / "scratch").mkdir(parents=True)
    assert left_behind(trial, root) == [f"{root}/.scratch/making is left in scratch"]


def test_a_process_of_a_trial_is_found_wherever_it_went_and_ended(tmp_path):
    with ended(Trial("root", tmp_path, lambda: 0)) as trial:
        parent = trial.popen(["sh", "-c", "setsid sleep 60 & exec sleep 50"])
        while len(trial.of("sleep")) < 2:
            assert parent.poll() is None, trial.printed()
        stranger = subprocess.Popen(["sleep", "60"])
        try:
            parent.kill()
            parent.wait()
            assert trial.survivors(seconds=0) == ["sleep 60"]
        finally:
            stranger.kill()
            stranger.wait()
    assert trial.survivors(seconds=10) == []
