"""In which precision a run samples: the one that it names, or the one that a timing on a worker chooses (`dtype` auto)."""

from pipeline.engine.store import Store
from pipeline.hspace.precision import FLOAT32
from pipeline.models.pretrained import Model
from pipeline.recipes.points import candidates
from pipeline.stages.sources.precision import Precision
from schemas.run import Run

AUTO = "auto"


def is_timed(run: Run) -> bool:
    """Whether the precision is yet to be chosen."""
    return run.dtype == AUTO


def meanwhile(run: Run) -> str:
    """The precision of a run; before it is chosen, the one that a plan is made in, whose parts are as many and as large."""
    return FLOAT32 if is_timed(run) else run.dtype


def timing(run: Run, model: Model) -> Precision:
    """What chooses it."""
    return Precision(model, run.batch, run.compile, candidates(model)[0])


def settled(run: Run, by: Precision, store: Store) -> Run:
    """The run with the precision that was chosen spelled out."""
    return run.model_copy(update={"dtype": by.chosen(store)})


def not_yet(run: Run) -> str:
    """A sentence for a plan that is made before it is chosen."""
    return (
        f"Precision: not chosen yet (`dtype` {AUTO}): the first part that is made times float32 and bfloat16 where the work is "
        f"done. This plan is of {meanwhile(run)}; in the other, as many parts of as many bytes are made."
    )
