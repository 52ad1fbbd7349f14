"""Small stages of every kind, section by section, and one store that all tests of stages share.

A section names its stages; nothing is made before a test asks for it, and then only what that stage reads. A new stage is a line
in its section.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace as Section

import numpy as np
import pytest
from PIL import Image

from pipeline.annotators.regions import Box
from pipeline.annotators.registry import annotator
from pipeline.domains.portraits.data import draw
from pipeline.engine.stage import Stage, in_order
from pipeline.engine.store import Store
from pipeline.imagesets import image_set
from pipeline.imagesets.image_set import ImageSet
from pipeline.models import pretrained
from pipeline.recipes.annotations import annotations
from pipeline.stages.explorer import Explorer
from pipeline.stages.finders.disentangle import Disentangle
from pipeline.stages.finders.disentangle_by_effects import DisentangleByEffects
from pipeline.stages.finders.imported import imported
from pipeline.stages.finders.jacobian_directions import JacobianDirections
from pipeline.stages.finders.jacobian_subspaces import JacobianSubspaces
from pipeline.stages.finders.joined import Joined
from pipeline.stages.finders.linear_classifier import LinearClassifier
from pipeline.stages.finders.linear_discriminant import LinearDiscriminant
from pipeline.stages.finders.mean_difference import MeanDifference
from pipeline.stages.finders.principal_components import PrincipalComponents
from pipeline.stages.finders.random_directions import RandomDirections
from pipeline.stages.finders.selected import Selected
from pipeline.stages.labels.annotate import Annotate
from pipeline.stages.labels.embed import Embed
from pipeline.stages.labels.familiarity import Familiarity
from pipeline.stages.measures.best_strengths import BestStrengths
from pipeline.stages.measures.carriage import Carriage
from pipeline.stages.measures.choose import Choose
from pipeline.stages.measures.confirm import Confirm
from pipeline.stages.measures.edit import Edit
from pipeline.stages.measures.edit_at_points import EditAtPoints
from pipeline.stages.measures.edit_calibrated import verification
from pipeline.stages.measures.edit_origins import EditOrigins
from pipeline.stages.measures.edit_otherwise import otherwise
from pipeline.stages.measures.edit_ranked import EditRanked
from pipeline.stages.measures.edit_selection import EditSelection
from pipeline.stages.measures.evaluate import Evaluate
from pipeline.stages.measures.full_strengths import FullStrengths
from pipeline.stages.measures.held_out import HeldOut
from pipeline.stages.measures.learning_curve import LearningCurve
from pipeline.stages.measures.locality import Locality
from pipeline.stages.measures.profiles import Profiles
from pipeline.stages.measures.samplers import Samplers
from pipeline.stages.measures.score_edits import ScoreEdits
from pipeline.stages.measures.transfer import Transfer
from pipeline.stages.publish import Catalog
from pipeline.stages.sources.dtypes import Dtypes
from pipeline.stages.sources.invert import Invert
from pipeline.stages.sources.sample import Sample
from pipeline.stages.sources.sketches import SketchActivations, SketchedSample
from tests.pipeline.making import Silent, made

__all__ = ["Silent"]

WANTED = ("smile", "age", "yaw")
REGION = Box(2, 2, 12, 10)


@pytest.fixture(scope="session")
def model(tiny_model) -> pretrained.Model:
    return pretrained.find(str(tiny_model))


@pytest.fixture(scope="session")
def real(tmp_path_factory) -> ImageSet:
    """Ten portraits as files. Do not write into their folder."""
    folder = tmp_path_factory.mktemp("real")
    for i, pixels in enumerate(draw(10, seed=987_654).permute(0, 2, 3, 1).numpy()):
        Image.fromarray(pixels).save(folder / f"{i}.png")
    return image_set.find(folder)


# The sections


@pytest.fixture(scope="session")
def sources(model, real) -> Section:
    return Section(
        sample=Sample(model, n=20, steps=3, batch=8),
        sketched=SketchedSample(model, n=20, steps=3, batch=8, annotator=annotator("portraits"), keep=4, block=8),
        inverted=Invert(model, steps=3, batch=8, images=real),
        dtypes=Dtypes(model, batch=8),
    )


@pytest.fixture(scope="session")
def labels(sources) -> Section:
    annotate = Annotate(sources.sample, (annotator("portraits"), annotator("mtcnn")))
    return Section(
        annotate=annotate,
        of_real=Annotate(sources.inverted, (annotator("portraits"),)),
        judged=Annotate(sources.sample, (annotator("portraits-judge"), annotator("mtcnn"))),
        embed=Embed(sources.sample, annotator("portraits-judge")),
        familiarity=Familiarity.of(sources.sample, (annotator("portraits"), annotator("mtcnn"))),
        sketches=SketchActivations(annotate, "portraits", keep=4, block=8),
    )


@pytest.fixture(scope="session")
def of_images(real, tmp_path_factory) -> Section:
    """What is said of images by the thousand, of ten."""
    published, report = annotations(
        Path(real.path), [annotator("pixels")], tmp_path_factory.mktemp("spool"), (16, 16), 4, 0.0
    ).goals
    return Section(listed=published.annotate.images, annotated=published.annotate, published=published, report=report)


@pytest.fixture(scope="session")
def outside(tmp_path_factory) -> Path:
    """A description of two directions of the tiny model, one of an attribute."""
    folder = tmp_path_factory.mktemp("outside")
    np.save(folder / "vectors.npy", np.random.default_rng(0).standard_normal((2, 16, 8, 8)))
    named = [{"name": "theirs", "attribute": "smile"}, {"name": "free"}]
    directions = [{**each, "file": "vectors.npy", "row": row} for row, each in enumerate(named)]
    (folder / "theirs.json").write_text(json.dumps({"directions": directions}))
    return folder / "theirs.json"


@pytest.fixture(scope="session")
def finders(sources, labels, outside) -> Section:
    sample, by = sources.sample, (labels.annotate, "portraits", WANTED, 4)
    difference = MeanDifference(*by)
    subspaces = JacobianSubspaces(sample, (0, 9, 3), (0, 2), 2, REGION, batch=2)
    return Section(
        difference=difference,
        classifier=LinearClassifier(*by),
        discriminant=LinearDiscriminant(*by),
        of_real=LinearDiscriminant(labels.of_real, "portraits", ("yaw",), 4, shrinkage=1.0),
        streamed=LinearDiscriminant(labels.sketches, "portraits", WANTED),
        components=PrincipalComponents(sources.sketched, 2),
        disentangled=Disentangle(difference),
        by_effects=DisentangleByEffects(difference, sample, labels.annotate, annotator("portraits"), n=2),
        distinct=JacobianDirections(subspaces, sample, 2),
        mean=JacobianDirections(subspaces, sample, 1, "mean"),
        imported=imported(outside, sample),
    )


@pytest.fixture(scope="session")
def measured(sources, labels, finders) -> Section:
    """Of a finder of each sort: what is edited has nothing to do with what fitted it."""
    sample = sources.sample
    edited = (
        finders.difference,
        finders.disentangled,
        finders.by_effects,
        finders.components,
        finders.distinct,
        finders.mean,
    )
    control = RandomDirections(sample, edited, 2)
    drawn = HeldOut(sample, n=2, seeds=2)
    edit = Edit(sample, (*edited, control), (-1.0, 1.0), n=2, seeds=2, drawn=drawn)
    judges = labels.judged.annotators
    selected = ScoreEdits(EditSelection(sample, edit.finders, (-1.0, 1.0), n=3), judges[:1], labels.embed)
    scored = ScoreEdits(edit, judges, labels.embed, Box(4, 4, 12, 12))
    evaluation = Evaluate(scored, labels.judged, beside=selected)
    origins = ScoreEdits(EditOrigins(sample, (finders.distinct,), (-1.0, 1.0)), judges)
    ranking = Profiles(edited, (evaluation,), (verification(evaluation, 2),))
    unsupervised = (finders.components, finders.distinct, finders.mean)
    top = EditRanked(sample, unsupervised, n=3, profiles=ranking, top=2)
    confirmed = Confirm(ScoreEdits(top, judges, labels.embed, Box(4, 4, 12, 12)))
    profiles = replace(ranking, confirmed=confirmed)
    selection = Evaluate(selected, labels.judged)
    return Section(
        edited=edited,
        control=control,
        evaluation=evaluation,
        profiles=profiles,
        best=BestStrengths(profiles, (selection,)),
        samplers=Samplers((otherwise(evaluation, ranking, 2, (finders.disentangled,)),)),
        transfer=Transfer(origins, evaluation),
        locality=Locality(edit, (REGION,)),
        learning_curve=LearningCurve(finders.difference, 4),
        carriage=Carriage(sample, ("mid_block", "mid_block+up_blocks.0"), annotator("portraits"), 4, Box(4, 4, 12, 12)),
        full=FullStrengths(sample, (finders.components,), labels.annotate, annotator("portraits"), n=2),
    )


@pytest.fixture(scope="session")
def places(model) -> Section:
    """h at two capture points of one sample, directions at each and at both, and what chooses between them."""
    sample = Sample(model, n=20, steps=3, batch=8, point="mid_block+up_blocks.0")
    labels = Annotate(sample, (annotator("portraits"),))
    by = (labels, "portraits", WANTED, 4)
    mid, up = MeanDifference(*by, at="mid_block"), LinearClassifier(*by, at="up_blocks.0")
    both = Joined((mid, MeanDifference(*by, at="up_blocks.0")), sample)
    selected = Selected(Disentangle(up), ("smile", "yaw"))
    edits = EditAtPoints(sample, (selected, Disentangle(both)), (-1.0, 1.0), n=2)
    scored = ScoreEdits(edits, (annotator("portraits"),))
    carriage = Carriage(sample, ("mid_block", "up_blocks.0"), annotator("portraits"), n=4)
    return Section(
        mid=mid,
        up=up,
        both=both,
        selected=selected,
        components=PrincipalComponents(sample.seen_at("up_blocks.0"), 2),
        carriage=carriage,
        choice=Choose(Evaluate(scored, labels, None, ("portraits",)), carriage),
    )


@pytest.fixture(scope="session")
def flow(sources, measured) -> Explorer:
    """Whatever is measured, published and shown."""
    return Explorer(
        Catalog(
            sources.sample,
            measured.profiles,
            (measured.transfer,),
            (measured.locality,),
            (measured.learning_curve,),
            measured.carriage,
            best=measured.best,
            samplers=measured.samplers,
        )
    )


@pytest.fixture(scope="session")
def wired(sources, labels, of_images, finders, measured, places, flow) -> list[Stage]:
    """Every stage of every section, each after what it reads."""
    alone = [stage for section in (sources, labels, of_images, finders, places) for stage in vars(section).values()]
    return in_order([*alone, measured.full, flow])


# Making them


@pytest.fixture(scope="session")
def made_of(tmp_path_factory) -> Callable[..., Store]:
    """Makes stages, and what they read, in the store that all tests share: what another test has made is found again."""
    root = tmp_path_factory.mktemp("shared")
    return lambda *goals: made(root, *goals)


@pytest.fixture(scope="session")
def store(made_of, flow) -> Store:
    """The shared store, with all that the explorer reads in it."""
    return made_of(flow)


@pytest.fixture(scope="session")
def make() -> Callable[[Stage, Path], Store]:
    """Makes a stage, and what it reads, in a folder."""
    return lambda goal, root: made(root, goal)
