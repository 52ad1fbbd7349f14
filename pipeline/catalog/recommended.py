"""Which direction of an attribute to use: the one rule, by which the catalog says it, its card, and what a run ends with."""

from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from pipeline.catalog.direction_catalog import DirectionCatalog
    from pipeline.catalog.explorer.findings import Findings

RULE = (
    "Of an attribute's directions, those that were disentangled where any was, and of these those that were measured on the "
    "most held-out samples: the one with the largest effect on it at a strength at which nothing else moves by more than a third "
    "as much; where no strength is so clean, the one with the largest ratio of the two."
)


def recommended(catalog: "DirectionCatalog") -> dict[str, str]:
    """Return the direction to use of each attribute, in the order of the attributes, from what was measured."""
    from pipeline.catalog.explorer.read import findings

    return {attribute: str(row.name) for attribute, row in best_of_each(findings(catalog)).items()}


def best_of_each(found: "Findings") -> dict[str, Any]:
    """Return the row of `metrics.effects.best_strengths` of the direction to use of each attribute."""
    groups = [group.best for group in found.recommended if len(group.best)]
    if not groups:
        return {}
    best = pd.concat(groups)
    worth = best["on_target"].where(best["clean"].astype(bool), best["ratio"])
    best = best.assign(worth=worth).sort_values(["clean", "worth"], ascending=False, kind="stable")
    of_attribute = {str(row["target"]): row for _, row in best[::-1].iterrows()}
    return {attribute: of_attribute[attribute] for attribute in found.attributes if attribute in of_attribute}
