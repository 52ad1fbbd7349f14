"""What can be fitted, once labels and regions are known: an attribute that all samples are on one side of is left out, and said."""

import math
from typing import Any

import numpy as np
import pandas as pd

from pipeline.annotators.base import Annotator
from pipeline.annotators.regions import Mask
from pipeline.engine.stage import Stage
from pipeline.engine.store import Store
from pipeline.estimators.stability import FEWEST, check_enough, check_sides
from pipeline.stages.finders.disentangle import LEAST_KEPT
from pipeline.stages.finders.finder import read_rows
from pipeline.stages.finders.jacobian_subspaces import JacobianSubspaces
from pipeline.stages.labels.annotate import Annotate
from pipeline.stages.publish import LeftOut
from pipeline.stages.sources.sketches import Sketched, SketchedSample

TOLD = 0.7  # AUC, of samples not seen, from which a direction is worth fitting
JUDGED = 25  # positives, and as many negatives, from which an AUC over folds says whether there is anything to tell
SAME = 1 - 1e-6  # rank correlation of two attributes that are one, in whatever units


def without_sides(
    labels: Annotate | Sketched, annotator: Annotator, attributes: tuple[str, ...], top: int, store: Store
) -> tuple[LeftOut, ...]:
    """Return the attributes that no direction of their own can be fitted to: too few samples are scored, or on one side.

    top: positives, and as many negatives, that are taken where the samples themselves are at hand.
    """
    if isinstance(labels, SketchedSample):
        found = _in_sketches(labels, annotator, attributes, store)
    else:
        annotate = labels if isinstance(labels, Annotate) else labels.annotate  # type: ignore[attr-defined]
        scores = annotate.scores(store, annotator.name).reindex(labels.source.all_ids)
        sketched = not isinstance(labels, Annotate)  # sketches take the samples that have every score
        thresholds = dict(zip(annotator.attributes, annotator.thresholds, strict=True))
        if sketched and (complete := int(scores.notna().all(axis=1).sum())) < 2 * FEWEST:
            found = _incomplete(attributes, complete, len(scores), scores.notna().sum())
        else:
            found = _in_scores(scores[list(attributes)], thresholds, 0 if sketched else 2 * top)
    return tuple(LeftOut("attribute", name, found[name]) for name in attributes if name in found)


def without_border(annotator: Annotator, attributes: tuple[str, ...]) -> tuple[LeftOut, ...]:
    """Return the attributes of which no score is known above which they are there: sketches know no two sides of them."""
    border = dict(zip(annotator.attributes, annotator.thresholds, strict=True))
    why = "it has no threshold, and sketches know no two sides without one"
    return tuple(LeftOut("attribute", name, why) for name in attributes if math.isnan(border[name]))


def _in_scores(scores: pd.DataFrame, thresholds: dict[str, float], needed: int) -> dict[str, str]:
    """Why attributes cannot be fitted, by name: scores have a row a sample, NaN where missing; `needed` are to have all of them."""
    found: dict[str, str] = {}
    for name, values in scores.items():
        scored = int(values.notna().sum())
        if scored < needed:
            found[str(name)] = f"{scored:,} of {len(values):,} samples have a score, and {needed:,} are needed"
            continue
        try:
            check_enough(str(name), values.to_numpy(np.float64), thresholds[str(name)])
        except ValueError as error:
            found[str(name)] = _reason(error)
    left = scores.drop(columns=list(found))
    while len(left.columns) and (complete := int(left.notna().all(axis=1).sum())) < needed:
        rarest = str(left.notna().sum().idxmin())
        found[rarest] = (
            f"with it, {complete:,} of {len(left):,} samples have all scores, and {needed:,} are needed; "
            f"{int(left[rarest].notna().sum()):,} have its own"
        )
        left = left.drop(columns=rarest)
    return found | _copies(left)


