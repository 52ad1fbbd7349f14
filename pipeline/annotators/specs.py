"""What an annotator, an embedder or a region is called by, as a person types it.

    pixels                        a name that is listed
    onnx:models/sky.onnx          a kind, and what it is made of: a file, a folder, or a repository of the model hub
    table:labels.csv+name=hand    the same with a setting; several follow one another
    my_plugs:mine                 an object of one's own, in a module

The command line, a run's file and Python all take this text.
"""

import inspect
import re
from collections.abc import Callable, Container
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints

from pydantic import TypeAdapter, ValidationError

from pipeline.errors import UserError

_BEFORE_SETTING = re.compile(r"\+(?=[a-z_]\w*=)")


class Spec(NamedTuple):
    """A spec, taken apart."""

    name: str  # a name, a kind, or a module
    of: str  # what stands after the colon; "" where there is none
    settings: dict[str, str]

    @property
    def plug(self) -> str:
        """The spec without settings."""
        return f"{self.name}:{self.of}" if self.of else self.name


def parsed(text: str) -> Spec:
    """Take a spec apart. Raises UserError for a setting that is there twice."""
    plug, *pairs = _BEFORE_SETTING.split(text)
    name, _, of = plug.partition(":")
    names = [pair.partition("=")[0] for pair in pairs]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UserError(f"{text!r} has the setting {twice[0]} twice. Leave one of them out.")
    return Spec(name, of, {name: pair.partition("=")[2] for name, pair in zip(names, pairs, strict=True)})


def placed(text: str, kinds: Container[str]) -> str:
    """Return a spec with the whole paths of the files or the folder that it names, so that it means the same in any folder.

    kinds: the names before a colon after which a file or a folder may stand; after any other it is left as it is. A setting is a
    file's name where there is a file of that name, which has a suffix.
    """
    spec = parsed(text)
    of = _whole(spec.of) if spec.name in kinds else spec.of
    whole = f"{spec.name}:{of}" if of else spec.name
    settings = {name: _whole(value) if Path(value).suffix else value for name, value in spec.settings.items()}
    return "+".join([whole, *(f"{name}={value}" for name, value in settings.items())])


def _whole(path: str) -> str:
    """The whole path of a file or folder that is there; anything else as it is."""
    found = Path(path).expanduser()
    return str(found.absolute()) if path and found.exists() else path


def called(make: Callable[..., Any], spec: Spec) -> Any:
    """Call a class or a function with what a spec says: what it is of, if anything, and settings as its annotations have them.

    Raises UserError for a setting that is not known, or has a value that cannot be.
    """
    given = [spec.of] if spec.of else []
    offered = [each for each in inspect.signature(make).parameters.values()][len(given) :]
    hints = get_type_hints(make.__init__ if inspect.isclass(make) else make)
    names = [each.name for each in offered]
    if unknown := [name for name in spec.settings if name not in names]:
        there = f"it has {', '.join(names)}" if names else "it has none"
        raise UserError(f"{spec.plug} has no setting {unknown[0]}; {there}.")
    return make(*given, **{name: _value(name, text, hints[name], spec) for name, text in spec.settings.items()})


def _value(name: str, text: str, kind: Any, spec: Spec) -> Any:
    try:
        return TypeAdapter(kind).validate_strings(text)
    except ValidationError as error:
        expected = error.errors()[0]["msg"].removeprefix("Input should be ")
        raise UserError(f"The setting {name} of {spec.plug} is {text!r}: expected {expected}.") from error
