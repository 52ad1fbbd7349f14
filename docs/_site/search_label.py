"""The search of the theme is a dialog without a name; readers of screens say one."""

from typing import Any

NAMELESS = '<div class="md-search" data-md-component="search" role="dialog">'


def on_post_page(output: str, **kwargs: Any) -> str:
    """Name the dialog."""
    return output.replace(NAMELESS, NAMELESS.replace(">", ' aria-label="Search">'))
