"""What a network reads is what Pillow and torchvision's own transforms make of an image."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from pipeline.annotators.preprocessing import Preprocessing
from pipeline.errors import UserError
from tests.pipeline.annotators.tiny_networks import pictures

MODES = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", [(120, 90), (48, 64), (20, 31)])
def test_squashing_is_pillow_s_own(mode, shape):
    images = pictures(2, *shape)
    ours = Preprocessing(size=(40, 24), resize="squash", interpolation=mode, range=(0, 255))(images)
    theirs = np.stack([np.asarray(Image.fromarray(each).resize((24, 40), MODES[mode])) for each in images])
    difference = (ours.permute(0, 2, 3, 1) - torch.from_numpy(theirs)).abs()
    assert difference.max() <= 1 and (difference > 0).float().mean() < 0.03


@pytest.mark.parametrize("shape", [(120, 90), (45, 64), (224, 224)])
def test_cropping_is_torchvision_s_evaluation(shape):
    images = pictures(2, *shape)
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    theirs = v2.Compose(
        [
            v2.Resize(73, antialias=True),
            v2.CenterCrop(64),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(mean, std),
        ]
    )(torch.from_numpy(images).permute(0, 3, 1, 2))
    ours = Preprocessing(size=64, resize="crop", resize_to=73, mean=mean, std=std)(images)
    assert ours.shape == (2, 3, 64, 64) and torch.allclose(ours, theirs, atol=1e-5)


def test_a_shape_that_is_kept_and_one_that_is_squashed_differ():
    wide = pictures(1, 40, 120)
    kept, squashed = (Preprocessing(size=40, resize=how)(wide) for how in ("crop", "squash"))
    assert torch.equal(kept, Preprocessing()(wide[:, :, 40:80])) and not torch.allclose(kept, squashed, atol=0.1)


def test_shrinking_averages_unless_it_is_told_not_to():
    lines = np.zeros((1, 64, 64, 3), np.uint8)
    lines[:, ::2] = 255
    smooth, torn = (Preprocessing(size=16, resize="squash", antialias=on)(lines) for on in (True, False))
    assert (smooth - 0.5).abs().max() < 0.1
    assert np.isclose(torn.mean(), 0.5, atol=0.02)  # between a black and a white line, wherever it looks
    three = Preprocessing(size=21, resize="squash", antialias=False)(lines)
    assert three.std() > 0.2, "OpenCV's way"


def test_channels_layout_range_mean_and_std():
    image = np.zeros((1, 2, 2, 3), np.uint8)
    image[..., 0], image[..., 1], image[..., 2] = 255, 51, 0
    rgb = Preprocessing()(image)
    assert torch.allclose(rgb[0, :, 0, 0], torch.tensor([1.0, 0.2, 0.0]))
    bgr = Preprocessing(channels="BGR", range=(0, 255), mean=(1.0, 2.0, 3.0), std=(2.0,))(image)
    assert torch.allclose(bgr[0, :, 0, 0], torch.tensor([-0.5, 24.5, 126.0]))
    last = Preprocessing(layout="NHWC", range=(-1, 1))(image)
    assert last.shape == (1, 2, 2, 3) and torch.allclose(last[0, 0, 0], torch.tensor([1.0, -0.6, -1.0]))
    grey = Preprocessing(channels="grey", range=(0, 255))(image)
    assert grey.shape == (1, 1, 2, 2)
    assert grey[0, 0, 0, 0] == np.asarray(Image.fromarray(image[0]).convert("L"))[0, 0]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"size": 64}, 'has a size and does not say how images come to it; expected "resize": "crop"'),
        ({"size": 64, "resize": "crop", "resize_to": 32}, "`resize_to` is 32, and 64 x 64 pixels are cut from that"),
        ({"mean": (0.5, 0.5)}, "`mean` has 2 numbers; expected 1, or 3"),
        ({"channels": "grey", "std": (1.0, 1.0, 1.0)}, "`std` has 3 numbers; expected 1, or 1"),
        ({"std": (0.0,)}, "`std` holds 0"),
        ({"size": 0, "resize": "crop"}, "expected pixels, 1 or more"),
    ],
)
def test_settings_that_do_not_fit_are_told(settings, said):
    with pytest.raises(UserError, match=said):
        Preprocessing(**settings).check("here.json")


def test_what_is_done_is_said():
    assert "squashed to 8 x 16 pixels (bilinear, antialiased)" in Preprocessing(size=(8, 16), resize="squash").says
    assert "their shape kept (bicubic, not antialiased)" in Preprocessing(8, "crop", None, "bicubic", False).says
    assert "own size" in Preprocessing().says
