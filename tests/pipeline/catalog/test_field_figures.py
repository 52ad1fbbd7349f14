"""Figures of a catalog are those of what was planted in its tables."""

from itertools import count

import numpy as np
import pytest

from pipeline.catalog.curves import Curves
from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.catalog.field_figures import FieldFigures, field_figures
from pipeline.metrics.editing_precision import editing_precision_ratio
from tests.pipeline.catalog.planted_catalog import PlantedCatalog, smooth, standard


@pytest.fixture
def figures(tmp_path):
    number = count()

    def of(planted: PlantedCatalog) -> dict[str, FieldFigures]:
        return field_figures(Curves(DirectionCatalog.open(planted.write(tmp_path / f"catalog-{next(number)}"))))

    return of


def test_precision_is_that_of_single_changes_with_these_means_and_spreads(figures):
    found = figures(standard(std=0.4))["smile/ridge"]
    changes = np.random.default_rng(0).normal([2.4, 0.2, 0.2], 0.4, (50_000, 3))
    assert found.epr_in_sd == pytest.approx(editing_precision_ratio(changes[:, 0], changes[:, 1:]), rel=0.02)
    assert (found.target, found.strength) == ("smile", 2.0)


def test_a_judges_own_units_count_as_they_are(figures):
    """The planted judge has the same unit for all, so the ratio is the same."""
    found = figures(standard())["age/ridge"]
    assert found.epr == pytest.approx(found.epr_in_sd)


def test_an_even_slider_has_its_range_and_no_unevenness(figures):
    found = figures(standard())["smile/ridge"]
    assert found.conceptual_range == pytest.approx(4.8) and found.smoothness == pytest.approx(0, abs=1e-6)
    assert found.preservation == pytest.approx(np.mean([0.1, 0.05, 0.05, 0.1])) and found.monotonicity == pytest.approx(
        0.9
    )


def test_a_slider_that_levels_off_is_less_smooth(figures):
    found = figures(standard(effect=lambda row, gamma, attribute: float(np.tanh(2 * smooth(row, gamma, attribute)))))
    assert found["smile/ridge"].smoothness > 0.3


def test_a_direction_that_moves_nothing_else_is_as_precise_as_its_spread_lets_it_be(figures):
    alone = figures(
        standard(effect=lambda row, gamma, attribute: gamma if attribute == row["attribute"] else 0.0, std=0.1)
    )
    assert alone["smile/ridge"].epr_in_sd == pytest.approx(2.0 / (0.1 * np.sqrt(2 / np.pi)), rel=1e-3)


def test_an_unsupervised_direction_is_measured_on_what_it_moves_most(figures):
    assert figures(standard())["component-1/principal-components"].target == "age"


def test_without_judged_target_there_are_no_figures(figures):
    found = figures(standard(judged=("skin", "age")))
    assert "smile/ridge" not in found and "age/ridge" in found


def test_what_never_moves_counts_as_left_alone_in_any_unit(figures):
    """Of a judge that says yes or no: each direction moves its own attribute alone, and nothing moves skin."""
    alone = figures(
        standard(effect=lambda row, gamma, attribute: gamma if attribute == row["attribute"] else 0.0, std=0.0)
    )
    one_other = figures(
        standard(
            effect=lambda row, gamma, attribute: gamma * {row["attribute"]: 1.0, "age": 0.2}.get(attribute, 0.0),
            std=0.0,
        )
    )
    assert alone["smile/ridge"].epr > 1e6
    assert one_other["smile/ridge"].epr == pytest.approx(one_other["smile/ridge"].epr_in_sd) == pytest.approx(10.0)
