"""The page on planted figures: everything appears, the markup is whole, nothing is asked of a network, same in, same out."""

import io
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pipeline.catalog.report import charts, tables
from pipeline.catalog.report.findings import Findings, Measured
from pipeline.catalog.report.markup import VOID, Html, el, picture, signed
from pipeline.catalog.report.page import page
from schemas.catalog import Catalog, Direction, Evaluation, ModelCard, Sampling
from schemas.directions import DIRECTIONS
from schemas.profiles import PROFILES

T = 4
NASTY = 'a<b & "c"'  # an attribute that is markup if it is not escaped


def png(shade: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), (shade % 256, 90, 120)).save(buffer, "png")
    return buffer.getvalue()


def direction(name: str, method: str, **known: object) -> dict:
    row = {**dict.fromkeys(DIRECTIONS.names), "name": name, "method": method, "n": 50, "norm": 2.0, "stage": "s-0"}
    return {**row, "norm_by_step": [1.0] * T, **known}


def supervised(attribute: str, method: str, disentangled: bool) -> dict:
    name = f"{attribute}/{method}"
    known = {"attribute": attribute, "annotator": "labels", "n_positive": 9, "n_negative": 9}
    known |= {"threshold_positive": 1.5, "threshold_negative": -1.5}
    if method == "ridge":
        known["auc_by_step"] = [0.6, 0.7, 0.8, 0.9]
    if disentangled:
        known |= {"parents": [name, "other"], "norm_kept": 0.9}
    return direction(f"{name}/disentangled" if disentangled else name, method, **known)


def component(j: int) -> dict:
    share = [0.3 / (j + 1)] * T
    return direction(
        f"component-{j}/principal-components", "principal-components", component=j, explained_variance_ratio=share
    )


def measured(
    rows: list[dict],
    attributes: list[str],
    strengths: tuple[float, ...],
    effect: Callable[[dict, float, str], float],
    image: Callable[[str, float, int], bytes],
    n: int,
    control: float,
) -> Measured:
    """Effects as `effect` plants them, and a random direction whose effects are all `control`."""
    table = []
    for gamma in strengths:
        for attribute in attributes:
            table += [(row["name"], False, gamma, attribute, effect(row, gamma, attribute)) for row in rows]
            table.append((f"control-{control}", True, gamma, attribute, control))
    frame = pd.DataFrame(table, columns=["direction", "control", "strength", "attribute", "effect"])
    significant = (frame["effect"].abs() > 0.35).astype(object).where(~frame["control"], None)
    frame = frame.assign(judge="judge", std=0.4, n=n, raw=frame["effect"], control_limit=0.35, significant=significant)
    other = (
        frame[frame["attribute"] == attributes[0]].assign(judge="second", attribute="mouth_width")
        if attributes
        else frame
    )
    edits = [(row["name"], gamma) for row in rows for gamma in strengths] + [("unedited", 0.0)]
    images = {(name, gamma): [image(name, gamma, i) for i in range(n)] for name, gamma in edits}
    kept = preserved(rows, strengths, control)
    return Measured(("judge", "second"), strengths, n, 1, frame, other, frame[frame["control"]], kept, images)


def profile(row: dict, rank: int | None) -> dict:
    known = {"label": f"{row['attribute'] or 'age'} +1.4", "target": row["attribute"] or "age", "rank": rank}
    near = {"nearest": "smile/ridge", "nearest_cosine": -0.7, "nearest_cosine_by_step": [-0.9] * T, "duplicate": True}
    numbers = {
        "strength_per_sd": 0.71,
        "verified": True,
        "strength_in_range": True,
        "valid_low": -2.0,
        "valid_high": 1.0,
        "usefulness": 1.3,
        "on_target": 1.4,
        "monotonicity": 0.9,
    }
    return {**dict.fromkeys(PROFILES.names), "direction": row["name"], **known, **numbers, **(near if rank else {})}


def preserved(rows: list[dict], strengths: tuple[float, ...], control: float) -> pd.DataFrame:
    """Clipped is a share of 0, but with a random direction, where it is `control`."""
    edits = [
        ("unedited", False, 0.0),
        (f"control-{control}", True, 1.0),
        *((row["name"], False, g) for row in rows for g in strengths),
    ]
    table = pd.DataFrame(edits, columns=["direction", "control", "strength"])
    figures = {"identity": 0.87, "ms_ssim": 0.93, "change_outside": 4.2, "background_shift": 3.1, "precision": 0.64}
    clipped = control * table["control"]
    return table.assign(n=2, face=np.nan, realistic=True, clipped=clipped, **figures)


