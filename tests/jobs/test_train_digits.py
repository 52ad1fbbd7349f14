"""The training of the digits from nothing to a card, at a size that means nothing."""

import pytest
from safetensors.torch import load_file
from typer.testing import CliRunner

TINY = ["--steps", "2", "--images", "64", "--classifier-steps", "8", "--samples", "20", "--threads", "1"]


@pytest.fixture
def train(tmp_path):
    import typer

    from jobs.train_digits import main

    app = typer.Typer()
    app.command()(main)
    folders = ["--state", str(tmp_path / "state"), "--out", str(tmp_path / "out")]
    return lambda *more: CliRunner().invoke(app, [*TINY, *folders, *more])


def test_a_whole_training_writes_model_classifiers_and_card(train, tmp_path):
    assert train().exit_code == 0
    out = tmp_path / "out"
    assert {path.name for path in out.iterdir()} == {"model", "annotator", "judge", "README.md", "samples.png"}
    assert "2 gradient\nsteps on 64 varied digits" in (out / "README.md").read_text()
    before = load_file(out / "model" / "unet" / "diffusion_pytorch_model.safetensors")
    assert train("--only", "unet").exit_code == 0  # goes on from the state, and has nothing to do
    after = load_file(out / "model" / "unet" / "diffusion_pytorch_model.safetensors")
    assert all(before[name].equal(after[name]) for name in before)


def test_a_card_without_a_model_says_what_to_do(train):
    done = train("--only", "card")
    assert done.exit_code == 2 and "Run the phases before it first" in " ".join(done.output.replace("│", " ").split())
