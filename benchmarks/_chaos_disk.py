"""A small disk of a trial's own, in memory, that somebody else fills."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SmallDisk:
    """A tmpfs that only processes within its namespace see by its path; this process sees it through /proc."""

    holder: int
    path: Path

    @property
    def prefix(self) -> tuple[str, ...]:
        """What puts a command into the namespace."""
        return (
            "nsenter",
            "--user",
            "--mount",
            "--preserve-credentials",
            f"--target={self.holder}",
            f"--wd={Path.cwd()}",
        )

    @property
    def outside(self) -> Path:
        return Path(f"/proc/{self.holder}/root{self.path}")

    def fill(self) -> None:
        """Leave no byte."""
        with suppress(OSError), open(self.outside / "ballast", "wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))

    def fill_inodes(self) -> None:
        """Leave room, but for no further file."""
        folder = self.outside / "ballast"
        with suppress(OSError):
            folder.mkdir()
            for i in range(1_000_000):
                (folder / str(i)).touch()

    def free(self) -> None:
        subprocess.run(["rm", "-rf", str(self.outside / "ballast")], check=True)


@contextmanager
def small_disk(path: Path, megabytes: int = 64, inodes: int = 4000) -> Iterator[SmallDisk | None]:
    """Mount a small disk, without any right of root's, until the block ends. None where this machine does not allow it."""
    path.mkdir(parents=True, exist_ok=True)
    mount = f"mount -t tmpfs -o size={megabytes}m,nr_inodes={inodes} tmpfs {path} && echo mounted && exec cat"
    try:
        holder = subprocess.Popen(
            ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
    except FileNotFoundError:
        yield None
        return
    with holder:
        assert holder.stdout is not None
        if holder.stdout.readline() == "mounted\n":
            try:
                yield SmallDisk(holder.pid, path)
            finally:
                holder.kill()
        else:
            print("No disk can be mounted here: full disks are not tried.", file=sys.stderr)
            yield None
