"""What each supervised direction does: a strip of edits, and beside it its effect by strength."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pandas as pd

from pipeline.catalog.report import tables
from pipeline.catalog.report.charts import Line, Tick, chart, number_ticks, strength_ticks
from pipeline.catalog.report.findings import Findings, Group, Measured, Row
from pipeline.catalog.report.markup import Child, Html, amount, el, join, picture, signed, strength, times, words

SHOWN, SHOWN_FOLDED = 6, 3  # held-out samples in a strip

_STRIPS = (
    "Rows are the first held-out samples, not chosen; columns are strengths, what the direction is multiplied by. Within a row "
    "all noise is the same, so images differ by the edit alone. The underlined strength is the direction's best."
)
_CURVES = (
    "Curves: mean change over the held-out samples, in standard deviations of the attribute over unedited samples; whiskers, two "
    "standard errors. Blue is the target, grey every other attribute. The shaded band is what random directions of the same norm "
    "stay under: the largest of the attributes' control limits, each with 99 % confidence. All charts share one scale."
)
_TRIALS = (
    "What was projected away, one more attribute at a time, while the ratio rose: effects in standard deviations, means over both "
    "signs of the strength, on samples that are seen by nothing else. The direction is the last of those kept."
)
_TRIED = ("projected away", "norm left", "on target", "off target", "ratio", "kept")


def section(findings: Findings) -> Html | None:
    """The group to use in full; the others folded."""
    if not findings.groups:
        return None
    effects = findings.effects([row["name"] for row in findings.supervised])
    y = _effect_ticks(effects)
    first, *others = findings.groups
    notes = el("p", f"{first.title}. {_STRIPS}", class_="note"), el("p", _CURVES, class_="note")
    shown = [article(findings, first, row, y, SHOWN) for row in first.rows]
    folded = [
        el(
            "details",
            el("summary", el("span", group.title), f" {len(group.rows)} directions"),
            *(article(findings, group, row, y, SHOWN_FOLDED) for row in group.rows),
        )
        for group in others
    ]
    return join(*notes, *shown, *folded)


def article(findings: Findings, group: Group, row: Row, y: list[Tick], n: int) -> Html:
    """One direction."""
    measured = findings.evaluation(row["name"])
    best = group.best.loc[row["name"]] if row["name"] in group.best.index else None
    chosen = None if best is None else float(best["strength"])
    body = [_facts(findings, row)]
    if measured:
        body = [
            strip(measured, row["name"], measured.strengths, n, chosen),
            el("div", _curves(findings, measured, row, y), _facts(findings, row)),
        ]
    heading = el("h3", words(row["attribute"]), el("small", group.title))
    header = el("header", heading, _unmeasured(measured, row) if best is None else _verdict(best))
    return el("article", header, el("div", *body, class_="pair"), _trials(row))


def _unmeasured(measured: Measured | None, row: Row) -> Html:
    if measured is None:
        said = "Its effect was not measured."
    elif row["attribute"] in set(measured.effects["attribute"]):
        said = "Its effect was not measured: no image has a score of this attribute, or all have the same."
    else:
        said = "Its effect was not measured: the judge does not score this attribute."
    return el("p", said, class_="verdict")


def _verdict(best: pd.Series) -> Html:
    judgement = "clean" if best["clean"] else "not clean at any strength"
    return el(
        "p",
        f"At strength {strength(best['strength'])}: ",
        el("strong", f"{signed(best['on_target'])} std"),
        f" on target, {amount(best['off_target'])} off target, ratio {times(best['ratio'])}, {judgement}",
        class_="verdict",
    )


def strip(
    measured: Measured,
    name: str,
    strengths: Sequence[float],
    n: int,
    best: float | None = None,
    own: Sequence[bytes | None] = (),
) -> Html:
    """Images by strength, a row a held-out sample, the unedited ones in their place at 0.

    `own` are those of the sample that the direction was found on, by strength: a row above the others.
    """
    at = sorted({0.0, *strengths})
    columns = [measured.images.get((name, gamma) if gamma else ("unedited", 0.0), [])[:n] for gamma in at]
    headings = [_heading(gamma, gamma == best) for gamma in at]
    rows = (
        [el("tr", *(_own_image(png, gamma) for png, gamma in zip(own, at, strict=True)), class_="own")] if own else []
    )
    for i in range(max(map(len, columns), default=0)):
        cells = [_image(column, i, gamma) for column, gamma in zip(columns, at, strict=True)]
        rows.append(el("tr", *cells))
    caption = el("caption", f"Held-out samples edited along {name}", class_="unseen")
    return el("table", caption, el("thead", el("tr", *headings)), el("tbody", *rows), class_="strip")


def _heading(gamma: float, best: bool) -> Html:
    if not gamma:
        return el("th", "unedited", scope="col", class_="unedited")
    return el("th", el("span", strength(gamma)), scope="col", class_="best" if best else None)


def _image(images: list[bytes], i: int, gamma: float) -> Html:
    if i >= len(images):
        return el("td")
    said = f"sample {i}, {f'strength {strength(gamma)}' if gamma else 'unedited'}"
    return el("td", picture(images[i], said), class_=None if gamma else "unedited")


def _own_image(png: bytes | None, gamma: float) -> Html:
    said = f"the sample that it was found on, {f'strength {strength(gamma)}' if gamma else 'unedited, with the region'}"
    return el("td", picture(png, said) if png else None, class_=None if gamma else "unedited")


def _curves(findings: Findings, measured: Measured, row: Row, y: list[Tick]) -> Html:
    """Effect by strength of the target and of everything else; an edit of strength 0 changes nothing."""
    own = measured.effects[measured.effects["direction"] == row["name"]]
    lines = [_curve(own, name, "other") for name in findings.attributes if name != row["attribute"]]
    if row["attribute"] in findings.attributes:
        lines.append(_curve(own, row["attribute"], "target"))
    return chart(
        lines,
        title=f"Effect of {row['name']} by strength",
        x_ticks=strength_ticks(measured.strengths),
        y_ticks=y,
        x_label="strength",
        y_label="effect, standard deviations",
        band=_band(own),
        baseline=0.0,
        size=(470, 340),
    )


def small_curves(findings: Findings, measured: Measured, row: Row) -> Html | None:
    """The same of an unsupervised direction: its target is what it moves most."""
    own = measured.effects[measured.effects["direction"] == row["name"]]
    target = (findings.profiles.get(row["name"]) or {}).get("target")
    if own["effect"].isna().all():
        return None
    top = max(1.0, float(own["effect"].abs().max()))
    lines = [_curve(own, name, "other") for name in findings.attributes if name != target]
    return chart(
        [replace(line, label="") for line in lines] + ([_curve(own, target, "target")] if target else []),
        title=f"Effect of {row['name']} by strength",
        x_ticks=strength_ticks(measured.strengths),
        y_ticks=number_ticks(-top, top, 4),
        x_label="strength",
        y_label="standard deviations",
        band=_band(own),
        baseline=0.0,
        size=(360, 190),
    )


def _curve(effects: pd.DataFrame, attribute: str, css: str) -> Line:
    own = effects[effects["attribute"] == attribute].sort_values("strength")
    points = [(float(gamma), float(effect), 2 * _error(std, n)) for gamma, effect, std, n in _columns(own)]
    points = sorted(points + [(0.0, 0.0, 0.0)])
    errors = tuple(error for _, _, error in points) if css == "target" else ()
    return Line(words(attribute), tuple((gamma, effect) for gamma, effect, _ in points), css, errors)


def _columns(effects: pd.DataFrame) -> Iterator[tuple[float, float, float, int]]:
    return zip(effects["strength"], effects["effect"], effects["std"], effects["n"], strict=True)


def _error(std: float, n: int) -> float:
    """Standard error of a mean over n samples; 0 where none has a score."""
    return float(std / n**0.5) if n else 0.0


def _band(effects: pd.DataFrame) -> list[tuple[float, float, float]]:
    """At every strength, plus and minus the largest of the attributes' control limits for a random direction of the same norm."""
    limits = effects.groupby("strength")["control_limit"].max().dropna()
    if limits.empty:
        return []
    at = {0.0: 0.0, **{float(gamma): float(limit) for gamma, limit in limits.items()}}
    return [(gamma, -at[gamma], at[gamma]) for gamma in sorted(at)]


