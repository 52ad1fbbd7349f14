"""Whoever looks at images of a model is asked, before any work, whether it can read images of that size."""

import json
from dataclasses import dataclass

import pytest

from pipeline.errors import UserError
from pipeline.stages.finders.disentangle_by_effects import DisentangleByEffects
from pipeline.stages.labels.annotate import Annotate
from pipeline.stages.labels.embed import Embed
from pipeline.stages.measures.edit import Edit
from pipeline.stages.measures.score_edits import ScoreEdits
from pipeline.stages.sources.sample import Sample
from pipeline.stages.sources.sketches import SketchedSample
from tests.pipeline.planted_generator import PlantedAnnotator, PlantedFinder, PlantedModel


@dataclass(frozen=True)
class Small(PlantedAnnotator):
    """Reads images of at most 30 pixels a side."""

    weights: str = "small"

    def check(self, height: int, width: int) -> None:
        if max(height, width) > 30:
            raise UserError(f"{height} x {width} is too large.")


ANY, SMALL = PlantedAnnotator(), Small()


def sample(height: int, width: int) -> Sample:
    shape = json.dumps({"sample_size": [height, width], "in_channels": 3})
    return Sample(PlantedModel(unet=shape), 8, steps=1, batch=8)


def stages(of: Sample, one: PlantedAnnotator):
    finder = PlantedFinder(((1.0, 0, 0, 0, 0), (0, 1.0, 0, 0, 0)), ("alpha", "beta"))
    edit = Edit(of, (finder,), (1.0,), n=4)
    return {
        "annotate": Annotate(of, (ANY, one)),
        "embed": Embed(of, one),
        "judge": ScoreEdits(edit, (ANY, one)),
        "embedder": ScoreEdits(edit, (ANY,), Embed(of, one)),
        "sketched": SketchedSample(of.model, 8, 1, batch=8, annotator=one, keep=2, block=8),
        "chooser": DisentangleByEffects(finder, of, Annotate(of, (one,)), one).searches,
    }


@pytest.mark.parametrize("which", stages(sample(20, 20), ANY))
def test_who_cannot_read_the_images_says_so_before_work(which):
    with pytest.raises(UserError, match="24 x 40 is too large"):
        stages(sample(24, 40), SMALL)[which].check()
    stages(sample(20, 28), SMALL)[which].check()
    stages(sample(24, 40), ANY)[which].check()
