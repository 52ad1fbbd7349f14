"""What edits leave alone: identity, MS-SSIM, the background, and whether images still are the model's own."""

import pandas as pd

from pipeline.catalog.report import tables
from pipeline.catalog.report.findings import Findings, Group
from pipeline.catalog.report.markup import Child, Html, amount, el, join, strength, words

_NOTE = (
    "Each direction at its best strength, beside its unedited counterparts. Identity: cosine in the features of {features}. "
    "MS-SSIM: structure at several scales. Change outside: root mean squared change outside the foreground, and background "
    "shift: how far its mean colour moves, both in levels of 0 to 255. Clipped: share of values at 0 or 255. Precision: share of "
    "images on the manifold of unedited samples (k-nearest neighbours in the same features, Kynkäänniemi et al. 2019). Rises: "
    "share of pairs of strengths between which the target goes the right way."
)
_HEADINGS = (
    "",
    "γ",
    "identity",
    "MS-SSIM",
    "change outside",
    "background shift",
    "clipped",
    "precision",
    "presence",
    "rises",
)


def section(findings: Findings) -> Html | None:
    """The groups to use, then what random directions of the same norms do."""
    lines = [line for group in findings.recommended for line in _group(findings, group)]
    if not lines:
        return None
    note = _NOTE.format(features=findings.features or "nothing: it was not measured")
    return join(el("p", note, class_="note"), tables.figures(_HEADINGS, [*lines, *_compared(findings)]))


def _group(findings: Findings, group: Group) -> list[list[Child]]:
    lines = []
    for name, best in group.best.iterrows():
        row = findings.preserved(str(name), float(best["strength"]))
        if row is not None:
            profile = findings.profiles.get(str(name), {})
            label = f"{words(best['target'])}, {group.title.lower()}"
            lines.append(_line(label, strength(best["strength"]), row, profile.get("monotonicity")))
    return lines


def _compared(findings: Findings) -> list[list[Child]]:
    """The random directions that these were compared with, and the unedited samples."""
    names = [name for group in findings.recommended for name in group.best.index]
    table = pd.concat([each.preservation for each in findings.evaluations(names)])
    table = table.drop_duplicates(["direction", "strength"])
    controls, unedited = table[table["control"]], table[table["direction"] == "unedited"]
    lines = []
    if len(controls):
        lines.append(_line("random directions of the same norms, mean", "any", controls.mean(numeric_only=True), None))
    return [*lines, _line("unedited", "", unedited.iloc[0], None)]


def _line(label: str, gamma: str, row: pd.Series, rises: float | None) -> list[Child]:
    return [
        label,
        gamma,
        *(amount(row[column]) for column in ("identity", "ms_ssim")),
        *(amount(row[column], 1) for column in ("change_outside", "background_shift")),
        *(_percent(row[column]) for column in ("clipped", "precision")),
        amount(row["presence"]),
        "–" if rises is None else _percent(rises),
    ]


def _percent(share: float) -> str:
    return "–" if pd.isna(share) else f"{share:.0%}"