LEARNING_CURVE = pd.DataFrame(
    [(name, space, n, n / 32) for name in ("smile", "age") for space in ("h", "x_T") for n in (2, 4, 8)],
    columns=["attribute", "space", "n", "to_truth"],
)


def clean_when_disentangled(row: dict, gamma: float, attribute: str) -> float:
    """On target, 1.2 a unit of strength; off target 0.1 if disentangled and else 0.8."""
    if row["attribute"] is None:
        return 0.7 * gamma if attribute == "age" else 0.05 * gamma
    return gamma * (1.2 if attribute == row["attribute"] else 0.1 if row["parents"] else 0.8)


def planted(
    wanted: tuple[str, ...] = ("smile", "age"),
    judged: tuple[str, ...] = ("skin", "age", "smile"),
    strengths: tuple[float, ...] = (-2.0, -1.0, 1.0, 2.0),
    disentangle: bool = True,
    components: int = 2,
    effect: Callable[[dict, float, str], float] = clean_when_disentangled,
    image: Callable[[str, float, int], bytes] = lambda name, gamma, i: png(len(name) + i + int(10 * gamma)),
    n: int = 2,
) -> Findings:
    methods = ("mean-difference", "ridge")
    kinds = [(method, disentangled) for disentangled in (False, True)[: 1 + disentangle] for method in methods]
    rows = [supervised(attribute, *kind) for kind in kinds for attribute in wanted]
    unsupervised = [component(j) for j in range(components)]
    ends = tuple(dict.fromkeys((min(strengths), max(strengths))))
    evaluations = [(rows, strengths, 0.1), (unsupervised, ends, 0.9)]
    return Findings(
        catalog=card(rows + unsupervised),
        folder="catalog-0123/00000",
        directions=rows + unsupervised,
        measured=[measured(each, list(judged), at, effect, image, n, x) for each, at, x in evaluations if each],
        samples=[image("unedited", 0.0, i) for i in range(8)],
        learning_curve=LEARNING_CURVE,
        profiles={row["name"]: profile(row, rank) for row, rank in ranked(rows, unsupervised)},
    )


def ranked(rows: list[dict], unsupervised: list[dict]) -> list[tuple[dict, int | None]]:
    return [*((row, None) for row in rows), *((row, rank) for rank, row in enumerate(unsupervised, 1))]


def card(rows: list[dict]) -> Catalog:
    timesteps = np.linspace(999, 49, T).astype(int).tolist()
    return Catalog(
        model=ModelCard(name="a model", revision=None, weights_sha256="ab" * 32, unet={"in_channels": 3}, scheduler={}),
        sampling=Sampling(steps=T, timesteps=timesteps, eta=1.0, clip=False, seed=0, n=50),
        capture="after",
        h_shape=(8, 2, 2),
        directions=[Direction(**{key: row[key] for key in Direction.model_fields if key in row}) for row in rows],
        evaluations=[Evaluation(judges=["judge", "second"], strengths=[1.0], n=2, controls=1)],
        stages=[
            {"stage": "sample", "version": 1, "fingerprint": "f00", "settings": {"unet": '{"layers": 2}', "top": NASTY}}
        ],
    )


