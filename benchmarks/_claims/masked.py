"""Directions of single images inside a mask (Fig. 6)."""

from collections.abc import Iterator

import numpy as np

from benchmarks._claims.bench import Bench, Claim
from pipeline.annotators.registry import mask
from pipeline.stages.finders.finder import read_rows
from pipeline.stages.finders.jacobian_directions import JacobianDirections
from pipeline.stages.finders.jacobian_subspaces import JacobianSubspaces
from pipeline.stages.measures.locality import Locality


def masked(bench: Bench) -> Iterator[Claim]:
    at = tuple(sorted({bench.size.steps * quarter // 4 for quarter in (1, 2, 3)}))
    regions = {"image": None, "eyes": mask("eyes"), "mouth": mask("mouth")}
    finders = [
        JacobianDirections(
            JacobianSubspaces(bench.sample, tuple(range(bench.size.jacobians)), at, 4, region), bench.sample, 3
        )
        for region in regions.values()
    ]
    evaluation = bench.measured(finders, (-4.0, 4.0), bench.size.few)
    locality = Locality(evaluation.edit, tuple(region for region in regions.values() if region))
    store = bench.made(locality)
    table = store.table(locality, "locality.parquet").to_pandas()
    found_in = table["direction"].map({row["name"]: row["mask"] for row in read_rows(store, tuple(finders))})
    ratio = np.exp(np.log(table["ratio"]).groupby([table["region"], found_in]).mean())
    yield Claim(
        "Jacobian directions found inside a mask change the image there",
        "local edits (Fig. 6)",
        "squared change per area, inside over outside, masked against unmasked: "
        + ", ".join(f"{name} {ratio[name, name]:.1f} against {ratio[name, 'image']:.1f}" for name in ("eyes", "mouth"))
        + f" (found in {bench.size.jacobians} images; {bench.drawn})",
        bool(all(ratio[name, name] > max(2, ratio[name, "image"]) for name in ("eyes", "mouth"))),
    )
