"""Where directions are found, and the finders of them, as the paper has them and as this project recommends them."""

from typing import NamedTuple, cast

from pipeline.annotators.regions import Mask
from pipeline.engine.stage import Stage
from pipeline.errors import UserError
from pipeline.imagesets import image_set
from pipeline.recipes.domain import WHOLE, Domain
from pipeline.stages.finders.by_step import EXACT
from pipeline.stages.finders.jacobian_directions import JacobianDirections
from pipeline.stages.finders.jacobian_subspaces import JacobianSubspaces
from pipeline.stages.finders.linear_classifier import LinearClassifier
from pipeline.stages.finders.linear_discriminant import LinearDiscriminant
from pipeline.stages.finders.mean_difference import MeanDifference
from pipeline.stages.finders.principal_components import Across, PrincipalComponents
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

VECTORS = 4  # singular vectors of a sample at a step


class Sources(NamedTuple):
    """Images with their h, and what they are for."""

    found_in: Source  # directions are found here
    measured_on: Source  # whose model makes the held-out samples, and whose scores are the unit of effects
    stored: Source  # their activations can be read


class Found(NamedTuple):
    """The finders of one kind of source."""

    unsupervised: Stage
    difference: Stage  # the paper's Eq. 11
    better: tuple[Stage, ...]  # what separates better; which of these is best differs by attribute


def sources(run: Run, domain: Domain) -> Sources:
    """Samples with their activations or sketches of them, or real images, inverted."""
    if run.images is not None and not run.activations:
        raise UserError("Real images are inverted with their activations stored: leave `activations` on.")
    model = domain.model
    sample = Sample(model, run.samples, run.steps, run.eta, seed=run.seed)
    fewer = Sample(model, min(run.samples, YARDSTICK), run.steps, run.eta, seed=run.seed)
    if run.images is not None:
        inverted = Invert(model, run.steps, images=image_set.find(run.images), iterations=ITERATIONS)
        return Sources(inverted, fewer, inverted)
    if run.activations:
        return Sources(sample, sample, sample)
    sketched = SketchedSample(
        model, run.samples, run.steps, run.eta, seed=run.seed, annotator=domain.annotator, block=run.block
    )
    return Sources(sketched, sketched, fewer)


def finders(run: Run, source: Source, domain: Domain) -> Found:
    """Exact fits up to some thousands of samples, and fits of sketches beyond."""
    labels, wanted = domain.annotator, domain.attributes
    across = cast(Across, run.across)  # the stage checks it
    annotate = Annotate(source, (labels,), purpose=f"by {labels.name}")
    if not isinstance(source, Sketched) and source.n <= EXACT:
        by = (annotate, labels.name, wanted, run.top)
        better = tuple(finder(*by) for finder in BETTER)
        return Found(PrincipalComponents(source, run.components, across), MeanDifference(*by), better)
    sketched = source if isinstance(source, Sketched) else SketchActivations(annotate, labels.name, block=run.block)
    of = (sketched, labels.name, wanted)
    return Found(PrincipalComponents(sketched, run.components, across), MeanDifference(*of), (LinearDiscriminant(*of),))


def of_single_images(source: Source, n: int, regions: tuple[Mask | None, ...]) -> tuple[JacobianDirections, ...]:
    """Find, for the first n samples and each region, what singular vectors at three steps share, and their mean subspaces."""
    at = tuple(sorted({source.steps * quarter // 4 for quarter in (1, 2, 3)}))
    subspaces = [
        JacobianSubspaces(
            source, tuple(range(n)), at, VECTORS, region, purpose=region.name if region else f"whole {WHOLE}s"
        )
        for region in regions
        if n
    ]
    distinct = (JacobianDirections(each, source, 3, purpose=f"{each.purpose}, distinct") for each in subspaces)
    mean = (JacobianDirections(each, source, 2, "mean", purpose=f"{each.purpose}, mean") for each in subspaces)
    return (*distinct, *mean)


def learning_curves(difference: Stage) -> tuple[LearningCurve, ...]:
    """Measure how many samples a direction needs, where there are enough positives to draw from."""
    enough = isinstance(difference, MeanDifference) and difference.n >= FEWEST
    return (LearningCurve(cast(MeanDifference, difference)),) if enough else ()
