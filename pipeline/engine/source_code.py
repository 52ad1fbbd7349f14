"""Which code a part is made by: its commit, and whether it is the code of that commit."""

import hashlib
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
DECIDES = ("pipeline", "schemas")  # what is made


@dataclass(frozen=True)
class SourceCode:
    """The code of this process."""

    commit: str | None  # None where no repository is found, as on a machine that the code was copied to
    modified: bool  # whether there are changes that are in no commit
    sha256: str  # of all files that decide what is made


@cache
def source_code(root: Path = ROOT) -> SourceCode:
    """The code below a folder, as it was at the first call."""
    commit, changes = _git(root, "rev-parse", "HEAD"), _git(root, "status", "-s", "--", *DECIDES)
    return SourceCode(commit or None, bool(changes), _sha256(root))


def _git(root: Path, *arguments: str) -> str:
    """What git says; "" where there is no git, no repository, or none that it trusts."""
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _sha256(root: Path) -> str:
    """Return the SHA-256 of the Python files, in order, with their names."""
    found = hashlib.sha256()
    for path in sorted(path for folder in DECIDES for path in (root / folder).rglob("*.py")):
        content = path.read_bytes()
        found.update(f"{path.relative_to(root)} {len(content)}\n".encode() + content)
    return found.hexdigest()
