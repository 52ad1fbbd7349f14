"""Makes stages in this process, without Ray. Imported by name."""

from pathlib import Path

from pipeline.engine.plan import plan
from pipeline.engine.pool import InProcess
from pipeline.engine.progress import Progress
from pipeline.engine.runner import run
from pipeline.engine.stage import Stage
from pipeline.engine.store import Store


class Silent(Progress):
    """Progress that nobody sees."""


def made(root: Path, *goals: Stage) -> Store:
    """Make these stages and what they read in a folder; what is there already is found again."""
    store = Store(root)
    store.prepare()
    run(plan(goals, store), store, InProcess, Silent())
    return store
