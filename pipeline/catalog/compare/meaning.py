"""What a direction is of, as its row says; two directions of one meaning, in two catalogs, are compared with each other."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Meaning(NamedTuple):
    """Directions of one meaning were found in one way, for one thing, at one point; only their vectors tell them apart."""

    method: str
    attribute: str | None  # None of an unsupervised direction
    region: str | None  # whose change was looked for
    point: str  # the capture point, several with + between them
    variant: str  # "" as it was fitted, or how it was projected

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Meaning":
        """Read it from the columns of a row of schemas.directions."""
        return cls(row["method"], row["attribute"], row["mask"], row["capture"], _variant(row))

    @property
    def supervised(self) -> bool:
        return self.attribute is not None

    def of_any_method(self, any_method: bool = True) -> "Meaning":
        """The same whatever method found it, where any may have."""
        return self._replace(method="") if any_method else self


def _variant(row: Mapping[str, Any]) -> str:
    """How a direction was projected, in words."""
    if row["parents"] is None:
        return ""
    if row["trials"] is not None:
        return "disentangled by effects"
    return "disentangled by step" if row["projected_by"] == "step" else "disentangled"
