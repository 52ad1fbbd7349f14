"""Classes: one for all samples or a class a sample, which belongs to the sample and is known wherever the sample is made again."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, UNet2DModel

from pipeline.errors import UserError
from pipeline.fingerprint import settings
from pipeline.hspace import inversion
from pipeline.hspace.denoiser import Denoiser
from pipeline.hspace.noise import NoiseStreams
from pipeline.imagesets import image_set
from pipeline.models import pretrained
from pipeline.models.conditions import drawn_label
from pipeline.stages.finders.jacobian_subspaces import JacobianSubspaces
from pipeline.stages.measures.edit import Row, sample_edited
from pipeline.stages.sources.invert import Invert
from pipeline.stages.sources.sample import Sample
from pipeline.stages.sources.sample_ids import HELD_OUT
from tests.pipeline.planted_models import save, seeded, unet

CLASSES = 5


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A U-Net of five classes, which make a difference. Do not write into it."""
    network = unet(sample_size=16, num_class_embeds=CLASSES)
    torch.nn.init.normal_(network.class_embedding.weight, std=3, generator=torch.Generator().manual_seed(1))
    return save(tmp_path_factory.mktemp("classes") / "model", DDIMScheduler(clip_sample=False), unet=network)


@pytest.fixture(scope="module")
def each(folder) -> Sample:
    """Samples with a class of their own."""
    return Sample(pretrained.find(str(folder), class_label="each"), n=8, steps=2, eta=0.0, batch=8)


def nothing(step: int, timestep: int, h: torch.Tensor) -> None:
    """Keep no h."""


def by_hand(folder: Path, ids: list[int], labels: list[int]) -> torch.Tensor:
    """x_0 by the U-Net called with class_labels, and diffusers' scheduler."""
    network = UNet2DModel.from_pretrained(folder / "unet").eval()
    scheduler = DDIMScheduler.from_pretrained(folder / "scheduler")
    scheduler.set_timesteps(2)
    x_t = NoiseStreams(0, ids, (3, 16, 16)).x_T()
    with torch.inference_mode():
        for t in scheduler.timesteps:
            output = network(x_t, t, class_labels=torch.tensor(labels)).sample
            x_t = scheduler.step(output, t, x_t).prev_sample
    return x_t


# What is chosen


def test_a_class_for_all_samples_is_that_of_the_u_net_called_by_hand(folder):
    model = pretrained.find(str(folder), class_label=3)
    sample = Sample(model, n=2, steps=2, eta=0.0, batch=2)
    loaded = sample.load()
    ours = sample.reverse_process.run(sample.denoiser(loaded, range(2)), sample.noise(loaded, range(2)))
    torch.testing.assert_close(ours, by_hand(folder, [0, 1], [3, 3]), atol=1e-4, rtol=1e-4)
    assert not torch.allclose(ours, by_hand(folder, [0, 1], [2, 2]), atol=1e-2)
    alone = sample.reverse_process.run(loaded.denoiser, sample.noise(loaded, range(2)))
    assert torch.equal(alone, ours), "one class needs no telling"


def test_a_class_a_sample_is_that_of_the_u_net_called_by_hand(folder, each):
    ids, labels = list(range(8)), [drawn_label(0, i, CLASSES) for i in range(8)]
    assert len(set(labels)) > 2
    loaded = each.load()
    ours = each.reverse_process.run(each.denoiser(loaded, ids), each.noise(loaded, ids))
    torch.testing.assert_close(ours, by_hand(folder, ids, labels), atol=1e-4, rtol=1e-4)


def test_classes_are_drawn_evenly_and_of_seed_and_id_alone():
    drawn = np.array([drawn_label(0, i, CLASSES) for i in range(20_000)])
    shares = np.bincount(drawn, minlength=CLASSES) / len(drawn)
    assert np.abs(shares - 1 / CLASSES).max() < 0.012, "four standard errors"
    held_out = np.array([drawn_label(0, i, CLASSES) for i in HELD_OUT[:2000]])
    assert set(held_out) == set(range(CLASSES))
    other_seed = np.array([drawn_label(1, i, CLASSES) for i in range(2000)])
    assert abs((other_seed == drawn[:2000]).mean() - 1 / CLASSES) < 0.04


def test_the_choice_belongs_to_the_identity_and_other_models_have_none(folder, tiny_model):
    chosen = [pretrained.find(str(folder), class_label=label) for label in (0, 1, "each")]
    assert len({Sample(model, n=2, steps=2).fingerprint for model in chosen}) == 3
    assert [settings(model)["class_label"] for model in chosen] == [0, 1, "each"]
    assert "class_label" not in settings(pretrained.find(str(tiny_model)))
    assert chosen[0].h_shape() == (16, 8, 8)


