"""Which direction of an attribute to use: the one rule, by which the catalog says it, its card, and what a run ends with."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.catalog.direction_catalog import DirectionCatalog
    from pipeline.catalog.explorer.findings import Findings

RULE = (
    "Of an attribute's directions that have a strength in their valid range, those that were disentangled where any was, and of "
    "these those that were measured on the most held-out samples: the one with the largest effect on it at a strength at which "
    "nothing else moves by more than a third as much; where no strength is so clean, the one with the largest ratio of the two. "
    "Both are those of selection samples, and what is reported is of others."
)


def recommended(catalog: "DirectionCatalog") -> dict[str, str]:
    """Return the direction to use of each attribute, in the order of the attributes, from what was measured."""
    from pipeline.catalog.explorer.read import findings  # with SciPy, which reading a catalog does not need
    from pipeline.metrics.best import preferred

    found = findings(catalog)
    return _in_order(preferred(found.candidates), found)


def best_of_each(found: "Findings") -> dict[str, Any]:
    """Return the row of `metrics.best.reported` of the direction to use of each attribute, where it has a strength.

    The direction is the one that the catalog says; one that says none is asked by the rule.
    """
    from pipeline.metrics.best import preferred

    names = found.catalog.recommended or preferred(found.candidates)
    rows = {str(row.name): row for group in found.groups for _, row in group.best.iterrows()}
    return {attribute: rows[name] for attribute, name in _in_order(names, found).items() if name in rows}


def _in_order(names: dict[str, str], found: "Findings") -> dict[str, str]:
    return {attribute: names[attribute] for attribute in found.attributes if attribute in names}
