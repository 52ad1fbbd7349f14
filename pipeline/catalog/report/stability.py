"""Stability: how much a supervised direction owes to the samples that it happened to be fitted on."""

from statistics import mean

from pipeline.catalog.report import tables
from pipeline.catalog.report.findings import Findings, Row
from pipeline.catalog.report.markup import Child, Html, amount, el, join, words

_NOTE = (
    "Halves: cosine of the directions that two halves of the samples give. Resampled: cosine of directions from resampled "
    "samples to this one, 5th to 95th percentile. Accuracy is on samples that are neither positives nor negatives, AUC on those "
    "that are, both by classifiers that had not seen them, as means over the steps."
)
_HEADINGS = ("", "n+ / n−", "present", "halves", "resampled", "AUC", "R²", "accuracy")


def section(findings: Findings) -> Html | None:
    rows = [row for row in findings.supervised if row["split_half_cosine"] is not None]
    if not rows:
        return None
    warnings = dict.fromkeys(warning for row in findings.supervised for warning in row["warnings"] or ())
    return join(
        el("p", _NOTE, class_="note"),
        tables.figures(_HEADINGS, [_figures(row) for row in rows]),
        el("ul", *(el("li", warning) for warning in warnings), class_="note") if warnings else None,
    )


def _figures(row: Row) -> list[Child]:
    low, high = row["bootstrap_cosine_low"], row["bootstrap_cosine_high"]
    return [
        f"{words(row['attribute'])}, {words(row['method'])}",
        "–" if row["n_positive"] is None else f"{row['n_positive']} / {row['n_negative']}",
        "–" if row["base_rate"] is None else f"{row['base_rate']:.0%}",
        amount(row["split_half_cosine"]),
        "–" if low is None else f"{amount(low)} to {amount(high)}",
        *(_over_steps(row[column]) for column in ("auc_by_step", "r2_by_step", "accuracy_by_step")),
    ]


def _over_steps(values: list[float] | None) -> str:
    return amount(mean(values)) if values else "–"
