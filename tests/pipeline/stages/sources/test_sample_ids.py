"""No id serves two purposes: what is chosen on some samples is not reported, nor chosen further, on the same ones."""

from itertools import combinations

import pytest

from pipeline.errors import UserError
from pipeline.stages.labels.annotate import Annotate
from pipeline.stages.measures.choose import Choose
from pipeline.stages.measures.edit import Edit
from pipeline.stages.measures.edit_at_points import EditAtPoints
from pipeline.stages.measures.edit_calibrated import EditCalibrated
from pipeline.stages.measures.edit_otherwise import EditOtherwise
from pipeline.stages.measures.edit_ranked import EditRanked
from pipeline.stages.measures.edit_selection import EditSelection
from pipeline.stages.measures.evaluate import Evaluate
from pipeline.stages.measures.score_edits import ScoreEdits
from pipeline.stages.sources import sample_ids
from pipeline.stages.sources.sample import Sample
from tests.pipeline.planted_generator import PlantedFinder, PlantedJudge, PlantedModel


def test_ids_of_different_purposes_are_different_ids():
    purposes = {name: ids for name, ids in vars(sample_ids).items() if isinstance(ids, range)}
    assert len(purposes) >= 8
    for (name, one), (other, two) in combinations(purposes.items(), 2):
        assert one.stop <= two.start or two.stop <= one.start, (name, other)


def test_points_strengths_and_reports_have_samples_of_their_own():
    of_each = {edit.ids for edit in (Edit, EditSelection, EditAtPoints, EditCalibrated, EditRanked, EditOtherwise)}
    assert len(of_each) == 6


@pytest.mark.parametrize("edit, refused", [(EditSelection, True), (Edit, True), (EditAtPoints, False)])
def test_points_are_chosen_on_no_others(edit, refused):
    sample = Sample(PlantedModel(), 20, steps=1, eta=0.0, batch=10, clip=False)
    finder = PlantedFinder(((0.5, 0, 0, 0, 0),), ("alpha",))
    judge = PlantedJudge()
    evaluate = Evaluate(ScoreEdits(edit(sample, (finder,), (1.0,), 4), (judge,)), Annotate(sample, (judge,)))
    if refused:
        with pytest.raises(UserError, match="give an evaluation of EditAtPoints"):
            Choose(evaluate, None).check()
    else:
        Choose(evaluate, None).check()
