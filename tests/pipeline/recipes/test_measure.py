"""On planted directions of any length: each is measured around one standard deviation, beside random ones that go as far."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from pipeline.engine.stage import in_order
from pipeline.errors import UserError
from pipeline.metrics.strengths import WANTED
from pipeline.recipes.domain import Domain
from pipeline.recipes.measure import Measurement
from pipeline.stages.finders.finder import read_rows
from pipeline.stages.finders.mean_difference import MeanDifference
from pipeline.stages.finders.principal_components import PrincipalComponents
from pipeline.stages.labels.annotate import Annotate
from pipeline.stages.measures.edit import Edit
from pipeline.stages.measures.edit_otherwise import AT
from pipeline.stages.measures.edit_selection import EditSelection
from pipeline.stages.measures.full_strengths import FullStrengths
from pipeline.stages.measures.held_out import HeldOut
from pipeline.stages.measures.profiles import Profiles
from pipeline.stages.sources.sample import Sample
from tests.pipeline.making import made
from tests.pipeline.planted_generator import PlantedAnnotator, PlantedFinder, PlantedJudge, PlantedModel

LENGTH = 700.0  # times too long
NAMES = ("alpha", "beta")


@dataclasses.dataclass(frozen=True)
class Better(PlantedFinder):
    """Another estimator."""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"{name}/better" for name in self.attributes)


@dataclasses.dataclass(frozen=True)
class Lesser(PlantedFinder):
    """One more, that moves less."""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"{name}/lesser" for name in self.attributes)


@pytest.fixture(scope="module")
def measure() -> Measurement:
    sample = Sample(PlantedModel(), 300, steps=1, eta=0.0, batch=50, clip=False)
    domain = Domain(sample.model, PlantedAnnotator(), (PlantedJudge(),), NAMES)
    return Measurement(sample, domain, (), "demo", 8)


@pytest.fixture(scope="module")
def finders() -> tuple[PlantedFinder, PlantedFinder]:
    rows = ((LENGTH, 0.3 * LENGTH, 0, 0, 0), (0, LENGTH, 0, 0, 0))
    return PlantedFinder(rows, NAMES), Better(rows, NAMES)


def edits_of(*goals) -> list[Edit]:
    of_their_own = (HeldOut, EditSelection)
    return [stage for stage in in_order(goals) if isinstance(stage, Edit) and not isinstance(stage, of_their_own)]


def test_supervised_directions_are_measured_around_one_standard_deviation(measure, finders, tmp_path):
    difference, better = finders
    full, control, others = measure.supervised(difference, (better,), by_effects=False)
    store = made(tmp_path, full, control, others)
    table = store.table(full, "effects.parquet").to_pandas()
    for name in full.edit.names:
        own = table[(table["direction"] == name) & (table["attribute"] == name.split("/")[0])].sort_values("strength")
        assert own["strength"].abs().max() < 3 * WANTED / LENGTH
        assert own["effect"].iloc[0] < -0.9 * WANTED and own["effect"].iloc[-1] > 0.9 * WANTED
        assert own["effect"].iloc[-2] == pytest.approx(own["effect"].iloc[-1] / 2, rel=0.1)
    few = store.table(others, "effects.parquet").to_pandas()
    assert (set(few["n"]), set(table["n"])) == ({2}, {8})
    both = table.groupby(["direction", "strength_index"])["strength"].first().unstack(0)
    assert both["alpha/planted"].equals(both["alpha/better/disentangled"].rename("alpha/planted")), (
        "compared as they are"
    )


def test_the_control_goes_as_far_as_what_is_compared_with_it(measure, finders, tmp_path):
    full, control, *_ = measure.supervised(*finders[:1], finders[1:], by_effects=False)
    store = made(tmp_path, full, control)
    norms = {row["name"]: row["norm"] for row in read_rows(store, (*full.edit.finders, *control.edit.finders))}
    table, random = (store.table(each, "effects.parquet").to_pandas() for each in (full, control))
    farthest = (table["strength"].abs() * table["direction"].map(norms)).max()
    assert set(random["strength"]) == {-1.0, 0.5, 1.0}, "both ways, so that their odd part is known, and at two norms"
    assert max(norms[name] for name in random["direction"].unique()) == pytest.approx(farthest, rel=1e-3)
    assert table["control_limit"].notna().all()


def test_unsupervised_directions_are_measured_at_both_ends_beside_their_own_control(measure, tmp_path):
    components = PrincipalComponents(measure.sample, 3)
    evaluation, control = measure.unsupervised((components,), "components")
    store = made(tmp_path, evaluation, control)
    table = store.table(evaluation, "effects.parquet").to_pandas()
    largest = table.groupby(["direction", "strength_index"])["effect"].apply(lambda effect: effect.abs().max())
    assert len(largest) == 6 and (largest > 0.9 * WANTED).all() and (largest < 2.2 * WANTED).all()
    limits = store.table(evaluation, "effects.parquet").to_pandas()["control_limit"]
    assert limits.notna().all() and len(control.edit.names) == 3


def test_strengths_are_chosen_on_as_many_samples_of_their_own(measure, finders, tmp_path):
    """By the first judge, of the same edits: one direction, one strength, one image, as the report has them."""
    full, *_ = measure.supervised(*finders[:1], finders[1:], by_effects=False)
    selection = measure.selection(full)
    edits, report = selection.edit, full.edit
    assert isinstance(edits, EditSelection) and selection.judges == measure.domain.judges[:1]
    assert (edits.names, edits.strengths, edits.full) == (report.names, report.strengths, report.full)
    assert (edits.samples_each, report.samples_each) == (8, 8)
    assert not set(edits.keys(0, None)["sample_id"]) & set(report.keys(0, None)["sample_id"])
    assert full.beside == selection.scored, "their images say what is preserved, too"
    for stage in in_order((selection,)):
        stage.check()


def test_what_is_preserved_is_told_by_all_images_of_an_edit_and_effects_by_the_reported_ones(
    measure, finders, tmp_path
):
    full, *_ = measure.supervised(*finders[:1], finders[1:], by_effects=False)
    store = made(tmp_path, full)
    preserved = store.table(full, "preservation.parquet").to_pandas()
    assert set(preserved["n"]) == {16} and set(store.table(full, "effects.parquet")["n"].to_pylist()) == {8}
    changes = pd.concat([store.table(each, "changes.parquet").to_pandas() for each in (full.scored, full.beside)])
    own = changes.groupby(["direction", "strength_index"])["ms_ssim"].mean()
    table = preserved.set_index(["direction", "strength_index"])["ms_ssim"]
    assert np.allclose(table, own.reindex(table.index), atol=1e-6)


def test_each_recommended_direction_has_a_full_strength_of_its_own(measure, finders, tmp_path):
    """Of one norm, one direction moves its attribute twice as far: it is followed half as far."""
    difference, _ = finders
    twice = Better(((LENGTH, 0, 0, 0, 0), (0, LENGTH, 0, 0, 0)), NAMES)
    half = Lesser(((0.5 * LENGTH, 0, 0.9 * LENGTH, 0, 0), (0, 0.5 * LENGTH, 0, 0.9 * LENGTH, 0)), NAMES)
    full, *_ = measure.supervised(difference, (twice, half), by_effects=False)
    table = made(tmp_path, full).table(full, "effects.parquet").to_pandas()
    farthest = table.groupby("direction")["strength"].max()
    assert farthest["alpha/lesser/disentangled"] >= 1.9 * farthest["alpha/better/disentangled"]
    assert farthest["alpha/planted"] == farthest["alpha/lesser/disentangled"], (
        "what is compared goes as far as any of them"
    )


def test_unedited_samples_are_drawn_once_for_all(measure, finders):
    goals = measure.supervised(*finders[:1], finders[1:], by_effects=False)
    assert {edit.drawn for edit in edits_of(*goals)} == {measure.drawn}


def test_what_is_recommended_is_measured_by_the_other_kind_of_sampler_too(measure, finders):
    """Once more on all held-out samples, with nothing changed but eta; not the paper's, nor what is only compared."""
    difference = MeanDifference(Annotate(measure.sample, (PlantedAnnotator(),)), "planted", NAMES, 4)
    full, control, others = measure.supervised(difference, finders[1:], by_effects=False)
    profiles = Profiles((*full.edit.finders, *others.edit.finders), (full, control, others))
    samplers = measure.samplers((full,), profiles)
    [scored] = samplers.scored
    samplers.check()
    assert scored.edit.names == ("alpha/better/disentangled", "beta/better/disentangled")
    assert scored.edit.sample == dataclasses.replace(measure.sample, eta=1.0) and scored.judges == full.judges
    assert (scored.edit.n, scored.edit.strengths, scored.edit.profiles) == (8, (AT["stochastic"],), profiles)
    assert measure.samplers((), profiles) is None


