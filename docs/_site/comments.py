"""What is said of a field behind it, or in it, is its documentation in the reference, with no word added.

That is the comment behind it, as in `v: np.ndarray  # (T, C, H, W)`, or the `description` of a field of pydantic.
"""

import ast
import io
import tokenize
from pathlib import Path
from typing import Any

from griffe import Attribute, Docstring, Extension, ObjectNode


class Comments(Extension):
    """Gives attributes that have no docstring the words that stand beside them."""

    def on_attribute_instance(self, *, node: ast.AST | ObjectNode, attr: Attribute, **kwargs: Any) -> None:
        if attr.docstring is not None:
            return
        value = getattr(node, "value", None)
        words = ""
        if isinstance(value, ast.Call) and (words := _description(value)):
            attr.value = _default(value)
        if words := words or _comment(attr):
            attr.docstring = Docstring(words, lineno=attr.lineno, parent=attr)


def _description(call: ast.Call) -> str:
    """`description=`, or the last text of a call that makes a setting."""
    texts = [each for each in call.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    named = [each.value for each in call.keywords if each.arg == "description" and isinstance(each.value, ast.Constant)]
    if not named and getattr(call.func, "id", "") == "_setting":
        named = texts[-1:]
    return str(named[0].value) if named else ""


def _default(call: ast.Call) -> str | None:
    """What a setting is unless it is given, as it stands in the source."""
    first = [each.value for each in call.keywords if each.arg == "default"] or call.args[:1]
    return ast.unparse(first[0]) if first else None


def _comment(attr: Attribute) -> str:
    """The comment that ends the last line of an attribute."""
    if attr.lineno is None or attr.endlineno is None or not isinstance(attr.filepath, Path):
        return ""
    lines = attr.lines_collection[attr.filepath][attr.lineno - 1 : attr.endlineno]
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO("\n".join(line.strip() for line in lines)).readline))
    except (tokenize.TokenError, IndentationError):
        return ""
    comments = [token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT]
    return "" if not comments or comments[-1].startswith(("noqa", "type:")) else comments[-1]
