"""The templates of the card and of all pages, and the filters by which they write numbers, names and pictures."""

import base64
import json
import math
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from jinja2.filters import do_mark_safe

HERE = Path(__file__).parent
ASSETS = HERE / "web" / "assets"  # what every page is drawn with
NO_NUMBER = "–"

Facts = dict[str, Any]  # what a template is filled with


def render(template: str, **facts: Any) -> str:
    """Return the text of a template. What an HTML template is given is escaped; what is not there is an error."""
    return environment().get_template(template).render(facts)


def signed(value: float | None, digits: int = 2) -> str:
    """Write a number as +1.50 or −1.50, with a true minus; a dash where there is none."""
    if not _finite(value):
        return NO_NUMBER
    text = f"{value:+.{digits}f}"
    return text.lstrip("+-") if float(text) == 0 else text.replace("-", "−")


def amount(value: float | None, digits: int = 2) -> str:
    """Write a size, which has no sign, as 1.50; a dash where there is none."""
    return f"{value:.{digits}f}" if _finite(value) else NO_NUMBER


def percent(share: float | None) -> str:
    """Write a share as 62%; a dash where there is none."""
    if not _finite(share):
        return NO_NUMBER
    text = f"{share:.0%}"
    return text.lstrip("-") if text == "-0%" else text.replace("-", "−")


def strength(value: float) -> str:
    """Write a strength as +2 or −0.5."""
    return f"{value:+.3g}".replace("-", "−")


def times(ratio: float | None) -> str:
    """Write a ratio of effects as 3.2×."""
    return f"{ratio:.1f}×".replace("-", "−") if _finite(ratio) else NO_NUMBER


def words(name: str) -> str:
    """`open_door`, `mean-difference` -> open door, mean difference."""
    return name.replace("_", " ").replace("-", " ")


def indented(value: Any) -> str:
    """JSON that can be read."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def place(name: str) -> str:
    """The last part of a folder's path; an id of the hub as it is."""
    return PurePath(name).name if name.startswith(("/", ".")) else name


def number(value: float | None) -> str:
    """A number as scripts read it; nothing where there is none."""
    return f"{value:.6g}" if value is not None and _finite(value) else ""


def data_uri(jpeg: bytes) -> str:
    """A thumbnail inside a data URI."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


def png_uri(png: bytes) -> str:
    """A PNG inside a data URI."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def asset(name: str) -> str:
    """A style sheet or a script, to stand inside a page that is one file."""
    return do_mark_safe((ASSETS / name).read_text(encoding="utf-8"))  # ours, and not a catalog's


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


@lru_cache
def environment(*folders: Path) -> Environment:
    """The templates, and those of folders that are built on them."""
    environment = Environment(
        loader=FileSystemLoader([*folders, HERE, HERE / "explorer" / "templates", HERE / "web" / "templates"]),
        autoescape=select_autoescape(["html.j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    written = (signed, amount, percent, strength, times, words, indented, place, number, data_uri, repr)
    environment.globals["asset"] = asset
    environment.filters |= {each.__name__: each for each in written}
    return environment
