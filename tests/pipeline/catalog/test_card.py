"""The card says what was planted, and its lines apply a direction with nothing of this project."""

import re
import subprocess
import sys
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from diffusers import DDIMPipeline, DDIMScheduler, DDPMScheduler, UNet2DModel, VQModel
from safetensors.numpy import save_file

from pipeline.annotators.registry import annotator
from pipeline.catalog.card import card
from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.domains.portraits import MODEL
from pipeline.domains.portraits.run import PORTRAITS
from pipeline.hspace.capture import singles
from pipeline.hspace.denoiser import Denoiser
from pipeline.hspace.edits import Add, at_timesteps
from pipeline.hspace.inversion import Inverted
from pipeline.hspace.points import h_shape
from pipeline.hspace.reverse_process import ReverseProcess
from pipeline.models import pretrained
from pipeline.recipes.make import make
from schemas.catalog import Capture, Catalog, Evaluation, LeftOut
from schemas.published import files_of
from schemas.run import Run
from tests.pipeline import planted_models
from tests.pipeline.catalog.planted_findings import T, catalog_of, component, supervised

NAMES = {"smile/ridge": "smile", "age/ridge": "age"}


def planted_catalog(allowed: tuple[str, ...] = (), **known: object) -> Catalog:
    rows = [supervised(attribute, "ridge", **known) for attribute in NAMES.values()]
    about = {"judges": ["judge"], "strengths": [-1.0, 2.0], "controls": 1}
    mine = Evaluation(directions=list(NAMES), allowed=list(allowed), n=28, control=1, **about)
    control, elsewhere = Evaluation(directions=[], n=56, **about), Evaluation(directions=["component-0"], n=7, **about)
    return catalog_of(rows, evaluations=[mine, control, elsewhere])


def planted_effects(judged=("smile", "age"), controls=(0.1,), n=(28, 7)) -> pd.DataFrame:
    """Each direction moves its own attribute by 1.5, measured on n samples, and the others by 0.2."""
    rows = [
        (name, False, each, 1.5 if each == own else 0.2, count)
        for (name, own), count in zip(NAMES.items(), n, strict=True)
        for each in judged
    ]
    rows += [(f"random-{i}", True, each, effect, 56) for i, effect in enumerate(controls) for each in judged]
    rows += [("elsewhere", True, each, 0.9, 7) for each in judged]
    table = pd.DataFrame(rows, columns=["direction", "control", "attribute", "effect", "n"])
    evaluation = [1 if name.startswith("random") else 2 if name == "elsewhere" else 0 for name in table["direction"]]
    return table.assign(judge="judge", evaluation=evaluation, strength_index=1, strength=1.0)


def card_of(catalog: Catalog, effects: pd.DataFrame, *more: str) -> str:
    """The card of a folder with these files, and such other ones as are named."""
    content = {"catalog.json": catalog.model_dump_json().encode(), "effects.parquet": effects.to_parquet()}
    return card(DirectionCatalog(content.__getitem__, frozenset({*content, *more})))


def planted_card(allowed: tuple[str, ...] = (), known: dict[str, object] | None = None, **measured: object) -> str:
    return card_of(planted_catalog(allowed, **known or {}), planted_effects(**measured))


def table(text: str, first: str) -> dict[str, dict[str, str]]:
    """The rows of the table with that first heading, by the first cell."""
    [found] = [block for block in text.split("\n\n") if block.startswith(f"| {first} |")]
    headings, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in found.splitlines()]
    return {row[0].strip("`"): dict(zip(headings[1:], row[1:], strict=True)) for row in rows}


def code(text: str) -> str:
    [found] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    return found


def test_it_names_the_files_of_this_catalog():
    text = card_of(planted_catalog(), planted_effects(), "locality.parquet")
    files = {file.name: file.holds for file in files_of(["locality.parquet"])}
    assert {name: row["holds"] for name, row in table(text, "file").items()} == files


def test_it_compares_with_the_random_directions_of_what_it_shows():
    said = "Largest effect of random directions of the same norms, at any strength: 0.30."
    assert said in planted_card(controls=(0.1, -0.3)).splitlines()
    assert "No random directions were measured beside these." in planted_card(controls=()).splitlines()


