"""Planted truth: on a generator whose attributes are linear in h, effects, limits, calibration and names come out as put in."""

import dataclasses
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

from pipeline.annotators.regions import Box
from pipeline.engine.plan import plan
from pipeline.engine.pool import InProcess
from pipeline.engine.runner import run
from pipeline.engine.store import Store
from pipeline.errors import UserError
from pipeline.formats.images import decode
from pipeline.metrics.profiles import UNREALISTIC
from pipeline.stages.finders.disentangle_by_effects import DisentangleByEffects
from pipeline.stages.finders.finder import check_independent
from pipeline.stages.finders.principal_components import PrincipalComponents
from pipeline.stages.finders.random_directions import RandomDirections
from pipeline.stages.labels.annotate import Annotate
from pipeline.stages.labels.embed import Embed
from pipeline.stages.measures.edit import Edit
from pipeline.stages.measures.edit_calibrated import verification
from pipeline.stages.measures.edit_selection import EditSelection
from pipeline.stages.measures.evaluate import Evaluate
from pipeline.stages.measures.profiles import Profiles
from pipeline.stages.measures.score_edits import ScoreEdits
from pipeline.stages.publish import Catalog
from pipeline.stages.sources.sample import Sample
from tests.pipeline.making import made
from tests.pipeline.planted_generator import (
    ATTRIBUTES,
    SPREAD,
    LevellingJudge,
    MovingModel,
    PlantedAnnotator,
    PlantedFinder,
    PlantedJudge,
    PlantedModel,
    Spot,
    W,
    direction,
)
from tests.pipeline.stages.conftest import Silent

# What one unit of each direction does, in standard deviations of the attributes.
TRUTH = {
    "alpha": (0.8, 0.5, 0.0, 0.0, 0.0),
    "beta": (0.0, 1.6, 0.0, 0.2, 0.0),
    "gamma": (0.0, -0.4, -2.0, 0.0, 0.0),  # turns its attribute the wrong way
}
STRENGTHS = (-1.0, -0.5, 0.5, 1.0, 2.0)
N, SEEDS = 6, 3


@pytest.fixture(scope="module")
def sample() -> Sample:
    return Sample(PlantedModel(), 1000, steps=1, eta=0.0, batch=50, clip=False)


@pytest.fixture(scope="module")
def unedited(sample) -> Annotate:
    return Annotate(sample, (PlantedJudge(),))


@pytest.fixture(scope="module")
def supervised() -> PlantedFinder:
    return PlantedFinder(tuple(TRUTH.values()), tuple(TRUTH))


def evaluate(sample, unedited, finders, strengths, n, seeds=1, **more) -> Evaluate:
    edit = Edit(sample, (*finders, RandomDirections(sample, finders, 8)), strengths, n, seeds)
    scored = ScoreEdits(edit, (PlantedJudge(),), Embed(sample, PlantedJudge()), Box(0, 0, 20, 12))
    return Evaluate(scored, unedited, **more)


@pytest.fixture(scope="module")
def evaluation(sample, unedited, supervised) -> Evaluate:
    return evaluate(sample, unedited, (supervised,), STRENGTHS, N, SEEDS)


@pytest.fixture(scope="module")
def components(sample, unedited) -> Evaluate:
    return evaluate(sample, unedited, (PrincipalComponents(sample, 5),), (-2.0, 2.0), 8)


@pytest.fixture(scope="module")
def by_effects(sample) -> DisentangleByEffects:
    """alpha is entangled with beta and gamma; delta's own direction is not entangled with anything."""
    entangled = PlantedFinder(
        ((1.0, 0.7, -0.4, 0, 0), (0, 1.0, 0, 0, 0), (0, 0, 1.0, 0, 0), (0, 0, 0, 1.0, 0)), ATTRIBUTES[:4]
    )
    return DisentangleByEffects(entangled, sample, Annotate(sample, (PlantedAnnotator(),)), PlantedAnnotator(), n=6)


@pytest.fixture(scope="module")
def catalog(sample, evaluation, components) -> Catalog:
    finders = (evaluation.edit.finders[0], components.edit.finders[0])
    return Catalog(sample, Profiles(finders, (evaluation, components)))


@pytest.fixture(scope="module")
def store(catalog, by_effects, tmp_path_factory) -> Store:
    store = Store(tmp_path_factory.mktemp("planted"))
    store.prepare()
    run(plan([catalog, by_effects], store), store, InProcess, Silent())
    return store


@pytest.fixture(scope="module")
def effects(store, evaluation) -> pd.DataFrame:
    return store.table(evaluation, "effects.parquet").to_pandas()


