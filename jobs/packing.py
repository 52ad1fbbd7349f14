"""What travels with a submitted job: its code, plugs of one's own, the run, and the small files that it names."""

import ast
import glob
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import tomli_w

from pipeline.annotators import specs
from pipeline.annotators.registry import KINDS
from pipeline.engine.roots import is_local, normal
from pipeline.engine.submit import MOST
from pipeline.errors import UserError
from pipeline.models.bundled import BUNDLED

CODE = ("pipeline", "jobs", "schemas")  # packages
BESIDE = ("pyproject.toml", "constraints.txt")
SMALL = 5_000_000  # bytes of a file or a folder that is brought along
FILES = "files"  # the folder of the package where they lie
GO_ALONG = (".json", ".data")  # of files that are called as a network's is

IMAGES = (
    "images",
    "IMAGES",
)  # settings that are a set of images: it is known by when its files changed, which copies forget
PATHS = ("condition", "facenet_weights")  # settings that are a path
DESCRIPTIONS = ("imported",)  # or one that names files beside it, and so its folder travels
MODELS = ("model", "MODEL")  # or a name
PLUGS = ("annotator", "judge", "allow_judge", "embedder")
REGIONS = ("region", "foreground")


class Brought(NamedTuple):
    """A file or a folder of this machine that travels along."""

    path: Path
    place: str  # in the package
    beside: tuple[str, ...] = ()  # files that go with it


class LeftOut(NamedTuple):
    """A file or a folder that the run names and that does not travel along."""

    text: str  # as the run names it
    why: str


