"""The small disk: full where it is filled, for processes within it, and usable again afterwards."""

import os
import subprocess

import pytest

from benchmarks._chaos_disk import small_disk


@pytest.mark.parametrize(("way", "still_there"), [("fill", 0), ("fill_inodes", 1_000_000)])
def test_a_disk_is_filled_and_freed(way, still_there, tmp_path):
    with small_disk(tmp_path / "disk", megabytes=4, inodes=50) as disk:
        if disk is None:
            pytest.skip("no disk can be mounted here")
        copy = [*disk.prefix, "cp", "/proc/version", str(disk.path / "file")]
        getattr(disk, way)()
        refused = subprocess.run(copy, capture_output=True, text=True, check=False)
        assert refused.returncode == 1 and "No space left on device" in refused.stderr
        space = os.statvfs(disk.outside)
        assert space.f_bavail * space.f_frsize >= still_there

        disk.free()
        subprocess.run(copy, check=True)
        assert (disk.outside / "file").read_text().startswith("Linux")
        assert not (tmp_path / "disk" / "file").exists(), "only what runs within it sees it"
    assert not os.path.exists(f"/proc/{disk.holder}")
