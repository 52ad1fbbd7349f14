"""The page that the hub shows: its front matter is what was meant, its pictures are there, its lines can be run."""

import ast
import re

import pytest
import yaml
from huggingface_hub import ModelCard, ModelCardData
from huggingface_hub.utils import validate_repo_id
from PIL import Image

from pipeline.catalog.card import card
from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.catalog.export.formats import export
from pipeline.catalog.export.hub import front_matter, text
from pipeline.errors import UserError
from tests.pipeline.catalog.export.planted_catalog import HOSTILE, SCRIPT, hostile, opened, planted
from tests.pipeline.catalog.planted_findings import catalog_of, supervised


def exported(folder, out, **options):
    export(opened(folder), "hub", out, **options)
    return (out / "README.md").read_text()


def of_model(**known):
    about = catalog_of([supervised("smile", "ridge")])
    return about.model_copy(update={"model": about.model.model_copy(update=known)})


def test_the_folder_is_the_catalog_with_pictures(tmp_path):
    folder = planted(tmp_path / "catalog")
    exported(folder, tmp_path / "out")
    published, again = opened(folder), DirectionCatalog.open(tmp_path / "out")
    assert again.about == published.about
    assert again.files == {*published.files, "pictures/smile.jpg", "pictures/age.jpg"}
    assert all(again.read(name) == published.read(name) for name in published.files - {"README.md"})
    assert all(again.read(name) for name in again.files)


def test_its_pictures_show_samples_from_minus_to_plus(tmp_path):
    readme = exported(planted(tmp_path / "catalog"), tmp_path / "out")
    assert Image.open(tmp_path / "out" / "pictures" / "smile.jpg").size == (
        3 * 128,
        2 * 128,
    )  # -1, 0 and 1; two samples
    assert set(re.findall(r"!\[\w+\]\((.*?)\)", readme)) == {"pictures/smile.jpg", "pictures/age.jpg"}
    assert "moved by 1.20 standard deviations at strength +1," in readme and "strengths -1, 0, +1:" in readme


def test_the_front_matter_is_what_the_hub_is_to_know(tmp_path):
    folder = planted(tmp_path / "catalog")
    exported(folder, tmp_path / "out", base_model="google/ddpm-ema-celebahq-256", license="apache-2.0")
    data = ModelCard.load(tmp_path / "out" / "README.md").data.to_dict()
    assert data == {
        "base_model": "google/ddpm-ema-celebahq-256",
        "base_model_relation": "adapter",
        "library_name": "hspace-directions",
        "license": "apache-2.0",
        "pipeline_tag": "unconditional-image-generation",
        "tags": ["hspace-directions", "h-space", "semantic-directions", "image-editing", "diffusion", "age", "smile"],
    }
    validate_repo_id(data["base_model"])


def test_the_base_model_is_that_of_the_run_where_it_came_from_the_hub():
    assert "base_model" not in yaml.safe_load(front_matter(of_model(name="runs/model")))
    known = of_model(name="google/ddpm-church-256", revision="0" * 40)
    assert yaml.safe_load(front_matter(known))["base_model"] == "google/ddpm-church-256"
    conditional = of_model(unet={"cross_attention_dim": 768, "in_channels": 4, "sample_size": 8})
    assert yaml.safe_load(front_matter(conditional))["pipeline_tag"] == "text-to-image"


@pytest.mark.parametrize("name", ["path/to/my/model", "model", "owner/name@main", "a b/c"])
def test_a_base_model_that_is_none_is_refused(name):
    with pytest.raises(UserError, match="is no model of the hub"):
        front_matter(of_model(), name)


def test_the_client_sends_the_card_for_validation_as_it_is(tmp_path, monkeypatch):
    """`ModelCard.validate` asks the hub; here it is seen what it asks."""
    exported(planted(tmp_path / "catalog"), tmp_path / "out")
    sent = {}

    class Session:
        def post(self, url, json, headers):
            sent.update(json)

    monkeypatch.setattr("huggingface_hub.repocard.get_session", Session)
    monkeypatch.setattr("huggingface_hub.repocard.hf_raise_for_status", lambda response: None)
    ModelCard.load(tmp_path / "out" / "README.md").validate()
    assert sent["repoType"] == "model"
    found = yaml.safe_load(sent["content"].split("---")[1])
    assert ModelCardData(**found).to_dict() == found


def test_the_lines_that_apply_a_direction_are_those_of_the_card(tmp_path):
    folder = planted(tmp_path / "catalog")
    readme = exported(folder, tmp_path / "out", repository="me/directions")
    blocks = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    [plain] = re.findall(r"```python\n(.*?)```", card(opened(folder)), re.DOTALL)
    assert plain in blocks and 'from_pretrained("me/directions")' in blocks[0]
    for block in blocks:
        ast.parse(block)


def test_names_of_any_kind_do_nothing_on_the_page(tmp_path):
    readme = exported(hostile(tmp_path / "catalog"), tmp_path / "out")
    front, body = re.fullmatch(r"---\n(.*?)\n---\n(.*)", readme, re.DOTALL).groups()
    data = yaml.safe_load(front)
    assert "license" not in data and all(re.fullmatch(r"[a-z0-9-]+", tag) for tag in data["tags"])
    assert SCRIPT not in body and "<" not in body
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert {path.parent.name for path in files} == {"out", "pictures"}
    assert len([path for path in files if path.suffix == ".jpg"]) == len(HOSTILE) + 1
    assert {path.name for path in tmp_path.iterdir()} == {"catalog", "out"}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_as_text_stays_in_its_line_and_is_no_markup(name):
    written = text(name)
    assert "\n" not in written and "<" not in written and not re.search(r"(?<!\\)[\[\]`*()|]", written)


def test_an_export_of_the_hub_can_be_exported_again(tmp_path):
    exported(planted(tmp_path / "catalog"), tmp_path / "out")
    again = exported(tmp_path / "out", tmp_path / "again")
    assert again == (tmp_path / "out" / "README.md").read_text()
