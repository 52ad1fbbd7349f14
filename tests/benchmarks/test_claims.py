"""What the claims are judged by, on planted truths; the figures themselves are the model's."""

import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from benchmarks import claims
from benchmarks._claims import hspace
from benchmarks._claims.asyrp import amplifies, distance, left, lost, much_the_same
from benchmarks._claims.bench import ATTRIBUTES, FULL, Bench, Claim
from benchmarks._claims.examples import converges, scaled, without
from benchmarks._claims.hspace import adds, apart, background, content_alone, share
from benchmarks._claims.masked import is_local, of_logs
from benchmarks._claims.offsets import beat, halved, harmless_then_destroyed
from benchmarks._claims.statistics import Interval, at_equal_scores, bootstrapped, least, of_mean, reaching
from benchmarks._claims.table import (
    every_row,
    moves,
    on_and_off,
    projected,
    raised,
    rises,
    same,
    table_one,
    transferred,
    unedited,
)
from pipeline.domains import portraits
from pipeline.hspace.edits import Add
from pipeline.hspace.reverse_process import ReverseProcess
from pipeline.models import pretrained


@pytest.mark.parametrize("planted", [0.0, 0.3, 1.0, -0.2])
def test_a_mixture_has_gone_its_share_of_the_way(planted):
    own, other = np.random.default_rng(0).normal(size=(2, 40, 3))
    exact = share(own, other, (1 - planted) * own + planted * other)
    assert (exact.value, exact.low, exact.high) == pytest.approx((planted,) * 3)
    aside = np.random.default_rng(1).normal(size=own.shape)
    aside -= (aside * (other - own)).sum() / np.square(other - own).sum() * (other - own)  # no change along the way
    found = share(own, other, own + planted * (other - own) + aside)
    assert found.value == pytest.approx(planted)
    assert found.low < planted < found.high


def test_the_background_is_the_colour_of_the_upper_corners():
    images = np.full((2, 32, 32, 3), 99, np.uint8)
    images[0, :6, :6], images[0, :6, -6:] = (10, 20, 30), (30, 40, 50)
    assert background(images).tolist() == [[20, 30, 40], [99, 99, 99]]


def sure(value: float) -> Interval:
    return Interval(value, value - 0.01, value + 0.01)


def test_swapping_is_judged_by_whole_intervals():
    shares = {"smile": sure(0.9), "yaw": sure(0.52)}
    assert content_alone(shares, sure(0.3)) and content_alone(shares, sure(-0.3))
    assert not content_alone(shares | {"yaw": Interval(0.6, 0.49, 0.7)}, sure(0.0))
    assert not content_alone(shares, Interval(0.2, 0.1, 0.34))
    assert not content_alone(shares, Interval(-0.2, -0.34, 0.1))


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_a_swap_that_takes_the_background_is_tested_on_the_model_with_open_skips(monkeypatch, tmp_path, share):
    asked = []

    def shares(bench: Bench) -> tuple[dict[str, Interval], Interval]:
        asked.append(bench.model)
        return {"smile": sure(0.9)}, sure(share)

    monkeypatch.setattr(hspace, "shares_of_swaps", shares)
    (claim,) = hspace.swapping(Bench(FULL, tmp_path))
    models = [str(portraits.MODEL), str(portraits.OPEN_SKIPS)]
    assert asked == (models[:1] if claim.holds else models) and claim.holds is (share < 0.3)
    (of_another,) = hspace.swapping(Bench(FULL, tmp_path, model="another"))
    assert of_another.why == ""


def test_directions_add_when_effects_do_on_every_attribute():
    a, b = np.tile([3.0, 0.0, 0.5], (20, 1)), np.tile([0.0, 4.0, -0.5], (20, 1))
    assert apart(a + b, [a, b]).value == 0
    assert apart(a + b + [0.0, 0.0, 1.0], [a, b]).value == pytest.approx(0.2)
    assert apart(a, [a, b]).value == pytest.approx(np.hypot(4, 0.5) / 5)
    by_sample = apart(a + b + np.random.default_rng(0).normal(size=(20, 3)), [a, b])
    assert by_sample.low < by_sample.value < by_sample.high
    assert adds({"one": Interval(0.2, 0.1, 0.25)})
    assert not adds({"one": Interval(0.2, 0.1, 0.25), "other": Interval(0.2, 0.1, 0.26)})


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


