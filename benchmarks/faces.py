"""The whole job on the bundled model, against what a published method must show: `python -m benchmarks.faces [--quick]`.

Runs `jobs.portraits --dtype auto` in a fresh folder, as `make demo` does, then once more; reads the catalog it made and checks it.
The opponent of the disentangled directions is the paper's plain difference of means (Eq. 11), measured in the same run by the same
judge on the same held-out samples, with random directions of the same norms as the control.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from rich.console import Console
from rich.table import Table
from safetensors.numpy import load_file

from benchmarks import _agreement as agreement
from benchmarks._measured import JUDGE
from benchmarks._report import verdict
from pipeline.annotators.registry import annotator
from pipeline.batches import batches
from pipeline.domains import portraits
from pipeline.metrics.best import reported
from pipeline.metrics.control import control_spreads, largest_control
from pipeline.models import pretrained
from pipeline.stages.measures.edit import Row, sample_edited
from pipeline.stages.sources.sample import Sample
from pipeline.stages.sources.sample_ids import FRESH

# The project's own bar for the demo: time on two cores, and effects in standard deviations of each attribute.
TARGETS = {
    "seconds": ("<=", 480),
    "seconds_again": ("<=", 20),
    "attributes_clean": (">=", 5),  # with a strength where all else stays under a third of the target
    "attributes_clean_at_1": (">=", 5),  # and the target moves by 1.0 or more
    "target_largest_in_row": (">=", 5),
    # mean on/off ratio against Eq. 11's: both at the strength that selection samples chose for the recommended direction, as in the
    # paper's Table I; the figures beside it, without a target, have Eq. 11 at its own, and ratios of means in place of mean ratios
    "on_off_ratio_gain": (">=", 2.0),
    # of any single random direction of the median norm at strength 1, on any attribute; beside it the same of random directions as
    # long as the longest one, age, which is 3.7 times as long
    "largest_control": ("<=", 0.15),
    "components_moving_1": (">=", 2),  # of the first ten principal components: something, significantly
    # Directions of single images, found inside a mask, on samples that they were not found on:
    "masked_moves": (
        ">=",
        1.0,
    ),  # the largest significant effect on open eyes or the smile of one found in a sample's eyes or mouth
    # change per area inside the region over outside, geometric mean over directions and strengths, over that of unmasked ones
    "eyes_concentration": (">", 1.0),
    "mouth_concentration": (">", 1.0),
    # A strength of 1.0 means the same for every direction, on samples that nothing else sees:
    "calibrated_recommended": (">=", 5),  # of the five recommended directions
    "calibrated_lowest": (">=", 0.7),  # standard deviations, of all that were measured
    "calibrated_highest": ("<=", 1.3),
    "page_and_card_disagree": ("<=", 0),  # attributes; beside it those that our README says otherwise of
}
UNSUPERVISED = 5  # directions whose calibration is checked, beside the recommended ones
QUICK = ["--samples", "128", "--steps", "8", "--top", "24", "--held-out", "4"]
RECOMMENDED = ("ridge", "linear-discriminant")  # disentangled, the better one of an attribute
PLAIN = "mean-difference"


def main() -> int:
    quick = "--quick" in sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="hspace-") as folder:
        seconds = run(Path(folder), quick)
        seconds_again = run(Path(folder), quick)
        [catalog] = Path(folder).glob("catalog-*/00000-*")
        effects = pd.read_parquet(catalog / "effects.parquet")
        effects = effects[effects["judge"] == JUDGE]
        directions = pd.read_parquet(catalog / "directions.parquet")
        locality = pd.read_parquet(catalog / "locality.parquet")
        profiles = pd.read_parquet(catalog / "profiles.parquet")
        chosen = pd.read_parquet(catalog / "best.parquet")
        about = json.loads((catalog / "catalog.json").read_text())
        stages = about["stages"]
        [explorer] = Path(folder).glob("explorer-*/00000-*")
        told = [
            agreement.of_card((catalog / "README.md").read_text(), about["recommended"]),
            agreement.of_pages((explorer / "index.html").read_text()),
        ]
        vectors = load_file(catalog / "directions.safetensors")
        controls = measure_controls(effects, directions, stages, Path(folder))

    targets = dict(directions.dropna(subset="attribute")[["name", "attribute"]].to_numpy())
    best = reported(effects, targets, chosen)
    recommended = best.loc[[name for name in about["recommended"].values() if name in best.index]]
    figures = {
        "seconds": round(seconds, 1),
        "seconds_again": round(seconds_again, 1),
        **measure(effects, targets, directions, best, recommended),
    }
    told.append(agreement.of_readme((Path(__file__).parents[1] / "README.md").read_text()))
    figures |= {"page_and_card_disagree": len(agreement.disagreements(*told[:2]))}
    figures |= {"readme_disagrees": len(agreement.disagreements(*told))}
    figures |= controls
    figures |= measure_masked(effects, directions, locality)
    show(best)
    calibrated = measure_calibrated(effects, recommended, profiles, vectors, about["sampling"]["dtype"], quick)
    show_calibrated(calibrated)
    figures |= {
        "calibrated_recommended": int(calibrated.index.isin(recommended.index).sum()),
        "calibrated_directions": len(calibrated),
        "calibrated_lowest": round(float(calibrated["effect"].min()), 2),
        "calibrated_highest": round(float(calibrated["effect"].max()), 2),
    }
    return verdict("faces", figures, TARGETS)


def run(root: Path, quick: bool) -> float:
    started = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "jobs.portraits", "--dtype", "auto", "--root", str(root), *(QUICK if quick else [])],
        check=True,
    )
    return time.monotonic() - started


def made_by(directions: pd.DataFrame, *methods: str, disentangled: bool = False) -> set[str]:
    """The directions that these methods made, as they were fitted or after everything else was projected away."""
    projected = directions["parents"].notna() & directions["trials"].isna()
    kept = projected if disentangled else directions["parents"].isna()
    return set(directions.loc[kept & directions["method"].isin(methods), "name"])


def measure(
    effects: pd.DataFrame,
    targets: dict[str, str],
    directions: pd.DataFrame,
    best: pd.DataFrame,
    recommended: pd.DataFrame,
) -> dict[str, float]:
    """best: of all directions at the strengths that selection samples chose; recommended: those of the directions to use."""
    recommended = recommended.set_index("target")
    differences = made_by(directions, PLAIN)
    plain = best[best.index.isin(differences)]
    before = same_strength(effects, targets, differences, recommended["strength"])
    significant = effects[effects["significant"].eq(True)]
    components = significant[significant["direction"].isin(made_by(directions, "principal-components"))]
    moved = components.groupby("direction")["effect"].apply(lambda effect: effect.abs().max())
    return {
        "attributes_clean": int(recommended["clean"].sum()),
        "attributes_clean_at_1": int((recommended["clean"] & (recommended["on_target"] >= 1)).sum()),
        "target_largest_in_row": int((recommended["on_target"] > recommended["off_target"]).sum()),
        "on_off_ratio_gain": round(float(recommended["ratio"].mean() / before["ratio"].mean()), 2),
        "on_off_ratio_gain_own_best": round(float(recommended["ratio"].mean() / plain["ratio"].mean()), 2),
        "on_off_gain_of_means": round(_of_means(recommended) / _of_means(before), 2),
        "on_off_gain_of_means_own_best": round(_of_means(recommended) / _of_means(plain), 2),
        "components_moving_1": int((moved >= 1).sum()),
    }


def measure_controls(
    effects: pd.DataFrame, directions: pd.DataFrame, stages: list[dict], root: Path
) -> dict[str, float]:
    """Of the random directions beside the supervised ones: those of their median norms, and those as long as the longest.

    They were measured as far out as the supervised ones were; here each is brought to the norm of these at strength 1, by the power
    of the norm with which effects of random directions were found to grow.
    """
    norms = directions.loc[directions["name"].isin(made_by(directions, *RECOMMENDED, disentangled=True)), "norm"]
    median, largest = (random_norms(stages, kind, root) for kind in ("median", "largest"))
    own = effects[effects["direction"].isin([*median, *largest])]
    power = next(iter(control_spreads(own, {**median, **largest}).values())).power.value

    def at_one(random: dict[str, float], norm: float) -> float:
        mine = own[own["direction"].isin(list(random))]
        offsets = mine["strength"].abs() * mine["direction"].map(random)
        return round(float(largest_control(mine.assign(effect=mine["effect"] * (norm / offsets) ** power)).max()), 3)

    return {
        "largest_control": at_one(median, norms.median()),
        "largest_control_of_the_longest": at_one(largest, norms.max()),
    }


def random_norms(stages: list[dict], kind: str, root: Path) -> dict[str, float]:
    """The norms of the random directions of this kind."""
    [made] = [each for each in stages if each["stage"] == "random-directions" and each["settings"]["norms"] == kind]
    [path] = root.glob(f"random-directions-{made['fingerprint']}/00000-*/directions.parquet")
    table = pd.read_parquet(path)
    return dict(table[["name", "norm"]].to_numpy())


def _of_means(rows: pd.DataFrame) -> float:
    """Mean effect on target over mean largest effect off target."""
    return float(rows["on_target"].mean() / rows["off_target"].mean())


def measure_calibrated(
    effects: pd.DataFrame,
    recommended: pd.DataFrame,
    profiles: pd.DataFrame,
    vectors: dict[str, np.ndarray],
    dtype: str,
    quick: bool,
) -> pd.DataFrame:
    """What a calibrated strength of 1.0 does on samples that no strength was calibrated on: it should be 1 standard deviation.

    Of the recommended directions, and of the most useful unsupervised ones; at -1.0 where it is the fall that was calibrated.
    """
    known = profiles.dropna(subset="strength_per_sd").set_index("direction")
    unsupervised = known.dropna(subset="rank").sort_values("rank").index[:UNSUPERVISED]
    chosen = known.loc[[*(name for name in recommended.index if name in known.index), *unsupervised]]
    steps = len(next(iter(vectors.values())))
    sample = Sample(pretrained.find(str(portraits.MODEL)), 1, steps, dtype=dtype)
    loaded, score = sample.load(), annotator(JUDGE).load()
    ids = FRESH[: 4 if quick else 56]

    def scores(name: str, strength: float) -> pd.DataFrame:
        rows = [Row(name, 0, strength, 0, i) for i in ids]
        v = {name: torch.from_numpy(vectors[name])} if strength else {}
        images = np.concatenate(
            [sample_edited(sample, loaded, rows[some], v) for some in batches(len(rows), sample.batch)]
        )
        return pd.DataFrame(score(images), columns=list(annotator(JUDGE).attributes))

    unedited = scores("unedited", 0.0)
    std = (effects["raw"] / effects["effect"]).groupby(effects["attribute"]).median()
    sense = chosen["strength_by"].map({"rise": 1, "fall": -1})
    change = [
        sense[name]
        * (scores(str(name), sense[name] * row["strength_per_sd"]) - unedited)[row["target"]].mean()
        / std[row["target"]]
        for name, row in chosen.iterrows()
    ]
    return chosen[["target", "strength_per_sd", "strength_by"]].assign(effect=change)


def show_calibrated(calibrated: pd.DataFrame) -> None:
    table = Table(
        "direction", "target", "strength per SD", "by its", "moved at a calibrated 1.0", box=None, header_style="bold"
    )
    for name, row in calibrated.iterrows():
        table.add_row(
            str(name), row["target"], f"{row['strength_per_sd']:+.2f}", row["strength_by"], f"{row['effect']:+.2f}"
        )
    Console(width=110).print(table)


def measure_masked(effects: pd.DataFrame, directions: pd.DataFrame, locality: pd.DataFrame) -> dict[str, float]:
    """Of the directions that were found in single images: what masked ones move, and where."""
    single = directions.dropna(subset="sample_id")
    masked = single.loc[single["mask"].isin(["eyes", "mouth"]), "name"]
    moved = effects[effects["direction"].isin(masked) & effects["attribute"].isin(["eyes_open", "smile"])]
    significant = moved.loc[moved["significant"].eq(True), "effect"]
    figures = {"masked_moves": round(float(significant.abs().max()), 2) if len(significant) else 0.0}
    found_in = locality["direction"].map(directions.set_index("name")["mask"])
    ratio = np.exp(np.log(locality["ratio"]).groupby([locality["region"], found_in]).mean())
    for region in ("eyes", "mouth"):
        figures[f"{region}_concentration"] = round(float(ratio[region, region] / ratio[region, "image"]), 2)
    return figures


def same_strength(
    effects: pd.DataFrame, targets: dict[str, str], differences: set[str], strengths: pd.Series
) -> pd.DataFrame:
    """The plain differences of means at the strength (by attribute) of the direction that each is compared with.

    All have the same norm. Effects are read off straight lines between the measured strengths, from 0 at 0.
    """
    rows = []
    for name in sorted(differences):
        wide = effects[effects["direction"] == name].pivot(index="strength", columns="attribute", values="effect")
        wide.loc[0.0] = 0.0
        wide, at = wide.sort_index(), float(strengths[targets[name]])
        read = pd.Series({each: np.interp(at, wide.index, wide[each]) for each in wide})
        on, off = np.sign(at) * read[targets[name]], read.drop(targets[name]).abs().max()
        rows.append({"direction": name, "on_target": on, "off_target": off, "ratio": on / off})
    return pd.DataFrame(rows)


def show(best: pd.DataFrame) -> None:
    table = Table("direction", "strength", "on target", "off target", "ratio", "clean", box=None, header_style="bold")
    for name, row in best.iterrows():
        numbers = [f"{row[column]:+.2f}" for column in ("strength", "on_target", "off_target", "ratio")]
        table.add_row(str(name), *numbers, "yes" if row["clean"] else "no")
    Console(width=110).print(table)


if __name__ == "__main__":
    sys.exit(main())
