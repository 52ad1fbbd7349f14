"""A direction that is brought from outside is measured as one of the run's own is, and published beside it."""

import json

import numpy as np
import pytest
from safetensors.numpy import load

from pipeline.errors import UserError
from pipeline.recipes.directions import Directions
from pipeline.recipes.domain import Domain
from pipeline.recipes.make import make
from schemas.run import Run
from tests.pipeline.recipes.test_stored_samples import PLUGS

SMALL = {"samples": 40, "steps": 2, "top": 8, "components": 0, "jacobians": 0, "held_out": 2, "strengths": (1.0,)}
TWIN = "sided/mean-difference"  # the run's own, which is brought again


@pytest.fixture(scope="module")
def run(tmp_path_factory, tiny_model):
    """A small run, and a root."""
    folder = tmp_path_factory.mktemp("outside")
    (folder / "outside_plugs.py").write_text(PLUGS)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        who = {"annotator": "outside_plugs:labels", "judge": "outside_plugs:judge"}
        yield Run(model=str(tiny_model), capture="mid_block", **who, **SMALL), folder / "root"


@pytest.fixture(scope="module")
def own(run):
    """The catalog of the run as it is."""
    return make(*run)


@pytest.fixture(scope="module")
def description(own, run):
    """One of its directions as somebody else might bring it: with an attribute, and without."""
    folder = run[1].parent
    np.save(folder / "theirs.npy", load(own.read("directions.safetensors"))[TWIN])
    each = [{"name": "theirs", "attribute": "sided", "file": "theirs.npy"}, {"name": "free", "file": "theirs.npy"}]
    known = {"timesteps": own.about.sampling.timesteps, "weights_sha256": own.about.model.weights_sha256}
    (folder / "theirs.json").write_text(json.dumps({"directions": each, **known}))
    return folder / "theirs.json"


@pytest.fixture(scope="module")
def catalog(run, own, description):
    return make(run[0].model_copy(update={"imported": (str(description),)}), run[1])


def test_it_is_published_beside_the_others_as_it_was_brought(catalog, own):
    found = {each.name: each for each in catalog.about.directions}
    assert found.keys() == {*(each.name for each in own.about.directions), "theirs/imported", "free/imported"}
    vectors = load(catalog.read("directions.safetensors"))
    assert np.array_equal(vectors["theirs/imported"], vectors[TWIN])
    assert found["theirs/imported"].target == "sided" and found["theirs/imported"].method == "imported"


def test_it_is_measured_as_the_runs_own_is(catalog):
    effects = catalog.table("effects.parquet").set_index(["strength", "attribute"])
    twin, theirs = (effects[effects["direction"] == name]["effect"] for name in (TWIN, "theirs/imported"))
    assert len(theirs) and np.allclose(theirs, twin.loc[theirs.index], atol=1e-4)


def test_it_is_compared_with_random_directions_of_its_own(catalog):
    effects = catalog.table("effects.parquet")
    [of_it] = {*effects.loc[effects["direction"] == "theirs/imported", "evaluation"]}
    control = catalog.about.evaluations[of_it].control
    assert control is not None and effects.loc[effects["evaluation"] == control, "control"].all()


def test_without_it_nothing_is_made_otherwise(own, catalog):
    """What is brought is in the fingerprint where it is brought, and nowhere else."""
    of = {each["stage"]: each["fingerprint"] for each in own.about.stages}
    again = {each["stage"]: each["fingerprint"] for each in catalog.about.stages}
    assert again["sample"] == of["sample"] and again["catalog"] != of["catalog"]
    assert "imported" not in own.read("run.toml").decode() and "theirs.json" in catalog.read("run.toml").decode()


def test_h_is_recorded_where_it_is_added_too(run, description):
    text = json.loads(description.read_text())
    elsewhere = description.with_name("elsewhere.json")
    np.save(elsewhere.with_suffix(".npy"), np.ones((16, 16, 16)))
    directions = [{"name": "theirs", "file": "elsewhere.npy"}]
    elsewhere.write_text(json.dumps({**text, "timesteps": None, "capture": "up_blocks.0", "directions": directions}))
    settings = run[0].model_copy(update={"imported": (str(elsewhere),)})
    recipe = Directions(settings, Domain.of(settings))
    assert recipe.sources.measured_on.point == "mid_block+up_blocks.0"
    with pytest.raises(UserError, match="cannot be read"):
        _ = Directions(settings.model_copy(update={"imported": ("absent.json",)}), recipe.domain).sources
