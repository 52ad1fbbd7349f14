"""Plugs by `module:object`, from the folder that one stands in or wherever else Python finds modules.

The object is a plug, or a class or function without arguments that makes one.
"""

import inspect
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, is_dataclass
from importlib import import_module, invalidate_caches
from pathlib import Path
from types import ModuleType
from typing import Any

from pipeline.annotators.names import check_annotator, check_name
from pipeline.errors import UserError
from pipeline.fingerprint import settings


@dataclass(frozen=True)
class Kind:
    """A kind of plug: what it is called, what each has, and how a function becomes one."""

    what: str
    has: tuple[str, ...]
    decorator: str = ""
    of: str = ""  # where the decorator is

    def lacks(self, found: Any) -> list[str]:
        return [name for name in self.has if not hasattr(found, name)]


_HOME = "from pipeline.annotators import"
ANNOTATOR = Kind(
    "annotator",
    ("name", "attributes", "thresholds", "load"),
    '@attributes("...")  # a name a column',
    f"{_HOME} attributes",
)
REGION = Kind("region", ("name", "check", "load"), "@region", f"{_HOME} region")
EMBEDDER = Kind("embedder", ("name", "embedder"))


def plug(spec: str, kind: Kind) -> Any:
    """The plug that `module:object` names. Raises UserError, which says what is there and what was expected, for all else."""
    module, name = _parts(spec, kind)
    found = _object(_imported(module, spec), name, spec, kind)
    made = _made(found, spec, kind)
    check(made, spec, kind)
    return made


def _parts(spec: str, kind: Kind) -> tuple[str, str]:
    module, _, name = spec.partition(":")
    if module.endswith(".py") or "/" in module or "\\" in module:
        dotted = module.removesuffix(".py").removeprefix("./").replace("\\", "/").strip("/").replace("/", ".")
        raise UserError(
            f"{spec!r} names a file; expected its module, which is imported from the folder that you stand in: {dotted}:{name}"
        )
    if not all(part.isidentifier() for part in (*module.split("."), *name.split("."))):
        raise UserError(f"{spec!r} names no {kind.what}; expected module:object, as in my_plugs:mine.")
    if module == "__main__":
        raise UserError(
            f"{spec!r} stands in the file that is run, where workers do not find it. Put it into a module of its own."
        )
    return module, name


# The module


@contextmanager
def importable(folder: Path) -> Iterator[None]:
    """Have Python look for modules in this folder, first, as it does for `python -m`; afterwards its path is as it was."""
    entry = str(folder)
    added = entry not in sys.path and not ("" in sys.path and folder == Path.cwd())
    if added:
        sys.path.insert(0, entry)
    invalidate_caches()  # the module may have been written a moment ago
    try:
        yield
    finally:
        if added and entry in sys.path:
            sys.path.remove(entry)


def _imported(name: str, spec: str) -> ModuleType:
    folder = Path.cwd()
    try:
        with importable(folder):
            module = import_module(name)
    except UserError:
        raise
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise UserError(
                f"{name} cannot be imported: it needs the module {error.name!r}, which is not there ({_place(error)})."
            ) from error
        _check_not_hidden(error.name, name, folder)
        raise UserError(
            f"There is no module {error.name!r} for {spec!r}: looked in {folder}, and where Python finds its packages.\n"
            "Stand in the folder that it is in, or name that folder in PYTHONPATH."
        ) from error
    except (Exception, SystemExit) as error:
        raise UserError(
            f"{name} cannot be imported. It raised {type(error).__name__}: {error} ({_place(error)})."
        ) from error
    _check_not_hidden(name, name, folder)
    return module


