"""Cosines are those that were planted, and spaces that are not the same are not compared."""

import numpy as np
import pytest

from pipeline.catalog.compare.vectors import SharedSteps, Vectors, cosines, why_incomparable
from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.errors import UserError
from tests.pipeline.catalog.planted_catalog import PlantedCatalog, drawn, standard, turned
from tests.pipeline.catalog.planted_findings import T, supervised


@pytest.fixture
def opened(tmp_path):
    def of(name: str, planted: PlantedCatalog) -> DirectionCatalog:
        return DirectionCatalog.open(planted.write(tmp_path / name))

    return of


def test_the_cosine_is_the_planted_one_at_every_timestep_and_over_all():
    v = drawn("v").reshape(T, -1)
    found = cosines(v, turned(drawn("v"), 0.62).reshape(T, -1), (9, 6, 3, 0))
    assert found.by_timestep == pytest.approx((0.62,) * T, abs=1e-6) and found.over_all == pytest.approx(0.62, abs=1e-6)
    assert cosines(v, v, (9, 6, 3, 0)).over_all == pytest.approx(1.0)


def test_over_all_timesteps_large_ones_count_more():
    a = np.array([[10.0, 0.0], [0.0, 1.0]])
    b = np.array([[10.0, 0.0], [0.0, -1.0]])
    found = cosines(a, b, (1, 0))
    assert found.by_timestep == (1.0, -1.0) and found.over_all == pytest.approx(99 / 101)
    assert cosines(a, np.zeros((2, 2)), (1, 0)).over_all == 0.0


def test_a_direction_of_several_points_is_one_vector(opened):
    row = supervised("smile", "ridge", capture="mid_block+up_blocks.0")
    vectors = {"smile/ridge@mid_block": drawn("m"), "smile/ridge@up_blocks.0": drawn("u")[:, :4]}
    captures = [("mid_block", (8, 2, 2)), ("up_blocks.0", (4, 2, 2))]
    catalog = opened("a", PlantedCatalog([row], vectors, captures=captures))
    assert Vectors(catalog).of("smile/ridge", "mid_block+up_blocks.0").shape == (T, 32 + 16)
    with pytest.raises(UserError, match="no vector 'age/ridge', which catalog.json names"):
        Vectors(catalog).of("age/ridge", "mid_block")


def test_spaces_are_the_same_where_the_network_the_shape_and_a_timestep_are(opened):
    a = opened("a", standard())
    version = {"unet": {"in_channels": 3, "sample_size": 16, "_diffusers_version": "0.1"}}
    assert why_incomparable(a, opened("b", standard(model=version)), "mid_block") is None
    wider = {"unet": {"in_channels": 4, "sample_size": 16}}
    assert why_incomparable(a, opened("c", standard(model=wider)), "mid_block") == "the U-Nets are built differently"
    captures = [("mid_block", (8, 4, 1))]
    said = why_incomparable(a, opened("d", standard(captures=captures)), "mid_block")
    assert said == "h at mid_block is [8, 2, 2] in the first and [8, 4, 1] in the second"
    others = opened("e", standard(sampling={"timesteps": [998, 600, 300, 1]}))
    assert why_incomparable(a, others, "mid_block") == "they have no timestep in common"


def test_steps_are_compared_by_timestep(opened):
    a, b = opened("a", standard()), opened("b", standard(sampling={"timesteps": [365, 49, 20, 1]}))
    assert SharedSteps.of(a, b) == SharedSteps([2, 3], [0, 1], (365, 49))
