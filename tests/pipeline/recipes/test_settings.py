"""A run as a file, and back; what a person gave and cannot be is told by its name, with what is expected."""

import tomllib

import pytest

from pipeline.errors import UserError
from pipeline.recipes.settings import as_toml, placed, read, run_of
from schemas.run import Run


def test_a_run_as_a_file_is_the_same_run(tmp_path):
    run = Run(
        model='a "model" \\ of mine', judge=("one", "two"), attributes=(), images="/päth/to it", class_label="each",
        strengths=(-1.5, 2), clip=True, region=("image", "box:0,0,4,4"),
    )  # fmt: skip
    file = tmp_path / "run.toml"
    file.write_text(as_toml(run), encoding="utf-8")
    assert run_of(read(file)) == run
    assert "annotator" not in tomllib.loads(as_toml(run)), "what is not set is left out"


@pytest.mark.parametrize(
    ("settings", "same"),
    [
        ({"attributes": "a, b"}, {"attributes": ("a", "b")}),
        ({"attributes": ""}, {"attributes": ()}),
        ({"judge": "one"}, {"judge": ("one",)}),
        ({"strengths": "-1,1"}, {"strengths": (-1.0, 1.0)}),
        ({"samples": "12", "eta": "0", "class_label": "3"}, {"samples": 12, "eta": 0.0, "class_label": 3}),
        ({"clip": "false"}, {"clip": False}),
    ],
)  # fmt: skip
def test_text_means_what_it_says(settings, same):
    assert run_of(settings) == Run(**same)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sampels": 3}, "There is no setting sampels. Did you mean `samples`?"),
        ({"xyzzy": 3}, "There is no setting xyzzy. There are model, annotator"),
        ({"held-out": 3}, "There is no setting held-out. Did you mean `held_out`?"),
        ({"samples": "many"}, "`samples` is 'many': expected a whole number."),
        ({"eta": "inf"}, "`eta` is 'inf': expected a number."),
        ({"attributes": "a,,b"}, "`attributes` is '': expected a name"),
        ({"judge": ["a", "a"]}, "`judge` is ['a', 'a']: expected each once, and a is there twice."),
        ({"class_label": "every"}, "`class_label` is 'every': expected a whole number, or each."),
        ({"samples": True}, "`samples` is True: expected another value than true or false."),
        ({"class_label": True}, "`class_label` is True: expected another value than true or false."),
        ({"attributes": 3}, "`attributes` is 3: expected a list."),
        ({"images": 3}, "`images` is 3: expected a path."),
        ({"model": ""}, "`model` is '': expected a name or a path"),
    ],
)
def test_what_cannot_be_is_told_by_name(settings, message):
    with pytest.raises(UserError) as refused:
        run_of(settings)
    assert str(refused.value).startswith(message)


def test_what_lies_on_this_machine_is_named_by_its_whole_path(tmp_path, monkeypatch):
    """And what does not as it is: names of this project and of the hub, boxes, plugs; also where a file has such a name."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    for name in ("mask.png", "image", "eyes"):
        (tmp_path / name).touch()
    regions = ("image", "eyes", "box:0,0,4,4", "my_plugs:middle", "mask.png")
    run = placed(
        Run(model="mine", images="photographs", condition="prompt.safetensors", region=regions, foreground="mask.png")
    )
    here = str(tmp_path)
    assert run.model == f"{here}/mine" and run.foreground == f"{here}/mask.png"
    assert (str(run.images), str(run.condition)) == (f"{here}/photographs", f"{here}/prompt.safetensors")
    assert run.region == (*regions[:-1], f"{here}/mask.png") and run.facenet_weights is None
    assert placed(run) == run
    plugs = {"annotator": "my_plugs:mine", "judge": ("my_plugs:mine", "huggingface:mine"), "embedder": "my_plugs:eyes"}
    assert (plugged := placed(Run(**plugs))).judge == ("my_plugs:mine", f"huggingface:{here}/mine")
    assert (plugged.annotator, plugged.embedder) == ("my_plugs:mine", "my_plugs:eyes")
    assert placed(Run(region=("my_plugs:eyes", "mask:mask.png"))).region == ("my_plugs:eyes", f"mask:{here}/mask.png")
    for name in ("portraits", "digits", "owner/name@main", None):
        assert placed(Run(model=name)) == Run(model=name)
