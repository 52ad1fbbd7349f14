"""Where the change of each sample is known, what both catalogs share of it is no error of their difference."""

import numpy as np
import pandas as pd
import pytest

from pipeline.catalog.compare.comparison import Comparison, compare
from pipeline.catalog.compare.pairs import SamplePairs, SampleScores
from tests.pipeline.catalog.planted_catalog import PlantedCatalog, standard

N, UNIT = 28, 2.0  # of the planted judge's scores, a standard deviation
SHARED = np.random.default_rng(0).normal(0, 0.4, N)


def planted(own: float, seed: int) -> tuple[PlantedCatalog, pd.DataFrame]:
    """A catalog, and the scores behind it: what a sample does in both catalogs, and a little that is its own in each."""
    spread = SHARED + np.random.default_rng(seed).normal(0, own, N)
    spread = (spread - spread.mean()) * 0.4 / spread.std(ddof=1)
    catalog = standard()
    edited = catalog._effects().query("~control")
    before = np.random.default_rng(9).normal(size=N)
    scores = [
        pd.DataFrame(
            {
                **{
                    name: row[name]
                    for name in ("direction", "control", "strength_index", "strength", "judge", "attribute")
                },
                "seed": 0,
                "sample_id": np.arange(N),
                "score": before + UNIT * (row["effect"] + spread),
            }
        )
        for row in edited.to_dict("records")
    ]
    unedited = [
        scores[0].assign(direction="unedited", strength_index=-1, strength=0.0, attribute=attribute, score=before)
        for attribute in catalog.judged
    ]
    return catalog, pd.concat([*scores, *unedited], ignore_index=True)


@pytest.fixture(scope="module")
def tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    return planted(0.05, 1)[1], planted(0.05, 2)[1]


@pytest.fixture
def compared(tmp_path, tables):
    def of(b: PlantedCatalog | None = None, scores: tuple[pd.DataFrame, pd.DataFrame] = tables) -> Comparison:
        behind = SamplePairs(*(SampleScores((each,)) for each in scores))
        return compare(standard().write(tmp_path / "a"), (b or standard()).write(tmp_path / "b"), scores=behind)

    return of


def test_errors_are_of_pairs_and_smaller_than_those_of_two_means(compared, tables):
    found = compared()
    target = found.changes[1].effects.target
    assert target.difference.paired and target.difference.value == pytest.approx(0.0, abs=1e-6)
    assert target.difference.error < 0.4 * np.sqrt(2 / N) * 0.5
    one, other = (
        each.query("direction == 'smile/ridge' and attribute == 'smile' and strength == 2")["score"].to_numpy()
        for each in tables
    )
    expected = (other - one).std(ddof=1) / UNIT / np.sqrt(N)
    assert target.difference.error == pytest.approx(expected, rel=1e-4)
    assert "errors are of the differences of each sample" in " ".join(found.notes)


def test_samples_that_only_one_has_are_left_out(compared, tables):
    fewer = tables[1].query("sample_id < 20")
    shifted = fewer.groupby(["direction", "strength_index", "attribute"])["score"].transform("mean")
    full = tables[1].groupby(["direction", "strength_index", "attribute"])["score"].transform("mean")
    found = compared(scores=(tables[0], fewer.assign(score=fewer["score"] - shifted + full.loc[fewer.index])))
    assert found.changes[1].effects.target.difference.degrees == 19


def test_scores_that_do_not_give_the_catalogs_figure_are_not_its_own(compared, tables):
    found = compared(scores=(tables[0], tables[1].assign(score=lambda table: 1.5 * table["score"])))
    assert not any(each.difference.paired for each in found.changes[1].effects.all)


def test_other_noise_is_never_paired(compared):
    found = compared(standard(sampling={"seed": 5}))
    assert not found.changes[1].effects.target.difference.paired


def test_between_strengths_samples_are_read_off_lines_as_their_mean_is(compared, tables):
    """The second was measured at 3 in place of 2; what its samples do at 2 is half way from 1 to 3."""
    farther = standard(strengths=(-3.0, -1.0, 1.0, 3.0))
    scores = tables[1].assign(strength=tables[1]["strength"].replace({2.0: 3.0, -2.0: -3.0}))
    moved = scores["direction"] != "unedited"
    effect = scores["strength"] * np.where(scores["attribute"] == "smile", 1.2, 0.1)
    before = tables[1]["strength"] * np.where(scores["attribute"] == "smile", 1.2, 0.1)
    scores = scores.assign(score=scores["score"] + UNIT * (effect - before).where(moved, 0.0))
    change = compared(farther, (tables[0], scores)).changes[1].effects
    assert change.read_off and change.target.difference.paired and change.strength == 2.0
    assert change.target.difference.value == pytest.approx(0.0, abs=1e-5)


def test_other_weights_on_the_same_noise_are_paired(compared):
    """Checkpoints of one model: their samples begin with the same noise."""
    found = compared(standard(model={"weights_sha256": "cd" * 32}))
    assert found.changes[1].effects.target.difference.paired
