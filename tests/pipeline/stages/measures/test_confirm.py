"""Planted truth: what is ranked first is described by samples that had no part in its rank."""

import dataclasses

import numpy as np
import pytest

from pipeline.annotators.base import Annotator
from pipeline.errors import UserError
from pipeline.metrics.profiles import NOT_CONFIRMED
from pipeline.stages.labels.annotate import Annotate
from pipeline.stages.measures.confirm import Confirm
from pipeline.stages.measures.edit import Edit
from pipeline.stages.measures.edit_ranked import EditRanked, ranked_first
from pipeline.stages.measures.evaluate import Evaluate
from pipeline.stages.measures.profiles import Profiles
from pipeline.stages.measures.score_edits import ScoreEdits
from pipeline.stages.sources.sample import Sample
from pipeline.stages.sources.sample_ids import CONFIRMED
from tests.pipeline.making import made
from tests.pipeline.planted_generator import PlantedFinder, PlantedJudge, PlantedModel

FEW, FRESH = 4, 10
UNSUPERVISED = PlantedFinder(((0.3, 0, 0, 0, 0), (0, 1.5, 0, 0, 0), (0, 0, 0.6, 0, 0), (0, 0, 0, 0.1, 0.05)))


def evaluated(sample: Sample, finder: PlantedFinder, judge: Annotator) -> Evaluate:
    return Evaluate(ScoreEdits(Edit(sample, (finder,), (-1.0, 1.0), FEW), (judge,)), Annotate(sample, (judge,)))


def confirmed(judge: Annotator, top: int = 3) -> Profiles:
    """Profiles of four unsupervised directions and of a supervised one, the first of them measured once more."""
    sample = Sample(PlantedModel(), 200, steps=1, eta=0.0, batch=8, clip=False)
    supervised = PlantedFinder(((1.0, 0, 0, 0, 0),), ("alpha",))
    evaluations = evaluated(sample, UNSUPERVISED, judge), evaluated(sample, supervised, judge)
    ranking = Profiles((UNSUPERVISED, supervised), evaluations)
    scored = ranked_first(ranking, evaluations[:1], FRESH)
    scored = dataclasses.replace(scored, edit=dataclasses.replace(scored.edit, top=top))
    return dataclasses.replace(ranking, confirmed=Confirm(scored))


@pytest.fixture(scope="module")
def goal() -> Profiles:
    return confirmed(PlantedJudge())


@pytest.fixture(scope="module")
def store(goal, tmp_path_factory):
    return made(tmp_path_factory.mktemp("confirmed"), goal)


def test_the_first_by_rank_are_edited_in_their_order_on_samples_of_their_own(goal, store):
    edit = goal.confirmed.edit
    ranks = {row["direction"]: row["rank"] for row in store.table(goal, "profiles.parquet").to_pylist()}
    assert [ranks[f"direction-{i}/planted"] for i in range(4)] == [3, 1, 2, 4] and ranks["alpha/planted"] is None
    parts = [store.table(edit, "edits.parquet", part).to_pandas() for part in range(edit.n_parts)]
    edited = [row for part in parts for row in part.drop(columns="image").to_dict("records")][FRESH:]
    assert [ranks[row["direction"]] for row in edited] == sorted([1, 2, 3] * 2 * FRESH)
    ids = {row["sample_id"] for row in edited}
    assert len(ids) == FRESH and all(each in CONFIRMED for each in ids)
    assert not ids & set(goal.evaluations[0].edit.unedited(store)["sample_id"].to_pylist())


def test_a_profile_is_that_of_the_fresh_samples(goal, store):
    rows = {row["direction"]: row for row in store.table(goal, "profiles.parquet").to_pylist()}
    before = {row["direction"]: row for row in store.table(goal.confirmed.profiles, "profiles.parquet").to_pylist()}
    table = store.table(goal.confirmed, "confirmed.parquet").to_pandas()
    assert set(table["n"]) == {FRESH} and table["rank"].is_monotonic_increasing
    assert all(rows[name]["rank"] == before[name]["rank"] for name in rows)
    for name, own in table.groupby("direction"):
        row = rows[name]
        at = own[np.isclose(own["strength"], row["strength"])].set_index("attribute")["effect"]
        assert row["confirmed_n"] == FRESH and row["strength"] == before[name]["strength"]
        assert row["on_target"] == at[row["target"]] and row["off_target"] == at.drop(row["target"]).abs().max()
        truth = max(UNSUPERVISED.rows[int(name.split("/")[0][-1])])
        assert abs(row["on_target"]) == pytest.approx(truth, rel=0.1)
        assert row["strength_per_sd"] is None or abs(row["strength_per_sd"]) == pytest.approx(1 / truth, rel=0.1)
    last = "direction-3/planted"
    assert rows[last] == before[last] and rows[last]["confirmed_n"] is None, "not among the first"


def test_a_direction_that_does_the_opposite_is_not_confirmed(goal, store):
    """Planted: the fresh edits are along the direction turned round, as if the few samples had been moved by luck."""

    @dataclasses.dataclass(frozen=True)
    class Turned(EditRanked):
        def _vectors(self, rows, store):
            vectors = super()._vectors(rows, store)
            return {name: {at: -v for at, v in each.items()} for name, each in vectors.items()}

    edit = Turned(**{each.name: getattr(goal.confirmed.edit, each.name) for each in dataclasses.fields(EditRanked)})
    scored = dataclasses.replace(goal.confirmed.scored, edit=edit)
    opposite = dataclasses.replace(goal, confirmed=Confirm(scored))
    again = made(store.root, opposite)
    rows = {row["direction"]: row for row in again.table(opposite, "profiles.parquet").to_pylist()}
    first = rows["direction-1/planted"]
    assert first["label"].startswith(f"{NOT_CONFIRMED}beta \N{MINUS SIGN}1.")
    assert first["on_target"] == pytest.approx(-1.5, rel=0.1)
    assert (first["rank"], first["usefulness"], first["strength_per_sd"], first["confirmed_n"]) == (1, 0, None, FRESH)
    assert not any(row["label"].startswith(NOT_CONFIRMED) for row in store.table(goal, "profiles.parquet").to_pylist())


def test_a_table_of_anything_else_is_refused(goal, store):
    read = store.table(goal.confirmed, "confirmed.parquet")
    assert goal.confirmed.fault("confirmed.parquet", 0, read, store) is None
    assert goal.confirmed.fault("confirmed.parquet", 0, read.slice(1), store)


def test_what_has_no_rank_is_refused(goal, store):
    edit = goal.confirmed.edit
    with pytest.raises(UserError, match="fitted on labels, and has no rank"):
        dataclasses.replace(edit, finders=goal.finders).check()
    with pytest.raises(UserError, match="give the profiles of these directions"):
        dataclasses.replace(edit, profiles=None).check()
    with pytest.raises(UserError, match="give edits of EditRanked"):
        Confirm(goal.evaluations[0].scored).check()
    with pytest.raises(UserError, match="Other profiles rank"):
        dataclasses.replace(goal, evaluations=goal.evaluations[:1]).check()
    other = dataclasses.replace(goal.confirmed.scored, judges=())
    with pytest.raises(UserError, match="have the same ones score both"):
        Confirm(other).check()
