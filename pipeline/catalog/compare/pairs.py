"""The change of each held-out sample, where the scores that a catalog was made from are at hand: differences are then of pairs.

A catalog holds the mean change over samples and its standard deviation. Two that were measured on the same noise share what each
sample does anyway, and only the change of each says how much that is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from pipeline.catalog.curves import Curve
from pipeline.metrics.differences import Difference, in_pairs
from pipeline.metrics.effects import changes

KEYS = ["direction", "strength_index", "judge", "attribute"]
SAMPLE = ["seed", "sample_id"]


@dataclass(frozen=True)
class SampleScores:
    """Tables of schemas.scores behind one catalog, each of one set of edits with its unedited counterparts."""

    tables: Sequence[pd.DataFrame]

    def of(self, direction: str, curve: Curve, strength: float, attribute: str) -> pd.Series | None:
        """Return the changes of samples by (seed, sample_id), in the judge's own units; None where they are not at hand.

        Between measured strengths the change of a sample goes straight, as the mean over samples does.
        """
        found = [(self._measured(direction, curve, at, attribute), share) for at, share in curve.between(strength)]
        parts = [share * raw for raw, share in found if raw is not None]
        return pd.concat(parts, axis=1, join="inner").sum(axis=1, skipna=False) if len(parts) == len(found) else None

    def _measured(self, direction: str, curve: Curve, strength: float, attribute: str) -> pd.Series | None:
        """The changes at a measured strength: those whose mean is the catalog's figure."""
        key = (direction, curve.index(strength), curve.judge, attribute)
        for groups in self._changes:
            if key in groups.groups:
                found = groups.get_group(key).set_index(SAMPLE)["raw"]
                if np.isclose(found.mean(), curve.raw(strength, attribute), rtol=1e-4, atol=1e-6):
                    return found
        return None

    @cached_property
    def _changes(self) -> list[pd.api.typing.DataFrameGroupBy]:
        return [changes(table[~table["control"]]).groupby(KEYS, sort=False) for table in self.tables]


@dataclass(frozen=True)
class SamplePairs:
    """The scores behind two catalogs that were measured on the same noise."""

    first: SampleScores
    second: SampleScores

    def difference(
        self, names: tuple[str, str], curves: tuple[Curve, Curve], strength: float, attribute: str
    ) -> Difference | None:
        """Return the difference of two effects, in standard deviations, from the changes of the same samples; None without them."""
        mine = []
        for scores, name, curve in zip((self.first, self.second), names, curves, strict=True):
            raw = scores.of(name, curve, strength, attribute)
            if raw is None:
                return None
            mine.append(raw / np.nan_to_num(curve.units[curve.attributes.index(attribute)], nan=1.0))
        both = pd.concat(mine, axis=1, join="inner").to_numpy()
        return in_pairs(both[:, 0], both[:, 1]) if len(both) else None