STD = pd.Series(dict.fromkeys(ATTRIBUTES, 2.0))


def judged(moved: dict[str, dict[str, float]], n: int = 40) -> pd.DataFrame:
    """Scores of n samples, whose direction NAME/a moves attributes by so many standard deviations of 2, and each a bit more."""
    rng = np.random.default_rng(0)
    own = pd.DataFrame(rng.normal(size=(n, len(ATTRIBUTES))), columns=list(ATTRIBUTES))
    tables = {"unedited": own}
    for name, effects in moved.items():
        tables[f"{name}/a"] = (
            own + rng.normal(scale=0.1, size=own.shape) + [2 * effects.get(each, 0.0) for each in ATTRIBUTES]
        )
    long = [
        table.rename_axis("sample_id").reset_index().melt("sample_id", var_name="attribute", value_name="score")
        for table in tables.values()
    ]
    rows = pd.concat([table.assign(direction=name) for name, table in zip(tables, long, strict=True)])
    return rows.sample(frac=1, random_state=0)  # edited samples come in another order


def moved(planted: dict[str, dict[str, float]]) -> dict[str, pd.DataFrame]:
    return moves(judged(planted), {f"{name}/a": name for name in planted}, STD, ATTRIBUTES)


def test_changes_are_those_of_a_sample_and_its_own_counterpart():
    changes = moved({"smile": {"smile": 1.5, "yaw": -0.5}})
    assert list(changes) == ["smile"]
    assert changes["smile"].mean().to_numpy() == pytest.approx([1.5, 0, 0, 0, -0.5], abs=0.05)
    assert changes["smile"].std().max() < 0.1, "spread over samples would be 1 beside another's counterpart"
    assert unedited(judged({"smile": {}}), STD).shape == (40, 5)


def test_table_one_is_over_rows_and_samples():
    table = table_one(
        moved({"smile": {"smile": 1.0, "yaw": -0.4}, "gender": {"gender": 0.7, "smile": -1.2}, "age": {"age": -1.0}})
    )
    assert table.on == pytest.approx((1.0 + 0.7 - 1.0) / 3, abs=0.03)
    assert table.off == pytest.approx((0.4 + 1.2) / 4 / 3, abs=0.03)
    assert table.top == 1 and not every_row(table)
    assert table.largest["smile"].value == pytest.approx(2.5, abs=0.3)
    assert table.largest["smile"].low < 2.5 < table.largest["smile"].high
    assert table.largest["gender"].high < 1
    assert table.largest["age"].high < 0, "a target that falls is no largest effect"
    assert table.said.startswith("1 of 3 (gender 0.7") and "beside smile -1.2" in table.said


def test_a_row_must_be_above_one_with_its_whole_interval():
    clear = moved({"smile": {"smile": 1.0, "yaw": 0.5}})
    close = moved({"smile": {"smile": 1.0, "yaw": 1.0}})
    assert every_row(table_one(clear)) and not every_row(table_one(close))


def test_the_projection_is_judged_by_how_the_ratio_rises():
    worse, better = ({"smile": {"smile": 1.0, "yaw": off}} for off in (0.6, 0.3))
    claim = raised(moved(worse), moved(better), "")
    assert claim.holds and claim.figures["table_rise"] == pytest.approx(2, abs=0.3)
    assert not raised(moved(better), moved(worse), "").holds
    assert not rises(Interval(1.2, 1.0, 1.4)) and rises(Interval(1.2, 1.01, 1.4))
    assert on_and_off(moved(worse), np.array([0, 1])) != on_and_off(moved(worse))


