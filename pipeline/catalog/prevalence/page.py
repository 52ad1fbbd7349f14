"""The page: how often each attribute is there, what its scores look like, and how far those who score agree. It asks for nothing.

`page` makes it of scored images. Same scores and images, same text. Of a network with a thousand classes all are in the table, and
of `DRAWN` columns there is more.
"""

from collections import Counter
from typing import NamedTuple

import numpy as np
import pandas as pd

from pipeline.catalog.prevalence.examples import Examples, examples, pictures
from pipeline.catalog.prevalence.histograms import Histogram, histogram
from pipeline.catalog.prevalence.scored_images import Images, Scored, ScoredImages
from pipeline.catalog.templates import render, words
from pipeline.catalog.web.charts import Chart, Line, Scale
from pipeline.catalog.web.heat_maps import HeatMap, HeatRow
from pipeline.metrics.prevalence import Agreement, Reliability, Sides, agreement, reliability, sides

RATHER = 0.7  # correlation of two columns, from which they are listed among those that go together
LISTED = 12  # of them, at most
DRAWN = 60  # columns, at most, of which there is more than figures; and warnings

NONE = "None of {n:,} images has {what}: at 95 %, fewer than 3 in {n:,} do, and {wanted} that do need more than {needed:,} images."
SOME = "{found:,} of {n:,} images {have} {what}: {wanted} that do need about {needed:,} images."


class Prevalence(NamedTuple):
    """One column of scores, in figures."""

    scored: Scored
    missing: int
    sides: Sides | None
    quantiles: tuple[float, float, float]  # 5 %, median, 95 %; NaN where nothing is scored


class Shown(NamedTuple):
    """One column of scores, in pictures."""

    row: Prevalence
    histogram: Histogram
    examples: tuple[Examples, ...]


class Compared(NamedTuple):
    """Two columns of one attribute."""

    one: Scored
    other: Scored
    agreement: Agreement


class Calibrated(NamedTuple):
    """Scores beside labels of the same attribute."""

    scored: Scored
    labels: Scored
    found: Reliability
    chart: Chart


def page(scored: ScoredImages, images: Images | None = None) -> str:
    """Return the whole report as HTML. images: of rows of the scores; None shows none."""
    rows = [_row(scored, each) for each in scored.columns]
    drawn = _drawn(rows)
    rare = [sentence for row in rows if (sentence := _warning(row))]
    shown = [each for row in drawn if (each := _shown(scored, row)) is not None]
    chosen = [some for each in shown for some in each.examples]
    return render(
        "prevalence/templates/page.html.j2",
        of=scored.of,
        n=scored.n,
        annotators=scored.annotators,
        several=len(scored.annotators) > 1,
        rows=rows,
        few=sum(row.sides is not None and row.sides.is_few for row in rows),
        rare=rare[:DRAWN],
        more_rare=max(0, len(rare) - DRAWN),
        left_out=len(rows) - len(drawn),
        shown=shown,
        pictures=pictures(chosen, images) if images else {},
        correlation=_correlation(scored, [row.scored for row in drawn]),
        compared=_compared(scored),
        calibrated=_calibrated(scored, {row.scored.column for row in drawn}),
        broken=_broken(scored),
        n_broken=len(scored.broken),
    )


def _row(scored: ScoredImages, column: Scored) -> Prevalence:
    values = scored.values(column)
    there = values[~np.isnan(values)]
    low, median, high = np.quantile(there, (0.05, 0.5, 0.95)) if len(there) else (np.nan,) * 3
    return Prevalence(
        column,
        int(np.isnan(values).sum()),
        sides(values, column.threshold),
        (float(low), float(median), float(high)),
    )


def _drawn(rows: list[Prevalence]) -> list[Prevalence]:
    """At most `DRAWN` columns: those with the share above the threshold nearest to a half, then those without a threshold."""
    first = sorted(range(len(rows)), key=lambda i: (_off_balance(rows[i]), i))
    return [rows[i] for i in sorted(first[:DRAWN])]


