"""A domain: what a run is about, as plugs. Generic code knows no other."""

from dataclasses import dataclass, replace

from pipeline.annotators.base import Annotator, Embedder, Labels, embeds, presence_of, stranger
from pipeline.annotators.names import check_distinct
from pipeline.annotators.regions import WHOLE, Mask
from pipeline.annotators.registry import annotator, embedder, mask
from pipeline.errors import UserError
from pipeline.models.bundled import BUNDLED, bundled
from pipeline.models.pretrained import Model, find
from pipeline.recipes.judges import check_judges
from pipeline.recipes.points import is_chosen
from pipeline.stages.labels.annotate import annotator_of
from schemas.run import Run

ANY_IMAGE = ("pixels",)  # judges what nobody has a classifier for


@dataclass(frozen=True)
class Domain:
    """A model, who labels and who judges its images, and what of an image is looked at."""

    model: Model
    annotator: Annotator | None  # labels the samples that directions are fitted on
    judges: tuple[Annotator, ...]  # measure; the first names, calibrates and ranks directions
    attributes: tuple[str, ...]  # what directions are found for, of those that the annotator scores
    regions: tuple[Mask | None, ...] = ()  # where to look for what can change; None is the whole image
    foreground: Mask | None = None  # what an edit may change; the rest of the image is background
    embedder: Embedder | None = None  # in whose features images are compared
    allowed: tuple[str, ...] = ()  # of the judges, those that may measure directions fitted on their own scores

    @classmethod
    def of(cls, run: Run, model: Model | None = None) -> "Domain":
        """The domain that a run names. model: in the place of the one that it names.

        Raises UserError for names that are not known, and where nobody labels or judges what directions are wanted for.
        """
        if model is None and run.model is None:
            raise UserError(
                "There is no model to find directions of: name a `model`, a folder, a repository of the model hub, or\n"
                f"one that comes with this project: {', '.join(BUNDLED)}."
            )
        labels = annotator(run.annotator) if run.annotator else None
        judges = tuple(annotator(name) for name in run.judge or (ANY_IMAGE if run.attributes == () else ()))
        attributes = _attributes(run, labels, judges)
        if isinstance(labels, Labels):
            _check_seen(run, labels.name)
        allowed = check_judges(labels, judges, attributes, run.allow_judge)
        regions = tuple(None if name == WHOLE else mask(name) for name in run.region)
        check_distinct(*filter(None, regions))
        foreground = mask(run.foreground) if run.foreground else None
        found = model or _model(run)  # last: it may have to be fetched
        return cls(found, labels, judges, attributes, regions, foreground, _embedder(run, judges), allowed)

    @property
    def strangers(self) -> dict[str, str]:
        """Who says not to know what the model shows, by name, and why their scores then mean nothing."""
        plugs = (each for each in (self.annotator, *self.judges) if each)
        found = {each.name: stranger(each, self.model.weights) for each in plugs}
        return {name: why for name, why in found.items() if why}

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be known of all that is found."""
        of_labels = getattr(self.annotator, "notes", ())
        return (*self.model.notes, *of_labels, *self.strangers.values())


def _check_seen(run: Run, name: str) -> None:
    """Raise UserError for what needs scores of images that this annotator, which knows them by name, has never heard of."""
    needs = {
        "`capture` auto, which swaps h between new samples and scores what comes out: name points, as mid_block": is_chosen(
            run
        ),
        "`by_effects`, which scores edited samples: leave it out": run.by_effects,
        "sketches, which are made of samples that are scored at once: leave `activations` on": not run.activations,
    }
    if unmet := [each for each, asked in needs.items() if asked]:
        raise UserError(f"{name!r} knows images by their names, and looks at none. That rules out {unmet[0]}.")


def _model(run: Run) -> Model:
    """The model that a run names."""
    name = str(run.model)
    chosen = {each: getattr(run, each) for each in ("unet", "variant", "condition", "class_label")}
    ours = bundled(name)
    found = find(str(ours or name), **{each: it for each, it in chosen.items() if it is not None})
    return replace(found, name=name) if ours else found


def _attributes(run: Run, labels: Annotator | None, judges: tuple[Annotator, ...]) -> tuple[str, ...]:
    """What directions are found for: what is wanted, or all that the annotator scores but for the presence of anything."""
    if run.attributes == ():
        return ()
    without = "Or find directions that need no labels, components and those of Jacobians: `attributes` ''."
    if labels is None:
        raise UserError(f"Nobody labels the samples: name an `annotator` that knows what the model shows.\n{without}")
    if not judges:
        raise UserError(
            "Nobody measures what edits do: name a `judge` that has had no part in the labels.\n"
            f"Whoever has only {labels.name!r} may let it judge itself, by naming it as `judge` and as `allow_judge`:\n"
            "effects then are what it believes, which its directions were made to raise, and the catalog says so."
        )
    annotator_of((labels,), labels.name, run.attributes or ())
    if presence_of(labels) in (run.attributes or ()):
        raise UserError(
            f"{presence_of(labels)} says whether an image shows what the model is of at all, and no direction is found for it.\n"
            "Leave it out of `attributes`: what edits do to it is measured among what they preserve."
        )
    return run.attributes or tuple(name for name in labels.attributes if name != presence_of(labels))


def _embedder(run: Run, judges: tuple[Annotator, ...]) -> Embedder | None:
    """In whose features images are compared: who is named, FaceNet with given weights, or else the first judge that has some."""
    if run.embedder and run.facenet_weights:
        raise UserError("`embedder` and `facenet_weights` both say by whom images are compared. Leave one of them out.")
    if run.embedder:
        return embedder(run.embedder)
    return embedder(f"facenet:{run.facenet_weights}") if run.facenet_weights else next(filter(embeds, judges), None)
