"""Markup as strings that cannot be malformed: whatever is not markup already is escaped, and every tag is closed."""

import base64
import html
import io
import math
from functools import lru_cache

from PIL import Image

VOID = {"img", "meta"}
LARGEST = 128  # pixels; images are shown at less, and a page should stay a few megabytes


class Html(str):
    """Text that is markup."""


Child = Html | str | int | float | None


def el(tag: str, /, *children: Child, **attributes: str | float | bool | None) -> Html:
    """An element. `class_` is class, `stroke_width` is stroke-width; an attribute that is None or False is left out."""
    written = "".join(_attribute(key, value) for key, value in attributes.items())
    if tag in VOID:
        return Html(f"<{tag}{written}>")
    return Html(f"<{tag}{written}>{join(*children)}</{tag}>")


def join(*children: Child) -> Html:
    """Markup and texts one after another."""
    return Html("".join(_text(child) for child in children))


def _text(child: Child) -> str:
    if child is None:
        return ""
    return child if isinstance(child, Html) else html.escape(str(child))


def _attribute(key: str, value: str | float | bool | None) -> str:
    name = key.rstrip("_").replace("_", "-") if key != "viewBox" else key
    if value is None or value is False:
        return ""
    return f" {name}" if value is True else f' {name}="{html.escape(str(value))}"'


def signed(value: float, digits: int = 2) -> str:
    """+1.50 or −1.50, with a true minus; a dash where there is no number."""
    if not math.isfinite(value):
        return "–"
    text = f"{value:+.{digits}f}"
    return text.lstrip("+-") if float(text) == 0 else text.replace("-", "−")


def amount(value: float, digits: int = 2) -> str:
    """1.50: a size, which has no sign; a dash where there is no number."""
    return f"{value:.{digits}f}" if math.isfinite(value) else "–"


def strength(value: float) -> str:
    """+2, −0.5."""
    return f"{value:+g}".replace("-", "−")


def times(ratio: float) -> str:
    """A ratio of effects: 3.2×."""
    return f"{ratio:.1f}×".replace("-", "−") if math.isfinite(ratio) else "–"


def words(name: str) -> str:
    """`eyes_open`, `mean-difference` -> eyes open, mean difference."""
    return name.replace("_", " ").replace("-", " ")


def picture(png: bytes, alt: str) -> Html:
    return el("img", src=_data_uri(png), alt=alt)


@lru_cache(maxsize=4096)
def _data_uri(png: bytes) -> str:
    """A PNG as a JPEG of at most `LARGEST` pixels a side, colours at full resolution, inside a data URI."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    image.thumbnail((LARGEST, LARGEST), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "jpeg", quality=90, subsampling=0, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