@pytest.fixture(scope="module")
def profiles(store, catalog) -> pd.DataFrame:
    return store.table(catalog, "profiles.parquet").to_pandas().set_index("direction")


@pytest.fixture(scope="module")
def spread(store, unedited) -> pd.Series:
    """The standard deviations that the samples happen to have, as shares of those planted."""
    of_samples = unedited.scores(store, "planted-judge").std(ddof=0)
    return of_samples[list(ATTRIBUTES)] / np.array(SPREAD)


def test_effects_are_the_planted_ones_at_every_strength(effects, spread):
    for name, truth in TRUTH.items():
        for gamma in STRENGTHS:
            rows = effects[(effects["direction"] == f"{name}/planted") & (effects["strength"] == gamma)]
            found = rows.set_index("attribute")["effect"][list(ATTRIBUTES)]
            expected = gamma * np.array(truth) / spread
            np.testing.assert_allclose(found, expected, atol=0.01)


def test_every_sample_of_every_seed_counts_and_none_is_fitted_on(effects, store, evaluation, sample):
    assert set(effects["n"]) == {N * SEEDS}
    assert (effects["std_over_seeds"] < 0.05).all()  # additive: all samples change alike
    scores = store.table(evaluation.scored, "scores.parquet").to_pandas()
    unedited = scores[(scores["direction"] == "unedited") & (scores["attribute"] == "alpha")]
    assert unedited.groupby("seed").size().to_dict() == {0: N, 1: N, 2: N}
    assert unedited["score"].nunique() == N * SEEDS, "seeds are other samples"
    assert unedited["sample_id"].min() >= sample.n


def test_an_effect_is_clear_when_random_directions_of_its_norm_stay_below_it(effects):
    at_1 = effects[(effects["strength"] == 1) & ~effects["control"]].set_index(["direction", "attribute"])
    assert at_1.loc[("beta/planted", "beta"), "significant"] is True
    assert at_1.loc[("beta/planted", "epsilon"), "significant"] is False
    controls = effects[effects["control"]]
    assert controls["significant"].isna().all()
    limits = (
        effects[~effects["control"]].groupby(["direction", "attribute", "strength"])["control_limit"].first().unstack()
    )
    assert (limits[2.0] > limits[1.0]).all() and (limits[1.0] > limits[0.5]).all()


def test_a_unit_raises_the_target_by_one_standard_deviation(profiles, spread):
    assert profiles.loc["alpha/planted", "strength_per_sd"] == pytest.approx(spread["alpha"] / 0.8, rel=0.03)
    assert profiles.loc["beta/planted", "strength_per_sd"] == pytest.approx(spread["beta"] / 1.6, rel=0.03)
    assert pd.isna(profiles.loc["gamma/planted", "strength_per_sd"]), "it lowers its own attribute"


def test_a_strength_is_verified_and_corrected_where_effects_level_off(sample, supervised, tmp_path):
    judge = LevellingJudge()
    unedited = Annotate(sample, (judge,))
    edit = Edit(sample, (supervised, RandomDirections(sample, (supervised,), 2)), (-3.0, 3.0), 40)
    far = Evaluate(ScoreEdits(edit, (judge,)), unedited)
    rough, calibrated = Profiles((supervised,), (far,)), Profiles((supervised,), (far,), (verification(far, 40),))
    store = Store(tmp_path)
    store.prepare()
    run(plan([rough, calibrated], store), store, InProcess, Silent())
    before, after = (
        {row["direction"]: row["strength_per_sd"] for row in store.table(stage, "profiles.parquet").to_pylist()}
        for stage in (rough, calibrated)
    )
    assert set(before) == set(after) and before["gamma/planted"] is after["gamma/planted"] is None

    std = unedited.scores(store, judge.name).std(ddof=0)
    counterparts = np.concatenate([judge.load()(decode(edit.unedited(store)))])
    for attribute in ("alpha", "beta"):
        k = ATTRIBUTES.index(attribute)

        def effect(unit: float, attribute: str = attribute, k: int = k) -> float:
            """By the generator itself."""
            shade = np.arctanh(counterparts[:, k]) / 5 + unit * TRUTH[attribute][k] * SPREAD[k]
            return float((np.tanh(5 * shade) - counterparts[:, k]).mean() / std[attribute])

        name = f"{attribute}/planted"
        assert abs(effect(after[name]) - 1) < 0.15 < abs(effect(before[name]) - 1)


