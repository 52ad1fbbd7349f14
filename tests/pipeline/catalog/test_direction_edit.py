"""An edit travels as JSON, and comes back as it was, with the catalog that it was made with or none."""

import json

import numpy as np
import pytest
import torch

from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.catalog.direction_edit import DirectionEdit
from pipeline.errors import UserError
from tests.pipeline.catalog.planted_catalogs import loaded, planted_catalog, planted_model, summed


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return planted_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def folder(model, tmp_path):
    return planted_catalog(tmp_path / "catalog", model)


def edit_of(folder) -> DirectionEdit:
    strengths = {"smile": 1.5, "glasses/ridge": [-1.0, 2.0]}
    return DirectionEdit.of(DirectionCatalog.from_pretrained(folder), strengths, timesteps=(100, 800))


def test_it_comes_back_as_it_was_and_edits_alike(folder, model):
    edit = edit_of(folder)
    back = DirectionEdit.from_json(edit.to_json())
    assert back == edit
    assert list(back.strengths) == ["smile/ridge/disentangled", "glasses/ridge"], "names are those of directions"
    unet, _ = loaded(model)
    outputs = []
    for each in (edit, back):
        with torch.no_grad(), each.open().edit(unet, each):
            outputs.append(unet(torch.ones(2, 3, 8, 8), 500).sample)
    assert torch.equal(*outputs) and not torch.equal(outputs[0][0], outputs[0][1])


def test_strengths_may_be_of_numpy_and_torch(folder):
    catalog = DirectionCatalog.from_pretrained(folder)
    for value in (np.float32(1.5), np.array([1.5, 2.0]), torch.tensor([1.5, 2.0]), torch.tensor(1.5)):
        [found] = DirectionEdit.of(catalog, {"smile": value}).strengths.values()
        assert found == (1.5 if np.ndim(value) == 0 else (1.5, 2.0))


def test_another_catalog_in_its_place_is_refused_unless_allowed(folder, model):
    edit = edit_of(folder)
    (folder / "README.md").write_text("Another card.\n")
    summed(folder)
    with pytest.raises(UserError, match="is not the one that this edit was made with"):
        edit.open()
    unet, _ = loaded(model)
    catalog = DirectionCatalog.from_pretrained(folder)
    with pytest.raises(UserError, match="the edit was made with the catalog .*\n.*allow 'catalog'"):
        catalog.edit(unet, edit)
    catalog.edit(unet, edit, allow=["catalog"])


@pytest.mark.parametrize(
    "changed, match",
    [
        ({"strengths": {"smile/ridge": "far"}}, "strengths"),
        ({"strengths": {"smile/ridge": float("nan")}}, "strengths"),
        ({"strengths": {"smile/ridge": [float("inf")]}}, "strengths"),
        ({"schema_version": 3}, "schema_version"),
        ({"run": "rm"}, "run: Extra inputs are not permitted"),
        ({"timesteps": [1]}, "timesteps"),
    ],
)
def test_what_is_no_edit_is_refused_with_what_is_wrong_in_it(folder, changed, match):
    content = json.loads(edit_of(folder).to_json()) | changed
    with pytest.raises(UserError, match=f"This is no edit: .*{match}"):
        DirectionEdit.from_json(json.dumps(content))


def test_a_misspelt_option_and_one_direction_twice_are_refused(folder):
    catalog = DirectionCatalog.from_pretrained(folder)
    with pytest.raises(UserError, match="calibratd"):
        DirectionEdit.of(catalog, {"smile": 1.0}, calibratd=False)
    with pytest.raises(UserError, match="two name one direction"):
        DirectionEdit.of(catalog, {"smile": 1.0, "smile/ridge/disentangled": 1.0})
