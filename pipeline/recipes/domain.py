"""A domain: what a run is about, as plugs. Generic code knows no other."""

from dataclasses import dataclass
from typing import TypeGuard

from pipeline.annotators.base import Annotator, Embedder, presence_of
from pipeline.annotators.regions import Mask
from pipeline.annotators.registry import annotator, facenet, mask
from pipeline.errors import UserError
from pipeline.models.pretrained import Model, find
from schemas.run import Run

WHOLE = "image"  # what a region that is the whole image is called


@dataclass(frozen=True)
class Domain:
    """A model, who labels and who judges its images, and what of an image is looked at."""

    model: Model
    annotator: Annotator  # labels the samples that directions are fitted on
    judges: tuple[Annotator, ...]  # measure; the first names, calibrates and ranks directions
    attributes: tuple[str, ...]  # what directions are found for, of those that the annotator scores
    regions: tuple[Mask | None, ...] = ()  # where to look for what can change; None is the whole image
    foreground: Mask | None = None  # what an edit may change; the rest of the image is background
    embedder: Embedder | None = None  # in whose features images are compared

    @classmethod
    def of(cls, run: Run, model: Model | None = None) -> "Domain":
        """The domain that a run names. model: in the place of the one that it names.

        Identity is measured by FaceNet where its weights are given, else by the features of the first judge that has some.
        Raises UserError for names that are not known, and where nobody labels or judges.
        """
        if model is None and run.model is None:
            raise UserError("There is no model to find directions of: name a folder, or a repository of the model hub.")
        if run.annotator is None or not run.judge:
            missing = "labels the samples" if run.annotator is None else "measures the edits"
            raise UserError(f"Nobody {missing}: name an annotator, and another one as judge.")
        labels, judges = annotator(run.annotator), tuple(annotator(name) for name in dict.fromkeys(run.judge))
        wanted = tuple(name.strip() for name in run.attributes.split(",") if name.strip())
        return cls(
            model or find(str(run.model)),
            labels,
            judges,
            wanted if run.attributes else tuple(name for name in labels.attributes if name != presence_of(labels)),
            tuple(None if name == WHOLE else mask(name) for name in dict.fromkeys(run.region)),
            mask(run.foreground) if run.foreground else None,
            facenet(run.facenet_weights) if run.facenet_weights else next(filter(_embeds, judges), None),
        )


def _embeds(judge: Annotator) -> TypeGuard[Embedder]:
    return isinstance(judge, Embedder)