def test_it_has_each_effect_with_the_target_in_bold_and_its_number_of_samples():
    unknown = {"target, 95 %": "–", "ratio": "7.5"}  # of effects whose spread is not known
    assert table(planted_card(), "direction") == {
        "smile/ridge": {
            **{
                "strength per SD": "–",
                "chosen on": "the same",
                "n": "28",
                "strength": "+1",
                "age": "+0.20",
                "smile": "**+1.50**",
            },
            **unknown,
        },
        "age/ridge": {
            **{
                "strength per SD": "–",
                "chosen on": "the same",
                "n": "7",
                "strength": "+1",
                "age": "**+1.50**",
                "smile": "+0.20",
            },
            **unknown,
        },
    }


def test_it_has_the_interval_of_the_effect_on_the_target_and_that_of_its_ratio():
    effects = planted_effects().assign(std=0.4)
    assert table(card_of(planted_catalog(), effects), "direction")["smile/ridge"]["target, 95 %"] == "+1.34 to +1.66"
    told = effects.assign(effect_low=1.2, effect_high=1.9, ratio_low=3.0, ratio_high=np.nan)
    row = table(card_of(planted_catalog(), told), "direction")["smile/ridge"]
    assert (row["target, 95 %"], row["ratio"]) == ("+1.20 to +1.90", "7.5 (3.0 or more)")


def test_what_is_not_clean_has_a_star_and_what_is_no_number_a_dash():
    effects = planted_effects()
    smile = effects["direction"] == "smile/ridge"
    unclean = effects.assign(effect=effects["effect"].where(~smile | (effects["attribute"] != "age"), -0.9))
    rows = table(card_of(planted_catalog(), unclean), "direction")
    assert (rows["smile/ridge"]["strength"], rows["smile/ridge"]["age"]) == ("+1 *", "-0.90")
    gap = effects.assign(effect=effects["effect"].where(~smile | (effects["attribute"] != "age")))
    assert table(card_of(planted_catalog(), gap), "direction")["smile/ridge"]["age"] == "–"


def test_what_its_judge_does_not_score_is_left_out_and_said():
    text = planted_card(judged=("smile", "hat"))
    assert list(table(text, "direction")) == ["smile/ridge"]
    unscored = "Directions of what `judge` does not score were measured on other attributes only: "
    assert f"{unscored}age." in text.splitlines() and unscored not in planted_card()
    nothing = planted_card(judged=("hat",)).splitlines()
    assert {"Nothing supervised was measured.", f"{unscored}smile, age."} <= set(nothing)


def test_an_attribute_that_is_scored_is_not_said_to_be_unscored():
    effects = planted_effects()
    without_age = effects[effects["direction"] != "age/ridge"]
    text = card_of(planted_catalog(), without_age)
    assert list(table(text, "direction")) == ["smile/ridge"] and "does not score" not in text


def test_without_supervised_directions_nothing_was_measured():
    catalog = catalog_of([component(0)])
    effects = planted_effects()
    text = card_of(catalog, effects)
    assert "Nothing supervised was measured." in text.splitlines() and "'component-0/principal-components'" in code(
        text
    )


def test_it_says_whether_its_judge_labelled_what_directions_are_fitted_on():
    assert "`judge`, which labelled nothing that directions are fitted on." in planted_card()
    allowed = planted_card(allowed=("judge",))
    assert "`judge`, which was allowed to judge directions that are fitted on its own labels." in allowed
    assert "labelled nothing" not in allowed


def at_points(*points: str) -> str:
    """The card of a catalog whose directions, smile and age, are added at these points."""
    rows = [
        supervised(attribute, "ridge", capture=point) for attribute, point in zip(NAMES.values(), points, strict=True)
    ]
    singles = dict.fromkeys(each for point in points for each in point.split("+"))
    captures = [Capture(point=each, shape=[8, 2 + i, 2]) for i, each in enumerate(singles)]
    known = {"captures": captures, "evaluations": planted_catalog().evaluations}
    return card_of(catalog_of(rows, **known), planted_effects())


