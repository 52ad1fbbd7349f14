"""Directions of single images inside a mask (Fig. 6)."""

from collections.abc import Iterator

import numpy as np

from benchmarks._claims.bench import Bench, Claim
from benchmarks._claims.statistics import Interval, of_mean
from pipeline.annotators.registry import mask
from pipeline.stages.finders.finder import read_rows
from pipeline.stages.finders.jacobian_directions import JacobianDirections
from pipeline.stages.finders.jacobian_subspaces import JacobianSubspaces
from pipeline.stages.measures.locality import Locality

LOCAL = ("eyes", "mouth")  # regions
TIMES = 2  # what masked directions must change inside, over outside
DIRECTIONS = 8  # of each region


def masked(bench: Bench) -> Iterator[Claim]:
    at = tuple(sorted({bench.size.steps * quarter // 4 for quarter in (1, 2, 3)}))
    regions = {"image": None} | {name: mask(name) for name in LOCAL}
    finders = [
        JacobianDirections(
            JacobianSubspaces(bench.sample, tuple(range(bench.size.jacobians)), at, DIRECTIONS, region),
            bench.sample,
            DIRECTIONS,
        )
        for region in regions.values()
    ]
    evaluation = bench.measured(finders, (-4.0, 4.0), max(2, bench.size.few // 2))
    locality = Locality(evaluation.edit, tuple(region for region in regions.values() if region))
    store = bench.made(locality)
    table = store.table(locality, "locality.parquet").to_pandas()
    found_in = table["direction"].map({row["name"]: row["mask"] for row in read_rows(store, tuple(finders))})
    logs = np.log(table["ratio"]).groupby([table["region"], found_in, table["direction"]]).mean()
    ratio = {(name, where): of_logs(logs[name, where].to_numpy()) for name in LOCAL for where in (name, "image")}
    yield Claim(
        "Jacobian directions found inside a mask change the image there",
        "local edits (Fig. 6)",
        "squared change per area, inside over outside, masked against unmasked: "
        + ", ".join(
            f"{name} {ratio[name, name].said('.1f')} against {ratio[name, 'image'].said('.1f')}" for name in LOCAL
        )
        + f" ({DIRECTIONS} directions each, found in {bench.size.jacobians} images; {evaluation.edit.n} held-out samples)",
        is_local(ratio),
        figures={f"inside_over_outside_{name}_{where}": one.value for (name, where), one in ratio.items()},
    )


def is_local(ratio: dict[tuple[str, str], Interval]) -> bool:
    """Whether directions found inside a region change it TIMES as much as the rest, and more than unmasked ones do.

    Ratios by region and by where directions were found.
    """
    return all(ratio[name, name].value > max(TIMES, ratio[name, "image"].value) for name in LOCAL)


def of_logs(logs: np.ndarray) -> Interval:
    """The geometric mean of ratios given as logarithms."""
    mean = of_mean(logs)
    return Interval(*(float(np.exp(each)) for each in (mean.value, mean.low, mean.high)))