def _copies(scores: pd.DataFrame) -> dict[str, str]:
    """Why attributes are others once more, by name: whatever is fitted to both is one direction, and nothing is left of either.

    One is another where it has its order, and sums of others where these explain it but for a share of `LEAST_KEPT`.
    """
    complete = scores.dropna()
    ranks, z = complete.rank(), (complete - complete.mean()) / complete.std()
    found: dict[str, str] = {}
    for i, name in enumerate(map(str, scores.columns)):
        before = [str(other) for other in scores.columns[:i] if str(other) not in found]
        if alike := [other for other in before if abs(ranks[name].corr(ranks[other])) > SAME]:
            found[name] = f"it puts the samples in the order that {alike[0]} puts them in, or in the reverse"
        elif len(before) > 1 and _left(z[before].to_numpy(), z[name].to_numpy()) < LEAST_KEPT:
            found[name] = f"{', '.join(before)} together say all that it says"
    return found


def _left(others: np.ndarray, own: np.ndarray) -> float:
    """The share of a score's spread that a linear regression on others (n, A) leaves."""
    fitted, *_ = np.linalg.lstsq(others, own, rcond=None)
    return float(np.linalg.norm(own - others @ fitted) / np.linalg.norm(own))


def _in_sketches(
    sketched: SketchedSample, annotator: Annotator, attributes: tuple[str, ...], store: Store
) -> dict[str, str]:
    """The same by the counts in sketches, which keep no scores of single samples."""
    sums = sketched.merged(store, 0).sums
    above, below = sums.counts
    if sums.n < 2 * FEWEST:
        scored = pd.Series(above + below, index=annotator.attributes)[~np.isnan(annotator.thresholds)]
        return _incomplete(attributes, sums.n, sketched.n, scored)
    found = {}
    for name in attributes:
        i = annotator.attributes.index(name)
        try:
            check_sides(name, int(above[i]), int(below[i]), annotator.thresholds[i])
        except ValueError as error:
            found[name] = _reason(error)
    return found


def _incomplete(attributes: tuple[str, ...], complete: int, n: int, scored: pd.Series) -> dict[str, str]:
    """Why no attribute can be fitted where samples lack some score or other; scored: samples with a score, by attribute."""
    rarest = f", and {scored.idxmin()} is scored in {int(scored.min()):,}" if len(scored) else ""
    return dict.fromkeys(attributes, f"{complete:,} of {n:,} samples have every score of the annotator{rarest}")


def _reason(error: ValueError) -> str:
    """The numbers of an error, without whose they are and what to do."""
    return str(error).split("\n")[0].partition(": ")[2].rstrip(".")


def untold(classifiers: tuple[Stage, ...], store: Store) -> tuple[LeftOut, ...]:
    """Return the attributes that h does not tell: whatever is fitted to their labels is made of noise.

    classifiers: finders of directions, of whom those count that say how well they tell samples that they have not seen. An
    attribute is told where any of them tells it, at any step.
    """
    best: dict[str, tuple[float, float]] = {}
    for row in read_rows(store, classifiers):
        if (found := _told(row)) is not None:
            best[row["attribute"]] = max(best.get(row["attribute"], (0.0, 0.0)), found)
    return tuple(
        LeftOut(
            "attribute",
            name,
            f"a classifier of h tells its labels by an AUC of {auc:.2f} at its best step, on samples not seen: at 95 % confidence "
            f"at most {high:.2f}, where 0.5 is chance and {TOLD:.2f} the least that is worth a direction",
        )
        for name, (high, auc) in best.items()
        if high < TOLD
    )


def _told(row: dict[str, Any]) -> tuple[float, float] | None:
    """The upper bound of the largest AUC of any step, and that; None where it is not known.

    The error is that of an AUC by chance (Hanley and McNeil 1982). Of few samples on a side it is wide, and nothing is said.
    """
    known = [each for each in row["auc_extremes_by_step"] or () if each is not None and not math.isnan(each)]
    positive, negative = row["n_positive"], row["n_negative"]
    if not known or min(positive or 0, negative or 0) < JUDGED:
        return None
    error = math.sqrt((positive + negative + 1) / (12 * positive * negative))
    return max(known) + 1.645 * error, max(known)


def nowhere(subspaces: tuple[JacobianSubspaces, ...], store: Store) -> tuple[tuple[Mask, ...], tuple[LeftOut, ...]]:
    """Return the regions that none of the samples has whose Jacobians were looked at, and what to say of them."""
    lost = [each for each in subspaces if each.mask and not each.samples_with_region(store)]
    told = (LeftOut("region", each.region, f"none of {len(each.samples)} samples has it") for each in lost)
    return tuple(each.mask for each in lost if each.mask), tuple(told)
