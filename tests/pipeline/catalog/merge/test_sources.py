"""Catalogs of one model and one way of sampling are merged, and no others; each is called by what tells it from the rest."""

from pathlib import Path

import pytest

from pipeline.catalog.merge.sources import names_of, opened
from pipeline.errors import UserError
from tests.pipeline.catalog.planted_catalog import standard

UNET = {"in_channels": 3, "sample_size": 16}


@pytest.mark.parametrize(
    "folders, names",
    [
        (("runs/first", "runs/second"), ["first", "second"]),
        (("runs/first/catalog", "runs/second/catalog"), ["first", "second"]),
        (("one/x/catalog", "two/x/catalog"), ["one", "two"]),
        (("runs/same", "runs/same"), ["1", "2"]),
    ],
)
def test_a_catalog_is_called_by_the_folder_that_tells_it_from_the_others(folders, names):
    assert names_of([Path(folder) for folder in folders]) == names


@pytest.mark.parametrize(
    "known, said",
    [
        ({"model": {"weights_sha256": "cd" * 32}}, "model.weights_sha256 (abababababababab… and cdcdcdcdcdcdcdcd…)"),
        ({"model": {"unet": {**UNET, "in_channels": 4}}}, "model.unet (a configuration and a configuration)"),
        ({"model": {"class_label": 3}}, "model.class_label (None and 3)"),
        ({"sampling": {"eta": 0.0}}, "sampling.eta (1.0 and 0.0)"),
        ({"sampling": {"timesteps": [998, 600, 300, 1]}}, "sampling.timesteps"),
        ({"sampling": {"clip": True}}, "sampling.clip (False and True)"),
        ({"captures": [("mid_block", (2, 4, 4))]}, "the shape of h at mid_block ([8, 2, 2] and [2, 4, 4])"),
    ],
)
def test_what_is_of_another_model_or_applied_otherwise_is_refused_with_what_differs(tmp_path, known, said):
    folders = [standard().write(tmp_path / "a"), standard(**known).write(tmp_path / "b")]
    with pytest.raises(UserError, match="is of another model than .* or is applied in another way") as refused:
        opened(folders)
    assert said in str(refused.value)


def test_seeds_samples_and_releases_of_diffusers_may_differ(tmp_path):
    other = standard(
        sampling={"seed": 7, "n": 12}, model={"unet": {**UNET, "_diffusers_version": "9.9"}, "name": "moved"}
    )
    found = opened([standard().write(tmp_path / "a"), other.write(tmp_path / "b")])
    assert [each.name for each in found] == ["a", "b"]


def test_one_catalog_is_nothing_to_merge(tmp_path):
    with pytest.raises(UserError, match="found 1 catalog, expected two or more"):
        opened([tmp_path])
