"""Estimators of directions side by side, on the bundled model: `python -m benchmarks.estimators [--quick]`.

Supervised, fitted on 50, 200 and 1,000 labelled samples, each with the norm of the mean difference at every step:

    mean difference          Eq. 11 of Haas et al. 2024: the paper's
    matched mean difference  Eq. 11 within strata, so that positives and negatives show two other attributes alike
    logistic, ridge          normals of linear classifiers
    linear discriminant      how h moves when one score alone rises, weighed against how h varies
    adjusted difference      the same without the weighing

Unsupervised, ten each: the paper's principal components of every step, components matched across the steps, and those of whole
trajectories (joint): each one standard deviation long, or as long as a trajectory's.

All are measured by the judge on the same held-out samples. Effects are in standard deviations; on target and the largest off target
are means over both strengths and over the attributes. A component's focus is the share of its largest effect in all its effects.
"""

import sys
import tempfile

import pandas as pd
from rich.console import Console
from rich.table import Table

from benchmarks._measured import make, measured
from benchmarks._report import verdict
from pipeline.annotators.registry import annotator
from pipeline.domains import portraits
from pipeline.engine.store import Store
from pipeline.metrics.effects import on_and_off_target
from pipeline.models import pretrained
from pipeline.stages.finders.disentangle import Disentangle
from pipeline.stages.finders.linear_classifier import LinearClassifier
from pipeline.stages.finders.linear_discriminant import LinearDiscriminant
from pipeline.stages.finders.mean_difference import MeanDifference
from pipeline.stages.finders.principal_components import PrincipalComponents
from pipeline.stages.finders.supervised import Supervised
from pipeline.stages.labels.annotate import Annotate
from pipeline.stages.measures.evaluate import Evaluate
from pipeline.stages.sources.sample import Sample

TARGETS = {
    "ratio_gain": (">=", 1.5),  # of the best estimator over Eq. 11, at the most samples, before disentangling
    "matched_gain": (
        ">=",
        1.0,
    ),  # of matched components over the paper's: the larger of the gains in effect and in focus
}

ATTRIBUTES = ("smile", "glasses", "age", "gender", "yaw")
STRENGTHS = (-1.0, 1.0)
SHARE = 5  # one in so many samples is a positive, and as many are negatives
COMPONENTS, FAR = 10, (-2.0, 2.0)  # and the strengths that they are measured at


def main() -> int:
    quick = "--quick" in sys.argv[1:]
    sizes, held_out, steps = ((64, 128), 4, 4) if quick else ((50, 200, 1000), 28, 16)
    with tempfile.TemporaryDirectory(prefix="hspace-") as folder:
        largest = annotated(max(sizes), steps)
        by_size = {n: finders(annotated(n, steps)) for n in sizes}
        projected = [Disentangle(finder) for finder in by_size[max(sizes)]]
        sample = largest.sample
        evaluations = {n: measured(sample, found, STRENGTHS, held_out) for n, found in by_size.items()}
        after = measured(sample, projected, STRENGTHS, held_out)
        ways = [PrincipalComponents(sample, COMPONENTS, across) for across in ("per-step", "matched", "joint")]
        unsupervised = measured(sample, ways, FAR, held_out)
        store = make(folder, [*evaluations.values(), after, unsupervised])

        tables = {n: compare(store, evaluations[n], by_size[n]) for n in sizes}
        show(tables)
        disentangled = compare(store, after, projected)
        show({f"{max(sizes)}, after Eq. 12": disentangled})
        components = profile(store, unsupervised, ways)
        show_components(components)
    by_method = tables[max(sizes)].groupby("method", sort=False)["ratio"].mean()
    gain = by_method.drop("mean-difference").max() / by_method["mean-difference"]
    means = components.groupby("method")[["largest", "focus"]].mean()
    matched = (means.loc["matched-components"] / means.loc["principal-components"]).max()
    figures = {"ratio_gain": round(float(gain), 2), "matched_gain": round(float(matched), 2)}
    return verdict("estimators", figures, TARGETS)


def annotated(n: int, steps: int) -> Annotate:
    return Annotate(Sample(pretrained.find(str(portraits.MODEL)), n, steps), (annotator("portraits"),))


def finders(annotate: Annotate) -> list[Supervised]:
    common = (annotate, "portraits", ATTRIBUTES, annotate.sample.n // SHARE)
    return [
        MeanDifference(*common),
        MeanDifference(*common, matched=2),
        LinearClassifier(*common, loss="logistic"),
        LinearClassifier(*common, loss="squared"),
        LinearDiscriminant(*common),
        LinearDiscriminant(*common, shrinkage=1.0),
    ]


def compare(store: Store, evaluation: Evaluate, found: list) -> pd.DataFrame:
    """A row a direction: method, attribute, on, off, ratio, halves."""
    rows = pd.concat([store.table(finder, "directions.parquet").to_pandas() for finder in found])
    targets = dict(zip(rows["name"], rows["attribute"], strict=True))
    effects = on_and_off_target(store.table(evaluation, "effects.parquet").to_pandas(), targets)
    both = effects.groupby("direction")[["on_target", "off_target"]].mean()
    table = rows.set_index("name")[["method", "attribute", "split_half_cosine"]].join(both)
    return table.assign(ratio=table["on_target"] / table["off_target"])


def show(tables: dict) -> None:
    """One line an estimator: on / off, ratio, split-half cosine, at each number of samples."""
    shown = Table("", box=None, header_style="bold")
    for n in tables:
        for heading in (f"n = {n}: on", "off", "ratio", "halves"):
            shown.add_column(heading, justify="right")
    for method in next(iter(tables.values()))["method"].unique():
        cells = []
        for table in tables.values():
            own = table[table["method"] == method]
            cells += [f"{own[c].mean():.2f}" for c in ("on_target", "off_target", "ratio", "split_half_cosine")]
        shown.add_row(method.replace("-", " "), *cells)
    Console(width=160).print(shown)


def profile(store: Store, evaluation: Evaluate, ways: list) -> pd.DataFrame:
    """A row a component: method, its largest effect (mean of the two strengths), what it is on, and its focus."""
    rows = pd.concat([store.table(way, "directions.parquet").to_pandas() for way in ways]).set_index("name")
    effects = store.table(evaluation, "effects.parquet").to_pandas()
    effects["effect"] = effects["effect"] * effects["strength"].map(lambda strength: 1 if strength > 0 else -1)
    both = effects.groupby(["direction", "attribute"])["effect"].mean().unstack().abs()
    largest = both.max(axis=1)
    found = pd.DataFrame({"largest": largest, "on": both.idxmax(axis=1), "focus": largest / both.sum(axis=1)})
    return rows[["method", "component", "norm"]].join(found)


def show_components(table: pd.DataFrame) -> None:
    columns = (
        "",
        "mean norm",
        "mean largest effect",
        "focus",
        "at 1.0 or more",
        "attributes reached",
        "largest effects",
    )
    shown = Table(*columns, box=None, header_style="bold")
    for method, own in table.groupby("method", sort=False):
        large = own[own["largest"] >= 1]
        effects = "  ".join(f"{row.on} {row.largest:.1f}" for row in own.sort_values("component").itertuples())
        figures = [f"{own[column].mean():.2f}" for column in ("norm", "largest", "focus")]
        shown.add_row(str(method).replace("-", " "), *figures, str(len(large)), str(large["on"].nunique()), effects)
    Console(width=220).print(shown)


if __name__ == "__main__":
    sys.exit(main())