def test_what_rises_is_monotonic(profiles):
    assert profiles.loc["beta/planted", "monotonicity"] == 1
    assert profiles.loc["gamma/planted", "monotonicity"] == 0


def test_components_are_named_by_what_they_move(profiles, store, components, spread):
    own = profiles[profiles.index.str.endswith("principal-components")]
    vectors = store.vectors(components.edit.finders[0])
    assert sorted(own["target"]) == sorted(ATTRIBUTES)
    for row in own.itertuples():
        published = -vectors[row.Index] if row.turned else vectors[row.Index]
        truth = row.strength * (W @ published.ravel()) / SPREAD / spread
        assert truth[row.target] * row.strength > 0 and row.strength_per_sd > 0, "published so that it raises it"
        said = dict(
            part.rsplit(" ", 1)
            for part in row.label.removesuffix(UNREALISTIC).replace("\N{MINUS SIGN}", "-").split(", ")
        )
        assert next(iter(said)) == row.target == truth.abs().idxmax()
        assert all(float(value) == pytest.approx(truth[name], abs=0.06) for name, value in said.items())
        assert row.on_target == pytest.approx(truth[row.target], abs=0.02)
        assert abs(row.on_target) == pytest.approx(2, rel=0.1)  # a component is one standard deviation long
        assert (
            abs(row.strength_per_sd) == pytest.approx(1, rel=0.1)
            and row.strength_per_sd * truth[row.target] / row.strength > 0
        )
    assert sorted(own["rank"]) == [1, 2, 3, 4, 5]
    by_rank = own.sort_values("rank")["usefulness"]
    assert by_rank.is_monotonic_decreasing


def test_duplicates_of_supervised_directions_are_pointed_out(profiles):
    own = profiles[profiles.index.str.endswith("principal-components")].set_index("target")
    assert own.loc["gamma", "nearest"] == "gamma/planted" and own.loc["gamma", "duplicate"]
    assert abs(own.loc["gamma", "nearest_cosine"]) > 0.95
    assert len(own.loc["gamma", "nearest_cosine_by_step"]) == 1
    assert not own.loc["epsilon", "duplicate"]


def test_preservation_sees_the_change_and_where_it_is(store, evaluation):
    table = store.table(evaluation, "preservation.parquet").to_pandas().set_index(["direction", "strength"])
    assert table.loc[("unedited", 0.0), ["identity", "ms_ssim"]].to_list() == pytest.approx([1, 1], abs=1e-3)
    inside = table.loc[("alpha/planted", 1.0)]  # the stripes of alpha, beta and gamma are the foreground
    assert inside["change_outside"] == pytest.approx(0, abs=0.3) and inside["background_shift"] == pytest.approx(
        0, abs=0.3
    )
    assert table.loc[("beta/planted", 2.0), "change_outside"] > 1  # delta lies outside
    assert inside["identity"] < 1 and inside["n"] == N * SEEDS


def test_the_same_shade_in_every_image_is_a_template(store, evaluation, profiles):
    table = store.table(evaluation, "preservation.parquet").to_pandas()
    unedited = table["direction"] == "unedited"
    assert (table.loc[~unedited & ~table["control"], "pasted"] > 0.98).all() and table.loc[
        unedited, "pasted"
    ].isna().all()
    assert table["follows"].isna().all(), "the foreground is in one place"
    assert (profiles.loc["alpha/planted", "pasted"] > 0.98) and pd.isna(profiles.loc["alpha/planted", "follows"])


@pytest.mark.parametrize("batch", [50, 3])
def test_what_is_changed_where_the_sample_is_follows_it_and_is_no_template(tmp_path, batch):
    sample = Sample(MovingModel(), 200, steps=1, eta=0.0, batch=batch, clip=False)
    finder = PlantedFinder(((0, 4, 0, 0, 0), (0, 0, 4, 0, 0), (0, 4, 2, 0, 0)), ("beta", "gamma", "delta"))
    scored = ScoreEdits(Edit(sample, (finder,), (-1.0, 1.0), 24), (PlantedJudge(),), foreground=Spot())
    measured = Evaluate(scored, Annotate(sample, (PlantedJudge(),)))
    goal = Profiles((finder,), (measured,))
    store = made(tmp_path, goal)
    table = store.table(measured, "preservation.parquet").to_pandas().set_index(["direction", "strength"])
    for strength in (-1.0, 1.0):
        lit, corner, both = (table.loc[(f"{name}/planted", strength)] for name in ("beta", "gamma", "delta"))
        assert lit["pasted"] < 0.5 and lit["follows"] == pytest.approx(1, abs=0.1)
        assert corner["pasted"] == pytest.approx(1, abs=0.01) and corner["follows"] == pytest.approx(0, abs=0.02)
        assert lit["pasted"] < both["pasted"] < corner["pasted"] and 0.05 < both["follows"] < 0.95
    [beta, gamma, _] = store.table(goal, "profiles.parquet").to_pylist()
    for row in (beta, gamma):
        at = table.loc[(row["direction"], row["strength"])]
        assert (row["pasted"], row["follows"]) == pytest.approx((at["pasted"], at["follows"]))


