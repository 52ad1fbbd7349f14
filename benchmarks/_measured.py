"""Effects of directions on held-out samples of the bundled model, by its judge: what several benchmarks compare by."""

from collections.abc import Callable
from pathlib import Path

from pipeline.cluster import RayPool
from pipeline.runner import Pool, plan, run
from pipeline.stage import Stage
from pipeline.stages.annotate import Annotate, annotator
from pipeline.stages.edit import Edit
from pipeline.stages.evaluate import Evaluate
from pipeline.stages.score_edits import ScoreEdits
from pipeline.stages.source import Source
from pipeline.store import Store

JUDGE = "portraits-judge"


def measured(
    sample: Source, finders: list, strengths: tuple[float, ...], n: int, seeds: int = 1, control: Evaluate | None = None
) -> Evaluate:
    """The effects of all directions of these finders."""
    judge = annotator(JUDGE)
    scored = ScoreEdits(Edit(sample, tuple(finders), strengths, n, seeds), (judge,))
    return Evaluate(scored, Annotate(sample, (judge,)), control)


def make(folder: str | Path, goals: list[Stage], open_pool: Callable[[], Pool] = RayPool) -> Store:
    """Make the goals in a folder, and say nothing on the way."""
    store = Store(Path(folder))
    store.prepare()
    run(plan(goals, store), store, open_pool, Quiet())
    return store


class Quiet:
    def advance(self, stage: Stage) -> None:
        pass
