"""How the strengths of a catalog's directions were chosen, as its pages say it beside their figures."""

from collections.abc import Iterator

import pandas as pd

NONE_VALID = (
    "At every strength that there was to choose from, images were seen to leave the model's own, by few samples partly by "
    "chance: none was chosen."
)


def in_words(reported: pd.DataFrame) -> str:
    """Return on which samples strengths were chosen, and what is reported is measured. reported: of metrics.best.reported."""
    return "; ".join(_parts(reported))


def counts(reported: pd.DataFrame) -> tuple[int, ...]:
    """Return the numbers of samples that chose: 0 stands for the samples of the figures themselves; none where no effect chose."""
    return tuple(sorted({int(n) for n in reported["selection_n"].dropna()}))


def _parts(reported: pd.DataFrame) -> Iterator[str]:
    for selection_n, rows in reported.groupby(reported["selection_n"].fillna(-1), sort=False):
        n = " and ".join(map(str, sorted(set(rows["n"].astype(int)))))
        if selection_n > 0:
            yield f"strengths chosen on {int(selection_n)} selection samples, effects measured on {n} others"
        elif selection_n == 0:
            yield f"strengths chosen on the same {n} samples that the effects are of, which makes these look larger than they are"
        else:
            yield f"each at the farthest strength in its valid range, chosen by no effect; effects measured on {n} samples"