def test_conditions_are_those_of_other_attributes():
    means = {"smile": np.array([[3.0, 4.0, 0.0]]), "yaw": np.array([[0.0, 1.0, 0.0]])}
    normals = {"smile": np.array([[1.0, 0.0, 0.0]]), "yaw": np.array([[1.0, 1.0, 0.0]])}
    v = projected("smile", means, normals).numpy()
    assert v @ normals["yaw"][0] == pytest.approx(0, abs=1e-5)
    assert np.linalg.norm(v) == pytest.approx(5)


# Transfer


def edited_to(level: float, own: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """An edit that sets a level: what moves is what is not there yet."""
    return level - 0.9 * own + rng.normal(scale=0.3, size=len(own))


@pytest.mark.parametrize(("away", "holds"), [(1.0, True), (1.1, True), (0.7, False), (1.3, False), (0.77, False)])
def test_the_same_effect_is_one_within_a_quarter_at_equal_scores(away, holds):
    rng = np.random.default_rng(0)
    home_own, away_own = rng.normal(size=200), rng.normal(0.5, 1.0, size=200)  # that show more of it already
    centre = float(np.concatenate([home_own, away_own]).mean())
    level = 1.0 + 0.9 * centre  # a mean change of 1 at the centre
    home = edited_to(level, home_own, rng)
    ratio = at_equal_scores(home, home_own, edited_to(level + away - 1, away_own, rng), away_own)
    assert ratio.value == pytest.approx(away, abs=0.08)
    assert same({"smile": ratio, "yaw": sure(1.0)}) is holds


def test_without_an_effect_there_is_none_to_keep():
    own = np.arange(20.0)
    change = np.random.default_rng(0).normal(size=20)
    assert np.isnan(at_equal_scores(-1 + 0.01 * change, own, -1 + 0.01 * change, own).value)
    assert not same({"smile": at_equal_scores(-1 + change, own, -1 + change, own)})


def test_an_interval_of_a_ratio_covers_in_nine_of_ten():
    rng, covered = np.random.default_rng(0), []
    for _ in range(300):
        home_own, away_own = rng.normal(size=(2, 60))
        ratio = at_equal_scores(edited_to(1.0, home_own, rng), home_own, edited_to(1.0, away_own, rng), away_own)
        covered.append(ratio.low < 1 < ratio.high)
    assert 0.85 < np.mean(covered) < 0.95


def test_what_is_transferred_is_said_with_who_has_room():
    home = moved({"smile": {"smile": 1.0}})
    own = unedited(judged({"smile": {}}), STD)
    away = {"smile": home["smile"].assign(smile=np.where(own["smile"] < 0, 1.0, -0.1))}
    room = {"smile": (own["smile"] < 0).to_numpy()}
    claim = transferred(home, own, home, own, room, "40")
    assert claim.holds and "rises in 100% and 100%" in claim.measured
    partly = transferred(home, own, away, own, room, "40")
    assert not partly.holds and f"rises in {room['smile'].mean():.0%} and 100%" in partly.measured
    assert partly.figures["transfer_smile_own_r"] < -0.7


# Asyrp


def test_asyrp_amplifies_where_every_gain_is_above_nothing():
    assert amplifies([Interval(0.3, 0.01, 0.6), sure(1.0)])
    assert not amplifies([Interval(0.3, -0.01, 0.6), sure(1.0)])


def test_much_the_same_is_below_a_third_with_the_whole_interval():
    assert much_the_same([Interval(0.3, 0.2, 0.33)])
    assert not much_the_same([sure(0.1), Interval(0.3, 0.2, 0.34)])


@pytest.mark.parametrize("eta", [0.0, 1.0, 0.5])
def test_a_plain_edit_with_what_every_step_loses_changes_the_next_step_as_asyrp_does(eta):
    scheduler = pretrained.find(str(portraits.MODEL)).ddim(False)
    process = ReverseProcess(scheduler, 8, eta)
    x_t, eps, offset = torch.randn(3, 2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    for step, factor in enumerate(lost(process)):
        unedited = process.mean(step, x_t, eps)
        amplified = process.mean(step, x_t, eps + offset, eps) - unedited
        plain = process.mean(step, x_t, eps + factor * offset) - unedited
        assert torch.allclose(plain, amplified, atol=1e-3 * float(amplified.abs().max()))


def test_the_distance_left_is_over_that_of_the_target():
    rng = np.random.default_rng(0)
    unedited = rng.integers(100, 120, size=(30, 8, 8, 3)).astype(np.uint8)
    target = unedited + np.uint8(40)
    found = left(target, unedited + np.uint8(30), unedited)
    assert (found.value, found.low, found.high) == pytest.approx((0.25,) * 3)
    assert left(target, target, unedited).value == 0 and left(target, unedited, unedited).value == 1


def test_the_least_of_a_curve_is_between_what_was_tried():
    at = np.array([1.0, 1.5, 2.0, 3.0])
    assert least(at, (at - 1.7) ** 2 + 3) == pytest.approx(1.7)
    assert least(at, at) == 1.0 and least(at, -at) == 3.0, "beyond the ends nothing is known"
    assert least(at, np.array([2.0, 1.0, 1.0, 2.0])) == pytest.approx(1.75, abs=0.1)


def test_a_strength_is_the_first_that_reaches_an_effect():
    at = np.array([0.2, 0.4, 0.8])
    assert reaching(1.0, at, np.array([0.5, 1.5, 0.9])) == pytest.approx(0.3)
    assert reaching(1.0, at, np.array([2.0, 2.5, 0.9])) == pytest.approx(0.1), "from 0 at 0"
    assert reaching(1.0, at, np.array([0.5, 0.9, 0.7])) == 0.4, "never reached: where most is"


def test_intervals_cover():
    rng = np.random.default_rng(0)
    draws = rng.normal(3.0, 1.0, size=(300, 12))
    covered = [each.low < 3 < each.high for each in map(of_mean, draws)]
    assert 0.91 < np.mean(covered) < 0.98
    found = bootstrapped(lambda rows: draws[0][rows].mean(), 12)
    assert found.value == pytest.approx(draws[0].mean()) and found.low < found.value < found.high
    assert of_logs(np.log([1.0, 4.0, 2.0])).value == pytest.approx(2.0)
    assert np.isnan(of_mean(np.array([1.0])).low) and np.isnan(of_mean(np.array([])).value)
    assert Interval(1.234, 0.5, 2.0).said() == "1.23 (0.50 to 2.00)"
    assert Interval(0.9, 0.7, 1.2).within(0, 1) == Interval(0.9, 0.7, 1)


def test_distance_is_in_levels_and_does_not_wrap():
    a, b = np.zeros((1, 2, 2, 3), np.uint8), np.zeros((1, 2, 2, 3), np.uint8)
    b[0, 0] = 200
    assert distance(a, b) == distance(b, a) == pytest.approx(200 / np.sqrt(2))


CURVES = {"h": {32: 0.72, 200: 0.9}, "x_T": {32: 0.2, 200: 0.5}}
SHARES = {
    "h": {32: Interval(0.9, 0.81, 1.0), 200: sure(1.0)},
    "x_T": {32: Interval(0.5, 0.3, 0.7), 200: Interval(0.7, 0.6, 0.79)},
}


@pytest.mark.parametrize(
    ("which", "space", "n", "value"),
    [
        ("curve", "h", 32, 0.69),  # h not there with a few dozen
        ("curve", "x_T", 200, 0.71),  # x_T there with 200
        ("share", "h", 32, Interval(0.9, 0.79, 1.0)),  # less than 80 % of the limit's effect cannot be ruled out
        ("share", "x_T", 200, Interval(0.7, 0.6, 0.81)),  # nor can more, of x_T
        ("share", "x_T", 32, sure(0.9)),
    ],
)
def test_every_part_of_the_bar_on_examples_counts(which, space, n, value):
    assert converges(CURVES, SHARES, 32, 200)
    curves, shares = ({name: dict(each) for name, each in curve.items()} for curve in (CURVES, SHARES))
    (curves if which == "curve" else shares)[space][n] = value
    assert not converges(curves, shares, 32, 200)


def test_what_is_not_shared_is_orthogonal_and_at_the_norm_of_the_limit():
    v, limit = [np.array([3.0, 4.0]), np.array([1.0, 1.0])], [np.array([2.0, 0.0]), np.array([0.0, 5.0])]
    rest = scaled(without(v, limit), "h", limit)
    assert [tuple(each) for each in rest] == [(0.0, 2.0), (5.0, 0.0)]
    assert np.linalg.norm(scaled(v[:1], "x_T")[0]) == pytest.approx(1)


def test_components_must_beat_every_random_direction():
    assert beat(np.array([1.0, 0.5]), np.array([0.1, 0.2]))
    assert not beat(np.array([1.0, 0.19]), np.array([0.1, 0.2]))
    assert not beat(np.array([0.5, 0.3]), np.array([0.1, 0.2])), "two and two thirds times as much"


def test_masked_directions_stay_inside_more_than_unmasked_ones():
    ratio = {
        ("eyes", "eyes"): sure(5.0),
        ("eyes", "image"): sure(4.0),
        ("mouth", "mouth"): sure(3.0),
        ("mouth", "image"): sure(1.0),
    }
    assert is_local(ratio)
    assert not is_local(ratio | {("eyes", "image"): sure(5.1)})
    assert not is_local(ratio | {("mouth", "mouth"): sure(1.9)})


def test_samples_come_in_the_order_of_their_ids_whatever_thread_makes_them(tmp_path):
    bench = Bench(replace(FULL, samples=8, steps=3), tmp_path)
    ids = list(range(40, 76))
    images = bench.images(ids=ids)
    assert len(images) == 36 and len(bench.scores(images)) == 36
    assert np.abs(images[32:].astype(int) - bench.images(ids=ids[32:]).astype(int)).max() <= 1
    v = torch.randn(3, *bench.sample.h_shape, generator=torch.Generator().manual_seed(0))
    edited = [bench.images([Add(v, 3.0)], ids[:4], **more) for more in ({}, {"asyrp": True}, {"eta": 0.0})]
    assert all((each != images[:4]).any() for each in edited) and (edited[0] != edited[1]).any()


def test_the_markdown_has_a_row_a_claim_and_why_one_does_not_hold():
    found = [
        Claim("adds", "Fig. 2b", "|a - b| / |b|: 0.1", True),
        Claim("is local", "Fig. 6", "1.0", False, "Tested: it is not."),
    ]
    head, rule, *rows = claims.markdown(found).split("\n")
    assert head == "| claim | the paper | measured | holds | if not, why |"
    assert [len(re.split(r"(?<!\\)\|", row)) - 2 for row in (head, rule, *rows)] == [5] * 4
    assert rows[0] == r"| adds | Fig. 2b | \|a - b\| / \|b\|: 0.1 | yes |  |"
    assert rows[1].endswith("| **no** | Tested: it is not. |")
    assert claims.markdown([Claim("adds", "Fig. 2b", "2", False)]).endswith("| **no** | The cause was not tested. |")


def test_measures_are_listed_in_order():
    names = [measure.__name__ for measure in claims.MEASURES]
    expected = ["components", "offsets", "swapping", "transfer_and_table", "adding", "examples", "asyrp", "masked"]
    assert names == expected


@pytest.mark.parametrize("holds", [True, False])
def test_measures_run_in_their_order_and_all_must_hold(monkeypatch, capsys, holds):
    def first(bench: Bench):
        yield Claim("one", "Fig. 1", "1", True, figures={"figure": np.float32(0.5), "unknown": np.nan})
        yield Claim("two", "Fig. 2", "2", holds)

    def second(bench: Bench):
        yield Claim("three", "Fig. 3", "3", True)

    monkeypatch.setattr(claims, "MEASURES", (first, second))
    monkeypatch.setattr("sys.argv", ["claims", "--quick"])
    assert claims.main() == (0 if holds else 1)
    *lines, last = capsys.readouterr().out.splitlines()
    answer = json.loads(last)
    assert (answer["figures"], answer["holds"]) == ({"claims": 3, "hold": 3 if holds else 2, "figure": 0.5}, holds)
    rows = [line for line in lines if line.startswith("| ")]
    assert [row.split(" | ")[0] for row in rows] == ["| claim", "| ---", "| one", "| two", "| three"]
