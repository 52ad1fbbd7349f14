"""Images that cannot be read: which, of what kind, and why. One of them is an error only where it is the one that is asked for."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pipeline.errors import UserError


class Broken(NamedTuple):
    """An image that is left out."""

    name: str  # within its set
    kind: str  # empty, no image, truncated, damaged, tiny, huge, unreadable, changed, not read here
    reason: str


class Unreadable(UserError):
    """Why one image cannot be read, with what kind of fault that is."""

    def __init__(self, where: str, kind: str, reason: str):
        self.kind, self.reason = kind, reason
        super().__init__(f"{where} cannot be read as an image ({kind}: {reason}). Copy it again, or remove it.")


def by_kind(kinds: Iterable[str]) -> str:
    """How many there are of each kind, the most frequent first: "12 truncated, 3 empty"."""
    return ", ".join(
        f"{n:,} {kind}" for kind, n in sorted(Counter(kinds).items(), key=lambda each: (-each[1], each[0]))
    )


def check_share(kinds: Sequence[str], n: int, most: float, example: str) -> None:
    """Raise UserError where more than this share of n images is broken, or all of them are.

    kinds: of the broken ones. example: what one of them has, in a sentence.
    """
    if len(kinds) > most * n or len(kinds) == n:
        raise UserError(
            f"{example}\n{len(kinds):,} of {n:,} images cannot be read ({by_kind(kinds)}), and at most {most:.3g} of them may be "
            "so (`fail_above`).\nMend or remove them, or raise that share: then they are left out, each with its reason."
        )
