"""Response: what one direction does at each strength that it was measured at, by one judge."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.metrics.template import FIGURES


@dataclass(frozen=True)
class Response:
    """S strengths, rising, and A attributes."""

    strengths: np.ndarray  # (S,)
    effect: pd.DataFrame  # (S, A) standard deviations; a row a strength_index, a column an attribute
    significant: pd.DataFrame  # (S, A) True or False, None without a control
    realistic: (
        np.ndarray
    )  # (S,) False where images no longer look like the model's own; True also where that is not known
    template: pd.DataFrame  # (S, 2) pasted, follows; NaN where that is not known

    @classmethod
    def of(cls, effects: pd.DataFrame, preserved: pd.DataFrame) -> "Response":
        """Read it from the rows of schemas.effects of one direction by one judge, and its rows of schemas.preservation."""
        own = preserved.set_index("strength_index").sort_values("strength")
        effect, significant = (
            effects.pivot(index="strength_index", columns="attribute", values=values).reindex(own.index)
            for values in ("effect", "significant")
        )
        known = significant.astype(object)  # what is not known is None, also where all is
        template = own.reindex(columns=list(FIGURES)).astype(float)
        return cls(
            own["strength"].to_numpy(float),
            effect,
            known,
            own["realistic"].astype(object).ne(False).to_numpy(bool),
            template,
        )

    def beside(self, later: "Response") -> "Response":
        """Return these strengths and those of a later measurement; where one is in both, the later counts."""
        left = ~np.isin(self.strengths, later.strengths)
        strengths = np.concatenate([self.strengths[left], later.strengths])
        order = np.argsort(strengths, kind="stable")
        return Response(
            strengths[order],
            pd.concat([self.effect[left], later.effect]).iloc[order],
            pd.concat([self.significant[left], later.significant]).iloc[order],
            np.concatenate([self.realistic[left], later.realistic])[order],
            pd.concat([self.template[left], later.template]).iloc[order],
        )
