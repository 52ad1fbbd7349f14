"""What `benchmarks.estimators` shows of what it measured: tables, and the figures that its bars are on."""

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from benchmarks._compared import Mean, mean_over
from benchmarks._rules import (
    PAIRED,
    PICKS,
    REPEATED,
    STRENGTH_RULES,
    TODAY,
    recommended,
    recommended_strength,
)

REFERENCE = ("ridge", True, "many")  # estimator, whether after Eq. 12, on how many samples: what others are a share of


# Directions at equal effect


def at_equal(table: pd.DataFrame, few: int, many: int) -> tuple[list[str], list[list[str]]]:
    """A line an estimator: the largest effect on anything else at equal effect, by model, before and after Eq. 12.

    few, many: samples that directions were fitted on.
    """
    ways = {
        f"{many:,}": (False, "many"),
        f"{many:,}, after Eq. 12": (True, "many"),
        f"{few:,}, after Eq. 12": (True, "few"),
    }
    models = list(table["model"].unique())
    head = ["off / on at one standard deviation", *(f"{model}: {way}" for model in models for way in ways)]
    head += [*(f"share of ridge's: {way}" for way in ways), "cosine of halves"]
    rows = []
    for estimator in table["estimator"].unique():
        cells = []
        for model in models:
            for projected, samples in ways.values():
                own = selected(table[table["model"] == model], estimator, projected, samples)
                reached = f", {own['reached'].mean():.0%} reach it" if own["reached"].mean() < 1 else ""
                cells.append(mean_over(own, "log_ratio", ["seed"]).ratio().text() + reached)
        cells += [share_of(table, (estimator, projected, samples)).text() for projected, samples in ways.values()]
        halves = table.loc[(table["estimator"] == estimator) & (table["samples"] == "many"), "halves"].mean()
        rows.append([str(estimator).replace("-", " "), *cells, f"{halves:.2f}"])
    return head, rows


def selected(table: pd.DataFrame, estimator: str, projected: bool, samples: str) -> pd.DataFrame:
    return table[(table["estimator"] == estimator) & (table["projected"] == projected) & (table["samples"] == samples)]


def share_of(table: pd.DataFrame, which: tuple[str, bool, str], other: tuple[str, bool, str] = REFERENCE) -> Mean:
    """Off over on target of one way as a share of another's, paired, with the interval over the attributes of all models."""
    one, reference = (selected(table, *way).set_index(list(PAIRED))["log_ratio"] for way in (which, other))
    paired = (one - reference).rename("difference").reset_index()
    return mean_over(paired, "difference", REPEATED).times()


# Rules


def by_rule(rules: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """A line an estimator rule: what it got by each strength rule, over all models and seeds."""
    head = ["picked by selection samples"]
    head += [f"{rule}: {what}" for rule in STRENGTH_RULES for what in ("on / off", "off / on", "clean")]
    rows = []
    for pick in PICKS:
        cells = [pick]
        for rule in STRENGTH_RULES:
            own = rules[(rules["pick"] == pick) & (rules["strength_rule"] == rule)]
            cells += [
                f"{own['on'].mean():.2f} / {own['off'].mean():.2f}",
                mean_over(own, "log_ratio", REPEATED).ratio().text(),
                f"{int(own['clean'].sum())} of {len(own)}",
            ]
        rows.append(cells)
    return head, rows


def decided(challengers: dict[str, Mean], strengths: dict[str, Mean]) -> str:
    lines = [f"Off / on at equal effect, as a share of that of the {TODAY}:"]
    lines += [f"  {name}: {found.text()}" for name, found in challengers.items()]
    lines += [
        f"So to be used: {recommended(challengers)}.",
        "More clean directions than by today's strength rule, share:",
    ]
    lines += [f"  {rule}: {found.text('+.2f')}" for rule, found in strengths.items()]
    return "\n".join([*lines, f"So to be shown: {recommended_strength(strengths)}."])


# Components


def profiles(rows: pd.DataFrame, effects: pd.DataFrame) -> pd.DataFrame:
    signed = effects.assign(effect=effects["effect"] * np.sign(effects["strength"]))
    both = signed.groupby(["direction", "attribute"])["effect"].mean().unstack().abs()
    largest = both.max(axis=1)
    found = pd.DataFrame({"largest": largest, "on": both.idxmax(axis=1), "focus": largest / both.sum(axis=1)})
    return rows[["method", "component", "norm"]].join(found)


def show_components(table: pd.DataFrame) -> None:
    columns = ("", "mean norm", "mean largest effect", "focus", "at 1.0 or more", "attributes reached")
    shown = Table(*columns, box=None, header_style="bold")
    for method, own in table.groupby("method", sort=False):
        large = own[own["largest"] >= 1]
        means = [f"{own[column].mean():.2f}" for column in ("norm", "largest", "focus")]
        shown.add_row(str(method).replace("-", " "), *means, str(len(large)), str(large["on"].nunique()))
    Console(width=120).print(shown)


# Figures


def figures(
    table: pd.DataFrame, challengers: dict[str, Mean], strengths: dict[str, Mean], components: pd.DataFrame
) -> dict[str, float]:
    means = components.groupby("method")[["largest", "focus"]].mean()
    matched = float((means.loc["matched-components"] / means.loc["principal-components"]).max())
    beside = share_of(table, REFERENCE, ("mean-difference", False, "many"))
    samples = share_of(table, ("ridge", True, "few"))
    found = {
        "ridge_over_mean_difference": beside.value,
        "ridge_over_mean_difference_high": beside.high,
        "few_over_many_samples": samples.value,
        "logistic_over_today": challengers["always logistic"].value,
        "best_of_three_over_today": challengers["best of three, with logistic"].value,
        "matched_gain": matched,
    }
    replaced = (recommended(challengers) != TODAY) + (recommended_strength(strengths) != STRENGTH_RULES[0])
    return {name: round(float(value), 3) for name, value in found.items()} | {
        "rules_that_should_replace_todays": replaced
    }
