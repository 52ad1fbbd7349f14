"""Response: what one direction does at each strength that it was measured at, by one judge."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import t as student

from pipeline.metrics.template import FIGURES

CONFIDENCE = 0.99  # of the error of an effect, by which a name is given


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
    error: pd.DataFrame | None = (
        None  # (S, A) of the effect by the sampling of n, with 99 % confidence; infinite of one sample; None unknown
    )

    @classmethod
    def of(cls, effects: pd.DataFrame, preserved: pd.DataFrame) -> "Response":
        """Read it from the rows of schemas.effects of one direction by one judge, and its rows of schemas.preservation."""
        own = preserved.set_index("strength_index").sort_values("strength")
        effect, significant = (
            effects.pivot(index="strength_index", columns="attribute", values=values).reindex(own.index)
            for values in ("effect", "significant")
        )
        known = significant.astype(object)  # what is not known is None, also where all is
        error = None
        if {"std", "n"} <= set(effects):
            error = (
                _error(effects).pivot(index="strength_index", columns="attribute", values="error").reindex(own.index)
            )
        template = own.reindex(columns=list(FIGURES)).astype(float)
        realistic = own["realistic"].astype(object).ne(False).to_numpy(bool)
        return cls(own["strength"].to_numpy(float), effect, known, realistic, template, error)

    def where(self, wanted: np.ndarray) -> "Response":
        """Return those of the strengths, (S,) bool."""
        return Response(
            self.strengths[wanted],
            self.effect[wanted],
            self.significant[wanted],
            self.realistic[wanted],
            self.template[wanted],
            None if self.error is None else self.error[wanted],
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
            None
            if self.error is None or later.error is None
            else pd.concat([self.error[left], later.error]).iloc[order],
        )


def _error(effects: pd.DataFrame) -> pd.DataFrame:
    """The rows with the half width of the interval of each effect by its own spread over samples."""
    n = effects["n"].to_numpy(float)
    known = effects["std_error"] if "std_error" in effects else effects["std"] / np.sqrt(np.maximum(n, 1))
    half = student.ppf((1 + CONFIDENCE) / 2, np.maximum(n - 1, 1)) * known
    return effects.assign(error=np.where(n > 1, half, np.inf))
