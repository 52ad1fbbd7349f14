"""In which dtype the U-Net of a run computes: the one that it names, or one that a timing on a worker chooses (`dtype` auto)."""

from pipeline.engine.store import Store
from pipeline.hspace.dtypes import FLOAT32
from pipeline.models.pretrained import Model
from pipeline.recipes.points import candidates
from pipeline.stages.sources.dtypes import Dtypes
from schemas.run import Run

AUTO = "auto"


def is_timed(run: Run) -> bool:
    """Whether the dtype is yet to be chosen."""
    return run.dtype == AUTO


def meanwhile(run: Run) -> str:
    """The dtype of a run; before it is chosen, the one that a plan is made in, whose parts are as many and as large."""
    return FLOAT32 if is_timed(run) else run.dtype


def timing(run: Run, model: Model) -> Dtypes:
    """What chooses it."""
    return Dtypes(model, run.batch, run.compile, candidates(model)[0])


def settled(run: Run, by: Dtypes, store: Store) -> Run:
    """The run with the dtype that was chosen spelled out."""
    return run.model_copy(update={"dtype": by.chosen(store)})


def not_yet(run: Run) -> str:
    """A sentence for a plan that is made before it is chosen."""
    return (
        f"The dtype is not chosen yet (`dtype` {AUTO}): the first part that is made times float32 and bfloat16 where the work is "
        f"done. This plan is of {meanwhile(run)}; in the other, as many parts of as many bytes are made."
    )
