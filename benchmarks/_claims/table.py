"""What directions do to samples that they were not found on (Fig. 2b, 5), before and after the projection (Table I)."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from benchmarks._claims.bench import Bench, Claim
from benchmarks._claims.statistics import Interval, at_equal_scores, bootstrapped
from pipeline.estimators.projection import project
from pipeline.hspace.edits import Add
from pipeline.metrics.intervals import over_the_largest_other
from pipeline.stages.finders.disentangle import Disentangle
from pipeline.stages.finders.finder import read_directions, read_rows
from pipeline.stages.finders.linear_classifier import LinearClassifier

SAME = (0.75, 1.25)  # an effect away over that at home, within which the whole 90 % interval lies
RAISED = 1.0  # ratio after the projection over that before, that the whole interval lies above
LARGEST = 1.0  # effect on target over the largest on anything else, that the whole interval lies above, in every row


def transfer_and_table(bench: Bench) -> Iterator[Claim]:
    """Table I's protocol, on fewer samples than its 10 seeds of 100: before and after the projection."""
    finders = [bench.difference, Disentangle(bench.difference)]
    evaluation = bench.measured(finders, (1.0,), bench.size.many, bench.size.seeds)
    store = bench.made(evaluation)
    scores = store.table(evaluation.scored, "scores.parquet").to_pandas()
    targets = [{row["name"]: row["attribute"] for row in read_rows(store, (finder,))} for finder in finders]
    before, after = (moves(scores, each, bench.std, bench.attributes) for each in targets)
    own = unedited(scores, bench.std)
    n = f"{bench.size.many} held-out samples of {bench.size.seeds} seeds each, strength 1"
    yield transferred(
        *at_home(bench, len(own)), before, own, {name: bench.room(own[name]) for name in bench.attributes}, n
    )
    n += "; the paper has 100 of 10"
    yield raised(before, after, n)
    yield largest(before, after, n, lambda: causes(bench, after, own))


Moves = dict[
    str, pd.DataFrame
]  # by target: the change of each attribute, a column, in each sample, a row, in standard deviations


def moves(scores: pd.DataFrame, targets: dict[str, str], std: pd.Series, attributes: Sequence[str]) -> Moves:
    """Changes of held-out samples by these directions. scores: of edits and of their unedited counterparts, in the judge's unit."""
    wide = scores.pivot(index=["direction", "sample_id"], columns="attribute", values="score")[list(attributes)]
    return {target: (wide.loc[name] - wide.loc["unedited"]) / std[list(attributes)] for name, target in targets.items()}


def unedited(scores: pd.DataFrame, std: pd.Series) -> pd.DataFrame:
    """Scores of unedited held-out samples in the judge's unit, by sample."""
    rows = scores[scores["direction"] == "unedited"]
    return rows.pivot(index="sample_id", columns="attribute", values="score")[list(std.index)]


# Transfer


def at_home(bench: Bench, n: int) -> tuple[Moves, pd.DataFrame]:
    """Changes of the first n samples of the run that the directions were found in, and their unedited scores."""
    ids = range(min(n, bench.size.samples))
    edited = {name: bench.changes(bench.images([Add(v)], ids), ids) for name, v in bench.directions.items()}
    return edited, bench.scores(bench.before(ids))


