"""A catalog edits the model that it is of, and no other unless that is said; what differs is said by name."""

import warnings

import pytest
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, EDMEulerScheduler, FlowMatchEulerDiscreteScheduler

from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.catalog.direction_edit import DirectionEdit
from pipeline.errors import UserError
from tests.pipeline import planted_models
from tests.pipeline.catalog.planted_catalogs import loaded, planted_catalog, planted_model


class Pipe:
    def __init__(self, unet, scheduler):
        self.unet, self.scheduler = unet, scheduler


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return planted_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def catalog(model, tmp_path_factory) -> DirectionCatalog:
    return DirectionCatalog.from_pretrained(planted_catalog(tmp_path_factory.mktemp("catalog"), model))


def refused(catalog, pipe, name: str, match: str, otherwise: tuple[str, ...] = ()) -> None:
    """Refused with the reason and the name by which it may be allowed, and then allowed."""
    with pytest.raises(UserError, match=match) as error:
        catalog.edit(pipe, {"smile": 1.0}, allow=otherwise)
    assert f"allow '{name}'" in str(error.value)
    catalog.edit(pipe, {"smile": 1.0}, allow=[name, *otherwise])


def test_the_model_itself_is_edited_without_a_word(catalog, model):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        catalog.edit(Pipe(*loaded(model)), {"smile": 1.0})
        catalog.edit(Pipe(*loaded(model)).unet.half(), {"smile": 1.0})


def test_a_u_net_with_other_weights_is_refused(catalog, tmp_path):
    network = planted_models.unet(sample_size=8)
    torch.nn.init.zeros_(network.conv_in.bias)
    other = Pipe(*loaded(planted_model(tmp_path, network)))
    refused(catalog, other, "weights", "the weights in .*unet have the SHA-256 .*, and not ")


def test_weights_that_came_from_nowhere_are_warned_of(catalog, model):
    _, scheduler = loaded(model)
    with pytest.warns(UserWarning, match="could not be seen"):
        catalog.edit(Pipe(planted_models.unet(sample_size=8), scheduler), {"smile": 1.0})


def test_one_set_of_weights_among_others_is_enough(catalog, model, tmp_path):
    unet, scheduler = loaded(model)
    unet.save_pretrained(tmp_path / "unet")
    unet.half().save_pretrained(tmp_path / "unet", variant="fp16")
    scheduler.save_pretrained(tmp_path / "scheduler")
    catalog.edit(Pipe(*loaded(tmp_path)), {"smile": 1.0})


def test_weights_are_found_below_the_folder_that_was_named_too(catalog, model):
    unet = type(loaded(model)[0]).from_pretrained(model, subfolder="unet")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        catalog.edit(unet, {"smile": 1.0})


def test_an_edit_of_another_model_is_refused_even_where_its_catalog_is_allowed(catalog, model):
    edit = DirectionEdit.of(catalog, {"smile": 1.0}).model_copy(
        update={"weights_sha256": "0" * 64, "catalog_sha256": "1" * 64}
    )
    with pytest.raises(UserError, match="the edit is of the weights 000000000000, and the catalog of"):
        catalog.edit(Pipe(*loaded(model)), edit, allow=["catalog"])


def test_a_u_net_that_is_built_otherwise_is_refused(catalog, tmp_path):
    other = Pipe(*loaded(planted_model(tmp_path, planted_models.unet(sample_size=8, norm_num_groups=2))))
    refused(catalog, other, "configuration", "the U-Net has norm_num_groups = 2, and not 4", ("weights",))


def test_the_size_of_images_is_no_difference_of_the_model(catalog, tmp_path):
    catalog.edit(Pipe(*loaded(planted_model(tmp_path, planted_models.unet(sample_size=16)))), {"smile": 1.0})


@pytest.mark.parametrize(
    "scheduler, match",
    [
        (
            DDIMScheduler(prediction_type="v_prediction"),
            "takes what the U-Net gives as v_prediction, and .* predicts epsilon",
        ),
        (DDIMScheduler(beta_end=0.012), "betas up to 0.012, and the model was trained with 1000 betas up to 0.02"),
        (DDIMScheduler(num_train_timesteps=500), "has 500 betas"),
        (FlowMatchEulerDiscreteScheduler(), "FlowMatchEulerDiscreteScheduler is of another family"),
        (EDMEulerScheduler(), "EDMEulerScheduler is of another family"),
        (DPMSolverMultistepScheduler(use_flow_sigmas=True), "is of another family"),
    ],
)
def test_a_scheduler_of_another_process_is_refused(catalog, model, scheduler, match):
    refused(catalog, Pipe(loaded(model)[0], scheduler), "scheduler", match)


def test_all_that_differs_is_said_at_once(catalog, tmp_path):
    unet, _ = loaded(planted_model(tmp_path, planted_models.unet(sample_size=8, norm_num_groups=2)))
    with pytest.raises(UserError, match="allow 'configuration', 'scheduler'"):
        catalog.edit(Pipe(unet, FlowMatchEulerDiscreteScheduler()), {"smile": 1.0})


def test_only_what_has_a_name_can_be_allowed(catalog, model):
    with pytest.raises(UserError, match="'everything' is nothing that can be allowed; expected one of weights"):
        catalog.edit(Pipe(*loaded(model)), {"smile": 1.0}, allow=["everything"])