class Balanced(HTMLParser):
    """Fails where a tag is closed that is not the last one opened; keeps the text and the addresses."""

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self.addresses: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.addresses += [value for key, value in attributes if key in ("src", "href", "srcset", "action")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


VARIANTS = {
    "whole": planted(),
    "nothing supervised": planted(wanted=()),
    "no components": planted(components=0),
    "one attribute": planted(wanted=("smile",), judged=("smile",), disentangle=False),
    "only negative strengths": planted(strengths=(-2.0, -1.0)),
    "one strength": planted(strengths=(1.0,)),
    "an attribute that the judge does not know": planted(wanted=("smile", "beard")),
    "no effect is a number": planted(effect=lambda *_: float("nan")),
    "no effect at all": planted(effect=lambda *_: 0.0),
    "awkward names": planted(wanted=(NASTY, "age"), judged=(NASTY, "age")),
}


@pytest.fixture(scope="module", params=VARIANTS.values(), ids=VARIANTS.keys())
def findings(request) -> Findings:
    return request.param


@pytest.fixture(scope="module")
def text(findings) -> str:
    return page(findings)


def test_the_markup_is_whole_and_asks_for_nothing(text):
    parsed = Balanced(text)
    assert all(address.startswith(("data:image/", "#")) for address in parsed.addresses)
    assert not re.search(r"https?://|url\(|@import|<script|\bnan\b", text)
    anchors = [address for address in parsed.addresses if address.startswith("#")]
    assert anchors and all(f'id="{anchor[1:]}"' in text for anchor in anchors)


def test_the_same_findings_make_the_same_page(findings, text):
    assert page(findings) == text


def test_every_direction_and_attribute_appears(findings, text):
    said = Balanced(text).text
    for row in findings.supervised:
        assert row["name"] in said and row["attribute"] in said
    for row in findings.components:
        assert f"component {row['component']}, rank" in said
    for attribute in findings.attributes:
        assert attribute in said


def part(text: str, anchor: str) -> str:
    """One section of the page, as it is read."""
    section = text[text.index(f'<section id="{anchor}">') :]
    return Balanced(section[: section.index("</section>") + len("</section>")]).text


def test_what_does_not_stand_clear_is_pale():
    table = page(planted())
    effects = table[table.index('<section id="effects">') : table.index('<section id="judges">')]
    assert (
        effects.count(' pale"') == 2 * 2 * 2
    )  # disentangled: two off-target cells of .2 in each of two rows and groups
    assert "--share:0.00" in effects


def test_calibration_and_reach_are_said_of_every_direction():
    said = part(page(planted()), "directions")
    assert said.count("+0.71 moves it by one standard deviation") == 8
    assert "−2.00 to +1.00: images are the model's own" in said


def test_what_is_left_alone_is_that_of_the_groups_to_use_beside_random_and_unedited():
    said = part(page(planted()), "preservation")
    for text in ("smile, ridge, disentangled", "age, ridge", "random directions of the same norms, mean", "unedited"):
        assert text in said
    for figure in ("0.87", "64%", "90%"):
        assert figure in said
    assert said.count("0.93") == 2 * 2 + 2, "two attributes of two groups, random and unedited"
    assert "10%" in said, "of the random directions that these were compared with, and of no others"


def test_unsupervised_directions_are_ranked_named_and_compared():
    said = part(page(planted()), "ranked")
    assert said.index("component-0") < said.index("component-1")
    for text in ("age +1.4", "smile, ridge", "−0.70 (−0.90), same", "1.30", "−2.0 to +1.0"):
        assert text in said
    assert 'id="ranked"' not in page(planted(components=0))


def test_further_judges_are_heard():
    said = part(page(planted()), "judges")
    assert "second: ridge, disentangled" in said and "mouth width" in said
    alone = planted()
    for each in alone.measured:
        object.__setattr__(each, "judges", ("judge",))
    assert 'id="judges"' not in page(alone)


def test_the_curves_over_n_are_of_both_spaces():
    said = part(page(planted()), "learning-curve")
    assert "In h-space" in said and "In the noise x_T" in said and "η above 0" in said


def test_text_is_escaped():
    text = page(planted(wanted=(NASTY, "age"), judged=(NASTY, "age")))
    assert NASTY not in text and "a&lt;b &amp; &quot;c&quot;" in text
    assert el("p", "<b>", Html("<i></i>"), title='"') == '<p title="&quot;">&lt;b&gt;<i></i></p>'


def test_the_first_group_is_the_disentangled_classifiers_and_its_figures_are_right():
    first, *others = planted().groups
    assert (first.title, first.clean, first.largest_is_target) == ("Ridge, disentangled", 2, 2)
    assert first.ratio == pytest.approx(12) and first.on_target == pytest.approx(2.4)
    assert others[-1].clean == 0 and others[-1].ratio == pytest.approx(1.5)
    text = Balanced(page(planted())).text
    assert "2 of 2" in text and "1.5× → 12.0×" in text


def test_directions_stand_beside_the_random_ones_that_they_were_compared_with():
    findings = planted()
    assert findings.largest_control(findings.groups[0].best.index).tolist() == [0.1] * 3
    assert findings.largest_control(["component-0/principal-components"]).tolist() == [0.9] * 3
    assert findings.largest_control(["unknown"]) is None
    said = Balanced(page(findings)).text
    assert "0.10 stdlargest effect of random directions of the same norms" in said
    assert "randomany0.100.100.10" in part(page(findings), "effects")


def test_an_evaluation_comes_with_its_random_directions_by_the_first_judge(flow, store):
    [evaluation] = flow.catalog.evaluations
    found = flow._measured(store, evaluation)
    random = {name for name in evaluation.edit.names if name.startswith("random-")}
    assert set(found.controls["direction"]) == random and found.controls["control"].all()
    assert set(found.controls["judge"]) == {evaluation.judge.name}
    assert set(found.preservation["direction"]) == {*evaluation.edit.names, "unedited"}
    assert not found.preservation.duplicated(["direction", "strength"]).any()


def test_groups_say_on_how_many_samples_they_were_measured():
    findings = planted(n=3)
    assert findings.held_out(findings.groups[0]) == [3]
    assert "Ridge, disentangled32 of 22 of 2" in Balanced(page(findings)).text


def another_way(way: str, **known: object) -> Findings:
    """With the ridge classifiers disentangled in another way too, and measured like the others."""
    found = planted(components=0)
    rows = [{**supervised(name, "ridge", True), "name": f"{name}/ridge/{way}", **known} for name in ("smile", "age")]
    every = found.directions + rows
    image = lambda name, gamma, i: png(i)  # noqa: E731
    strengths = found.measured[0].strengths
    together = measured(every, found.attributes, strengths, clean_when_disentangled, image, 2, 0.1)
    return replace(found, directions=every, measured=[together])


@pytest.mark.parametrize(
    "way, known",
    [("by effects", {"trials": [], "projected_by": "joint"}), ("by step", {"projected_by": "step"})],
)
def test_ways_to_disentangle_are_groups_of_their_own(way, known):
    findings = another_way(f"disentangled-{way.replace(' ', '-')}", **known)
    ridge = [group for group in findings.groups if group.method == "ridge"]
    titles = ["Ridge, disentangled", f"Ridge, disentangled {way}", "Ridge, before disentangling"]
    assert [group.title for group in ridge] == titles
    assert [(len(group.rows), group.clean) for group in ridge] == [(2, 2), (2, 2), (2, 0)]
    assert [findings.other_side(group) for group in ridge] == [ridge[2], ridge[2], ridge[0]]
    text = page(findings)
    said = Balanced(text).text
    assert "2 of 2attributes with a clean effect of at least 1 std, by the ridge directions, disentangled" in said
    assert f"smile, ridge, disentangled {way}" in part(text, "preservation")


def test_what_was_tried_before_it_was_projected_away_is_shown():
    tried = [
        ((), 1.0, 1.2, 0.8, True),
        (("skin",), 0.91, 1.1, 0.2, True),
        (("skin", "age"), 0.1, np.nan, np.nan, False),
    ]
    names = ("removed", "kept", "on_target", "off_target", "accepted")
    trials = [dict(zip(names, trial, strict=True)) for trial in tried]
    said = part(page(another_way("disentangled-by-effects", trials=trials)), "directions")
    for row in ("nothing100%+1.200.801.5×yes", "skin91%+1.100.205.5×yes", "skin, age10%–––no"):
        assert said.count(row) == 2
    assert "nothing100%" not in part(page(planted()), "directions")


def with_profiles(**known: object) -> Findings:
    found = planted()
    return replace(found, profiles={name: {**row, **known} for name, row in found.profiles.items()})


def test_strengths_say_what_is_not_known_of_them():
    sure = part(page(planted()), "directions")
    assert "beyond its valid range" not in sure and "not verified" not in sure
    text = page(with_profiles(strength_in_range=False, verified=None))
    told = part(text, "directions")
    assert told.count("+0.71 moves it by one standard deviation, beyond its valid range, not verified on images") == 8
    assert part(text, "ranked").count("+0.71 † ‡") == 2 and "+0.71 †" not in part(page(planted()), "ranked")
    assert part(page(with_profiles(strength_per_sd=None)), "directions").count("Strength per SDnot reached") == 8
    falls = page(with_profiles(strength_by="fall"))
    said = "−0.71 lowers it by one standard deviation; it does not rise so far"
    assert part(falls, "directions").count(said) == 8 and part(falls, "ranked").count("+0.71 §") == 2


def test_a_strength_without_scores_has_no_whisker():
    found = planted(components=0)
    effects = found.measured[0].effects
    nobody = effects["strength"] == 2.0
    gone = effects.assign(n=effects["n"].where(~nobody, 0), effect=effects["effect"].where(~nobody))
    drawn = page(replace(found, measured=[replace(found.measured[0], effects=gone)]))
    assert page(found).count('class="whisker"') == 8 * 4 and drawn.count('class="whisker"') == 8 * 3


def test_the_band_is_said_to_be_the_largest_limit():
    assert "the largest of the attributes' control limits, each with 99 % confidence" in part(
        page(planted()), "directions"
    )


def test_judges_know_nothing_unless_they_were_allowed_to():
    found = planted()
    nothing = "labelled nothing that directions are fitted on"
    assert f"Judgejudge, second, which {nothing}" in Balanced(page(found)).text
    evaluation = found.catalog.evaluations[0].model_copy(update={"allowed": ["second"]})
    said = Balanced(page(replace(found, catalog=found.catalog.model_copy(update={"evaluations": [evaluation]})))).text
    assert nothing not in said and "its own labels may be judged by second" in said


def test_why_an_effect_was_not_measured():
    unknown = part(page(planted(wanted=("smile", "beard"))), "directions")
    assert unknown.count("the judge does not score this attribute") == 4
    assert part(page(planted(effect=lambda *_: float("nan"))), "directions").count("no image has a score") == 8
    nobody = replace(planted(), measured=planted().measured[1:])
    said = part(page(nobody), "directions")
    assert said.count("Its effect was not measured.") == 8 and "the judge" not in said


def with_catalog(**known: object) -> Findings:
    found = planted()
    return replace(found, catalog=found.catalog.model_copy(update=known))


def test_how_directions_are_applied_is_said_of_every_capture_point_and_eta():
    said = part(page(with_catalog(capture="before")), "settings")
    assert "direction[step] to the input of the U-Net's mid block at every" in said
    sampling = planted().catalog.sampling.model_copy(update={"eta": [0.0, 0.5, 1.0, 1.0]})
    assert "η = 0 to 1" in page(with_catalog(sampling=sampling)) and "η = 1," in page(planted())


def test_that_there_is_a_face_is_no_attribute():
    assert "counts as no attribute" in page(planted(judged=("smile", "age", "face")))
    assert "counts as no attribute" not in page(planted())


def test_every_image_shown_is_one_that_was_given():
    seen = {name for name, _ in planted().measured[0].images}
    asked: set[tuple[str, float]] = set()

    def image(name: str, gamma: float, i: int) -> bytes:
        asked.add((name, gamma))
        return png(i)

    parsed = Balanced(page(planted(image=image)))
    assert {name for name, _ in asked} >= seen
    strips = 2 * 4 * 5 * 2 + 2 * 3 * 2  # attributes × groups × columns × samples, and the components' three columns
    assert parsed.tags.count("img") == strips + 8


def test_heat_map_colours_are_symmetric_and_the_target_is_outlined():
    rise, fall = tables.heat_cell(1.5, 3.0, outlined=True), tables.heat_cell(-1.5, 3.0)
    assert "--share:0.50" in rise and "--share:0.50" in fall
    assert "rise target" in rise and "+1.50" in rise
    assert "fall" in fall and "target" not in fall and "−1.50" in fall
    assert "--share:1.00" in tables.heat_cell(99.0, 3.0)
    assert "–" in tables.heat_cell(float("nan"), 3.0)


def test_labels_are_spread_apart_in_order_and_stay_inside():
    places = charts.spread([50, 50, 51, 10, 99], 13, 0, 100)
    assert sorted(places) == [places[i] for i in (3, 0, 1, 2, 4)]
    assert np.diff(sorted(places)).min() > 12.5 and min(places) >= 0 and max(places) <= 100.5
    assert charts.spread([5.0], 13, 0, 100) == [5.0] and charts.spread([], 13, 0, 100) == []


@pytest.mark.parametrize("low, high", [(-2.3, 2.3), (0, 0.031), (0.5, 1), (0, 480), (1, 1), (float("nan"), 1)])
def test_ticks_are_round_and_enclose(low, high):
    found = charts.ticks(low, high)
    assert 2 <= len(found) <= 8
    if low < high:
        assert found[0] <= low and found[-1] >= high


def test_a_chart_breaks_no_markup_and_leaves_out_what_is_no_number():
    line = charts.Line("a & b", ((0.0, 1.0), (1.0, float("nan")), (2.0, 3.0)), "c0", errors=(0.1, 0.1, 0.1))
    drawn = charts.chart(
        [line], "t", [(0, "0"), (2, "2")], [(0, "0"), (4, "4")], "x", "y", band=[(0, -1, 1), (2, -1, 1)]
    )
    assert Balanced(drawn).tags.count("circle") == 2
    assert "a &amp; b" in drawn and "nan" not in drawn


def test_large_images_shrink_and_numbers_have_a_true_minus():
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (256, 256, 3), np.uint8)).save(buffer, "png")
    assert len(picture(buffer.getvalue(), "noise")) < len(buffer.getvalue()) / 3
    assert [signed(-1.234), signed(0.001), signed(2.0, 1), signed(float("inf"))] == ["−1.23", "0.00", "+2.0", "–"]


