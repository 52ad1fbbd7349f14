"""The whole method on a planted generator whose attributes enter at known depths: each is found where it enters."""

import pytest

from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.engine.pool import InProcess
from pipeline.engine.progress import Progress
from pipeline.engine.runner import run as run_plans
from pipeline.engine.store import Store
from pipeline.recipes.directions import Directions
from pipeline.recipes.domain import Domain
from pipeline.recipes.make import carry_out
from pipeline.stages.sources.sample import Sample
from pipeline.stages.sources.sample_ids import CONFIRMED
from schemas.run import Run
from tests.pipeline.planted_depths import STEPS, DepthsAnnotator, DepthsJudge, DepthsModel
from tests.pipeline.planted_generator import ATTRIBUTES

ENTER = {
    "alpha": "mid_block",
    "beta": "mid_block",
    "gamma": "up_blocks.0",
    "delta": "up_blocks.1",
}  # and epsilon half and half


@pytest.fixture(scope="module")
def catalog(tmp_path_factory) -> DirectionCatalog:
    run = Run(samples=192, steps=STEPS, eta=0.0, held_out=8, top=24, components=1, jacobians=0, protocol="demo")
    domain = Domain(DepthsModel(), DepthsAnnotator(), (DepthsJudge(),), ATTRIBUTES)
    store = Store(tmp_path_factory.mktemp("planted") / "root")
    store.prepare()
    made, _ = carry_out(Directions(run, domain), store, lambda plans: run_plans(plans, store, InProcess, Progress()))
    return DirectionCatalog.open(store.folder(made))


def test_each_attribute_is_published_where_it_enters(catalog):
    rows = catalog.table("directions.parquet").dropna(subset=["attribute"])
    where = rows.groupby("attribute")["capture"].unique()
    assert {name: list(where[name]) for name in ENTER} == {name: [point] for name, point in ENTER.items()}
    assert set(where["epsilon"]) <= {"mid_block", "up_blocks.0", "mid_block+up_blocks.0"}


def test_what_is_published_moves_its_own_attribute_and_no_other(catalog):
    table = catalog.table("effects.parquet")
    ours = table[table["direction"].str.endswith("/disentangled") & (table["judge"] == "depths-judge")]
    effects = ours.pivot_table(index=["direction", "strength"], columns="attribute", values="effect")
    assert {direction.split("/")[0] for direction, _ in effects.index} == set(ATTRIBUTES)
    for (direction, strength), row in effects.iterrows():
        target = direction.split("/")[0]
        assert row[target] * strength > 0
    farthest = effects.groupby("direction").last()
    for direction, row in farthest[farthest.index.str.contains("ridge")].iterrows():
        target = direction.split("/")[0]
        assert row[target] > 1 and row.drop(target).abs().max() < 0.15


def test_a_stripe_whose_shade_moves_is_known_as_a_template(catalog):
    """Whatever moves a shade adds the same to every image."""
    choice = catalog.table("choice.parquet")
    assert (choice["pasted"] > 0.99).all()
    carried = choice.set_index(["attribute", "point"])["carried"]
    assert carried["epsilon", "mid_block"] == pytest.approx(0.5, abs=0.03)
    assert carried["epsilon", "up_blocks.0"] == pytest.approx(1.0, abs=0.03)


def test_what_is_ranked_first_is_described_by_as_many_fresh_samples_as_are_held_out(catalog):
    table = catalog.table("confirmed.parquet")
    profiles = catalog.table("profiles.parquet").dropna(subset=["rank"]).set_index("direction")
    assert len(profiles) == 1 and set(table["direction"]) == set(profiles.index) and set(table["n"]) == {8}
    [row] = profiles.to_dict("records")
    assert row["confirmed_n"] == 8
    at = table[(table["strength"] == row["strength"]) & (table["attribute"] == row["target"])]
    assert at["effect"].tolist() == [row["on_target"]]


def goals_of(**settings):
    run = Run(samples=64, steps=STEPS, capture=("mid_block",), attributes=(), held_out=8, jacobians=0, **settings)
    return Directions(run, Domain(DepthsModel(), None, (DepthsJudge(),), ())).goals


@pytest.mark.parametrize("strengths", [None, (-3.0, 1.0, 2.0)])
def test_as_many_as_there_are_and_five_at_most_are_measured_once_more(strengths):
    for components, expected in ((2, 2), (7, 5)):
        catalog, _ = goals_of(components=components, strengths=strengths)
        confirmed = catalog.profiles.confirmed
        edit = confirmed.edit
        assert (len(edit.names), edit.n, edit.strengths) == (expected, 8, (1.0, -1.0))
        assert edit.keys(0, None)["sample_id"] == list(CONFIRMED[:8]) and type(edit.sample) is Sample
        for stage in (catalog, catalog.profiles, confirmed, confirmed.scored, edit):
            stage.check()


def test_without_an_unsupervised_direction_nothing_is_measured_once_more():
    run = Run(samples=64, steps=STEPS, capture=("mid_block",), held_out=8, top=24, components=0, jacobians=0)
    domain = Domain(DepthsModel(), DepthsAnnotator(), (DepthsJudge(),), ATTRIBUTES)
    assert Directions(run, domain).goals[0].profiles.confirmed is None
