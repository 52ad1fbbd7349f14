"""What is in the making belongs to a living process, wherever that runs and whatever its name and number are."""

import fcntl
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.engine import scratch
from pipeline.engine.scratch import Scratch

ROOT = Path(__file__).parents[3]
HOLD = (
    "import sys\nfrom pathlib import Path\nfrom pipeline.engine.scratch import Scratch\n"
    "with Scratch(Path(sys.argv[1])).staging() as folder:\n"
    "    (folder / 'half').write_text('half')\n    print(folder, flush=True)\n    sys.stdin.read()"
)


@pytest.fixture
def home(tmp_path) -> Path:
    return tmp_path / "scratch"


def holder(home: Path) -> tuple[subprocess.Popen, Path]:
    """Another process that has something in the making."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(home)], cwd=ROOT, **pipes)
    return process, Path(process.stdout.readline().strip())


def test_a_folder_is_kept_while_its_process_lives_and_cleared_when_it_was_killed(home):
    process, folder = holder(home)
    Scratch(home).clear()
    assert (folder / "half").read_text() == "half"
    process.kill()
    process.communicate()
    Scratch(home).clear()
    assert [*home.iterdir()] == []


def test_a_folder_and_its_lock_vanish_at_the_end(home):
    with Scratch(home).staging() as folder:
        of_process = folder.parent
        assert sorted(path.name for path in home.iterdir()) == [of_process.name, f"{of_process.name}.lock"]
        assert [*folder.iterdir()] == []
    assert [*home.iterdir()] == []


def test_a_process_has_one_lock_for_all_that_it_makes_and_its_folders_are_empty_when_they_come_again(home):
    with Scratch(home).staging() as whole_run:
        [lock] = home.glob("*.lock")
        with Scratch(home).staging() as first:
            (first / "part" / "below").mkdir(parents=True)
            (first / "half").write_text("half")
            with Scratch(home).staging() as beside:
                assert len({whole_run, first, beside}) == 3
        with Scratch(home).staging() as second:
            assert second in (first, beside) and [*second.iterdir()] == []
        assert [*home.glob("*.lock")] == [lock] and Scratch(home).held() == 1
    assert [*home.iterdir()] == []


def test_threads_make_side_by_side_and_leave_nothing(home):
    def make(number: int) -> int:
        with Scratch(home).staging() as folder:
            (folder / "mine").write_text(str(number))
            return int((folder / "mine").read_text())

    with ThreadPoolExecutor(8) as threads:
        assert [*threads.map(make, range(200))] == [*range(200)]
    assert [*home.iterdir()] == []


def test_a_folder_that_somebody_removed_is_made_again(home):
    with Scratch(home).staging():
        with Scratch(home).staging() as first:
            pass
        shutil.rmtree(home)
        with Scratch(home).staging() as second:
            assert second == first and [*second.iterdir()] == []


def test_what_has_no_lock_is_nobodys(home):
    (home / "some-host.1.abc").mkdir(parents=True)
    (home / "some-host.1.abc" / "half").write_text("half")
    (home / "stray").write_text("")
    Scratch(home).clear()
    assert [*home.iterdir()] == []


def test_nothing_is_cleared_where_nothing_is(home):
    Scratch(home).clear()
    assert not home.exists()


def test_who_clears_between_a_locks_making_and_its_locking_takes_nothing(home, monkeypatch):
    """The lock's file may be removed before it is held: then it is made again."""
    flock, cleared = fcntl.flock, []

    def clear_first(descriptor: int, how: int) -> None:
        if not cleared:
            cleared.append(True)
            Scratch(home).clear()
        flock(descriptor, how)

    monkeypatch.setattr(scratch.fcntl, "flock", clear_first)
    with Scratch(home).staging() as folder:
        assert (home / f"{folder.parent.name}.lock").exists()
        process_sees = subprocess.run(
            [
                sys.executable,
                "-c",
                f"from pipeline.engine.scratch import Scratch, Path\nScratch(Path({str(home)!r})).clear()",
            ],
            cwd=ROOT,
            check=True,
        )
        assert process_sees.returncode == 0 and folder.exists()


def test_on_a_disk_without_locks_only_what_is_old_is_cleared(home, monkeypatch):
    def no_locks(descriptor: int, how: int) -> None:
        raise OSError("Function not implemented")

    monkeypatch.setattr(scratch.fcntl, "flock", no_locks)
    (home / "a").mkdir(parents=True)
    (home / "a.lock").write_text("")
    Scratch(home).clear()
    assert (home / "a").exists()
    os.utime(home / "a.lock", (0, 0))
    Scratch(home).clear()
    assert [*home.iterdir()] == []