# Directions of single images


def single(region: str, i: int, **known: object) -> dict:
    name = f"{region}-{i}/jacobian"
    known = {"sample_id": 7, "step": 2, "singular_value": 0.5, "residual": 1e-4, "found": 12} | known
    return direction(name, "jacobian", component=i, mask=region, **known)


@pytest.fixture
def of_single_images() -> Findings:
    """Two found on a sample and a mean; mouth-0 moves smile by 2.5 at +4."""
    mean = {"sample_id": None, "step": None, "singular_value": None, "residual": None, "found": None, "share": 0.62}
    rows = [single("image", 0), single("mouth", 0), single("mouth", 1, **mean)]

    def effect(row: dict, gamma: float, attribute: str) -> float:
        moved = 2.5 if gamma > 0 else -2.0
        return moved if (row["name"], attribute) == ("mouth-0/jacobian", "smile") else 0.2

    found = planted()
    image = lambda name, gamma, i: png(3 * len(name) + i + int(10 * gamma))  # noqa: E731
    extra = measured(rows, ["skin", "age", "smile"], (-4.0, 4.0), effect, image, 5, 0.6)
    keys = [(row["name"], gamma) for row in rows[:2] for gamma in (-4.0, 4.0)]
    transfer = [(*key, attribute, 7, 1.75, 2.5, 0.8) for key in keys for attribute in ("skin", "age", "smile")]
    locality = [(row["name"], gamma, "mouth", 8.3) for row in rows for gamma in (-4.0, 4.0)]
    return replace(
        found,
        catalog=card(found.directions + rows),
        directions=found.directions + rows,
        measured=[*found.measured, extra],
        profiles=found.profiles
        | {
            row["name"]: {**profile(row, rank), "label": "smile +2.5"}
            for rank, row in zip((4, 3, 5), rows, strict=True)
        },
        transfer=pd.DataFrame(
            transfer, columns=["direction", "strength", "attribute", "sample_id", "own", "others", "same_way"]
        ),
        locality=pd.DataFrame(locality, columns=["direction", "strength", "region", "ratio"]),
        origins={
            **{key: png(200 + i) for i, key in enumerate(keys)},
            **{(row["name"], 0.0): png(99) for row in rows[:2]},
        },
    )


