"""What directions do to samples that they were not found on (Fig. 2b, 5), before and after the projection (Table I)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmarks._claims.bench import ATTRIBUTES, Bench, Claim
from pipeline.hspace.edits import Add
from pipeline.metrics.effects import on_and_off_target
from pipeline.stages.finders.disentangle import Disentangle
from pipeline.stages.finders.finder import read_rows


def transfer_and_table(bench: Bench) -> Iterator[Claim]:
    """Table I's protocol: 100 samples of each of 10 seeds, before and after the projection."""
    finders = [bench.difference, Disentangle(bench.difference)]
    evaluation = bench.measured(finders, (1.0,), bench.size.many, bench.size.seeds)
    store = bench.made(evaluation)
    effects = store.table(evaluation, "effects.parquet").to_pandas()
    scores = store.table(evaluation.scored, "scores.parquet").to_pandas()
    targets = [{row["name"]: row["attribute"] for row in read_rows(store, (finder,))} for finder in finders]
    n = f"{bench.size.many} samples x {bench.size.seeds} seeds, strength 1"
    yield transferred(at_home(bench), away(scores, targets[0]), bench.std, f"{n}; {2 * bench.size.few} of its own run")
    effects = effects[effects["attribute"].isin(bench.attributes)]
    before, after = (table_one(effects, each, bench.attributes) for each in targets)
    yield Claim(
        "Projection raises the ratio of on-target to mean off-target effect",
        "on .478 to .408, off .361 to .115, ratio 1.33 to 3.55 (Table I)",
        f"on {before.on:.2f} to {after.on:.2f}, off {before.off:.2f} to {after.off:.2f}, "
        f"ratio {before.ratio:.2f} to {after.ratio:.2f} ({n})",
        after.ratio > 1.1 * before.ratio,
    )
    yield Claim(
        "After projection the target is the largest effect in every row",
        "2 of 5 before, 5 of 5 after (Table I)",
        f"{before.top} of {len(bench.attributes)} before, {after.top} of {len(bench.attributes)} after{after.others}; "
        f"largest spread over seeds {max(before.seeds, after.seeds):.2f} ({n})",
        after.top == len(bench.attributes),
    )


@dataclass(frozen=True)
class TableOne:
    """What is said of a table of effects, a row a direction: means over the rows, and how many have their largest on target."""

    on: float
    off: float  # mean absolute effect on the other attributes
    top: int
    others: str  # the rows that have not, in words
    seeds: float  # largest spread of an effect over seeds

    @property
    def ratio(self) -> float:
        return self.on / self.off


def table_one(effects: pd.DataFrame, targets: dict[str, str], attributes: Sequence[str] = ATTRIBUTES) -> TableOne:
    """Of the effects of these directions, each with its attribute."""
    rows = on_and_off_target(effects, targets)
    absolute = rows[list(attributes)].abs().to_numpy()
    on = rows["on_target"].to_numpy()
    off = (absolute.sum(axis=1) - np.abs(on)) / (len(attributes) - 1)
    own = effects[effects["direction"].isin(targets)]
    missed = rows[on <= rows["off_target"]]
    others = [
        f"{row['target']} {row['on_target']:.2f}, but {row[list(attributes)].drop(row['target']).abs().astype(float).idxmax()} "
        f"{row['off_target']:.2f}"
        for _, row in missed.iterrows()
    ]
    return TableOne(
        on=float(on.mean()),
        off=float(off.mean()),
        top=len(rows) - len(missed),
        others=f" ({'; '.join(others)})" if others else "",
        seeds=float(own["std_over_seeds"].max()),
    )


def at_home(bench: Bench) -> dict[str, float]:
    """Mean change of each target, in the judge's unit, on the first samples of the run that the directions were found in."""
    ids = range(2 * bench.size.few)
    before = bench.scores(bench.images(ids=ids))
    edited = {name: bench.scores(bench.images([Add(v)], ids=ids)) for name, v in bench.directions.items()}
    return {name: float((scores[name] - before[name]).mean()) for name, scores in edited.items()}


def away(scores: pd.DataFrame, targets: dict[str, str]) -> dict[str, np.ndarray]:
    """Change of each target in each held-out sample, in the judge's unit. scores: of edits and of their unedited counterparts."""
    by_sample = scores.set_index(["direction", "attribute", "sample_id"])["score"].sort_index()
    return {
        target: (by_sample[name, target] - by_sample["unedited", target]).to_numpy() for name, target in targets.items()
    }


def transferred(home: dict[str, float], held_out: dict[str, np.ndarray], std: pd.Series, n: str) -> Claim:
    """Whether held-out samples move the way that a direction says, and about as far as those that it was found on."""
    rises = {name: float((change > 0).mean()) for name, change in held_out.items()}
    said = (
        f"{name} {change.mean() / std[name]:.2f} ({home[name] / std[name]:.2f}), {rises[name]:.0%}"
        for name, change in held_out.items()
    )
    return Claim(
        "A direction found on some samples does the same to others",
        "shown (Fig. 2b, 5)",
        f"effect on held-out samples (on its own run's), share that rises: {'; '.join(said)} ({n})",
        all(rises[name] > 0.8 and change.mean() >= 0.75 * home[name] > 0 for name, change in held_out.items()),
    )