def test_a_range_ends_where_images_are_the_models_own_no_longer(sample, unedited, tmp_path):
    finders = (PlantedFinder(((1.0, 0, 0, 0, 0),)),)
    profiles = Profiles(finders, (evaluate(sample, unedited, finders, (-20.0, -1.0, 1.0, 3.0, 20.0), 32),))
    store = Store(tmp_path)
    store.prepare()
    run(plan([profiles], store), store, InProcess, Silent())
    [profile] = store.table(profiles, "profiles.parquet").to_pylist()
    assert profile["valid_low"] == -1 and 1 <= profile["valid_high"] < 20
    assert profile["label"].startswith("alpha +")


def test_what_was_measured_too_far_away_is_described_where_its_unit_was_tried(sample, unedited, tmp_path):
    finders = (PlantedFinder(((1.0, 0, 0, 0, 0),)),)
    far = evaluate(sample, unedited, finders, (-3.0, 3.0), 32)
    rough, calibrated = Profiles(finders, (far,)), Profiles(finders, (far,), (verification(far, 32),))
    store = Store(tmp_path)
    store.prepare()
    run(plan([rough, calibrated], store), store, InProcess, Silent())
    [before], [after] = (store.table(stage, "profiles.parquet").to_pylist() for stage in (rough, calibrated))
    assert (before["valid_low"], before["valid_high"]) == (0, 0) and before["label"].endswith(
        "(no longer the model's images)"
    )
    assert after["strength_per_sd"] == pytest.approx(1, abs=0.1) and after["verified"]
    assert after["strength_in_range"] is False, "no images were made at about that strength: at .6 of it, and at 3"
    assert after["valid_low"] == 0 and 0 < after["valid_high"] == after["strength"] < 3, (
        "at the strength that was verified"
    )
    assert after["label"] == f"alpha {after['on_target']:+.1f}" and after["usefulness"] > 0
    assert after["on_target"] == pytest.approx(after["strength"], rel=0.1)


def test_the_automatic_projection_finds_what_is_entangled_and_leaves_the_rest(store, by_effects):
    rows = {row["attribute"]: row for row in store.table(by_effects, "directions.parquet").to_pylist()}
    vectors = store.vectors(by_effects)
    alpha = vectors[rows["alpha"]["name"]].ravel()
    planted = direction(1, 0, 0, 0, 0).ravel()
    assert alpha @ planted / np.linalg.norm(alpha) / np.linalg.norm(planted) > 0.999
    trials = rows["alpha"]["trials"]
    assert [trial["removed"] for trial in trials[:3]] == [[], ["beta"], ["beta", "gamma"]]
    assert [trial["accepted"] for trial in trials[:3]] == [True] * 3
    assert trials[0]["on_target"] / trials[0]["off_target"] == pytest.approx(1 / 0.7, rel=0.1)
    assert rows["alpha"]["parents"][:3] == ["alpha/planted", "beta/planted", "gamma/planted"]
    delta = vectors[rows["delta"]["name"]].ravel()
    np.testing.assert_allclose(delta, direction(0, 0, 0, 1, 0).ravel(), atol=1e-6)


