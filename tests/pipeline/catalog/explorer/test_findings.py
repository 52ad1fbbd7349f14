from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pipeline.catalog.explorer.findings import Findings
from pipeline.catalog.explorer.site import pages
from tests.pipeline.catalog.planted_findings import another_way, measured, of_single_images, planted, with_profiles


def test_the_first_group_is_the_disentangled_classifiers_and_its_figures_are_right():
    first, *others = planted().groups
    assert (first.title, first.clean, first.largest_is_target) == ("Ridge, disentangled", 2, 2)
    assert first.ratio == pytest.approx(12) and first.on_target == pytest.approx(2.4)
    assert others[-1].clean == 0 and others[-1].ratio == pytest.approx(1.5)


def test_a_direction_is_headed_by_its_best_strength_and_another_by_its_profile():
    findings = planted(strengths=(-1.0, 2.0))
    assert findings.headline("smile/ridge/disentangled") == pytest.approx((2.0, 2.4, 0.2))
    assert findings.headline("smile/ridge") == pytest.approx((-1.0, -1.2, 0.8)), "where none is clean, the best ratio"
    only = planted(strengths=(-1.0,))
    assert only.headline("smile/ridge/disentangled") == pytest.approx((-1.0, -1.2, 0.1)), "it falls at -1"
    component = "component-0/principal-components"
    assert findings.headline(component) is None, "its profile has no strength"
    known = with_profiles(strength=-1.5, on_target=-0.9, off_target=0.1)
    assert known.headline(component) == (-1.5, -0.9, 0.1)
    assert replace(known, measured=[], profiles={}).headline(component) is None


def test_directions_stand_beside_the_random_ones_that_they_were_compared_with():
    findings = planted()
    assert findings.largest_control(findings.groups[0].best.index).tolist() == [0.1] * 3
    assert findings.largest_control(["component-0/principal-components"]).tolist() == [0.9] * 3
    assert findings.largest_control(["unknown"]) is None


def test_groups_know_on_how_many_samples_they_were_measured():
    findings = planted(n=3)
    assert findings.held_out(findings.groups[0]) == [3]


@pytest.mark.parametrize(
    "way, known",
    [("by effects", {"trials": [], "projected_by": "joint"}), ("by step", {"projected_by": "step"})],
)
def test_ways_to_disentangle_are_groups_of_their_own(way, known):
    findings = another_way(f"disentangled-{way.replace(' ', '-')}", **known)
    ridge = [group for group in findings.groups if group.method == "ridge"]
    titles = ["Ridge, disentangled", f"Ridge, disentangled {way}", "Ridge, before disentangling"]
    assert [group.title for group in ridge] == titles
    assert [(len(group.rows), group.clean) for group in ridge] == [(2, 2), (2, 2), (2, 0)]


def test_principal_components_and_directions_of_single_images_are_kept_apart():
    findings = of_single_images()
    assert [row["method"] for row in findings.jacobian] == ["jacobian"] * 3
    assert [row["method"] for row in findings.components] == ["principal-components"] * 2


def test_what_was_judged_of_some_directions_alone_is_unknown_of_the_others():
    """As of catalogs that were merged: each was measured by its own judge."""
    found = planted(components=0)
    ridge = [row for row in found.directions if row["method"] == "ridge"]
    rest = [row for row in found.directions if row["method"] != "ridge"]
    apart = replace(
        found,
        measured=[
            measured(ridge, ["smile", "age"], (-1.0, 1.0)),
            measured(rest, ["smile", "age", "skin"], (-1.0, 1.0)),
        ],
    )
    groups = {group.method: group.best for group in apart.groups if not group.disentangled}
    assert groups["ridge"]["skin"].isna().all() and groups["mean-difference"]["skin"].notna().all()
    assert "skin" in pages(apart)["effects.html"]


def chosen(found: Findings, **figures: tuple[float, float, bool]) -> pd.DataFrame:
    """schemas.best of disentangled directions, all at strength -1, by method what they did on selection samples."""
    rows = [
        {
            "direction": row["name"],
            "target": row["attribute"],
            "strength_index": 1,
            "strength": -1.0,
            "chosen_by": "selection",
            "selection_n": 14,
            **dict(zip(("selection_on_target", "selection_off_target", "selection_clean"), known, strict=True)),
        }
        for row in found.supervised
        if row["parents"] and (known := figures.get(row["method"].replace("-", "_")))
    ]
    return pd.DataFrame(rows)


def test_what_selection_samples_chose_is_reported_of_others_and_leads():
    """On held-out samples both estimators do the same; on those that chose, the differences of means were better."""
    found = planted()
    best = chosen(found, ridge=(1.1, 0.9, False), mean_difference=(1.4, 0.2, True))
    first = replace(found, best=best).groups[0]
    assert (found.groups[0].method, first.method) == ("ridge", "mean-difference")
    assert first.best["strength"].tolist() == [-1.0, -1.0] and first.on_target == pytest.approx(1.2)
    assert set(first.best["selection_n"]) == {14} and found.groups[0].best["selection_n"].eq(0).all()


def test_a_direction_without_a_strength_has_no_figures_and_counts_as_not_clean():
    found = planted()
    best = chosen(found, ridge=(1.4, 0.2, True)).astype({"strength_index": float})
    best.loc[best["target"] == "smile", ["strength_index", "strength"]] = np.nan
    of = replace(found, best=best)
    [ridge] = [group for group in of.groups if group.method == "ridge" and group.disentangled]
    assert list(ridge.best.index) == ["age/ridge/disentangled"] and (ridge.clean, len(ridge.rows)) == (1, 2)
    assert of.headline("smile/ridge/disentangled") is None and of.without_strength == {"smile/ridge/disentangled"}


def test_a_groups_ratio_is_of_means_and_no_small_denominator_decides_it():
    def one_moves_nothing_else(row: dict, gamma: float, attribute: str) -> float:
        if attribute == row["attribute"]:
            return 1.2 * gamma
        return gamma * (0.001 if row["attribute"] == "smile" else 0.4)

    group = planted(effect=one_moves_nothing_else).groups[0]
    assert group.ratio == pytest.approx(1.2 / 0.2005, rel=1e-3) and group.best["ratio"].max() > 1000
