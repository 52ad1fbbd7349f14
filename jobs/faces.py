"""The bundled portraits, from noise to a published catalog: `make demo`, or `python -m jobs.faces`.

It reads like the method section of a paper. Every stage is a description of what to make; nothing runs until the end.
"""

from pathlib import Path
from typing import Annotated, cast

from typer import Option

from jobs.command_line import carry_out, console, main
from pipeline.annotators.regions import Mask
from pipeline.annotators.registry import annotator, mask
from pipeline.domains import portraits
from pipeline.domains.portraits.model import bundled
from pipeline.engine.stage import Stage
from pipeline.errors import UserError
from pipeline.imagesets import image_set
from pipeline.recipes.measure import Measurement
from pipeline.stages.finders.by_step import EXACT
from pipeline.stages.finders.jacobian_directions import JacobianDirections
from pipeline.stages.finders.jacobian_subspaces import JacobianSubspaces
from pipeline.stages.finders.linear_classifier import LinearClassifier
from pipeline.stages.finders.linear_discriminant import LinearDiscriminant
from pipeline.stages.finders.mean_difference import MeanDifference
from pipeline.stages.finders.principal_components import Across, PrincipalComponents
from pipeline.stages.finders.random_directions import RandomDirections
from pipeline.stages.finders.sketched_directions import SketchedDirections
from pipeline.stages.labels.annotate import Annotate
from pipeline.stages.measures.calibrate import calibrate
from pipeline.stages.measures.learning_curve import FEWEST, Convergence
from pipeline.stages.measures.locality import Locality
from pipeline.stages.measures.transfer import Transfer
from pipeline.stages.publish import Catalog
from pipeline.stages.report import Report
from pipeline.stages.sources.invert import Invert
from pipeline.stages.sources.sample import Sample
from pipeline.stages.sources.sketches import SketchActivations, SketchedSample
from pipeline.stages.sources.source import Source

# Where directions are found in real images:
YARDSTICK = 128  # samples, at most, whose standard deviations are the unit of effects
ITERATIONS = 2  # passes of the U-Net a step of DDIM inversion

# Directions of single images:
VECTORS = 4  # singular vectors of a sample at a step
FAR = (-4.0, 4.0)  # strengths that they are measured at, in standard deviations of h


