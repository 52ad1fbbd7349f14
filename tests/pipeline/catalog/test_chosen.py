"""Pages say how strengths were chosen: on other samples, by no effect, or on the samples that the figures are of."""

import numpy as np
import pandas as pd

from pipeline.catalog.chosen import counts, in_words


def reported(*rows: tuple[int, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["n", "selection_n"])


def test_both_numbers_of_samples_are_said():
    assert in_words(reported((28, 14), (28, 14))) == (
        "strengths chosen on 14 selection samples, effects measured on 28 others"
    )
    assert counts(reported((28, 14), (28, 14))) == (14,)


def test_figures_that_chose_themselves_say_so():
    assert "chosen on the same 28 samples" in in_words(reported((28, 0)))
    assert counts(reported((28, 0))) == (0,)


def test_what_no_effect_chose_says_so():
    said = in_words(reported((28, 14), (6, np.nan)))
    assert said.endswith(
        "each at the farthest strength in its valid range, chosen by no effect; effects measured on 6 samples"
    )
    assert counts(reported((6, np.nan))) == ()
    assert in_words(reported()) == ""