def _check_not_hidden(name: str, whole: str, folder: Path) -> None:
    """Raise UserError where another module has the name of one in the folder, and so its place."""
    top = whole.partition(".")[0]
    files = (folder / Path(*whole.split("."))).with_suffix(".py"), folder / Path(*whole.split(".")) / "__init__.py"
    own = next((file for file in files if file.is_file()), None)
    found = sys.modules.get(name) or sys.modules.get(top)
    where = getattr(found, "__file__", None)
    if own is None or found is None or (where and Path(where).resolve() == own.resolve()):
        return
    raise UserError(
        f"{whole} is not {own}: Python has another module of that name, {where or 'its own'}.\nGive yours another name."
    )


def _place(error: BaseException) -> str:
    """The file and line that an error comes from, of a person's own files if it passed through any."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}, line {error.lineno}"
    libraries = tuple(sysconfig.get_paths()[name] for name in ("stdlib", "purelib", "platlib"))
    frames = [each for each in traceback.extract_tb(error.__traceback__) if not each.filename.startswith("<frozen")]
    own = [each for each in frames if not each.filename.startswith(libraries) and each.filename != __file__]
    return f"{(own or frames)[-1].filename}, line {(own or frames)[-1].lineno}"


# The object


def _object(module: ModuleType, name: str, spec: str, kind: Kind) -> Any:
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            raise UserError(f"{module.__name__} has no {name!r}, which {spec!r} names. {_offered(module, kind)}")
        found = getattr(found, part)
    return found


def _offered(module: ModuleType, kind: Kind) -> str:
    """Which plugs of this kind a module has."""
    there = [name for name, each in vars(module).items() if not name.startswith("_") and not kind.lacks(each)]
    return f"It has {', '.join(there)}." if there else f"It has no {kind.what}."


def _made(found: Any, spec: str, kind: Kind) -> Any:
    """The object, or what it makes where it is a class or a function."""
    if not inspect.isclass(found) and not inspect.isroutine(found):
        return found
    if needed := _arguments(found):
        if not inspect.isclass(found) and kind.decorator:
            raise UserError(
                f"{spec} is a function of {', '.join(needed)}, and does not say what it returns. Above it, write\n"
                f"    {kind.of}\n\n    {kind.decorator}\n"
                f"or leave its arguments out, where it makes {_a(kind.what)}."
            )
        raise UserError(
            f"{spec} wants arguments: {', '.join(needed)}. Make one in that module, as mine = {found.__name__}(...), and name it."
        )
    try:
        return found()
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"{spec}() made no {kind.what}. It raised {type(error).__name__}: {error} ({_place(error)})."
        ) from error


def _arguments(found: Any) -> list[str]:
    """The arguments that must be given."""
    try:
        parameters = inspect.signature(found).parameters.values()
    except (TypeError, ValueError):  # written in C, and says nothing
        return []
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [each.name for each in parameters if each.default is each.empty and each.kind not in kinds]


def check(made: Any, spec: str, kind: Kind) -> None:
    """Raise UserError unless this is a plug of its kind whose identity can be told."""
    if lacking := kind.lacks(made):
        by_function = f"\nA function of images becomes one by {kind.decorator}, {kind.of}." if kind.decorator else ""
        raise UserError(
            f"{spec} is no {kind.what} ({type(made).__name__}): it has no {', '.join(lacking)}.\n"
            f"Expected a frozen dataclass that has {', '.join(kind.has)}.{by_function}"
        )
    if not is_dataclass(type(made)) or not vars(type(made))["__dataclass_params__"].frozen:
        raise UserError(
            f"{spec} is an object of {type(made).__name__}, which is no frozen dataclass; expected one, whose fields are all that\n"
            "its results depend on: write @dataclass(frozen=True) above the class."
        )
    if kind == ANNOTATOR:
        check_annotator(made, spec)
    else:
        check_name(made.name, kind.what, spec)
    try:
        settings(made)
    except TypeError as error:
        raise UserError(f"{spec} has a field that cannot be told by: {error}.") from error


def _a(what: str) -> str:
    return f"{'an' if what[0] in 'aeiou' else 'a'} {what}"