def transferred(
    home: Moves, home_own: pd.DataFrame, held_out: Moves, own: pd.DataFrame, room: dict[str, np.ndarray], n: str
) -> Claim:
    """Whether held-out samples move as far as those that the directions were found on, at equal unedited scores."""
    ratios, said, as_it_is = {}, [], []
    figures: dict[str, float] = {}
    for name, changes in held_out.items():
        there, here = changes[name].to_numpy(), home[name][name].to_numpy()
        ratios[name] = ratio = at_equal_scores(here, home_own[name].to_numpy(), there, own[name].to_numpy())
        rises, with_room = (there > 0).mean(), share_of(there[room[name]] > 0)
        bound = float(np.corrcoef(there, own[name])[0, 1])
        as_it_is.append(f"{name} {there.mean() / here.mean():.2f}")
        shares = f"{rises:.0%} and {with_room:.0%}"
        said.append(f"{name} {ratio.said()}, rises in {shares} (r = {bound:.2f})")
        figures |= {
            f"transfer_{name}": ratio.value,
            f"transfer_{name}_low": ratio.low,
            f"transfer_{name}_high": ratio.high,
            f"rises_{name}": float(rises),
            f"rises_with_room_{name}": with_room,
            f"transfer_{name}_own_r": bound,
        }
    return Claim(
        "A direction found on some samples does the same to others",
        "shown (Fig. 2b, 5)",
        "effect on held-out samples over that on the samples it was found on, at equal unedited scores (90 % interval); share that "
        "rises, of all and of those that do not show it yet; r, how the change goes with the unedited score: "
        f"{'; '.join(said)} ({n}; as many of its own)",
        same(ratios),
        "Tested: whether other unedited scores explain it: the ratios beside are at equal ones, and as the samples are they are "
        f"{', '.join(as_it_is)}.",
        figures,
    )


def share_of(those: np.ndarray) -> float:
    """The share of samples that are, NaN of none."""
    return float(those.mean()) if len(those) else np.nan


def same(ratios: dict[str, Interval]) -> bool:
    """Whether every effect is the same within a quarter, with its whole interval."""
    return all(SAME[0] <= ratio.low and ratio.high <= SAME[1] for ratio in ratios.values())


# Table I


@dataclass(frozen=True)
class TableOne:
    """What is said of changes, a row a direction."""

    on: float  # mean effect on target
    off: float  # mean absolute effect on the other attributes
    largest: dict[str, Interval]  # by target: its effect over the largest on anything else
    rows: dict[str, str]  # the same in words

    @property
    def ratio(self) -> float:
        return self.on / self.off

    @property
    def top(self) -> int:
        """Rows whose target is the largest, with the whole interval."""
        return sum(one.low > LARGEST for one in self.largest.values())

    @property
    def said(self) -> str:
        """How many rows have it, and what the others do."""
        missed = [self.rows[name] for name, one in self.largest.items() if not one.low > LARGEST]
        return f"{self.top} of {len(self.largest)}" + (f" ({'; '.join(missed)})" if missed else "")


def on_and_off(changes: Moves, rows: np.ndarray | slice = slice(None)) -> tuple[float, float]:
    """Mean effect on target, and mean absolute effect on others, of some samples."""
    effects = {target: table.to_numpy()[rows].mean(axis=0) for target, table in changes.items()}
    on = [effects[target][list(table).index(target)] for target, table in changes.items()]
    absolute = sum(float(np.abs(each).sum()) for each in effects.values()) - sum(map(abs, on))
    attributes = len(next(iter(changes.values())).columns)
    return float(np.mean(on)), absolute / len(on) / (attributes - 1)


def table_one(changes: Moves) -> TableOne:
    on, off = on_and_off(changes)
    largest, rows = {}, {}
    for target, table in changes.items():
        effects = table.mean()
        others = effects.drop(target)
        other = str(others.abs().idxmax())
        low, high = over_the_largest_other(table.to_numpy(float), np.full(table.shape[1], np.nan))
        at, sign = list(table).index(target), np.sign(effects[target])
        ends = (low[at], high[at]) if sign > 0 else (-high[at], -low[at])
        largest[target] = Interval(float(effects[target] / abs(others[other])), float(ends[0]), float(ends[1]))
        rows[target] = f"{target} {effects[target]:.2f} beside {other} {others[other]:.2f}"
    return TableOne(on, off, largest, rows)


def raised(before: Moves, after: Moves, n: str) -> Claim:
    """Whether the projection raises the ratio of on to off target."""
    first, second = table_one(before), table_one(after)

    rise = risen(before, after)
    kept = [name for name, one in second.largest.items() if one.low > LARGEST]
    left = risen(*({name: each[name] for name in kept} for each in (before, after))) if kept else None
    return Claim(
        "Projection raises the ratio of on-target to mean off-target effect",
        "on .478 to .408, off .361 to .115, ratio 1.33 to 3.55 (Table I)",
        f"on {first.on:.2f} to {second.on:.2f}, off {first.off:.2f} to {second.off:.2f}, "
        f"ratio {first.ratio:.2f} to {second.ratio:.2f}: {rise.said()} times ({n})",
        rises(rise),
        f"Tested: whether the rows of which the target is not the largest hide it. Of the others, {', '.join(kept)}: "
        f"{left.said()} times."
        if left
        else "Tested: whether a row is left of which the target is the largest: none is.",
        {
            "table_ratio_before": first.ratio,
            "table_ratio_after": second.ratio,
            "table_rise": rise.value,
            "table_rise_low": rise.low,
        },
    )


