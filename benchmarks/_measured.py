"""Effects of directions on held-out samples of the bundled model, by its judge: what several benchmarks compare by."""

from collections.abc import Callable
from pathlib import Path

from pipeline.annotators.registry import annotator
from pipeline.engine.plan import plan
from pipeline.engine.progress import Progress
from pipeline.engine.ray_pool import RayPool
from pipeline.engine.runner import Pool, run
from pipeline.engine.stage import Stage
from pipeline.engine.store import Store
from pipeline.stages.labels.annotate import Annotate
from pipeline.stages.measures.edit import Edit
from pipeline.stages.measures.evaluate import Evaluate
from pipeline.stages.measures.score_edits import ScoreEdits
from pipeline.stages.sources.source import Source

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
    run(plan(goals, store), store, open_pool, Progress())
    return store