def test_who_labelled_does_not_judge(sample, unedited, supervised, evaluation):
    scored = evaluation.scored
    own = dataclasses.replace(scored, judges=(PlantedAnnotator(),))
    judged = Annotate(sample, (PlantedAnnotator(),))
    with pytest.raises(UserError, match="(?s)'planted' annotated the samples.*`allow_judge` planted"):
        Evaluate(own, judged).check()
    Evaluate(own, judged, allowed=("planted",)).check()
    under_another_name = PlantedJudge(weights="annotator")
    with pytest.raises(UserError, match="'planted-judge' annotated"):
        check_independent((under_another_name,), supervised)
    chosen = DisentangleByEffects(supervised, sample, unedited, PlantedJudge())
    with pytest.raises(UserError, match="'planted-judge' annotated the samples that .* is fitted on, or chosen by"):
        check_independent((PlantedJudge(),), chosen)
    unlabelled = PlantedFinder(((1.0, 0, 0, 0, 0),))
    check_independent((PlantedAnnotator(),), unlabelled)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n": 1}, "1 samples at strength 1.0"),
        ({"strength": 0.0}, "8 samples at strength 0.0"),
        ({"by": "both"}, "expected joint or step"),
        ({"finder": PlantedFinder(((1.0, 0, 0, 0, 0),), ("alpha",))}, "at least two attributes"),
        ({"finder": PlantedFinder(((1.0, 0, 0, 0, 0),) * 2, ("alpha", "beard"))}, "does not score beard"),
        ({"chooser": PlantedJudge()}, "planted-judge has not scored the unedited samples"),
    ],
)
def test_a_projection_by_effects_that_cannot_work_is_refused(by_effects, change, message):
    with pytest.raises(UserError, match=message):
        dataclasses.replace(by_effects, **{"n": 8, **change}).check()


@dataclasses.dataclass(frozen=True)
class Looking(PlantedAnnotator):
    """Says whether there is anything to score, and nothing else."""

    name: ClassVar[str] = "looking"
    attributes: ClassVar[tuple[str, ...]] = ("there",)
    thresholds: ClassVar[tuple[float, ...]] = (0.5,)
    presence: ClassVar[str] = "there"
    weights: str = "looking"

    def load(self):
        return lambda images: np.full((len(images), 1), 0.75, np.float32)


def test_presence_is_what_an_edit_preserves_and_no_attribute(sample, unedited, supervised, tmp_path):
    judges = (PlantedJudge(), Looking())
    scored = ScoreEdits(Edit(sample, (supervised,), (1.0,), 4), judges)
    looked = Evaluate(scored, Annotate(sample, judges))
    store = made(tmp_path, looked)
    assert set(store.table(looked, "effects.parquet").to_pandas()["judge"]) == {"planted-judge"}
    assert set(store.table(looked, "preservation.parquet").to_pandas()["presence"]) == {0.75}
    alone = dataclasses.replace(scored, judges=(Looking(), PlantedJudge()))
    with pytest.raises(UserError, match="'looking' says whether there is anything to score, and scores nothing else"):
        Evaluate(alone, Annotate(sample, judges)).check()


def test_judges_must_have_seen_the_unedited_samples(sample, evaluation):
    with pytest.raises(UserError, match="has not scored the unedited samples"):
        Evaluate(evaluation.scored, Annotate(sample, (PlantedAnnotator(),))).check()
    with pytest.raises(UserError, match="expected at least one"):
        Evaluate(dataclasses.replace(evaluation.scored, judges=()), Annotate(sample, ())).check()


def test_what_is_preserved_is_told_by_the_same_edits_of_other_samples_alone(evaluation):
    scored = evaluation.scored
    with pytest.raises(UserError, match="the same edits of other samples"):
        dataclasses.replace(evaluation, beside=scored).check()
    edit = scored.edit
    other = EditSelection(edit.sample, edit.finders, (3.0,), edit.n)
    with pytest.raises(UserError, match="the same edits of other samples"):
        dataclasses.replace(evaluation, beside=dataclasses.replace(scored, edit=other)).check()
    same = EditSelection(edit.sample, edit.finders, edit.strengths, edit.n, full=edit.full)
    dataclasses.replace(evaluation, beside=dataclasses.replace(scored, edit=same)).check()


def test_a_control_elsewhere_gives_limits_by_the_norm(sample, unedited, supervised, tmp_path):
    random = RandomDirections(sample, (supervised,), 8)
    control = Evaluate(ScoreEdits(Edit(sample, (random,), (-1.0, 1.0), 6), (PlantedJudge(),)), unedited)
    edit = Edit(sample, (supervised,), (1.0, 2.0), 6)
    beside = Evaluate(ScoreEdits(edit, (PlantedJudge(),)), unedited, control)
    alone = Evaluate(ScoreEdits(edit, (PlantedJudge(),)), unedited)
    store = Store(tmp_path)
    store.prepare()
    run(plan([beside, alone], store), store, InProcess, Silent())
    limits = (
        store.table(beside, "effects.parquet")
        .to_pandas()
        .set_index(["direction", "attribute", "strength"])["control_limit"]
    )
    for name in ("alpha", "gamma"):
        one, two = (limits[(f"{name}/planted", "alpha", gamma)] for gamma in (1.0, 2.0))
        assert 0 < one < two
    assert store.table(alone, "effects.parquet").to_pandas()["significant"].isna().all()
