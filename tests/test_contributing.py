"""What CONTRIBUTING.md says to add works, in the two places that it says: the document's own code is run, outside the package."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from pipeline.annotators import registry
from pipeline.annotators.base import Annotator
from pipeline.engine.stage import Stage
from pipeline.errors import UserError
from pipeline.fingerprint import settings
from pipeline.formats.images import decode
from pipeline.imagesets import image_set
from pipeline.models import pretrained
from pipeline.recipes import find
from pipeline.recipes.domain import Domain
from pipeline.stages.finders.finder import names_of
from pipeline.stages.labels.annotate import Annotate
from pipeline.stages.measures.edit import Edit
from pipeline.stages.sources.invert import Invert
from pipeline.stages.sources.sample import Sample
from schemas.run import Run
from tests.documented import added, listed, section, write_weights
from tests.pipeline.imagesets.test_contract import SHADES, png, write_zips
from tests.pipeline.making import made
from tests.pipeline.planted_generator import ATTRIBUTES, SPREAD, PlantedAnnotator, PlantedModel, direction

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def model(tiny_model) -> pretrained.Model:
    return pretrained.find(str(tiny_model))


@pytest.fixture
def make(tmp_path):
    """Makes stages and what they read."""
    return lambda *goals: made(tmp_path / "store", *goals)


@pytest.mark.parametrize("kind", ["finder", "annotator", "image set"])
def test_a_thing_is_added_in_two_places_of_which_one_is_a_line(kind):
    places = set(re.findall(r"`(pipeline/[a-z_/]+\.py)`", section(kind)))
    assert len(places) == 2
    assert len(added(kind).line.strip().splitlines()) == 1
    assert added(kind).module.__name__.partition(".")[0] not in ("pipeline", "schemas", "jobs")


# A finder


@pytest.fixture
def labelled() -> Annotate:
    """Samples whose attributes are linear in h by construction, scored without error."""
    return Annotate(Sample(PlantedModel(), 1000, steps=1, eta=0.0, batch=100), (PlantedAnnotator(),))


@pytest.fixture
def better(monkeypatch, labelled) -> tuple[Stage, ...]:
    """The finders of a run, with the one that the document adds."""
    finder = added("finder")
    scope = {**vars(find), "ScoreCovariance": finder.module.ScoreCovariance}
    exec(finder.line, scope)
    monkeypatch.setattr(find, "BETTER", scope["BETTER"])
    domain = Domain(PlantedModel(), PlantedAnnotator(), (), ATTRIBUTES)
    return find.supervised(Run(top=100), labelled.sample, domain).better


def test_the_finder_finds_what_is_planted(better, make):
    finder = better[-1]
    assert [type(each).__name__ for each in better] == ["LinearClassifier", "LinearDiscriminant", "ScoreCovariance"]
    store = make(finder)
    table = store.table(finder, "directions.parquet").to_pylist()
    assert [row["name"] for row in table] == list(names_of(finder)) == [f"{a}/score-covariance" for a in ATTRIBUTES]
    vectors = store.vectors(finder)
    for k, row in enumerate(table):
        found, planted = vectors[row["name"]].ravel(), direction(*np.eye(len(ATTRIBUTES))[k]).ravel()
        assert found @ planted / np.linalg.norm(found) / np.linalg.norm(planted) > 0.99, row["name"]
        assert (row["method"], row["attribute"], row["n"]) == ("score-covariance", ATTRIBUTES[k], 1000)


def test_the_finders_directions_are_edited_with_as_all_others_are(better, make):
    edit = Edit(better[-1].source, better[-1:], (1.0,), n=2)
    edited = make(edit).table(edit, "edits.parquet").to_pandas()
    assert set(edited["direction"]) == {"unedited", *names_of(better[-1])}


# An annotator


@pytest.fixture
def beards() -> Iterator[Annotator]:
    write_weights()
    with listed("annotator", registry.ANNOTATORS) as name:
        yield registry.annotator(name)


def test_the_annotator_labels_images_under_its_name(beards, model, make):
    annotate = Annotate(Sample(model, n=5, steps=2, batch=4), (beards,))
    scores = annotate.scores(make(annotate), "beards")
    images = decode(make(annotate).table(annotate.sample, "samples.parquet"))
    assert list(scores.columns) == ["beard"] and len(set(scores["beard"])) == 5
    np.testing.assert_allclose(scores["beard"], beards.load()(images)[:, 0], atol=1e-5)


def test_other_weights_are_another_annotator(beards):
    weights = added("annotator").module.WEIGHTS
    save_file({name: 2 * value for name, value in load_file(weights).items()}, weights)
    assert settings(registry.annotator("beards")) != settings(beards)
    with pytest.raises(UserError, match="beards.safetensors has changed since it was first read"):
        beards.load()


# An image set


def test_the_image_set_is_found_and_inverted(model, tmp_path, make):
    file = write_zips(tmp_path / "set", [png(shade) for shade in SHADES])
    with listed("image set", image_set.KINDS):
        found = [image_set.find(path) for path in (file, file.parent)]
    assert [type(each.kind).__name__ for each in found] == ["ZipArchives"] * 2
    inverted = Invert(model, steps=2, batch=3, images=found[0])
    samples = make(inverted).table(inverted, "samples.parquet")
    assert [cell["path"] for cell in samples["image"].to_pylist()] == [f"0.zip/{i}.png" for i in range(5)]
    assert decode(samples)[:, 0, 0, 0].tolist() == list(SHADES)


def test_without_its_line_the_image_set_is_not_found(tmp_path):
    with pytest.raises(UserError, match="holds no images; expected .png, .* or .tar, in it"):
        image_set.find(write_zips(tmp_path / "set", [png(1)]).parent)


# A metric

MEASURED = """
import sys
from pathlib import Path

