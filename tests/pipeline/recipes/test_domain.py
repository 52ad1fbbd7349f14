"""A run's names become plugs, and what it leaves out has an answer or an error that says what to name."""

import pytest

from pipeline.annotators.registry import annotator, mask
from pipeline.domains.portraits.run import PORTRAITS
from pipeline.errors import UserError
from pipeline.recipes.domain import Domain
from schemas.run import Run
from tests.pipeline.planted_generator import PlantedModel

MODEL = PlantedModel()


def test_the_bundled_domain_is_its_own_plugs_and_no_others():
    found = Domain.of(PORTRAITS, MODEL)
    assert (found.annotator, found.judges) == (
        annotator("portraits"),
        (annotator("portraits-judge"), annotator("mtcnn")),
    )
    assert found.attributes == ("smile", "glasses", "age", "gender", "yaw")
    assert found.regions == (None, mask("eyes"), mask("mouth")) and found.foreground == mask("head")
    assert found.embedder == annotator("portraits-judge"), "the first judge that has features"


def test_a_folder_is_called_by_its_whole_name_whatever_is_in_it(tiny_model, tmp_path):
    folder = tmp_path / "someone@somewhere" / "model"
    folder.parent.mkdir()
    folder.symlink_to(tiny_model)
    assert Domain.of(Run(model=str(folder), attributes="")).model.name == str(folder)
    assert Domain.of(Run(model="digits", attributes="")).model.name == "digits"


def test_regions_foreground_and_embedder_are_optional():
    found = Domain.of(Run(annotator="portraits", judge=["mtcnn"], region=[]), MODEL)
    assert (found.regions, found.foreground, found.embedder) == ((), None, None)


def test_without_attributes_directions_are_found_for_all_that_is_scored_but_the_presence():
    found = Domain.of(Run(annotator="mtcnn", judge=["portraits-judge"]), MODEL)
    assert found.attributes == ("yaw", "pitch", "roll", "mouth_width")
    assert Domain.of(Run(annotator="portraits", judge=["mtcnn"], attributes=""), MODEL).attributes == ()


def test_who_compares_images_can_be_named():
    named = {"annotator": "pixels", "judge": ("mtcnn", "portraits-judge"), "attributes": ()}
    assert Domain.of(Run(**named), MODEL).embedder == annotator("portraits-judge"), "the first judge that has features"
    assert Domain.of(Run(**named, embedder="portraits"), MODEL).embedder == annotator("portraits")
    with pytest.raises(UserError, match="'mtcnn' has no features"):
        Domain.of(Run(**named, embedder="mtcnn"), MODEL)
    with pytest.raises(UserError, match="both say by whom images are compared"):
        Domain.of(Run(**named, embedder="portraits", facenet_weights="some"), MODEL)


@pytest.mark.parametrize(
    ("run", "model", "message"),
    [
        (Run(annotator="portraits", judge=["mtcnn"]), None, "There is no model"),
        (Run(judge=["mtcnn"]), MODEL, "Nobody labels the samples: name an `annotator` that knows"),
        (Run(annotator="portraits"), MODEL, "Nobody measures what edits do: name a `judge`"),
        (
            Run(annotator="hats", judge=["mtcnn"]),
            MODEL,
            "There is no annotator 'hats'; there are mtcnn, pixels, portraits",
        ),
        (Run(annotator="portraits", judge=["mtcnn"], foreground="hat"), MODEL, "There is no mask 'hat'"),
    ],
)
def test_what_is_not_named_or_not_known_is_refused(run, model, message):
    with pytest.raises(UserError, match=message):
        Domain.of(run, model)