def _effect_ticks(effects: pd.DataFrame) -> list[Tick]:
    """One symmetric scale for all charts."""
    top = max(1.0, float(effects["effect"].abs().max())) if len(effects) else 1.0
    return number_ticks(-top, top, 8)


def _calibration(findings: Findings, row: Row) -> list[tuple[str, Child]]:
    """How far is one standard deviation, and how far one may go."""
    profile = findings.profiles.get(row["name"])
    if profile is None:
        return []
    return [
        ("Strength per SD", _strength_per_sd(profile)),
        (
            "Valid range",
            f"{signed(profile['valid_low'])} to {signed(profile['valid_high'])}: images are the model's own, as far as measured",
        ),
    ]


def _strength_per_sd(profile: Row) -> str:
    if profile["strength_per_sd"] is None:
        return "not reached"
    beyond = ", beyond its valid range" if profile["strength_in_range"] is False else ""
    unverified = "" if profile["verified"] else ", not verified on images"
    if profile["strength_by"] == "fall":
        moves = f"{signed(-profile['strength_per_sd'])} lowers it by one standard deviation; it does not rise so far"
    else:
        moves = f"{signed(profile['strength_per_sd'])} moves it by one standard deviation"
    return f"{moves}{beyond}{unverified}"


def _facts(findings: Findings, row: Row) -> Html:
    """How the direction was made."""
    facts: list[tuple[str, Child]] = [("Name", el("code", row["name"])), *_calibration(findings, row)]
    if row["annotator"]:
        facts.append(("Labels", f"{row['annotator']}, {row['n']:,} samples"))
    if row["n_positive"]:
        high, low = (signed(row[f"threshold_{end}"]) for end in ("positive", "negative"))
        facts.append(
            ("Selected", f"{row['n_positive']} highest (from {high}) and {row['n_negative']} lowest (to {low}) scores")
        )
    if row["auc_by_step"]:
        facts.append(
            (
                "Classifier",
                f"held-out AUC {min(row['auc_by_step']):.2f} to {max(row['auc_by_step']):.2f} over the steps",
            )
        )
    if row["norm_kept"] is not None:
        others = len(row["parents"]) - 1
        facts.append(
            ("Projected", f"{row['norm_kept']:.0%} of the norm left without {others} other{'s' if others != 1 else ''}")
        )
    return tables.definitions(facts, "made")


def _trials(row: Row) -> Html | None:
    """What was projected away from a direction one after the other, where effects chose."""
    if row["trials"] is None:
        return None
    return join(el("p", _TRIALS, class_="note"), tables.figures(_TRIED, [_trial(trial) for trial in row["trials"]]))


def _trial(trial: Row) -> list[Child]:
    on, off = trial["on_target"], trial["off_target"]
    return [
        ", ".join(map(words, trial["removed"])) or "nothing",
        f"{trial['kept']:.0%}",
        signed(on),
        amount(off),
        times(on / off if off else float("nan")),
        "yes" if trial["accepted"] else "no",
    ]
