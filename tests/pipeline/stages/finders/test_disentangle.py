"""Planted directions through the stage: what is projected away, what is warned of, what is refused."""

import numpy as np
import pytest

from pipeline.engine.plan import plan
from pipeline.engine.pool import InProcess
from pipeline.engine.runner import RunFailed, run
from pipeline.engine.store import Store
from pipeline.errors import UserError
from pipeline.stages.finders.disentangle import Disentangle
from tests.pipeline.planted_generator import PlantedFinder, direction
from tests.pipeline.stages.conftest import Silent

ALPHA, BETA = (1.0, 0.8, 0, 0, 0), (0, 1.0, 0, 0, 0)


@pytest.fixture
def made(tmp_path):
    def make(stage: Disentangle) -> tuple[list[dict], dict[str, np.ndarray]]:
        store = Store(tmp_path)
        store.prepare()
        run(plan([stage], store), store, InProcess, Silent())
        return store.table(stage, "directions.parquet").to_pylist(), store.vectors(stage)

    return make


def test_what_two_share_is_gone_and_said(made):
    rows, vectors = made(Disentangle(PlantedFinder((ALPHA, BETA), ("alpha", "beta"))))
    row, v = rows[0], vectors["alpha/planted/disentangled"]
    v_0, other = direction(*ALPHA), direction(*BETA)
    assert abs(np.vdot(v, other)) < 1e-6
    assert np.linalg.norm(v) == pytest.approx(np.linalg.norm(v_0), rel=1e-5), "at the norm of v_0"
    cosine = np.vdot(v_0, other) / np.linalg.norm(v_0) / np.linalg.norm(other)
    assert row["norm_kept"] == pytest.approx(np.sqrt(1 - cosine**2), rel=1e-5)
    assert row["parents"] == ["alpha/planted", "beta/planted"] and row["removed_share"] == [1]
    assert (row["projected_by"], row["condition_number"], row["warnings"]) == ("joint", 1, None)
    assert row["norm_kept_by_step"] == pytest.approx([row["norm_kept"]])


def test_other_finders_count_but_not_for_the_same_attribute(made):
    finder = PlantedFinder((ALPHA, BETA), ("alpha", "beta"))
    more = PlantedFinder(((0.9, 0.1, 0.5, 0, 0), (0, 0, 1.0, 0.3, 0)), ("alpha", "gamma"))
    renamed = Renamed(more.rows, more.attributes)
    rows, vectors = made(Disentangle(finder, (renamed, PlantedFinder(((0, 0, 0, 0, 1.0),)))))
    assert rows[0]["parents"] == ["alpha/planted", "beta/planted", "gamma/renamed", "direction-0/planted"]
    assert rows[1]["parents"][1:] == ["alpha/planted", "alpha/renamed", "gamma/renamed", "direction-0/planted"]
    for other in (direction(*BETA), direction(0, 0, 1, 0.3, 0), direction(0, 0, 0, 0, 1)):
        assert abs(np.vdot(vectors["alpha/planted/disentangled"], other)) < 1e-6


class Renamed(PlantedFinder):
    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"{name}/renamed" for name in self.attributes)


def test_by_step_it_has_another_name(made):
    rows, _ = made(Disentangle(PlantedFinder((ALPHA, BETA), ("alpha", "beta")), by="step"))
    assert rows[0]["name"] == "alpha/planted/disentangled-by-step" and rows[0]["projected_by"] == "step"


def test_little_left_is_warned_of_and_next_to_nothing_refused(made):
    rows, _ = made(
        Disentangle(PlantedFinder(((0.1, 1.0, 0, 0, 0), BETA, (0, 0, 1.0, 0, 0)), ("alpha", "beta", "gamma")))
    )
    [warning] = rows[0]["warnings"]
    assert "% of the norm is left" in warning and "beta/planted (100%)" in warning and "gamma" not in warning
    assert rows[2]["warnings"] is None
    with pytest.raises(RunFailed, match="(?s)only .* is left .* other 1 directions .*beta/planted"):
        made(Disentangle(PlantedFinder(((0.001, 1.0, 0, 0, 0), BETA), ("alpha", "beta"))))


def test_settings_that_cannot_work_are_refused():
    with pytest.raises(UserError, match="at least two attributes"):
        Disentangle(PlantedFinder((ALPHA,), ("alpha",))).check()
    with pytest.raises(UserError, match="expected joint or step"):
        Disentangle(PlantedFinder((ALPHA, BETA), ("alpha", "beta")), by="both").check()