def test_directions_of_single_images_show_their_own_sample_and_four_others(of_single_images):
    text = page(of_single_images)
    section = text[text.index('<section id="jacobian">') :]
    section = section[: section.index("</section>") + len("</section>")]
    seen = Balanced(section)
    assert "smile +2.5" in seen.text and "mouth 0, rank 3" in seen.text
    assert "found on sample 7 at step 2" in seen.text and "stands for 12" in seen.text
    assert "62% of it in the subspace of a sample" in seen.text
    assert "Random directions of the same norms move no attribute by more than 0.60" in seen.text
    for figure in ("+1.75", "80%", "8.3×", "in / out of mouth"):
        assert figure in seen.text
    own = of_single_images.origins
    shown = [address for address in seen.addresses if address.startswith("data:")]
    assert len(shown) == 2 * 3 * (1 + 4) + 3 * 4  # the mean has no sample of its own
    for png_of_own in own.values():
        assert picture(png_of_own, "x").split('"')[1] in shown


def test_principal_components_and_directions_of_single_images_are_kept_apart(of_single_images):
    assert [row["method"] for row in of_single_images.jacobian] == ["jacobian"] * 3
    assert {row["method"] for row in of_single_images.components} == {"principal-components"}
    assert "3 of single images" in page(of_single_images)
    assert "jacobian" not in page(planted())
