"""Pictures that come about: the last are those of the applier to the bit, and what was made once is not made again."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from pipeline.formats.images import png
from pipeline.live.studio import Event, Memory, PictureOrder, Studio
from tests.pipeline.live.serving import Gated

NAME = "smile/ridge/disentangled"
EDITED = PictureOrder(3, 2, ((NAME, 1.5),))


def decoded(event: Event) -> list[bytes]:
    return [base64.b64decode(each.partition(",")[2]) for each in event["pictures"]]


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)))


@pytest.fixture
def open_(applier) -> Gated:
    """An applier that counts its steps."""
    gated = Gated(applier)
    gated.gate.release(10_000)
    return gated


def test_the_last_pictures_are_those_of_the_applier_to_the_bit(applier):
    events = [each for each in Studio(applier).make(EDITED) if each]
    finished = {each["edited"]: decoded(each) for each in events if each["step"] == each["steps"]}
    expected = applier.to_samples({NAME: 1.5}, seed=3, n=2)
    for edited, images in ((False, expected.unedited), (True, expected.edited)):
        assert finished[edited] == [png(image) for image in images]
        assert all(np.array_equal(pixels(data), image) for data, image in zip(finished[edited], images, strict=True))
    assert finished[True] != finished[False]


def test_what_is_shown_before_is_what_a_step_predicts_and_comes_in_order(applier):
    events = [each for each in Studio(applier).make(PictureOrder(3, 2)) if each]
    assert [each["step"] for each in events] == [1, 2, 3, 4], "of T = 4"
    assert [each["recognisable"] for each in events] == [False, True, True, True], "from half of the steps on"
    assert [each["pictures"][0].partition(";")[0] for each in events] == ["data:image/jpeg"] * 3 + ["data:image/png"]
    assert all(pixels(data).shape == (8, 8, 3) for each in events for data in decoded(each))


def test_what_is_remembered_is_not_made_again(open_):
    studio = Studio(open_)
    first = [each for each in studio.make(EDITED) if each]
    assert open_.steps_taken == [4, 4], "without the edit, and with it"
    again = [each for each in studio.make(EDITED) if each]
    assert open_.steps_taken == [4, 4]
    assert [decoded(each) for each in again] == [decoded(first[3]), decoded(first[7])]
    other = PictureOrder(3, 2, ((NAME, -1.0),))
    assert [each["step"] for each in studio.make(other) if each] == [4, 1, 2, 3, 4], "the unedited ones at once"
    assert open_.steps_taken == [4, 4, 4], "another edit of the same samples"


def test_who_stops_leaves_the_model_as_it_was(applier):
    studio = Studio(applier)
    run = studio.make(EDITED)
    while not (event := next(run)) or not event["edited"]:
        pass
    hooked = [m for m in applier.loaded.denoiser.unet.modules() if m._forward_hooks or m._forward_pre_hooks]
    assert hooked, "it is edited"
    run.close()
    assert not [m for m in applier.loaded.denoiser.unet.modules() if m._forward_hooks or m._forward_pre_hooks]
    assert EDITED not in studio.memory.pictures and EDITED.unedited in studio.memory.pictures


def test_memory_lets_go_what_was_not_asked_for_for_the_longest_time():
    memory = Memory(most=10)
    for seed in range(3):
        memory.put(PictureOrder(seed, 1), [b"1234"])
        memory.get(PictureOrder(0, 1))
    assert [*memory.pictures] == [PictureOrder(2, 1), PictureOrder(0, 1)]
    assert memory.held == 8
    memory.put(PictureOrder(0, 1), [b"12"])
    assert memory.held == 6, "what is put again is counted once"
    memory.put(PictureOrder(9, 1), [b"x" * 11])
    assert memory.held == 0 and memory.get(PictureOrder(9, 1)) is None, "what is larger than all of it is not kept"