from pipeline.stages.labels.annotate import Annotate
from pipeline.stages.measures.edit import Edit
from pipeline.stages.measures.evaluate import Evaluate
from pipeline.stages.measures.profiles import Profiles
from pipeline.stages.measures.score_edits import ScoreEdits
from pipeline.stages.publish import Catalog
from pipeline.stages.explorer import Explorer
from pipeline.stages.sources.sample import Sample
from tests.pipeline.making import made
from tests.pipeline.planted_generator import PlantedFinder, PlantedJudge, PlantedModel

sample = Sample(PlantedModel(), 50, steps=1, eta=0.0, batch=50)
finders = (PlantedFinder(((1.0, 0, 0, 0, 0), (0, 1.0, 0, 0, 0)), ("alpha", "beta")),)
scored = ScoreEdits(Edit(sample, finders, (1.0,), n=4), (PlantedJudge(),))
evaluation = Evaluate(scored, Annotate(sample, (PlantedJudge(),)))
explorer = Explorer(Catalog(sample, Profiles(finders, (evaluation,))))
store = made(Path(sys.argv[1]), explorer)
table = store.table(explorer.catalog, "preservation.parquet").to_pandas()
print(table.loc[table["direction"] == "alpha/planted", "brightness_shift"].item())
print(store.text(explorer, "effects.html").count("brightness shift"))
"""


@pytest.fixture
def changed(tmp_path) -> Path:
    """This project with the column and the function of the document in their files."""
    root = tmp_path / "project"
    for package in ("pipeline", "schemas", "tests"):
        shutil.copytree(ROOT / package, root / package, ignore=shutil.ignore_patterns("__pycache__", "*.safetensors"))
    column, function = re.findall(r"^```python\n(.*?)^```", section("metric"), re.DOTALL | re.MULTILINE)
    schema, metrics = root / "schemas" / "preservation.py", root / "pipeline" / "metrics" / "preservation.py"
    before, after = schema.read_text().split("MEASURES = [\n")
    schema.write_text(f"{before}MEASURES = [\n{column.strip()},\n{after}")
    metrics.write_text(f"{metrics.read_text()}\n\n{function}")
    return root


def test_the_metric_is_measured_published_and_reported(changed, tmp_path):
    """Direction alpha makes one of five stripes brighter by its spread, of which a shade of 1 is 127.5 levels."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(tmp_path / "store")],
        cwd=changed,
        env={**os.environ, "PYTHONPATH": str(changed)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    shift, on_the_page = done.stdout.split()
    assert float(shift) == pytest.approx(SPREAD[0] * 127.5 / 5, rel=0.03)
    assert int(on_the_page) >= 2, "as a column, and explained"
