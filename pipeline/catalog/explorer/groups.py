"""Groups of directions that are looked at together: those of one estimator, and what each is called."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pipeline.catalog.templates import words

Row = dict[str, Any]  # of schemas.directions

LARGE = 1.0  # standard deviations: an effect that anyone can see


@dataclass(frozen=True)
class Group:
    """The supervised directions of one estimator, before disentangling or after it in one way.

    Where an attribute has a direction at each of several capture points, they are those at one point.
    """

    method: str
    projected: str | None  # how, in words; None before
    rows: list[Row]
    best: (
        pd.DataFrame
    )  # of best.reported; a direction that was not measured, or has no strength in its valid range, has no row
    chosen: pd.DataFrame  # the same directions as `Findings.candidates` has them: by the samples that chose
    point: str | None = None  # where all are added; None where each attribute has a point of its own, or all have one

    @property
    def disentangled(self) -> bool:
        return self.projected is not None

    @property
    def title(self) -> str:
        at = "" if self.point is None else f", at {point_in_words(self.point)}"
        return f"{words(self.method).capitalize()}, {self.projected or 'before disentangling'}{at}"

    @property
    def clean(self) -> int:
        """Directions with an effect that is both clean and large."""
        return clean_and_large(self.best)

    @property
    def ratio(self) -> float:
        """Mean effect on target / mean largest effect off target: of means, which no single small effect off target decides."""
        return ratio_of_means(self.best)

    @property
    def place(self) -> tuple[float, ...]:
        """What groups are ordered by: disentangled ones, on the most samples, with the most clean effects on those that chose."""
        n = float(self.chosen["n"].max()) if len(self.chosen) else 0.0
        return (
            not self.disentangled,
            -n,
            -clean_and_large(self.chosen),
            -np.nan_to_num(ratio_of_means(self.chosen), posinf=1e9),
        )

    @property
    def on_target(self) -> float:
        return _mean(self.best["on_target"])

    @property
    def off_target(self) -> float:
        return _mean(self.best["off_target"])

    @property
    def largest_is_target(self) -> int:
        return int((self.best["on_target"] > self.best["off_target"]).sum())


def point_in_words(point: str) -> str:
    """A capture point as it is named beside a direction: several at once with a + that lines can be broken at."""
    return point.replace("+", " + ")


def title(row: Row) -> str:
    """What a direction is called, from how it was made."""
    if row["attribute"] is not None:
        return ", ".join([words(row["attribute"]), words(row["method"]), *filter(None, [how_projected(row)])])
    if row["mask"] is None:
        made = "" if row["method"] == "principal-components" else f", {words(row['method'])}"
        return f"component {row['component']}{made}"
    return f"{words(row['mask'])} {row['component']}, {words(row['method'])}"


def how_projected(row: Row) -> str | None:
    """How a direction was projected, in words; None for one as it was fitted."""
    if row["parents"] is None:
        return None
    if row["trials"] is not None:
        return "disentangled by effects"
    return "disentangled by step" if row["projected_by"] == "step" else "disentangled"


def clean_and_large(table: pd.DataFrame) -> int:
    """Return how many rows of `best.reported` have an effect that is both clean and large."""
    return int((table["clean"].astype(bool) & (table["on_target"] >= LARGE)).sum())


def ratio_of_means(table: pd.DataFrame) -> float:
    """Return the mean effect on target over the mean largest effect off target."""
    on, off = _mean(table["on_target"]), _mean(table["off_target"])
    return on / off if off else float("nan")


def _mean(values: pd.Series) -> float:
    finite = values[np.isfinite(values.astype(float))]
    return float(finite.mean()) if len(finite) else float("nan")