def _off_balance(row: Prevalence) -> float:
    """How far the share above the threshold is from a half; more where there is no threshold, most where there are no scores."""
    if np.isnan(row.quantiles[1]):
        return 2.0
    return abs(row.sides.above / row.sides.scored - 0.5) if row.sides else 1.0


def _shown(scored: ScoredImages, row: Prevalence) -> Shown | None:
    values = scored.values(row.scored)
    drawn = histogram(values, row.scored.threshold)
    return None if drawn is None else Shown(row, drawn, examples(values, row.scored.threshold))


def _warning(row: Prevalence) -> str | None:
    """What it takes to have enough of a rare attribute, or of images without it; None where there are enough."""
    found = row.sides
    if found is None or not found.is_rare:
        return None
    lacks = found.below < found.above
    what = f"{words(row.scored.attribute)} ({row.scored.annotator})"
    facts = {"n": found.scored, "wanted": 100, "needed": found.needed, "found": found.rarer}
    if not found.rarer:
        what = f"no {what}" if lacks else what
        return NONE.format(what=what, **facts)
    have = ("lacks" if lacks else "has") if found.rarer == 1 else ("lack" if lacks else "have")
    return SOME.format(what=what, have=have, **facts)


# Several columns


def _correlation(
    scored: ScoredImages, columns: list[Scored]
) -> tuple[HeatMap, list[tuple[Scored, Scored, float]]] | None:
    """Pearson's r of every two columns that vary, and of which columns it is large."""
    varying = [each for each in columns if len(np.unique(scored.values(each)[~np.isnan(scored.values(each))])) > 1]
    if len(varying) < 2:
        return None
    r = pd.DataFrame({each.column: scored.values(each) for each in varying}).corr().to_numpy()
    rows = [HeatRow(each.attribute, tuple(map(float, r[i])), i, at=each.annotator) for i, each in enumerate(varying)]
    pairs = [(varying[i], varying[j], float(r[i, j])) for i, j in zip(*np.triu_indices(len(r), 1), strict=True)]
    large = [each for each in pairs if abs(each[2]) >= RATHER and each[0].attribute != each[1].attribute]
    large.sort(key=lambda each: -abs(each[2]))
    return HeatMap([each.attribute for each in varying], rows, 1.0), large[:LISTED]


def _compared(scored: ScoredImages) -> list[Compared]:
    return [
        Compared(one, other, found)
        for one, other in scored.shared()
        if (found := agreement(scored.values(one), scored.values(other), (one.threshold, other.threshold))).n
    ]


def _calibrated(scored: ScoredImages, drawn: set[str]) -> list[Calibrated]:
    """Scores beside labels, where there are labels. drawn: the columns of which one is wanted in each pair."""
    pairs = [
        pair
        for pair in scored.shared()
        if pair[0].labels != pair[1].labels and drawn.intersection(each.column for each in pair)
    ]
    found = []
    for one, other in pairs:
        labels, judged = (one, other) if one.labels else (other, one)
        each = reliability(scored.values(judged), scored.values(labels))
        if each is not None:
            found.append(Calibrated(judged, labels, each, _curve(each)))
    return found


def _curve(found: Reliability) -> Chart:
    """Shares have an axis from 0 to 1; means of other labels one of their own."""
    low, high = float((found.label - found.error).min()), float((found.label + found.error).max())
    shares = low >= 0 and high <= 1.01
    line = Line(
        "", tuple(zip(found.score.tolist(), found.label.tolist(), strict=True)), "target", tuple(found.error.tolist())
    )
    return Chart((line,), y=Scale(0.0, 1.0) if shares else Scale())


# What could not be read


def _broken(scored: ScoredImages) -> list[tuple[str, int, str, str]]:
    """Each kind of fault, how many images have it, and one of them with its reason."""
    first = scored.broken.drop_duplicates("kind").set_index("kind")
    counts = Counter(scored.broken["kind"]).most_common()
    return [(kind, n, first.loc[kind, "name"], first.loc[kind, "reason"]) for kind, n in counts]
