"""The page of one direction: its viewer, what is to be known of it, the lines that apply it, and where it came from."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from pipeline.catalog.chosen import NONE_VALID
from pipeline.catalog.doubts import doubts, in_sentences, of_template
from pipeline.catalog.explorer.findings import Findings
from pipeline.catalog.explorer.groups import Row, title
from pipeline.catalog.explorer.links import Links
from pipeline.catalog.explorer.provenance import provenance
from pipeline.catalog.field_figures import FieldFigures
from pipeline.catalog.templates import NO_NUMBER, Facts, amount, percent, words
from pipeline.catalog.web.charts import Chart, Scale, by_step, step_ticks

TELLS = (
    ("AUC", "auc_all_by_step"),
    ("AUC of extremes", "auc_extremes_by_step"),
    ("rank correlation", "rank_correlation_by_step"),
    ("R²", "r2_by_step"),
)


@dataclass(frozen=True)
class Near:
    """Another direction, and its cosine to this one."""

    name: str
    title: str
    cosine: float


def facts(findings: Findings, row: Row, links: Links) -> Facts:
    """What its page says beside the viewer."""
    name = row["name"]
    profile = findings.profiles.get(name, {})
    return {
        "row": row,
        "file": links.file(name),
        "title": heading(findings, row),
        "found_as": title(row),
        "at": findings.at(row),
        "profile": profile,
        "recommended_for": next((a for a, used in findings.catalog.recommended.items() if used == name), None),
        "warnings": warnings(findings, row),
        "measured": findings.evaluation(name),
        "judged": findings.evaluation(name) is not None and (row["attribute"] or "") in findings.attributes,
        "chance": _chance(findings, row),
        "shown": _shown(findings, row),
        "figures": findings.figures.get(name),
        "slider": _slider(findings.figures.get(name)),
        "sampler": findings.samplers.get(name),
        "regions": _regions(findings, row),
        "transfer": _transfer(findings, row),
        "trial": _trial(findings, row),
        "nearest": _nearest(findings, row),
        "by_step": _by_step(findings, row),
        "provenance": provenance(findings, row),
    }


def heading(findings: Findings, row: Row) -> str:
    """What a page calls it: its attribute; of an unsupervised direction what it was measured to do, or else how it was made."""
    if row["attribute"]:
        return words(row["attribute"])
    return (findings.profiles.get(row["name"]) or {}).get("label") or title(row)


def called(findings: Findings, row: Row) -> str:
    """One line that names it: what it does, and how it was made."""
    return title(row) if row["attribute"] else f"{heading(findings, row)} ({title(row)})"


def warnings(findings: Findings, row: Row) -> list[str]:
    """What a user should know before using it, in sentences."""
    profile = findings.profiles.get(row["name"], {})
    known = profile.get("strength_per_sd") is not None
    marks = doubts(profile["strength_in_range"], profile["verified"], profile["strength_by"]) if known else []
    said = [NONE_VALID] if row["name"] in findings.without_strength else []
    return [*said, *(row["warnings"] or ()), *in_sentences([*marks, *of_template(profile)])]


def _chance(findings: Findings, row: Row) -> Facts:
    """How sure its effects are: ends of 95 % intervals at its best strength, and the p-value of all effects; None is not known."""
    best = next((group.best.loc[row["name"]] for group in findings.groups if row["name"] in group.best.index), None)
    table = findings.effects([row["name"]])
    p = table["direction_p_value"].dropna().to_list() if "direction_p_value" in table else []
    told = {} if best is None else best.to_dict()
    columns = ("strength", "on_low", "on_high", "ratio_low", "ratio_high", "on_target", "ratio")
    if told.get("strength", 0.0) < 0:  # what is seen there, as cards say it
        low, high = told["on_low"], told["on_high"]
        told |= {"on_target": -told["on_target"], "on_low": -high, "on_high": -low}
    known = {column: None if pd.isna(told.get(column)) else float(told[column]) for column in columns}
    return {**known, "p": float(p[0]) if p else None}


def _shown(findings: Findings, row: Row) -> bool:
    """Whether images all over its valid range were shown to be the model's own, and not only look so on too few samples to say."""
    name, profile = row["name"], findings.profiles.get(row["name"], {})
    measured = findings.evaluation(name)
    if measured is None or profile.get("valid_low") is None or "realistic" not in measured.preservation:
        return True
    tables = [table for table in (measured.preservation, findings.verified, findings.confirmed) if table is not None]
    every = pd.concat([of.loc[of["direction"] == name, ["strength", "realistic"]] for of in tables])
    every = every[every["strength"].between(profile["valid_low"], profile["valid_high"]) & (every["strength"] != 0)]
    last = every.drop_duplicates("strength", keep="last")  # on samples that had no part in what came before
    return bool(len(last) and last["realistic"].astype(object).eq(True).all())


