"""Names of directions as names of files: safe on every system, and distinct wherever the names are."""

import hashlib
import re
from collections import Counter
from collections.abc import Collection

LONGEST = 80  # characters; file systems hold 255 bytes, of which an ending and a hash are some
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # names of devices on Windows


def file_names(names: Collection[str]) -> dict[str, str]:
    """Return a name for a file, without an ending, for each name: ASCII letters, digits and `._+@-` alone.

    Those that become alike, but for the case of letters, have a hash of the name behind them: which of them is which does not
    depend on their order.
    """
    readable = {name: _readable(name) for name in names}
    count = Counter(each.casefold() for each in readable.values())
    found = {
        name: each if count[each.casefold()] == 1 else f"{each}-{_hash(name)[:12]}" for name, each in readable.items()
    }
    if len({each.casefold() for each in found.values()}) < len(found):  # a name that looks like another's with its hash
        found = {name: _hash(name) for name in found}
    return found


def in_one_line(text: str) -> str:
    """A name as a text that cannot leave its line: what is no printable character is a space."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())


def _readable(name: str) -> str:
    text = re.sub(r"[^A-Za-z0-9._+@-]+", "_", name.replace("/", "-"))[:LONGEST].strip("._+@-")
    return f"_{text}" if not text or RESERVED.fullmatch(text) else text


def _hash(name: str) -> str:
    return hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()