def test_each_direction_says_its_point_where_there_are_several():
    text = at_points("mid_block", "up_blocks.0")
    assert {name: row["added at"] for name, row in table(text, "direction").items()} == {
        "smile/ridge": "`mid_block`",
        "age/ridge": "`up_blocks.0`",
    }
    assert "Others are added to the output of the U-Net's up_blocks.0: each\nsays where" in text
    assert "added at" not in planted_card()


def test_a_direction_at_two_points_at_once_is_said_to_have_a_vector_for_each():
    text = at_points("mid_block+up_blocks.0", "mid_block+up_blocks.0")
    assert "[4, 8, 2, 2] and [4, 8, 3, 2], one a point; adding" in text
    assert "to the output of the U-Net's mid block and the output of the U-Net's up_blocks.0 at every step" in text
    assert table(text, "direction")["smile/ridge"]["added at"] == "`mid_block+up_blocks.0`"
    assert "vectors[f\"{name}@{point}\"] for point in ['mid_block', 'up_blocks.0']}" in code(text)
    alone = planted_card()
    assert "A direction is a float32 array\n[T, C, H, W] = [4, 8, 2, 2]; adding" in alone and "one a point" not in alone


SURE = {"strength_per_sd": 0.5, "strength_in_range": True, "verified": True, "strength_by": "rise"}


@pytest.mark.parametrize(
    "known, cell",
    [
        ({}, "0.5"),
        ({"strength_in_range": False}, "0.5 †"),
        ({"verified": False}, "0.5 ‡"),
        ({"strength_in_range": False, "verified": False}, "0.5 † ‡"),
        ({"strength_by": "fall"}, "0.5 §"),
        ({"strength_per_sd": None, "strength_in_range": None, "verified": None, "strength_by": None}, "–"),
    ],
)
def test_strengths_are_marked_by_what_is_not_known_of_them_and_the_marks_explained(known, cell):
    text = planted_card(known=SURE | known)
    assert table(text, "direction")["smile/ridge"]["strength per SD"] == cell
    explained = [line[0] for line in text.splitlines() if line.startswith(("† Images", "‡ No images", "§ By the fall"))]
    assert explained == cell.split()[1:]


def with_tables(catalog: Catalog, **tables: pd.DataFrame) -> str:
    """The card of a catalog that has these tables, too."""
    content = {"catalog.json": catalog.model_dump_json().encode(), "effects.parquet": planted_effects().to_parquet()}
    content |= {f"{name}.parquet": each.to_parquet() for name, each in tables.items()}
    return card(DirectionCatalog(content.__getitem__, frozenset(content)))


def test_what_is_to_be_known_of_a_direction_stands_in_its_row():
    said = pd.DataFrame({"name": list(NAMES), "warnings": [["Few smile.", "One | two."], None]})
    rows = table(with_tables(planted_catalog(), directions=said).replace("\\|", "or"), "direction")
    assert [rows[name]["to know"] for name in NAMES] == ["Few smile. One or two.", ""]
    nothing = pd.DataFrame({"name": list(NAMES), "warnings": pd.Series([None, None], dtype=object)})
    for text in (with_tables(planted_catalog(), directions=nothing), planted_card()):
        assert "to know" not in table(text, "direction")["smile/ridge"]


@pytest.mark.parametrize(
    "eta, own, other", [(1.0, "stochastic", "deterministic"), (0.0, "deterministic", "stochastic")]
)
def test_strengths_by_the_other_kind_of_sampler_stand_beside_the_own(eta, own, other):
    catalog = planted_catalog(**SURE)
    catalog = catalog.model_copy(update={"sampling": catalog.sampling.model_copy(update={"eta": eta})})
    measured = pd.DataFrame({"direction": list(NAMES), "sampler": other, "strength_per_sd": [0.75, None]})
    text = with_tables(catalog, samplers=measured)
    rows = table(text, "direction")
    assert [(rows[name]["strength per SD"], rows[name][other]) for name in NAMES] == [("0.5", "0.75"), ("0.5", "–")]
    assert f"That holds for {own} samplers, as this catalog's own; with {other} ones (" in text
    assert "†" not in text
    beyond = table(with_tables(catalog, samplers=measured.assign(strength_in_range=[False, None])), "direction")
    assert [beyond[name][other] for name in NAMES] == ["0.75 †", "–"]
    assert "† Images at about that" in with_tables(catalog, samplers=measured.assign(strength_in_range=[False, None]))
    alone = with_tables(catalog)
    assert f"That holds for {own} samplers, as this catalog's own; with others expect more or less." in alone
    assert other not in table(alone, "direction")["smile/ridge"]