@dataclass
class Package:
    """A folder in the making, which becomes the working directory of the job on every machine.

    shared: folders that the machines of the cluster have at the same path as this one, or have alone. What lies there is named as
    it is. Other files are brought along where they are small, and the rest is left out: `check` raises UserError for it.
    """

    folder: Path
    shared: tuple[Path, ...] = ()
    brought: list[Brought] = field(default_factory=list)
    plugs: list[Path] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)

    def add_code(self, root: Path) -> None:
        """Copy the project itself, without what is no code and no data of it."""
        for name in CODE:
            shutil.copytree(root / name, self.folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in BESIDE:
            if (root / name).exists():
                shutil.copy(root / name, self.folder / name)

    def settings(self, given: Mapping[str, Any], beside: Path | None = None) -> dict[str, Any]:
        """Return settings by name as they are to be given on the cluster: what they name has been brought along.

        beside: where plugs are looked for after the folder that one stands in.
        """
        homes = [Path.cwd(), *([beside] if beside else [])]

        def placed(name: str, value: Any) -> Any:
            if isinstance(value, list | tuple):
                return [placed(name, each) for each in value]
            return self._placed(name, value, homes) if isinstance(value, str | Path) else value

        return {name: placed(name, value) for name, value in given.items()}

    def _placed(self, name: str, value: str | Path, homes: list[Path]) -> str:
        text = str(value)
        if name in IMAGES:
            return self._there(text)
        if name in DESCRIPTIONS:
            path = Path(text).expanduser()
            return f"{self._brought(str(path.parent))}/{path.name}" if path.exists() else self._brought(text)
        if name in PATHS or (name in MODELS and is_path(text)) or (name in REGIONS and Path(text).is_file()):
            return self._brought(text)
        if name not in (*PLUGS, *REGIONS):
            return text
        spec = specs.parsed(text)
        if spec.name in (*KINDS, "mask"):
            of = self._brought(spec.of) if is_path(spec.of) else spec.of
            settings = {key: self._brought(of) if is_file(of) else of for key, of in spec.settings.items()}
            return "+".join([f"{spec.name}:{of}", *(f"{key}={of}" for key, of in settings.items())])
        if spec.of and spec.name != "box":
            self._add_plug(spec.name, homes)
        return text

    def _there(self, text: str) -> str:
        """How images are called that the cluster has."""
        if not is_local(Path(text)):
            return normal(Path(text))
        path = Path(text).expanduser().absolute()
        if any(path.is_relative_to(each) for each in self.shared):
            return str(path)
        self.left_out.append(LeftOut(text, "is a set of images, which does not travel along"))
        return text

    def _brought(self, text: str) -> str:
        """How a file or folder is called on the cluster."""
        path = Path(text).expanduser().absolute()
        if any(path.is_relative_to(each) for each in self.shared):
            return str(path)
        if not path.exists():
            self.left_out.append(LeftOut(text, "is not there"))
            return text
        size = _size(path)
        if size > SMALL:
            self.left_out.append(LeftOut(text, f"has {size / 1e6:,.0f} MB, and at most {SMALL / 1e6:.0f} travel along"))
            return text
        if known := [each.place for each in self.brought if each.path == path]:
            return known[0]
        taken = {each.place for each in self.brought}
        places = (f"{FILES}/{n}/{path.name}" if n else f"{FILES}/{path.name}" for n in range(len(taken) + 1))
        place = next(each for each in places if each not in taken)
        beside = _copy(path, self.folder / place)
        self.brought.append(Brought(path, place, tuple(each.name for each in beside)))
        return place

    def _add_plug(self, module: str, homes: list[Path]) -> None:
        """Copy the file or folder of a module that is not installed, and what it imports from beside it."""
        top = module.partition(".")[0]
        found = next((path for home in homes for path in (home / f"{top}.py", home / top) if _is_module(path)), None)
        if found is None or top in CODE or found in self.plugs:  # another one is installed, on the cluster, too
            return
        self.plugs.append(found)
        _copy(found, self.folder / found.name)
        for file in [found] if found.is_file() else sorted(found.rglob("*.py")):
            for imported in _imports(file):
                self._add_plug(imported, [found.parent])

    def write_run(self, settings: Mapping[str, Any]) -> str:
        """Write a run as a file, and return its place."""
        (self.folder / "run.toml").write_text(tomli_w.dumps(dict(settings)))
        return "run.toml"

    def check(self) -> None:
        """Raise UserError for what the cluster would not see, all of it at once, and for more than a job can bring along."""
        if self.left_out:
            lines = "\n".join(f"  {each.text} {each.why}" for each in self.left_out)
            raise UserError(
                f"The cluster does not see what the run names on this machine:\n{lines}\n"
                "Put it on a disk that all machines of the cluster have, and name that: --shared FOLDER; or give a model by its\n"
                "repository on the hub."
            )
        if (size := _size(self.folder)) > MOST:
            raise UserError(
                f"The job would bring {size / 1e6:,.0f} MB along; expected at most {MOST / 1e6:.0f}.\n"
                "Put files on a disk that all machines of the cluster have, and name that: --shared FOLDER."
            )

    def said(self) -> Iterator[str]:
        """What travels along, in lines for people."""
        yield f"Code: {', '.join(CODE)}; {_size(self.folder) / 1e6:.1f} MB in all"
        for plug in self.plugs:
            yield f"Plug: {plug}"
        for path, place, beside in self.brought:
            yield f"File: {path} as {place}" + (f", with {', '.join(beside)}" if beside else "")


def is_path(text: str) -> bool:
    """Whether a name is that of a file or a folder: one that is there, or one that can be nothing else."""
    return bool(text) and text not in BUNDLED and (text.startswith(("/", "./", "../", "~")) or Path(text).exists())


def is_file(text: str) -> bool:
    """Whether a setting of a plug is the name of a file, by the rule that `specs.placed` has."""
    return bool(Path(text).suffix) and is_path(text)


def _size(path: Path) -> int:
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    return sum(each.stat().st_size for each in files)


def _copy(path: Path, to: Path) -> list[Path]:
    """Copy a folder, but for what is hidden in it, or a file and the files of a network's that go with it, which are returned."""
    to.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        hidden = shutil.ignore_patterns("__pycache__", ".*")
        shutil.copytree(path, to, ignore=hidden, dirs_exist_ok=True)
        return []
    beside = [] if path.suffix == ".py" else _beside(path)
    for each in (path, *beside):
        shutil.copy(each, to.with_name(each.name))
    return beside


def _beside(path: Path) -> list[Path]:
    """The files that describe a network's file, or hold its weights, by their names: age.json, age.onnx.data beside age.onnx."""
    alike = path.parent.glob(f"{glob.escape(path.stem)}.*")
    return sorted(
        each
        for each in alike
        if each != path and each.suffix in GO_ALONG and each.is_file() and each.stat().st_size <= SMALL
    )


def _is_module(path: Path) -> bool:
    return path.is_file() or (path.is_dir() and any(path.glob("*.py")))


def _imports(file: Path) -> Iterable[str]:
    """The modules that a file imports, by their first names."""
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