@pytest.mark.parametrize(
    ("label", "found"),
    [
        (
            None,
            "trained with 5 classes .num_class_embeds., and no class is chosen.\nSet `class_label` to one of 0 to 4, or to 'each'",
        ),
        (5, "and `class_label` is 5"),
        (-1, "and `class_label` is -1"),
        ("cat", "and `class_label` is 'cat'"),
        (True, "and `class_label` is True"),
        (1.0, "and `class_label` is 1.0"),
    ],
)
def test_a_class_that_is_missing_or_unknown(folder, label, found):
    with pytest.raises(UserError, match=found):
        pretrained.find(str(folder), class_label=label)


def test_a_class_for_a_model_without(tiny_model):
    with pytest.raises(UserError, match="`class_label` is 3, and the U-Net of .* knows no classes. Leave it out"):
        pretrained.find(str(tiny_model), class_label=3)


def test_a_denoiser_that_was_not_told_the_classes_says_so(folder, each):
    """No caller can forget them in silence."""
    x_t = torch.zeros(2, 3, 16, 16)
    loaded = each.load()
    with pytest.raises(UserError, match="The classes of 2 samples are wanted, and none is given"):
        loaded.denoiser(x_t, 5)
    with pytest.raises(UserError, match="The classes of 2 samples are wanted, and those of 3 are given"):
        each.denoiser(loaded, range(3))(x_t, 5)


# Wherever a sample is made again


def test_a_sample_s_class_does_not_depend_on_its_batch(each):
    loaded = each.load()
    together = each.draw(loaded, range(8), nothing)
    ids = [6, 1, 1]
    apart = loaded.to_images(each.reverse_process.run(each.denoiser(loaded, ids), each.noise(loaded, ids)))
    assert np.abs(apart.astype(int) - together[ids].astype(int)).max() <= 1, "rounding of other batches"


def test_an_edit_of_no_strength_is_the_unedited_sample(each):
    loaded = each.load()
    v = torch.randn(2, *each.h_shape, generator=torch.Generator().manual_seed(2))
    ids = [*range(4), *HELD_OUT[:4]]
    unedited = sample_edited(each, loaded, [Row("unedited", -1, 0.0, 0, i) for i in ids], {})
    edited = sample_edited(each, loaded, [Row("v", 0, 0.0, 0, i) for i in ids], {"v": v})
    moved = sample_edited(each, loaded, [Row("v", 0, 3.0, 0, i) for i in ids], {"v": v})
    assert np.array_equal(edited, unedited)
    assert not np.array_equal(moved, unedited)
    assert np.abs(unedited[:4].astype(int) - each.draw(loaded, range(8), nothing)[:4].astype(int)).max() <= 1


def test_a_jacobian_is_that_of_the_sample_s_class(folder, each):
    label = drawn_label(0, 1, CLASSES)
    other = (label + 1) % CLASSES
    alike = [
        Sample(pretrained.find(str(folder), class_label=chosen), n=8, steps=2, eta=0.0, batch=8)
        for chosen in (label, other)
    ]
    ids, masks = np.array([1]), np.ones((1, 16, 16), np.float32)
    values = []
    for sample in (each, *alike):
        subspaces = JacobianSubspaces(sample, (1,), (0, 1), 2, tolerance=0.5)
        loaded, _ = subspaces.setup()
        values.append(subspaces._subspaces(loaded, ids, masks)[1])
    np.testing.assert_allclose(values[0], values[1], rtol=1e-4)
    assert np.abs(values[0] / values[2] - 1).max() > 1e-3


def test_real_images_are_inverted_under_one_class(folder, tmp_path):
    from PIL import Image

    seen = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    Image.fromarray(seen).save(tmp_path / "0.png")
    images = image_set.find(tmp_path)
    with pytest.raises(UserError, match=r'`class_label` is "each".\nSet it to the class that they are of, 0 to 4'):
        Invert(pretrained.find(str(folder), class_label="each"), steps=2, images=images).check()

    invert = Invert(pretrained.find(str(folder), class_label=4), steps=2, images=images)
    invert.check()
    loaded = invert.load()
    network = UNet2DModel.from_pretrained(folder / "unet").eval()
    plain = Denoiser(network, labels=torch.tensor([4]))
    expected = inversion.ddim(invert.reverse_process, plain, loaded.from_images(seen[None]))
    torch.testing.assert_close(invert.noise(loaded, [0]).x_T(), expected.x_T(), atol=1e-3, rtol=1e-3)


def test_classes_of_other_kinds_are_refused(tmp_path):
    network = seeded(
        UNet2DModel,
        sample_size=16,
        block_out_channels=(8, 16),
        norm_num_groups=4,
        layers_per_block=1,
        down_block_types=("DownBlock2D",) * 2,
        up_block_types=("UpBlock2D",) * 2,
        class_embed_type="timestep",
    )
    model = save(tmp_path / "model", unet=network)
    assert json.loads((model / "unet" / "config.json").read_text())["class_embed_type"] == "timestep"
    with pytest.raises(UserError, match="needs a second timestep, such as the noise level"):
        pretrained.find(str(model), class_label=1)