def test_a_script_in_a_name_is_shown_and_is_none():
    """Of an attribute, a direction, a judge, a model, a note, a warning, and what was left out."""
    script = "<script>alert(1)</script>"
    nasty = f"a`b``{script}|"
    rows = [supervised(attribute, "ridge", **SURE) for attribute in (nasty, "age")]
    evaluation = Evaluation(
        judges=[nasty], directions=[each["name"] for each in rows], strengths=[1.0], n=4, controls=0
    )
    left_out = [LeftOut(what="attribute", name=nasty, why=script)]
    catalog = catalog_of(rows, evaluations=[evaluation], notes=[script], left_out=left_out)
    model = catalog.model.model_copy(update={"name": script, "notes": [script]})
    catalog = catalog.model_copy(update={"model": model})
    effects = pd.DataFrame({"direction": rows[0]["name"], "attribute": [nasty, script], "effect": [1.5, 0.1]})
    effects = effects.assign(control=False, n=4, judge=nasty, evaluation=0, strength_index=0, strength=1.0)
    said = pd.DataFrame({"name": [rows[0]["name"]], "warnings": [[script]]})
    content = {"catalog.json": catalog.model_dump_json().encode(), "effects.parquet": effects.to_parquet()}
    text = card(
        DirectionCatalog(
            {**content, "directions.parquet": said.to_parquet()}.__getitem__,
            frozenset({*content, "directions.parquet"}),
        )
    )
    assert text.count("alert(1)") >= 10
    markup = re.sub(r"```python\n.*?```", "", text, flags=re.DOTALL)
    markup = re.sub(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", "", markup)  # spans of code, as CommonMark has them
    assert "<script" not in markup and "<" not in markup and 5 < markup.count("alert(1)") < text.count("alert(1)")
    assert "'path/to/model', " + repr(rows[0]["name"]) in code(text), "the lines name it as it is"


@pytest.mark.parametrize("follows, cell", [(None, "0.5 ¶"), (0.1, "0.5 ¶"), (0.9, "0.5")])
def test_a_template_is_marked_and_explained_and_no_example(follows, cell):
    profiles = pd.DataFrame({"direction": list(NAMES), "pasted": [0.9, 0.2], "follows": [follows, None]})
    content = {
        "catalog.json": planted_catalog(**SURE).model_dump_json().encode(),
        "profiles.parquet": profiles.to_parquet(),
    }
    content["effects.parquet"] = planted_effects().to_parquet()
    text = card(DirectionCatalog(content.__getitem__, frozenset(content)))
    rows = table(text, "direction")
    assert (rows["smile/ridge"]["strength per SD"], rows["age/ridge"]["strength per SD"]) == (cell, "0.5")
    marked = cell.endswith("¶")
    assert ("¶ Four fifths or more of what it changes is the same pixels" in text) == marked
    assert ("'path/to/model', 'age/ridge'" in code(text)) == marked


@pytest.mark.parametrize("by, moves, gamma", [("rise", "rises", 1), ("fall", "falls", -1)])
def test_the_example_is_at_the_strength_that_was_measured(by, moves, gamma):
    text = planted_card(known=SURE | {"strength_by": by})
    assert f"the target {moves} by about one standard deviation at\ngamma = {gamma}, whatever" in text
    assert f"= 'path/to/model', 'smile/ridge', {gamma}.0, 0.5\n" in code(text)


def test_an_uncalibrated_example_is_at_the_largest_strength():
    farther = planted_effects().assign(strength_index=2, strength=-2.5)
    text = card_of(planted_catalog(), pd.concat([planted_effects(), farther]))
    assert "'smile/ridge', 2.5, 1.0\n" in code(text) and "by about one standard deviation at" not in text


def test_the_example_is_the_direction_with_least_to_be_said_against_it():
    rows = [
        supervised("smile", "ridge", **SURE | {"verified": False}),
        supervised("age", "ridge", **SURE),
        supervised("yaw", "ridge", **SURE),
    ]
    effects = planted_effects()
    assert "'path/to/model', 'age/ridge', 1.0, 0.5\n" in code(card_of(catalog_of(rows), effects))


# The lines that apply a direction

BLOCKS = {"block_out_channels": (8, 16), "norm_num_groups": 4, "layers_per_block": 1}


def vectors(unet, point: str) -> dict[str, np.ndarray]:
    """The direction that cards show, as a catalog of that model has it: of several points at once a vector for each."""
    own = {each: np.random.default_rng(0).standard_normal((T, *h_shape(unet, each))) for each in singles(point)}
    return {f"smile/ridge@{each}" if len(own) > 1 else "smile/ridge": v.astype(np.float32) for each, v in own.items()}


def timesteps(steps: int) -> list[int]:
    """Those of diffusers' own spacing, noisiest first."""
    scheduler = DDIMScheduler()
    scheduler.set_timesteps(steps)
    return scheduler.timesteps.tolist()


def saved(folder, unet, autoencoder=None, scheduler=None, model=None, capture="mid_block", **known: object) -> str:
    """The lines of the card for that model, whose folder and whose catalog's vectors are made."""
    unet.save_pretrained(folder / "unet")
    scheduler = scheduler or DDIMScheduler()
    scheduler.save_pretrained(folder / "scheduler")
    save_file(vectors(unet, capture), folder / "directions.safetensors")
    about = {"unet": {**unet.config, "_class_name": type(unet).__name__}, "scheduler": dict(scheduler.config)}
    if autoencoder is not None:
        autoencoder.save_pretrained(folder / ("vqvae" if isinstance(autoencoder, VQModel) else "vae"))
        about["autoencoder"] = {**autoencoder.config, "_class_name": type(autoencoder).__name__}
    catalog = planted_catalog(capture=capture)
    model = (model or catalog.model).model_copy(update=about)
    captures = [Capture(point=each, shape=list(h_shape(unet, each))) for each in singles(capture)]
    sampling = known.pop("sampling", catalog.sampling).model_copy(update={"timesteps": timesteps(T)})
    changed = catalog.model_copy(update={"model": model, "captures": captures, "sampling": sampling, **known})
    effects = planted_effects()
    return code(card_of(changed, effects)).replace("path/to/model", str(folder))


def executed(lines: str) -> dict:
    made: dict = {}
    exec(lines, made)
    return made


KINDS = {
    "plain": lambda: planted_models.unet(sample_size=8),
    "conditional": lambda: planted_models.conditional_unet(sample_size=8, cross_attention_dim=8),
    "whose time embedding scales and shifts": lambda: planted_models.unet(
        sample_size=8, resnet_time_scale_shift="scale_shift"
    ),
    "that hands an image on": lambda: planted_models.unet(
        sample_size=8,
        block_out_channels=(32, 32),
        norm_num_groups=8,
        down_block_types=("SkipDownBlock2D", "AttnSkipDownBlock2D"),
        up_block_types=("AttnSkipUpBlock2D", "SkipUpBlock2D"),
    ),
}

POINTS = {
    "plain": ("mid_block", "mid_block:input", "middle", "up_blocks.0", "up_blocks.0.resnets.0", "conv_in"),
    "conditional": (
        *("up_blocks.0", "up_blocks.0:input", "down_blocks.0", "up_blocks.0.attentions.0"),
        *("mid_block+up_blocks.0", "middle+up_blocks.1:input+down_blocks.0"),
    ),
    "whose time embedding scales and shifts": ("middle", "mid_block+middle"),
    "that hands an image on": ("up_blocks.0", "up_blocks.0:input", "down_blocks.0", "up_blocks.0.resnets.0"),
}


def edited(unet, points: str, gamma: float) -> torch.Tensor:
    """What the card's lines make, by the project's own hooks and edits: x_0 of four samples."""
    by_point = {name.partition("@")[2] or points: torch.tensor(v) for name, v in vectors(unet, points).items()}
    edits = {point: Add(v, gamma) for point, v in by_point.items()}
    denoiser, scheduler = Denoiser(unet.eval(), points), DDIMScheduler(clip_sample=False)
    generator = torch.Generator().manual_seed(0)
    x_t = torch.randn(4, 3, 8, 8, generator=generator)
    scheduler.set_timesteps(T)
    with torch.inference_mode():
        for step, t in enumerate(scheduler.timesteps):
            now = {point: partial(edit, step) for point, edit in edits.items()}
            output, _ = denoiser(x_t, int(t), now)
            x_t = scheduler.step(output, t, x_t, eta=1.0, generator=generator).prev_sample
    return x_t


@pytest.mark.parametrize("kind, capture", [(kind, point) for kind, points in POINTS.items() for point in points])
def test_they_add_at_a_capture_point_what_the_projects_own_edits_add(tmp_path, monkeypatch, kind, capture):
    unet = KINDS[kind]()
    lines = saved(tmp_path, unet, capture=capture)
    monkeypatch.chdir(tmp_path)
    made = executed(lines)
    torch.testing.assert_close(made["x_t"], edited(unet, capture, 1.0), rtol=1e-4, atol=1e-4)
    assert (made["x_t"] - edited(unet, capture, 0.0)).abs().max() > 1e-2


def test_their_hooks_work_in_a_pipeline_at_another_number_of_steps(tmp_path, monkeypatch):
    """Each pass gets the vector of the nearest timestep of the catalog."""
    unet = planted_models.unet(sample_size=8)
    lines = saved(tmp_path, unet)
    monkeypatch.chdir(tmp_path)
    made = executed(lines)
    pipe = DDIMPipeline(made["unet"], made["scheduler"])
    pipe.set_progress_bar_config(disable=True)
    noise = partial(torch.Generator().manual_seed, 1)
    found = pipe(batch_size=2, num_inference_steps=7, generator=noise(), output_type="np").images

    v, made_at = torch.tensor(vectors(unet, "mid_block")["smile/ridge"]), timesteps(T)
    edit = Add(at_timesteps(v, made_at, timesteps(7)), 1.0)
    process = ReverseProcess(DDIMScheduler.from_config(made["scheduler"].config), 7, 0.0)
    x_0 = process.run(Denoiser(unet.eval()), Inverted(torch.randn(2, 3, 8, 8, generator=noise())), [edit])
    expected = (x_0 / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1)
    torch.testing.assert_close(torch.from_numpy(found), expected, rtol=1e-4, atol=1e-4)


BY_CHANNEL = {"latents_mean": [0.5, -0.5, 0.1, 0.0], "latents_std": [2.0, 0.5, 1.5, 1.0]}
CODERS = {
    "quantised": lambda: planted_models.vq_model(),
    "quantised, of no scale": lambda: planted_models.vq_model(scaling_factor=1.0),
    "quantised, grey": lambda: planted_models.vq_model(in_channels=1, out_channels=1),
    "of the 4 times smaller": lambda: planted_models.vq_model(
        block_out_channels=(8, 8, 16),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
    ),
    "variational": lambda: planted_models.kl_model(),
    "variational, shifted": lambda: planted_models.kl_model(shift_factor=0.2),
    "variational, scaled by channel": lambda: planted_models.kl_model(**BY_CHANNEL),
    "variational, shifted and scaled by channel": lambda: planted_models.kl_model(shift_factor=0.2, **BY_CHANNEL),
    "variational, grey, without quantising convolutions": lambda: planted_models.kl_model(
        in_channels=1, out_channels=1, use_quant_conv=False, use_post_quant_conv=False
    ),
}


@pytest.mark.parametrize("kind", CODERS)
def test_they_decode_as_the_engine_does_whatever_the_autoencoder(tmp_path, monkeypatch, kind):
    """To one of 255 levels; and the decoder is not one that makes nothing of what it is given."""
    autoencoder = CODERS[kind]()
    channels = autoencoder.config.latent_channels
    shape = {"sample_size": 8, "in_channels": channels, "out_channels": channels, "cross_attention_dim": 8}
    lines = saved(tmp_path, planted_models.conditional_unet(**shape), autoencoder, DDIMScheduler(clip_sample=False))
    assert "pipeline" not in lines
    monkeypatch.chdir(tmp_path)
    made, plain = executed(lines), executed(lines.replace("'smile/ridge', 1.0,", "'smile/ridge', 0.0,"))
    loaded = pretrained.find(str(tmp_path)).load()
    unscaled = lines.split("    x_t = autoencoder.decode")[0] + "    x_0 = x_t\n"
    expected = torch.from_numpy(loaded.to_images(executed(unscaled)["x_0"])).permute(0, 3, 1, 2).int()
    found = made["images"].expand(-1, 3, -1, -1).int()
    assert found.shape == expected.shape and (found - expected).abs().max() <= 1
    assert (made["x_t"] - plain["x_t"]).abs().max() > 1e-4 and expected.float().std() > 2


def test_they_take_an_eta_for_each_step_and_a_condition_from_its_file(tmp_path, monkeypatch):
    types = {"down_block_types": ("DownBlock2D", "AttnDownBlock2D"), "up_block_types": ("AttnUpBlock2D", "UpBlock2D")}
    unet = UNet2DModel(sample_size=16, **types, **BLOCKS)
    sampling = planted_catalog().sampling.model_copy(update={"eta": [0.0, 0.0, 0.0, 1.0]})
    lines = saved(tmp_path, unet, sampling=sampling)
    assert "eta=[0.0, 0.0, 0.0, 1.0][step], generator" in lines and "condition" not in lines
    monkeypatch.chdir(tmp_path)
    assert executed(lines)["images"].shape == (4, 3, 16, 16)

    model = planted_catalog().model
    unet_config = {**model.unet, "cross_attention_dim": 8}
    conditional = model.model_copy(update={"unet": unet_config, "condition_sha256": "ab" * 32})
    effects = planted_effects()
    changed = planted_catalog().model_copy(update={"model": conditional})
    said = code(card_of(changed, effects))
    assert 'condition = load_file(f"{folder}/condition.safetensors")["encoder_hidden_states"]\n' in said
    assert "unet(x_t, t, condition.expand(4, -1, -1))" in said


def test_they_take_the_weights_that_were_sampled_from(tmp_path, monkeypatch):
    """Not those beside them: of an average in a folder of its own, of a variant, and of a model with all at its top."""
    types = {"down_block_types": ("DownBlock2D", "AttnDownBlock2D"), "up_block_types": ("AttnUpBlock2D", "UpBlock2D")}
    unet, other = (UNet2DModel(sample_size=16, **types, **BLOCKS) for _ in range(2))
    model = planted_catalog().model
    average = saved(
        tmp_path / "ema", other, model=model.model_copy(update={"unet_folder": "unet_ema", "variant": "fp16"})
    )
    unet.save_pretrained(tmp_path / "ema" / "unet_ema", variant="fp16")
    other.save_pretrained(tmp_path / "ema" / "unet_ema")
    bare = saved(tmp_path / "bare", other, model=model.model_copy(update={"unet_folder": "."}))
    unet.save_pretrained(tmp_path / "bare")
    DDIMScheduler().save_pretrained(tmp_path / "bare")
    for folder, lines in (("ema", average), ("bare", bare)):
        monkeypatch.chdir(tmp_path / folder)
        assert torch.equal(executed(lines)["unet"].conv_in.weight, unet.conv_in.weight)


def test_they_are_told_a_class_and_leave_a_variance_out(tmp_path, monkeypatch):
    """Of a grey model of sigmoid betas, which DDIMScheduler does not make."""
    types = {"down_block_types": ("DownBlock2D", "AttnDownBlock2D"), "up_block_types": ("AttnUpBlock2D", "UpBlock2D")}
    unet = UNet2DModel(sample_size=16, in_channels=1, out_channels=2, num_class_embeds=3, **types, **BLOCKS)
    about = planted_catalog().model.model_copy(update={"class_label": 2, "notes": ["A variance is left out."]})
    sampling = planted_catalog().sampling.model_copy(update={"clip": False})
    scheduler = DDPMScheduler(beta_schedule="sigmoid", thresholding=True)
    lines = saved(tmp_path, unet, scheduler=scheduler, model=about, sampling=sampling)
    assert "class_labels=torch.full((4,), 2)).sample[:, :1], t" in lines
    assert "clip_sample=False, thresholding=False, trained_betas=betas)" in lines
    monkeypatch.chdir(tmp_path)
    made = executed(lines)
    assert made["images"].shape == (4, 1, 16, 16)
    assert torch.equal(made["scheduler"].alphas_cumprod, scheduler.alphas_cumprod)

    each = about.model_copy(update={"class_label": "each"})
    lines = saved(tmp_path, unet, scheduler=scheduler, model=each, sampling=sampling)
    assert "class_labels=torch.arange(4) % 3)" in lines
    assert executed(lines)["images"].shape == (4, 1, 16, 16)


@pytest.mark.parametrize(
    ("label", "said"),
    [("each", "Each sample has a class of its own, drawn evenly."), (2, "All samples are of class 2.")],
)
def test_it_says_the_classes_and_what_was_done_otherwise(label, said):
    catalog = planted_catalog()
    model = catalog.model.model_copy(
        update={
            "class_label": label,
            "notes": ["A variance is left out."],
            "unet": {**catalog.model.unet, "num_class_embeds": 3},
        }
    )
    lines = card_of(catalog.model_copy(update={"model": model}), planted_effects()).splitlines()
    assert {"A variance is left out.", said} <= set(lines)
    assert not {"A variance is left out.", said} & set(planted_card().splitlines())


def test_latents_have_the_scale_that_the_catalog_names(tmp_path):
    """Not the one that a later diffusers takes for granted."""
    types = {"down_block_types": ("DownEncoderBlock2D",) * 2, "up_block_types": ("UpDecoderBlock2D",) * 2}
    blocks = {"down_block_types": ("DownBlock2D", "AttnDownBlock2D"), "up_block_types": ("AttnUpBlock2D", "UpBlock2D")}
    coder = VQModel(latent_channels=3, block_out_channels=(8, 8), norm_num_groups=4, scaling_factor=1.0, **types)
    lines = saved(tmp_path, UNet2DModel(sample_size=16, **blocks, **BLOCKS), coder)
    assert "autoencoder.decode(x_t / 1.0).sample" in lines


@pytest.mark.slow
def test_alone_they_move_a_judges_score_the_right_way(tmp_path):
    """Of the bundled model, in a process that has nothing of this project."""
    small = {
        "attributes": ("smile",),
        "samples": 96,
        "steps": 6,
        "top": 24,
        "components": 0,
        "jacobians": 0,
        "held_out": 8,
    }
    settings = (
        PORTRAITS.model_dump() | small | {"judge": ("portraits-judge",), "region": ("image",), "foreground": None}
    )
    catalog = make(Run.model_validate(settings), tmp_path)
    [readme] = tmp_path.glob("catalog-*/*/README.md")
    scored = {}
    for strength in ("as it stands", "0.0"):
        lines = code(readme.read_text()).replace("path/to/model", str(MODEL))
        if strength != "as it stands":
            lines = re.sub(r"(strength_per_sd = .*), [-\d.]+, ([-\d.]+)\n", rf"\1, {strength}, \2\n", lines)
        lines = f"import sys\nsys.modules['pipeline'] = None\n{lines}\nimport numpy\nnumpy.save(sys.argv[1], images.numpy())\n"
        saved_to = tmp_path / "images.npy"
        subprocess.run([sys.executable, "-I", "-c", lines, str(saved_to)], cwd=readme.parent, check=True)
        scored[strength] = annotator("portraits-judge").load()(np.load(saved_to).transpose(0, 2, 3, 1))[:, 0]
    smile = catalog["smile"]
    change = scored["as it stands"] - scored["0.0"]
    assert smile.name in readme.read_text() and (change.mean() > 0) == (smile.about.strength_by != "fall")
    assert (np.sign(change) == np.sign(change.mean())).all()
