"""Where directions are found, and the finders of them, as the paper has them and as this project recommends them."""

from pathlib import Path
from typing import Any, NamedTuple, cast

from pipeline.annotators.base import Labels, check_known
from pipeline.errors import UserError
from pipeline.hspace.capture import singles, union
from pipeline.imagesets import image_set
from pipeline.recipes import dtypes
from pipeline.recipes.domain import WHOLE, Domain
from pipeline.stages.finders.by_step import EXACT
from pipeline.stages.finders.imported import Imported, described, imported
from pipeline.stages.finders.jacobian_directions import JacobianDirections
from pipeline.stages.finders.jacobian_subspaces import JacobianSubspaces
from pipeline.stages.finders.joined import Joined
from pipeline.stages.finders.linear_classifier import LinearClassifier
from pipeline.stages.finders.linear_discriminant import LinearDiscriminant
from pipeline.stages.finders.mean_difference import MeanDifference
from pipeline.stages.finders.principal_components import PrincipalComponents
from pipeline.stages.finders.supervised import Supervised
from pipeline.stages.labels.annotate import Annotate
from pipeline.stages.measures.learning_curve import FEWEST, LearningCurve
from pipeline.stages.sources.invert import Invert
from pipeline.stages.sources.sample import Sample
from pipeline.stages.sources.sketches import SketchActivations, Sketched, SketchedSample
from pipeline.stages.sources.source import Source
from schemas.run import Run

# Where directions are found in real images:
YARDSTICK = 128  # samples, at most, whose standard deviations are the unit of effects
ITERATIONS = 2  # passes of the U-Net a step of DDIM inversion

BETTER: tuple[type[Supervised], ...] = (LinearClassifier, LinearDiscriminant)  # beside the paper's mean difference

WITHOUT_LABELS = "Sketches of h are made of labelled samples, and nobody labels these."
NEAR = 5e-3  # residual, of the largest singular value: directions that are gathered at a cosine of .6 need no better
VECTORS = 4  # singular vectors of a sample at a step


class Sources(NamedTuple):
    """Images with their h, and what they are for."""

    found_in: Source  # directions are found here
    measured_on: Source  # whose model makes the held-out samples, and whose scores are the unit of effects
    stored: Source  # their activations can be read


class Fitted(NamedTuple):
    """The supervised finders of one kind of source."""

    difference: Supervised | Joined  # the paper's Eq. 11
    better: tuple[Supervised | Joined, ...]  # what separates better; which of these is best differs by attribute


def sources(run: Run, domain: Domain, points: tuple[str, ...]) -> Sources:
    """Samples with their activations or sketches of them at these capture points, or real images, inverted."""
    if run.images is not None and not run.activations:
        raise UserError("Real images are inverted with their activations stored: leave `activations` on.")
    model, how = domain.model, sampling(run, points)
    labels = domain.annotator if isinstance(domain.annotator, Labels) else None
    fewer = Sample(model, min(run.samples, YARDSTICK), run.steps, **noise(run), **how)
    if run.images is not None:
        images = image_set.find(run.images, run.fail_above)
        if labels:
            check_known(labels, range(images.n), images.names)
        inverted = Invert(model, run.steps, images=images, iterations=ITERATIONS, **how)
        return Sources(inverted, fewer, inverted)
    if labels:
        check_known(labels, range(run.samples), [None] * run.samples)
    if run.activations:
        sample = Sample(model, run.samples, run.steps, **noise(run), **how)
        return Sources(sample, sample, sample)
    if domain.annotator is None:
        raise UserError(f"{WITHOUT_LABELS} Leave `activations` on, or name an annotator.")
    how |= {"annotator": domain.annotator, "block": run.block}
    sketched = SketchedSample(model, run.samples, run.steps, **noise(run), **how)
    return Sources(sketched, sketched, fewer)


def noise(run: Run) -> dict[str, Any]:
    """What noise samples are made from."""
    return {"eta": run.eta, "seed": run.seed}


def sampling(run: Run, points: tuple[str, ...]) -> dict[str, Any]:
    """How they are made from it, and where h is recorded."""
    return {
        "clip": run.clip,
        "batch": run.batch,
        "point": union(points),
        "dtype": dtypes.meanwhile(run),
        "compiled": run.compile,
    }