def _slider(figures: FieldFigures | None) -> list[str]:
    """The figures of a slider that are known, in words."""
    if figures is None:
        return []
    said = {
        "range": f"{amount(figures.conceptual_range)} SD",
        "monotonicity": percent(figures.monotonicity),
        "smoothness": amount(figures.smoothness),
        "mean of 1 − MS-SSIM": amount(figures.preservation),
    }
    return [f"{name} {value}" for name, value in said.items() if not value.startswith(NO_NUMBER)]


def _regions(findings: Findings, row: Row) -> list[tuple[str, float]]:
    """By region how many times as much an area of it changes as one outside, at the strength that moves the most."""
    if findings.locality is None:
        return []
    own = findings.locality[findings.locality["direction"] == row["name"]]
    if own.empty:
        return []
    at = own.loc[own["strength"].abs().idxmax(), "strength_index"]
    return [(str(each["region"]), float(each["ratio"])) for _, each in own[own["strength_index"] == at].iterrows()]


def _transfer(findings: Findings, row: Row) -> Facts | None:
    """Of a direction of one image, its largest effect there, and on how many others it goes the same way."""
    if findings.transfer is None:
        return None
    own = findings.transfer[findings.transfer["direction"] == row["name"]].dropna(subset=["own"])
    return None if own.empty else own.loc[own["own"].abs().idxmax()].to_dict()


def _trial(findings: Findings, row: Row) -> Facts | None:
    """What images at about its strength per standard deviation showed of its target; None is not known.

    On the samples that verified it or, of what was measured once more, on those.
    """
    profile = findings.profiles.get(row["name"], {})
    if profile.get("strength_per_sd") is None:
        return None
    own = findings.of_target(findings.confirmed if profile.get("confirmed_n") else findings.verified, row["name"])
    towards = profile["strength_per_sd"] * (-1 if profile["strength_by"] == "fall" else 1)
    own = own[own["strength"] * towards > 0]
    if own.empty:
        return None
    known = own.iloc[0].to_dict()
    return known | {end: None if pd.isna(known[end]) else known[end] for end in ("effect_low", "effect_high")}


def _nearest(findings: Findings, row: Row) -> list[Near]:
    """Directions of the same attribute by cosine; of an unsupervised one the supervised direction nearest to it."""
    by_name = {each["name"]: each for each in findings.directions}
    profile = findings.profiles.get(row["name"], {})
    pairs: dict[str, float] = {}
    if findings.cosines is not None:
        table = findings.cosines
        own = table[table["direction"] == row["name"]]
        pairs |= {str(other): float(cosine) for other, cosine in zip(own["other"], own["cosine"], strict=True)}
        back = table[table["other"] == row["name"]]
        pairs |= {str(other): float(cosine) for other, cosine in zip(back["direction"], back["cosine"], strict=True)}
    if profile.get("nearest"):
        pairs[profile["nearest"]] = float(profile["nearest_cosine"])
    for other in findings.profiles.values():
        if other.get("nearest") == row["name"]:
            pairs[other["direction"]] = float(other["nearest_cosine"])
    near = [Near(name, called(findings, by_name[name]), cosine) for name, cosine in pairs.items() if name in by_name]
    return sorted(near, key=lambda each: -abs(each.cosine))


def _by_step(findings: Findings, row: Row) -> list[tuple[str, str, Chart]]:
    """What is known of it at each step: the title of a chart, the label of its axis, and the chart."""
    x = Scale.of(step_ticks(findings.catalog.sampling.timesteps))
    profile = findings.profiles.get(row["name"], {})

    def alone(values: Sequence[float] | None, y: Scale, baseline: float | None = None) -> Chart | None:
        """A chart of one line; None where nothing is known."""
        return Chart((by_step("", values, "target"),), x, y, baseline=baseline) if values else None

    tells = [(label, row[column]) for label, column in TELLS if row[column]]
    lines = tuple(by_step(label, values, f"c{i}") for i, (label, values) in enumerate(tells))
    share, cosine = Scale(low=0.0, percent=True), Scale(-1.0, 1.0)
    found = [
        ("Norm", "norm", alone(row["norm_by_step"], Scale(low=0.0))),
        (
            "How well h tells the attribute",
            "held out",
            Chart(lines, x, Scale(high=1.0), baseline=0.5) if lines else None,
        ),
        ("Explained variance", "share of the variance of h", alone(row["explained_variance_ratio"], share)),
        ("Norm left by the projection", "share", alone(row["norm_kept_by_step"], share)),
        (f"Cosine to {profile.get('nearest')}", "cosine", alone(profile.get("nearest_cosine_by_step"), cosine, 0.0)),
    ]
    return [(title, label, chart) for title, label, chart in found if chart is not None]
