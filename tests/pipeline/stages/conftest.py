"""A small but whole flow, from noise and real images to report, made once for the tests of the stages."""

from pathlib import Path

import pytest
from PIL import Image

from pipeline import images, models
from pipeline.cluster import InProcess
from pipeline.images import ImageSet
from pipeline.masks import Box
from pipeline.portraits.data import draw
from pipeline.runner import plan, run
from pipeline.stage import Stage
from pipeline.stages.annotate import Annotate, annotator
from pipeline.stages.calibrate import calibrate
from pipeline.stages.catalog import Catalog
from pipeline.stages.convergence import Convergence
from pipeline.stages.disentangle import Disentangle
from pipeline.stages.disentangle_by_effects import DisentangleByEffects
from pipeline.stages.edit import Edit, EditOrigins
from pipeline.stages.embed import Embed
from pipeline.stages.evaluate import Evaluate
from pipeline.stages.invert import Invert
from pipeline.stages.jacobian_directions import JacobianDirections
from pipeline.stages.jacobian_subspaces import JacobianSubspaces
from pipeline.stages.linear_classifier import LinearClassifier
from pipeline.stages.linear_discriminant import LinearDiscriminant
from pipeline.stages.locality import Locality
from pipeline.stages.mean_difference import MeanDifference
from pipeline.stages.principal_components import PrincipalComponents
from pipeline.stages.random_directions import RandomDirections
from pipeline.stages.report import Report
from pipeline.stages.sample import Sample
from pipeline.stages.score_edits import ScoreEdits
from pipeline.stages.sketched_directions import SketchedDirections
from pipeline.stages.sketches import SketchActivations, SketchedSample
from pipeline.stages.transfer import Transfer
from pipeline.store import Store


class Silent:
    def advance(self, stage: Stage) -> None:
        pass


def make_flow(model: models.Model, real: ImageSet) -> Report:
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
    streamed = SketchedDirections(SketchActivations(annotate, "portraits", keep=4, block=8), wanted)
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
            finders,
            (evaluation,),
            (calibrate(evaluation, 2),),
            transfers,
            (Locality(edit, (region,)),),
            (Convergence(difference, 4),),
        )
    )


@pytest.fixture(scope="session")
def model(tiny_model) -> models.Model:
    return models.find(str(tiny_model))


@pytest.fixture(scope="session")
def real(tmp_path_factory) -> ImageSet:
    """Ten portraits as files. Do not write into their folder."""
    folder = tmp_path_factory.mktemp("real")
    for i, pixels in enumerate(draw(10, seed=987_654).permute(0, 2, 3, 1).numpy()):
        Image.fromarray(pixels).save(folder / f"{i}.png")
    return images.find(folder)


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
