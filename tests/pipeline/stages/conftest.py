"""A small but whole flow, from noise and real images to report, made once for the tests of the stages."""

from pathlib import Path

import pytest
from PIL import Image

from pipeline.annotators.regions import Box
from pipeline.annotators.registry import annotator
from pipeline.domains.portraits.data import draw
from pipeline.engine.plan import plan
from pipeline.engine.pool import InProcess
from pipeline.engine.runner import run
from pipeline.engine.stage import Stage
from pipeline.engine.store import Store
from pipeline.imagesets import image_set
from pipeline.imagesets.image_set import ImageSet
from pipeline.models import pretrained
from pipeline.stages.finders.disentangle import Disentangle
from pipeline.stages.finders.disentangle_by_effects import DisentangleByEffects
from pipeline.stages.finders.jacobian_directions import JacobianDirections
from pipeline.stages.finders.jacobian_subspaces import JacobianSubspaces
from pipeline.stages.finders.linear_classifier import LinearClassifier
from pipeline.stages.finders.linear_discriminant import LinearDiscriminant
from pipeline.stages.finders.mean_difference import MeanDifference
from pipeline.stages.finders.principal_components import PrincipalComponents
from pipeline.stages.finders.random_directions import RandomDirections
from pipeline.stages.labels.annotate import Annotate
from pipeline.stages.labels.embed import Embed
from pipeline.stages.measures.edit import Edit, EditOrigins
from pipeline.stages.measures.edit_calibrated import verification
from pipeline.stages.measures.evaluate import Evaluate
from pipeline.stages.measures.learning_curve import LearningCurve
from pipeline.stages.measures.locality import Locality
from pipeline.stages.measures.profiles import Profiles
from pipeline.stages.measures.score_edits import ScoreEdits
from pipeline.stages.measures.transfer import Transfer
from pipeline.stages.publish import Catalog
from pipeline.stages.report import Report
from pipeline.stages.sources.invert import Invert
from pipeline.stages.sources.sample import Sample
from pipeline.stages.sources.sketches import SketchActivations, SketchedSample


class Silent:
    def advance(self, stage: Stage) -> None:
        pass


def make_flow(model: pretrained.Model, real: ImageSet) -> Report:
    sample = Sample(model, n=20, steps=3, batch=8)
    annotate = Annotate(sample, (annotator("portraits"), annotator("mtcnn")))
    wanted = ("smile", "age", "yaw")
    difference = MeanDifference(annotate, "portraits", wanted, 4)
    classifier = LinearClassifier(annotate, "portraits", wanted, 4)
    inverted = Annotate(Invert(model, steps=3, batch=8, images=real), (annotator("portraits"),))
    from_real = LinearDiscriminant(inverted, "portraits", ("yaw",), 4, shrinkage=1.0)
    discriminant = LinearDiscriminant(annotate, "portraits", wanted, 4)
    sketched = SketchedSample(model, n=20, steps=3, batch=8, annotator=annotator("portraits"), keep=4, block=8)
    unsupervised = PrincipalComponents(sketched, 2)
    sketches = SketchActivations(annotate, "portraits", keep=4, block=8)
    streamed = LinearDiscriminant(sketches, "portraits", wanted)
    region = Box(2, 2, 12, 10)
    singular = JacobianDirections(JacobianSubspaces(sample, (0, 9, 3), (0, 2), 2, region, batch=2), sample, 2)
    mean = JacobianDirections(JacobianSubspaces(sample, (0, 9, 3), (0, 2), 2, region, batch=2), sample, 1, "mean")
    finders = (
        *(difference, classifier, discriminant, streamed, Disentangle(difference), Disentangle(classifier)),
        *(unsupervised, from_real, singular, mean),
    )
    judges = (annotator("portraits-judge"), annotator("mtcnn"))
    unedited = Annotate(sample, judges)
    by_effects = DisentangleByEffects(difference, sample, annotate, annotator("portraits"), n=2)
    finders = (*finders, by_effects)
    edit = Edit(sample, (*finders, RandomDirections(sample, finders, 2)), (-1.0, 1.0), n=2, seeds=2)
    embed = Embed(sample, annotator("portraits-judge"))
    evaluation = Evaluate(ScoreEdits(edit, judges, embed, Box(4, 4, 12, 12)), unedited)
    transfers = (Transfer(ScoreEdits(EditOrigins(sample, (singular,), (-1.0, 1.0)), judges), evaluation),)
    return Report(
        Catalog(
            sample,
            Profiles(finders, (evaluation,), (verification(evaluation, 2),)),
            transfers,
            (Locality(edit, (region,)),),
            (LearningCurve(difference, 4),),
        )
    )


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


@pytest.fixture(scope="session")
def flow(model, real) -> Report:
    return make_flow(model, real)


@pytest.fixture(scope="session")
def make():
    """Makes a flow in a folder."""

    def make_in(flow: Report, root: Path) -> Store:
        store = Store(root)
        store.prepare()
        run(plan([flow], store), store, InProcess, Silent())
        return store

    return make_in


@pytest.fixture(scope="session")
def store(make, flow, tmp_path_factory) -> Store:
    return make(flow, tmp_path_factory.mktemp("first"))