def test_given_strengths_are_taken_as_they_are(measure, finders):
    given = dataclasses.replace(measure, strengths=(-3.0, 1.0, 2.0))
    full, control, others = given.supervised(*finders[:1], finders[1:], by_effects=False)
    components, beside = given.unsupervised((PrincipalComponents(measure.sample, 3),), "components")
    assert full.edit.strengths == (-3.0, 1.0, 2.0) and others.edit.strengths == (1.0,)
    assert components.edit.strengths == beside.edit.strengths == (-3.0, 2.0)
    assert control.edit.strengths == (-1.0, 1.0)
    assert not [each for each in in_order((full, control, others, components)) if isinstance(each, FullStrengths)]


def test_of_one_attribute_there_is_nothing_to_project_away(measure):
    rows = ((LENGTH, 0, 0, 0, 0),)
    difference, better = PlantedFinder(rows, NAMES[:1]), Better(rows, NAMES[:1])
    full, control = measure.supervised(difference, (better,), by_effects=False)
    assert full.edit.finders == (better, difference) and control.edit.finders[0].like == (better,)
    paper, _ = dataclasses.replace(measure, protocol="paper").supervised(difference, (better,), by_effects=False)
    assert paper.edit.finders == (difference, better)
    for stage in in_order((full, control, paper)):
        stage.check()


