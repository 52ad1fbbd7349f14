"""On planted directions: strengths are chosen on samples of their own, in the valid range, and stay as the report has them."""

import dataclasses

import pytest

from pipeline.errors import UserError
from pipeline.stages.labels.annotate import Annotate
from pipeline.stages.measures.best_strengths import BestStrengths
from pipeline.stages.measures.edit import Edit
from pipeline.stages.measures.edit_selection import EditSelection
from pipeline.stages.measures.evaluate import Evaluate
from pipeline.stages.measures.profiles import Profiles
from pipeline.stages.measures.score_edits import ScoreEdits
from pipeline.stages.sources.sample import Sample
from tests.pipeline.making import made
from tests.pipeline.planted_generator import PlantedFinder, PlantedJudge, PlantedModel

STRENGTHS = (-1.0, 1.0, 2.0)
ROWS = ((0.5, 0.02, 0, 0, 0), (0, 0.5, 0.02, 0, 0))
FINDER = PlantedFinder(ROWS, ("alpha", "beta"))


@dataclasses.dataclass(frozen=True)
class Few(PlantedFinder):
    """Another estimator, that selection samples do not show."""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"{name}/few" for name in self.attributes)


@pytest.fixture(scope="module")
def sample() -> Sample:
    return Sample(PlantedModel(), 200, steps=1, eta=0.0, batch=50, clip=False)


@pytest.fixture(scope="module")
def goal(sample) -> BestStrengths:
    def evaluated(edit: Edit) -> Evaluate:
        return Evaluate(ScoreEdits(edit, (PlantedJudge(),)), Annotate(sample, (PlantedJudge(),)))

    report = evaluated(Edit(sample, (FINDER,), STRENGTHS, 12))
    few = evaluated(Edit(sample, (Few(ROWS, ("alpha", "beta")),), STRENGTHS[:2], 4))
    profiles = Profiles((*report.edit.finders, *few.edit.finders), (report, few))
    return BestStrengths(profiles, (evaluated(EditSelection(sample, (FINDER,), STRENGTHS, 6)),))


def test_what_is_chosen_is_chosen_on_samples_that_nothing_is_reported_of(goal, tmp_path):
    store = made(tmp_path, goal)
    [selection], report = goal.selections, goal.profiles.evaluations[0]
    ids = [set(each.edit.unedited(store)["sample_id"].to_pylist()) for each in (selection, report)]
    assert (len(ids[0]), len(ids[1])) == (6, 12) and not ids[0] & ids[1]
    rows = {row["direction"]: row for row in store.table(goal, "best.parquet").to_pylist()}
    effects = store.table(selection, "effects.parquet").to_pandas().set_index(["direction", "strength", "attribute"])
    for name in ("alpha", "beta"):
        row = rows[f"{name}/planted"]
        assert (row["target"], row["chosen_by"], row["selection_n"], row["selection_clean"]) == (
            name,
            "selection",
            6,
            True,
        )
        at = effects["effect"].loc[(f"{name}/planted", row["strength"], name)]
        assert row["selection_on_target"] == pytest.approx(abs(at), rel=1e-5)
        assert rows[f"{name}/few"]["chosen_by"] == "farthest" and rows[f"{name}/few"]["selection_n"] is None
        assert rows[f"{name}/few"]["strength"] == 1.0


def test_every_strength_is_one_in_the_valid_range(goal, tmp_path):
    store = made(tmp_path, goal)
    profiles = store.table(goal.profiles, "profiles.parquet").to_pandas().set_index("direction")
    best = store.table(goal, "best.parquet").to_pandas().set_index("direction")
    both = profiles.join(best, rsuffix="_best").dropna(subset="strength_best")
    assert len(both) == 4
    assert ((both["strength_best"] >= both["valid_low"]) & (both["strength_best"] <= both["valid_high"])).all()


def test_a_table_of_anything_else_is_refused(goal, tmp_path):
    store = made(tmp_path, goal)
    read = store.table(goal, "best.parquet")
    assert goal.fault("best.parquet", 0, read, store) is None
    assert goal.fault("best.parquet", 0, read.slice(1), store)


def test_what_chooses_is_no_report_and_of_the_same_edits(goal, sample):
    with pytest.raises(UserError, match="give evaluations of EditSelection"):
        dataclasses.replace(goal, selections=goal.profiles.evaluations[:1]).check()
    [selection] = goal.selections
    edit = EditSelection(sample, (FINDER,), (-1.0, 1.0), 6)
    other = dataclasses.replace(selection, scored=dataclasses.replace(selection.scored, edit=edit))
    with pytest.raises(UserError, match="give an evaluation of the same directions at these"):
        dataclasses.replace(goal, selections=(other,)).check()