def labels(run: Run, source: Source, domain: Domain, point: str | None = None) -> Annotate | Sketched:
    """What supervised finders are fitted on: scores of samples, or sketches of them beyond some thousands of samples.

    Sketches are of h at one capture point; without one they are of all that is recorded.
    """
    if isinstance(source, Sketched):
        return source.seen_at(point) if point and isinstance(source, SketchedSample) else source
    assert domain.annotator is not None
    annotate = Annotate(source, (domain.annotator,), purpose=f"by {domain.annotator.name}")
    if source.n <= EXACT:
        return annotate
    own = None if point == source.point else point
    return SketchActivations(annotate, domain.annotator.name, block=run.block, at=own)


def supervised(
    run: Run, source: Source, domain: Domain, point: str | None = None, scale: Source | None = None
) -> Fitted:
    """Exact fits at a capture point up to some thousands of samples, and fits of sketches beyond; at several points, of each.

    The point is that of the source unless it is named; what is at several is joined by how h spreads in `scale`, whose h is stored.
    """
    point = point or source.point
    each = [_at_one_point(run, source, domain, single) for single in singles(point)]
    if len(each) == 1:
        return each[0]
    differences, better = zip(*((fitted.difference, fitted.better) for fitted in each), strict=True)
    by_method = zip(*better, strict=True)
    scale = scale or source
    return Fitted(Joined(differences, scale), tuple(Joined(method, scale) for method in by_method))


def _at_one_point(run: Run, source: Source, domain: Domain, point: str) -> Fitted:
    assert domain.annotator is not None
    labelled = labels(run, source, domain, point)
    if isinstance(labelled, Annotate):
        by = (labelled, domain.annotator.name, domain.attributes, run.top)
        own = None if point == source.point else point
        return Fitted(MeanDifference(*by, at=own), tuple(finder(*by, at=own) for finder in BETTER))
    of = (labelled, domain.annotator.name, domain.attributes)
    return Fitted(MeanDifference(*of), (LinearDiscriminant(*of),))


def components(run: Run, source: Source, domain: Domain, point: str) -> tuple[PrincipalComponents, ...]:
    """Principal components at a capture point, where any are asked for."""
    if not run.components:
        return ()
    source = source.seen_at(point)
    if isinstance(source, Sketched) or source.n <= EXACT:
        return (PrincipalComponents(source, run.components, run.across),)
    if domain.annotator is None:
        raise UserError(f"{WITHOUT_LABELS} Ask for at most {EXACT:,} samples, or name an annotator.")
    sketched = labels(run, source, domain, point)
    assert isinstance(sketched, Sketched)
    return (PrincipalComponents(sketched, run.components, run.across),)


def subspaces(run: Run, source: Source, domain: Domain, point: str) -> tuple[JacobianSubspaces, ...]:
    """What can change in each of the first samples, at three steps, in each region, by h at a capture point."""
    source = source.seen_at(point)
    at = tuple(sorted({source.steps * quarter // 4 for quarter in (1, 2, 3)}))
    ids = tuple(range(min(run.jacobians, source.n)))
    return tuple(
        JacobianSubspaces(source, ids, at, VECTORS, region, NEAR, purpose=region.name if region else f"whole {WHOLE}s")
        for region in (domain.regions if run.jacobians else ())
    )


def points_from_outside(run: Run) -> tuple[str, ...]:
    """The capture points of directions that were found elsewhere: h is recorded there, too."""
    return tuple(described(Path(path)).capture for path in run.imported or ())


def from_outside(run: Run, source: Source) -> tuple[Imported, ...]:
    """Directions that were found elsewhere."""
    return tuple(imported(path, source) for path in run.imported or ())


def of_single_images(found: tuple[JacobianSubspaces, ...], source: Source) -> tuple[JacobianDirections, ...]:
    """Take what singular vectors of several samples and steps share, and the mean subspace of each region."""
    distinct = (JacobianDirections(each, source, 3, purpose=f"{each.purpose}, distinct") for each in found)
    mean = (JacobianDirections(each, source, 2, "mean", purpose=f"{each.purpose}, mean") for each in found)
    return (*distinct, *mean)


def learning_curves(found: Fitted | None) -> tuple[LearningCurve, ...]:
    """Measure how many samples a direction needs, where there are enough positives to draw from."""
    difference = found and found.difference
    enough = isinstance(difference, MeanDifference) and difference.n >= FEWEST
    return (LearningCurve(cast(MeanDifference, difference)),) if enough else ()