def test_the_annotator_chooses_and_no_judge(measure, finders):
    full, *_ = measure.supervised(*finders[:1], finders[1:], by_effects=False)
    assert full.edit.full.annotator == PlantedAnnotator()
    judges = {PlantedJudge().name}
    assert not judges & {each.name for each in full.edit.full.unedited.annotators}


def test_the_papers_protocol_has_its_own_strength(measure, finders):
    paper = dataclasses.replace(measure, protocol="paper")
    full, _ = paper.supervised(*finders[:1], finders[1:], by_effects=False)
    assert (full.edit.strengths, full.edit.n, full.edit.seeds, full.edit.full) == ((1.0,), 100, 10, None)
    with pytest.raises(UserError, match="a strength of its own, 1: leave `strengths` out"):
        dataclasses.replace(paper, strengths=(2.0,))
    with pytest.raises(UserError, match="no protocol 'draft'"):
        dataclasses.replace(paper, protocol="draft")


def test_a_control_is_of_the_norms_that_strengths_of_one_have_where_none_were_found(measure, finders, tmp_path):
    given = dataclasses.replace(measure, strengths=(1 / LENGTH,))
    full, control, *_ = given.supervised(*finders[:1], finders[1:], by_effects=False)
    store = made(tmp_path, control)
    rows = read_rows(store, (*full.edit.finders[:1], *control.edit.finders))
    norms = [row["norm"] for row in rows if row["method"] == "random"]
    assert np.isclose(max(norms), max(row["norm"] for row in rows if row["method"] == "planted"), rtol=1e-3)


def test_what_would_be_ignored_is_refused(measure):
    """Without attributes nothing is measured on all held-out samples, and of no strengths there would be others."""
    with pytest.raises(UserError, match="-5 held-out samples: expected at least 2"):
        dataclasses.replace(measure, held_out=-5)
    with pytest.raises(UserError, match="`strengths` is empty: expected at least one"):
        dataclasses.replace(measure, strengths=())
