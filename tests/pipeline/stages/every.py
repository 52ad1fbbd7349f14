"""Every kind of stage there is, found and not listed."""

from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

from pipeline import stages
from pipeline.engine.stage import Stage
from pipeline.stages.finders.by_step import ByStep
from pipeline.stages.finders.supervised import Supervised
from pipeline.stages.labels.by_part import ByPart
from pipeline.stages.sources.sketches import Sketched
from pipeline.stages.sources.source import Source

ABSTRACT = {Source, Sketched, ByPart, ByStep, Supervised}


def below(kind: type) -> set[type]:
    """This class and all derived from it."""
    return {kind, *(each for derived in kind.__subclasses__() for each in below(derived))}


for module in walk_packages([str(Path(stages.__file__).parent)], "pipeline.stages."):
    import_module(module.name)
STAGES = sorted(
    (kind for kind in below(Stage) - ABSTRACT if kind.__module__.startswith("pipeline.stages.")),
    key=lambda kind: kind.__name__,
)
