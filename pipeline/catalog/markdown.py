"""Names in Markdown: whatever an attribute, a direction or a model is called, it is shown, and is neither markup nor HTML."""

import re


def code_span(name: str) -> str:
    """Return a name as code, in as many backticks as keep it together; in a table, too, where a bar would end the cell."""
    name = _in_one_line(name).replace("|", "\\|")
    fence = "`" * (1 + max((len(each) for each in re.findall("`+", name)), default=0))
    apart = " " if "`" in name else ""
    return f"{fence}{apart}{name}{apart}{fence}"


def plain(text: str) -> str:
    """Return a name, or a sentence with names in it, as text in which no HTML can be and no cell of a table ends."""
    escaped = _in_one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\[\]|])", r"\\\1", escaped)


def _in_one_line(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)
