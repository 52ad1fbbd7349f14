"""What CONTRIBUTING.md says to add, added outside the package: its files are written and imported, and its lines can be applied."""

import atexit
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module, invalidate_caches
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import torch
from safetensors.torch import save_file

DOCUMENT = Path(__file__).parents[1] / "CONTRIBUTING.md"
OUTSIDE = "added_from_outside"  # the package that stands in for those of this project


class Addition(NamedTuple):
    """One thing that is added in two places."""

    module: ModuleType  # of its file
    folder: Path  # what a worker needs on its path
    line: str  # and where it goes:
    into: str


def section(kind: str) -> str:
    """The text below a heading of the document: what it says to add, or the heading itself."""
    [found] = re.findall(rf"^## (?:Add an? )?{kind}\n(.*?)^## ", DOCUMENT.read_text(), re.DOTALL | re.MULTILINE)
    return found


@cache
def added(kind: str) -> Addition:
    """Write the file that the document shows for a finder, an annotator or an image set, and import it."""
    text = section(kind)
    file, line = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    place, into = re.findall(r"`(pipeline/[a-z_/]+\.py)`", text)[:2]
    package = _outside()
    name = Path(place).stem
    (package / f"{name}.py").write_text(file)
    invalidate_caches()
    module = import_module(f"{OUTSIDE}.{name}")
    own = place.removesuffix(".py").replace("/", ".")
    return Addition(
        module, package.parent, line.replace(own, module.__name__), into.removesuffix(".py").replace("/", ".")
    )


@contextmanager
def listed(kind: str, registry: dict[str, Any]) -> Iterator[str]:
    """Add a line to a registry for a while, as the document says; gives the name."""
    into = vars(import_module(added(kind).into))
    [(name, entry)] = eval(f"{{{added(kind).line}}}", dict(into)).items()
    registry[name] = entry
    yield name
    del registry[name]


def write_weights() -> None:
    """Write the weights of the annotator that the document shows, as nobody has trained them."""
    module = added("annotator").module
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        save_file(module.network().state_dict(), module.WEIGHTS)


@cache
def _outside() -> Path:
    package = Path(tempfile.mkdtemp()) / OUTSIDE
    package.mkdir()
    (package / "__init__.py").touch()
    sys.path.append(str(package.parent))
    atexit.register(shutil.rmtree, package.parent)
    return package