def faces(
    root: Annotated[Path, Option(help="Folder for everything that is made.")] = Path("runs/faces"),
    model: Annotated[
        str, Option(help="Folder of the bundled model, or of a copy of it: the annotator knows no other.")
    ] = str(portraits.MODEL),
    samples: Annotated[int, Option(help="Samples to find directions in.")] = 896,
    images: Annotated[
        Path | None,
        Option(
            help="Folder or Parquet of portraits, drawn as the bundled ones, to find directions in, instead of in samples."
        ),
    ] = None,
    steps: Annotated[int, Option(help="T, steps of the reverse process.")] = 16,
    eta: Annotated[float, Option(help="0 = DDIM, 1 = DDPM.")] = 1.0,
    seed: Annotated[int, Option(help="Of the samples' noise.")] = 0,
    attributes: Annotated[str, Option(help="What to find directions for, by commas.")] = "smile,glasses,age,gender,yaw",
    top: Annotated[int, Option(help="Positives, and as many negatives, of an attribute (Eq. 11).")] = 128,
    activations: Annotated[
        bool,
        Option(
            help="Store h of every sample. Without, the workers that sample keep sketches of it: megabytes, but fewer estimators."
        ),
    ] = True,
    block: Annotated[
        int, Option(help="Samples that a worker sketches at a time, where activations are not stored.")
    ] = 2048,
    components: Annotated[int, Option(help="Principal components.")] = 10,
    across: Annotated[
        str, Option(help="How components of the steps belong together: per-step (the paper's), matched, or joint.")
    ] = "per-step",
    jacobians: Annotated[
        int, Option(help="Samples whose Jacobians give directions of single images; 0 leaves them out.")
    ] = 8,
    region: Annotated[
        list[str],
        Option(
            help="Where to look for what changes: image, eyes, nose, mouth, head, box:LEFT,TOP,RIGHT,BOTTOM, or an image file."
        ),
    ] = ["image", "eyes", "mouth"],  # noqa: B006
    held_out: Annotated[
        int,
        Option(
            help="Held-out samples that edits are measured on: twice as many for the control, a quarter for the rest."
        ),
    ] = 28,
    protocol: Annotated[
        str,
        Option(help="What the supervised directions are measured on: demo, or paper: 100 samples of each of 10 seeds."),
    ] = "demo",
    judge: Annotated[
        list[str], Option(help="Who measures. Directions are named, calibrated and ranked by the first.")
    ] = ["portraits-judge", "mtcnn"],  # noqa: B006
    allow_judge: Annotated[
        list[str] | None, Option(help="A judge that may measure directions fitted on its own scores.")
    ] = None,
    facenet_weights: Annotated[
        Path | None, Option(help="FaceNet weights, to measure identity by; without, the first judge's features.")
    ] = None,
    by_effects: Annotated[
        bool, Option(help="Also project away only what each direction is measured to move beside its target.")
    ] = False,
    workers: Annotated[int | None, Option(help="Worker processes; 0 works in this process, without Ray.")] = None,
    address: Annotated[str | None, Option(help="Ray cluster; without it, Ray starts on this machine.")] = None,
    plan: Annotated[bool, Option("--plan", help="Print what would be made, and stop.")] = False,
) -> None:
    """Make a measured direction catalog of the bundled portraits, and a report to look at."""

    def goals() -> tuple[Catalog, Report]:
        found, labels = bundled(model), annotator("portraits")
        wanted = tuple(name.strip() for name in attributes.split(",") if name.strip())
        if images is not None and not activations:
            raise UserError("Real images are inverted with their activations stored: leave --no-activations out.")
        source: Source
        sample = Sample(found, samples, steps, eta, seed=seed)
        fewer = Sample(found, min(samples, YARDSTICK), steps, eta, seed=seed)
        if images is not None:
            console.print(
                f"Labels: by {labels.name!r}, which knows drawings as the bundled ones; of photographs they mean nothing."
            )
            sample, source = fewer, Invert(found, steps, images=image_set.find(images), iterations=ITERATIONS)
        elif activations:
            source = sample
        else:
            source = sample = SketchedSample(found, samples, steps, eta, seed=seed, annotator=labels, block=block)
        stored = source if activations else fewer
        annotate = Annotate(source, (labels,))

        if activations and source.n <= EXACT:
            unsupervised = PrincipalComponents(source, components, cast(Across, across))  # the stage checks it
            difference, *better = from_activations(annotate, wanted, top)
        else:
            sketched = SketchActivations(annotate, labels.name) if activations else source
            unsupervised = PrincipalComponents(sketched, components, cast(Across, across))
            difference, *better = from_sketches(sketched, wanted)
        masks = [None if name == "image" else mask(name) for name in dict.fromkeys(region)]
        single = from_jacobians(stored, min(jacobians, stored.n), masks)

        measure = Measurement.by(judge, sample, tuple(allow_judge or ()), facenet_weights, protocol)
        full, *others = measure.supervised(difference, tuple(better), held_out, by_effects)
        few = max(2, held_out // 4)
        components_measured = measure.unsupervised((unsupervised,), (-2.0, 2.0), few)
        alone = [measure.unsupervised(single, FAR, few)] if single else []
        distinct = tuple(each for each in single if each.kind == "distinct")
        evaluations = (full, *others, components_measured, *alone)
        published = [finder for each in evaluations for finder in each.edit.finders]
        catalog = Catalog(
            source,
            tuple(dict.fromkeys(finder for finder in published if not isinstance(finder, RandomDirections))),
            evaluations,
            calibrations=tuple(calibrate(each, held_out) for each in (full, components_measured, *alone)),
            transfers=tuple(Transfer(measure.origins(stored, distinct, FAR), each) for each in alone),
            localities=tuple(Locality(each.edit, tuple(filter(None, masks))) for each in alone if any(masks)),
            convergences=from_how_many(difference),
        )
        return catalog, Report(catalog)

    store, [catalog, report] = carry_out(goals, root, workers, address, plan)
    console.print(f"Catalog: {store.folder(catalog)}")
    console.print(f"Report:  {store.folder(report) / 'report.html'}")


def from_how_many(difference: Stage) -> tuple[Convergence, ...]:
    """Where there are enough positives to draw from."""
    enough = isinstance(difference, MeanDifference) and difference.n >= FEWEST
    return (Convergence(cast(MeanDifference, difference)),) if enough else ()


def from_jacobians(source: Source, n: int, masks: list[Mask | None]) -> tuple[JacobianDirections, ...]:
    """Of the first n samples, in each region: what singular vectors at three steps have in common, and their mean subspaces."""
    at = tuple(sorted({source.steps * quarter // 4 for quarter in (1, 2, 3)}))
    subspaces = [JacobianSubspaces(source, tuple(range(n)), at, VECTORS, mask) for mask in masks if n]
    distinct = (JacobianDirections(each, source, 3) for each in subspaces)
    return (*distinct, *(JacobianDirections(each, source, 2, "mean") for each in subspaces))


def from_activations(annotate: Annotate, wanted: tuple[str, ...], top: int) -> tuple[Stage, ...]:
    """The paper's estimator, and the two that separate better; which of these is best differs by attribute."""
    by = (annotate, "portraits", wanted, top)
    return MeanDifference(*by), LinearClassifier(*by), LinearDiscriminant(*by)


def from_sketches(sketched: Stage, wanted: tuple[str, ...]) -> tuple[Stage, ...]:
    """Of however many samples: the difference of everything above a threshold and below it, and discriminants."""
    return SketchedDirections(sketched, wanted, "mean-difference"), SketchedDirections(sketched, wanted)


if __name__ == "__main__":
    main(faces)
