"""One evaluation of a catalog, as its pages need it: effects, what is left alone, and some of the edited images."""

from dataclasses import dataclass
from functools import cached_property

import pandas as pd

Edit = tuple[str, int]  # a direction, or "unedited", and the index of a strength


@dataclass(frozen=True)
class Measured:
    """One evaluation: effects of its directions and controls, and some of the edited images."""

    judges: tuple[str, ...]  # the first is the one that the pages go by
    n: int  # held-out samples that the effects are means over, of all seeds
    seeds: int
    effects: pd.DataFrame  # of schemas.effects, by the first judge
    by_others: pd.DataFrame  # the same, by the other judges
    controls: pd.DataFrame  # by the first judge, of the random directions that these were compared with
    preservation: pd.DataFrame  # of schemas.preservation: of these, those random ones, and the unedited samples
    images: dict[Edit, list[bytes]]  # thumbnails, one a held-out sample

    @cached_property
    def names(self) -> frozenset[str]:
        return frozenset(self.effects.loc[~self.effects["control"], "direction"])

    @cached_property
    def strengths(self) -> dict[str, dict[int, float]]:
        """The strengths of each direction, by their indices, as they rise."""
        table = self.effects.sort_values("strength").drop_duplicates(["direction", "strength_index"])
        return {
            str(name): dict(zip(own["strength_index"].astype(int), own["strength"].astype(float), strict=True))
            for name, own in table.groupby("direction")
        }

    def ends(self, name: str) -> tuple[int, ...]:
        """The indices of the lowest and the highest strength of a direction."""
        indices = list(self.strengths[name])
        return tuple(dict.fromkeys((indices[0], indices[-1])))


def of_edit(table: pd.DataFrame, edit: Edit) -> pd.DataFrame:
    """The rows of a table that are of an edit."""
    name, index = edit
    return table[(table["direction"] == name) & (table["strength_index"] == index)]
