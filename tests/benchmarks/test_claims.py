"""What the claims are judged by, on planted truths; the figures themselves are the model's."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from benchmarks import claims
from benchmarks._claims.asyrp import GRID, distance, matched
from benchmarks._claims.bench import ATTRIBUTES, Bench, Claim
from benchmarks._claims.examples import converges
from benchmarks._claims.hspace import apart, background, share
from benchmarks._claims.offsets import halved, harmless_then_destroyed
from benchmarks._claims.table import away, table_one, transferred


@pytest.mark.parametrize("planted", [0.0, 0.3, 1.0, -0.2])
def test_a_mixture_has_gone_its_share_of_the_way(planted):
    own, other = np.random.default_rng(0).normal(size=(2, 40, 3))
    assert share(own, other, (1 - planted) * own + planted * other) == pytest.approx(planted)
    aside = np.random.default_rng(1).normal(size=own.shape)
    aside -= (aside * (other - own)).sum() / np.square(other - own).sum() * (other - own)  # no change along the way
    assert share(own, other, own + planted * (other - own) + aside) == pytest.approx(planted)


def test_the_background_is_the_colour_of_the_upper_corners():
    images = np.full((2, 32, 32, 3), 99, np.uint8)
    images[0, :6, :6], images[0, :6, -6:] = (10, 20, 30), (30, 40, 50)
    assert background(images).tolist() == [[20, 30, 40], [99, 99, 99]]


def test_directions_add_when_effects_do_on_every_attribute():
    a, b = pd.Series({"smile": 3.0, "yaw": 0.0, "skin": 0.5}), pd.Series({"smile": 0.0, "yaw": 4.0, "skin": -0.5})
    assert apart(a + b, [a, b]) == 0
    assert apart(a + b + pd.Series({"smile": 0.0, "yaw": 0.0, "skin": 1.0}), [a, b]) == pytest.approx(0.2)
    assert apart(a, [a, b]) == pytest.approx(np.hypot(4, 0.5) / 5)


def test_images_leave_the_manifold_where_the_first_strength_has_less_than_half():
    precision = {8: 0.39, 1: 0.8, 4: 0.4, 2: 0.81, 16: 0.0}
    assert halved(precision, 0.8) == 8  # 0.4 is half, not less
    assert halved(precision, 0.9) == 4
    assert halved({1: 0.8, 64: 0.5}, 0.8) is None


@pytest.mark.parametrize(
    ("which", "strength", "value"),
    [
        ("similar", 2, 0.94),
        ("precision", 1, 0.6),
        ("precision", 2, 0.95),  # a higher precision than unedited images have is a change too
        ("similar", 64, 0.6),
        ("precision", 64, 0.4),
    ],
)
def test_one_direction_is_enough_to_break_what_is_said_of_all(which, strength, value):
    def curves() -> dict[str, dict[int, np.ndarray]]:
        similar, precision = {1: 1.0, 2: 0.96, 16: 0.7, 64: 0.2}, {1: 0.8, 2: 0.75, 16: 0.3, 64: 0.0}
        return {
            name: {gamma: np.full(4, each) for gamma, each in curve.items()}
            for name, curve in (("similar", similar), ("precision", precision))
        }

    assert harmless_then_destroyed(**curves(), unedited=0.8)
    broken = curves()
    broken[which][strength][3] = value
    assert not harmless_then_destroyed(**broken, unedited=0.8)


def planted(on: float, off: float, names: dict[str, str]) -> list[dict[str, object]]:
    """Effects of directions at strength 1: `on` on the target, `off` on every other attribute, with alternating sign."""
    return [
        {
            "direction": name,
            "strength_index": 0,
            "strength": 1.0,
            "attribute": attribute,
            "effect": on if attribute == target else off * (-1) ** i,
            "std_over_seeds": 0.1,
        }
        for name, target in names.items()
        for i, attribute in enumerate(ATTRIBUTES)
    ]


def test_table_one_is_of_its_own_directions():
    before = {f"{name}/a": name for name in ("smile", "yaw")}
    after = {f"{name}/b": name for name in ("smile", "yaw")}
    table = pd.DataFrame(planted(1.0, 0.5, before) + planted(0.8, 0.2, after))
    table.loc[(table["direction"] == "yaw/a") & (table["attribute"] == "age"), ["effect", "std_over_seeds"]] = -1.3, 0.4

    first, second = table_one(table, before), table_one(table, after)
    assert (first.on, first.top, first.others, first.seeds) == (1.0, 1, " (yaw 1.00, but age 1.30)", 0.4)
    assert first.off == pytest.approx((0.5 + (3 * 0.5 + 1.3) / 4) / 2)
    assert first.ratio == pytest.approx(1.0 / first.off)
    assert (second.on, second.top, second.others, second.seeds) == (0.8, 2, "", 0.1)
    assert (second.off, second.ratio) == (pytest.approx(0.2), pytest.approx(4.0))


def scores(unedited: list[float], smile: list[float]) -> pd.DataFrame:
    """Of smile and yaw by sample; the smile direction moves smile alone. Edited samples come in another order."""
    ids = range(len(unedited))
    rows = [
        ("unedited", attribute, i, unedited[i] if attribute == "smile" else 5.0)
        for attribute in ("smile", "yaw")
        for i in ids
    ]
    rows += [("smile/a", "smile", i, smile[i]) for i in reversed(ids)] + [("smile/a", "yaw", i, 5.0) for i in ids]
    return pd.DataFrame(rows, columns=["direction", "attribute", "sample_id", "score"])


def test_changes_are_those_of_a_sample_and_its_own_counterpart():
    changes = away(scores([0.0, 10.0, 20.0], [1.0, 12.0, 17.0]), {"smile/a": "smile"})
    assert list(changes) == ["smile"]
    assert sorted(changes["smile"]) == [-3, 1, 2]


@pytest.mark.parametrize(
    ("home", "change", "holds"),
    [
        (2.0, [1.6] * 10, True),
        (2.2, [1.6] * 10, False),  # less than three quarters as far
        (2.0, [4.0] * 8 + [-0.1] * 2, False),  # 80 % rise, and not more
        (2.0, [4.0] * 9 + [-0.1], True),
        (-2.0, [1.6] * 10, False),  # nothing to keep
    ],
)
def test_what_is_transferred_is_the_effect_and_its_sign(home, change, holds):
    claim = transferred({"smile": home}, {"smile": np.array(change)}, pd.Series({"smile": 2.0}), "10")
    assert claim.holds is holds
    assert f"smile {np.mean(change) / 2:.2f} ({home / 2:.2f}), {np.mean(np.array(change) > 0):.0%}" in claim.measured


def test_every_attribute_must_be_transferred():
    away = {"smile": np.full(10, 1.6), "yaw": np.full(10, 0.1)}
    assert not transferred({"smile": 1.6, "yaw": 1.0}, away, pd.Series({"smile": 1.0, "yaw": 1.0}), "10").holds


def test_an_edit_is_matched_between_the_effects_of_plain_ones():
    effects = [1.0, 1.4, 2.0, 2.4, 3.0]
    assert matched(1.7, effects) == pytest.approx(0.7)
    assert matched(1.0, effects) == GRID[0] and matched(3.0, effects) == GRID[-1]
    assert matched(1.4, [1.0, 1.8, 1.5, 2.4, 3.0]) == pytest.approx(0.5), "before they fall"
    assert matched(1.0, [1.0, 1.0, 1.5, 2.4, 3.0]) == GRID[0]
    assert matched(0.5, effects) == pytest.approx(GRID[0] / 2), "from 0 at 0"
    for effect, given in [(1.9, [1.0, 1.8, 1.5, 2.4, 3.0]), (1.2, [1.0, 1.0, 1.5]), (3.1, effects), (-0.1, effects)]:
        with pytest.raises(ValueError, match="out of where plain effects rise"):
            matched(effect, given)


def test_distance_is_in_levels_and_does_not_wrap():
    a, b = np.zeros((1, 2, 2, 3), np.uint8), np.zeros((1, 2, 2, 3), np.uint8)
    b[0, 0] = 200
    assert distance(a, b) == distance(b, a) == pytest.approx(200 / np.sqrt(2))


CURVES = {"h": {8: 0.5, 32: 0.72, 200: 0.9}, "x_T": {8: 0.1, 32: 0.2, 200: 0.5}}
EFFECTS = {"h": {8: 1.0, 32: 1.7, 200: 2.0}, "x_T": {8: 0.2, 32: 0.5, 200: 1.5}}


@pytest.mark.parametrize(
    ("which", "space", "n", "value"),
    [
        ("curve", "h", 32, 0.69),  # h not there with a few dozen
        ("curve", "x_T", 200, 0.71),  # x_T there with 200
        ("effect", "h", 32, 1.59),  # less than 80 % of its effect with the most
        ("effect", "x_T", 32, 1.8),  # x_T does more than h
        ("effect", "h", 200, -2.0),
    ],
)
def test_every_part_of_the_bar_on_examples_counts(which, space, n, value):
    assert converges(CURVES, EFFECTS, 32)
    curves, effects = ({name: dict(each) for name, each in curve.items()} for curve in (CURVES, EFFECTS))
    (curves if which == "curve" else effects)[space][n] = value
    assert not converges(curves, effects, 32)


def test_the_markdown_has_a_row_a_claim_and_four_cells_a_row():
    found = [Claim("adds", "Fig. 2b", "|a - b| / |b|: 0.1", True), Claim("is local", "Fig. 6", "1.0", False)]
    head, rule, *rows = claims.markdown(found).split("\n")
    assert head == "| claim | the paper | measured | holds |"
    assert [len(re.split(r"(?<!\\)\|", row)) - 2 for row in (head, rule, *rows)] == [4] * 4
    assert rows[0] == r"| adds | Fig. 2b | \|a - b\| / \|b\|: 0.1 | yes |"
    assert rows[1].endswith("| **no** |")


def test_measures_are_listed_in_order():
    names = [measure.__name__ for measure in claims.MEASURES]
    expected = ["components", "offsets", "swapping", "transfer_and_table", "adding", "examples", "asyrp", "masked"]
    assert names == expected


@pytest.mark.parametrize("holds", [True, False])
def test_measures_run_in_their_order_and_all_must_hold(monkeypatch, capsys, holds):
    def first(bench: Bench):
        yield Claim("one", "Fig. 1", "1", True)
        yield Claim("two", "Fig. 2", "2", holds)

    def second(bench: Bench):
        yield Claim("three", "Fig. 3", "3", True)

    monkeypatch.setattr(claims, "MEASURES", (first, second))
    monkeypatch.setattr("sys.argv", ["claims", "--quick"])
    assert claims.main() == (0 if holds else 1)
    *lines, last = capsys.readouterr().out.splitlines()
    answer = json.loads(last)
    assert (answer["figures"], answer["holds"]) == ({"claims": 3, "hold": 3 if holds else 2}, holds)
    rows = [line for line in lines if line.startswith("| ")]
    assert [row.split(" | ")[0] for row in rows] == ["| claim", "| ---", "| one", "| two", "| three"]