def risen(before: Moves, after: Moves) -> Interval:
    """The ratio of on to off target after the projection over that before, over samples."""

    def factor(rows: np.ndarray) -> float:
        (on, off), (on_after, off_after) = (on_and_off(each, rows) for each in (before, after))
        return (on_after / off_after) / (on / off)

    return bootstrapped(factor, len(next(iter(before.values()))))


def rises(rise: Interval) -> bool:
    return rise.low > RAISED


def largest(before: Moves, after: Moves, n: str, tested: Callable[[], dict[str, TableOne]]) -> Claim:
    """Whether the target is the largest effect in every row after the projection."""
    first, second = table_one(before), table_one(after)
    tables = tested()
    return Claim(
        "After projection the target is the largest effect in every row",
        "2 of 5 before, 5 of 5 after (Table I)",
        f"{first.said} before, {second.said} after; on target over the largest other: "
        + ", ".join(f"{name} {one.said()}" for name, one in second.largest.items())
        + f" ({n})",
        every_row(second),
        "Tested: the target is the largest in "
        + "; ".join(f"{table.said} {how}" for how, table in tables.items())
        + ".",
        {"rows_before": first.top, "rows_after": second.top}
        | {f"row_{name}": one.value for name, one in second.largest.items()}
        | {f"row_{name}_low": one.low for name, one in second.largest.items()}
        | {f"rows_tested_{i}": table.top for i, table in enumerate(tables.values())},
    )


def every_row(table: TableOne) -> bool:
    return table.top == len(table.largest)


def causes(bench: Bench, after: Moves, own: pd.DataFrame) -> dict[str, TableOne]:
    """The same table otherwise: what the overshoot may come from, one at a time. By what was done, in words."""
    ids = [int(each) for each in own.index[: len(own) // 2]]
    ridge = LinearClassifier(bench.labels, bench.annotator.name, bench.attributes, bench.size.top)
    _, vectors = read_directions(bench.made(ridge), (ridge,))
    normals = {row["attribute"]: vectors[row["name"]] for row in read_rows(bench.made(ridge), (ridge,))}
    means = {name: v.numpy() for name, v in bench.directions.items()}
    attributes = list(bench.attributes)

    def measured(directions: dict[str, np.ndarray], conditions: dict[str, np.ndarray], both: bool) -> Moves:
        found = {}
        for name in directions:
            v = projected(name, directions, conditions)
            up = bench.changes(bench.images([Add(v)], ids), ids)[attributes]
            found[name] = (up - bench.changes(bench.images([Add(v, -1.0)], ids), ids)[attributes]) / 2 if both else up
        return found

    with_room = {name: table[bench.room(own[name])] for name, table in after.items()}
    missed = {name: means[name] for name, one in table_one(after).largest.items() if not one.low > LARGEST}
    two_sided = {"of those rows two-sided (half of + less -)": measured(missed, means, True)} if missed else {}
    tables = {
        "among samples that do not show the target yet": with_room,
        **two_sided,
        "where normals of linear classifiers are projected away from the differences of means": measured(
            means, normals, False
        ),
        "where normals are projected away from normals": measured(normals, normals, False),
    }
    return {how: table_one({name: t for name, t in each.items() if len(t) > 2}) for how, each in tables.items()}


def projected(name: str, directions: dict[str, np.ndarray], conditions: dict[str, np.ndarray]) -> torch.Tensor:
    """A direction without what it shares with the conditions of other attributes (Eq. 12), at its norm."""
    found = project(directions[name], np.stack([v for other, v in conditions.items() if other != name]))
    return torch.from_numpy(found.v / found.kept).float()
