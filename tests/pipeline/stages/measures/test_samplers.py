"""Planted truth: by a sampler of the other kind a direction does what that sampler makes of it, and its unit says so."""

import dataclasses

import numpy as np
import pytest
import torch

from pipeline.engine.store import Store
from pipeline.errors import UserError
from pipeline.hspace.edits import Add
from pipeline.stages.finders.finder import write_directions
from pipeline.stages.labels.annotate import Annotate
from pipeline.stages.measures import samplers as samplers_stage
from pipeline.stages.measures.edit import Edit
from pipeline.stages.measures.edit_calibrated import verification
from pipeline.stages.measures.edit_otherwise import AT, otherwise
from pipeline.stages.measures.evaluate import Evaluate
from pipeline.stages.measures.profiles import Profiles
from pipeline.stages.measures.samplers import BEYOND, Samplers
from pipeline.stages.measures.score_edits import ScoreEdits
from pipeline.stages.sources.sample import Sample
from pipeline.stages.sources.sample_ids import OTHERWISE
from tests.pipeline.making import made
from tests.pipeline.planted_generator import PlantedFinder, PlantedJudge, PlantedModel, direction, shades

STEPS, N = 3, 12
ROWS = {"alpha": (0.6, 0.0, 0.0, 0.0, 0.0), "beta": (0.0, 0.5, 0.0, 0.0, 0.0), "gamma": (0.0, 0.0, 1e-3, 0.0, 0.0)}


@dataclasses.dataclass(frozen=True)
class AtEveryStep(PlantedFinder):
    """The same directions at every step of a longer process."""

    def process(self, part, store, loaded, out) -> None:
        rows = [{"name": f"{name}/planted", "method": "planted", "n": 1, "attribute": name} for name in self.attributes]
        vectors = [np.repeat(direction(*each), STEPS, axis=0) for each in self.rows]
        write_directions(out, self, dict(zip(self.names, vectors, strict=True)), rows)


def evaluation(eta: float) -> Evaluate:
    sample = Sample(PlantedModel(), 200, steps=STEPS, eta=eta, batch=50, clip=False)
    finder = AtEveryStep(tuple(ROWS.values()), tuple(ROWS))
    scored = ScoreEdits(Edit(sample, (finder,), (-1.0, 1.0), N), (PlantedJudge(),))
    return Evaluate(scored, Annotate(sample, (PlantedJudge(),)))


def samplers(evaluate: Evaluate) -> Samplers:
    finders = evaluate.edit.finders
    profiles = Profiles(finders, (evaluate,), (verification(evaluate, N),))
    return Samplers((otherwise(evaluate, profiles, N, finders),))


def by_the_process(evaluate: Evaluate, store: Store, eta: float, attribute: str, ids: list[int], gamma: float) -> float:
    """What a direction does to its attribute with this eta, in standard deviations, by the reverse process alone."""
    source = dataclasses.replace(evaluate.edit.sample, eta=eta)
    loaded, k = source.load(), list(ROWS).index(attribute)
    v = torch.from_numpy(np.repeat(direction(*ROWS[attribute]), STEPS, axis=0))
    plain, edited = (
        shades(loaded.to_images(source.reverse_process.run(loaded.denoiser, source.noise(loaded, ids), edits)))[:, k]
        for edits in ([], [Add(v, gamma)])
    )
    return float((edited - plain).mean()) / evaluate.unedited.scores(store, "planted-judge").std(ddof=0)[attribute]


@pytest.mark.parametrize("eta, other, kind", [(1.0, 0.0, "deterministic"), (0.0, 1.0, "stochastic")])
def test_a_unit_by_the_other_kind_of_sampler_is_what_that_one_makes_of_it(tmp_path, eta, other, kind):
    evaluate = evaluation(eta)
    goal = samplers(evaluate)
    store = made(tmp_path, goal)
    edits = store.table(goal.scored[0].edit, "edits.parquet", 0).to_pandas()
    ids = edits.loc[edits["direction"] == "unedited", "sample_id"].tolist()
    assert ids == list(OTHERWISE[: len(ids)]) and not set(ids) & set(
        evaluate.edit.unedited(store)["sample_id"].to_pylist()
    )
    rows = {row["direction"]: row for row in store.table(goal, "samplers.parquet").to_pylist()}
    own = {row["direction"]: row for row in store.table(goal.scored[0].edit.profiles, "profiles.parquet").to_pylist()}
    assert list(rows) == [f"{name}/planted" for name in ROWS]
    for attribute in ("alpha", "beta"):
        row, mine = rows[f"{attribute}/planted"], own[f"{attribute}/planted"]
        assert (row["sampler"], row["eta"], row["target"], row["n"]) == (kind, other, attribute, N)
        assert row["strength"] == pytest.approx(AT[kind] * mine["strength_per_sd"], rel=1e-5)
        truth, before = (
            by_the_process(evaluate, store, each, attribute, ids, row["strength"]) for each in (other, eta)
        )
        assert row["effect"] == pytest.approx(truth, rel=0.02) and abs(truth / before - 1) > 0.05
        assert (
            row["strength_per_sd"] == pytest.approx(row["strength"] / truth, rel=0.02) and row["strength_by"] == "rise"
        )
    assert own["gamma/planted"]["strength_per_sd"] is rows["gamma/planted"]["strength_per_sd"] is None
    assert rows["gamma/planted"]["strength"] != 0, "measured all the same"


def test_a_straight_line_is_not_followed_for_ever(tmp_path):
    """A judge by whom effects end at a third of a standard deviation: no strength is made up."""

    class Ends(PlantedJudge):
        def load(self):
            return lambda images: np.clip(shades(images), -0.02, 0.02)

    evaluate = evaluation(0.0)
    scored = dataclasses.replace(
        samplers(evaluate).scored[0], judges=(Ends(),)
    )  # by the name, and the unit, of PlantedJudge
    goal = Samplers((scored,))
    rows = made(tmp_path, goal).table(goal, "samplers.parquet").to_pylist()
    assert all(row["strength_per_sd"] is None and abs(row["effect"]) < 1 / BEYOND for row in rows)


@pytest.mark.parametrize("known", [True, False, None])
def test_whether_images_are_the_models_own_may_be_not_known(tmp_path, monkeypatch, known):
    goal = samplers(evaluation(0.0))
    seen = samplers_stage.preservation
    monkeypatch.setattr(samplers_stage, "preservation", lambda changes: seen(changes).assign(realistic=known))
    rows = made(tmp_path, goal).table(goal, "samplers.parquet").to_pylist()
    assert {row["strength_in_range"] for row in rows} == {known}


def test_what_cannot_be_measured_is_refused():
    evaluate = evaluation(0.0)
    profiles = Profiles(evaluate.edit.finders, (evaluate,))
    with pytest.raises(UserError, match="give edits of EditOtherwise"):
        Samplers((verification(evaluate, N),)).check()
    scored = otherwise(evaluate, profiles, N, evaluate.edit.finders)
    several = dataclasses.replace(scored, edit=dataclasses.replace(scored.edit, strengths=(0.5, 1.0)))
    with pytest.raises(UserError, match="2 strengths by another sampler: expected one"):
        Samplers((several,)).check()
    with pytest.raises(UserError, match="give the profiles of these directions"):
        dataclasses.replace(scored.edit, profiles=None).check()
