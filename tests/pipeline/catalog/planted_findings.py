"""Findings whose every figure is planted: what the tests of the explorer and of the card are made from. No flow is run."""

import base64
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from itertools import takewhile

import numpy as np
import pandas as pd
from PIL import Image

from pipeline.catalog.explorer.findings import Findings
from pipeline.catalog.explorer.links import Links
from pipeline.catalog.explorer.measured import Measured
from pipeline.catalog.explorer.site import _pages
from schemas.catalog import Capture, Catalog, Direction, Evaluation, ModelCard, Sampling
from schemas.directions import DIRECTIONS
from schemas.edits import UNEDITED
from schemas.profiles import PROFILES
from tests.parsed import Element, parse
from tests.pipeline.planted_effects import indexed

T = 4
NASTY = 'a<b & "c"'  # an attribute that is markup if it is not escaped
LEARNING_CURVE = pd.DataFrame(
    [(name, space, n, n / 32) for name in ("smile", "age") for space in ("h", "x_T") for n in (2, 4, 8)],
    columns=["attribute", "space", "n", "to_truth"],
)

CARRIED = {  # share of smile, age, the image and its background that a swap takes, by capture point in the order of a pass
    "mid_block": (0.06, 0.8, 0.3, -0.01),
    "up_blocks.0": (0.62, 0.85, 0.5, 0.2),
    "up_blocks.1": (0.7, 0.1, 0.9, 0.85),
}

Effect = Callable[[dict, float, str], float]  # of a direction at a strength on an attribute
Picture = Callable[[str, float, int], bytes]  # of a direction at a strength, the i-th sample


def text(findings: Findings, file: str) -> str:
    """A file of the explorer; those that come after it are not made."""
    return next(text for name, text in _pages(findings, live=False) if name == file)


def document(findings: Findings, page: str = "index.html") -> Element:
    """A page of the explorer, by its file."""
    return parse(text(findings, page))


def sections(findings: Findings) -> dict[str, Element]:
    """The sections of all pages that are of no one direction, by their anchors."""
    of_all = takewhile(lambda file: "/" not in file[0], _pages(findings, live=False))
    parts = [each for _, page in of_all for each in parse(page).all("section")]
    return {str(each.attributes["id"]): each for each in parts if "id" in each.attributes}


def section(findings: Findings, name: str) -> Element:
    """The section with that anchor."""
    return sections(findings)[name]


def of_direction(findings: Findings, name: str) -> Element:
    """The page of a direction."""
    return document(findings, Links([row["name"] for row in findings.directions]).page(name))


def numbers(findings: Findings, name: str) -> dict:
    """What the viewer of a direction is given."""
    file = Links([row["name"] for row in findings.directions]).file(name)
    found = re.fullmatch(r'explorer\.add\("(.*?)", (.*)\);\n', text(findings, f"data/{file}.js"), re.DOTALL)
    assert found and found[1] == file
    return json.loads(found[2])


def charts(part: Element) -> dict[str, dict]:
    """The numbers of the charts in a part of a page, by their titles."""
    drawn = [
        each for each in part.all("div", "chart") if each.all("script")
    ]  # a viewer's is drawn from what it is given
    return {str(each.attributes["aria-label"]): json.loads(each.one("script").text) for each in drawn}


def lines(chart: dict) -> dict[str, list[float]]:
    """The heights of each line of a chart, by its name."""
    return {line["label"]: [y for _, y in line["points"]] for line in chart["lines"]}


def captioned(part: Element, caption: str) -> dict[str, dict[str, Element]]:
    """The table with that caption, its cells by row and column."""
    [found] = [table for table in part.all("table") if table.all("caption") and table.one("caption").text == caption]
    return found.table()


def jpeg(shade: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), (shade % 256, 90, 120)).save(buffer, "jpeg")
    return buffer.getvalue()


def shaded(name: str, gamma: float, i: int) -> bytes:
    return jpeg(3 * len(name) + i + int(10 * gamma))


def signed_picture(name: str, gamma: float, i: int) -> bytes:
    """A picture that says what it is of: no two are alike."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "jpeg", comment=json.dumps([name, gamma, i]))
    return buffer.getvalue()


def signature(uri: str | None) -> tuple[str, float, int]:
    """What a signed picture, in a data URI, says that it is of."""
    _, _, encoded = str(uri).partition("data:image/jpeg;base64,")
    name, gamma, i = json.loads(Image.open(io.BytesIO(base64.b64decode(encoded))).info["comment"])
    return name, gamma, i


# Directions


def direction(name: str, method: str, **known: object) -> dict:
    row = {**dict.fromkeys(DIRECTIONS.names), "name": name, "method": method, "n": 50, "norm": 2.0, "stage": "s-0"}
    return {**row, "capture": "mid_block", "norm_by_step": [1.0] * T, **known}


def supervised(attribute: str, method: str, disentangled: bool = False, **known: object) -> dict:
    name = f"{attribute}/{method}"
    about = {"attribute": attribute, "annotator": "labels", "n_positive": 9, "n_negative": 9}
    about |= {"threshold_positive": 1.5, "threshold_negative": -1.5}
    if method == "ridge":
        about |= {"auc_all_by_step": [0.6, 0.7, 0.8, 0.9], "told_by_chance": 0.6, "above_chance": True}
    if disentangled:
        about |= {"parents": [name, "other"], "norm_kept": 0.9}
    return direction(f"{name}/disentangled" if disentangled else name, method, **about | known)


def component(j: int) -> dict:
    name = f"component-{j}/principal-components"
    return direction(name, "principal-components", component=j, explained_variance_ratio=[0.3 / (j + 1)] * T)


def single(region: str, i: int, **known: object) -> dict:
    """Found in a single image."""
    about = {"sample_id": 7, "step": 2, "singular_value": 0.5, "residual": 1e-4, "found": 12}
    return direction(f"{region}-{i}/jacobian", "jacobian", component=i, mask=region, **about | known)


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
        "pasted": 0.31,
        "follows": 0.76,
    }
    return {**dict.fromkeys(PROFILES.names), "direction": row["name"], **known, **numbers, **(near if rank else {})}


# What was measured of them


def clean_when_disentangled(row: dict, gamma: float, attribute: str) -> float:
    """On target, 1.2 a unit of strength; off target 0.1 if disentangled and else 0.8."""
    if row["attribute"] is None:
        return 0.7 * gamma if attribute == "age" else 0.05 * gamma
    return gamma * (1.2 if attribute == row["attribute"] else 0.1 if row["parents"] else 0.8)


def measured(
    rows: list[dict],
    attributes: list[str],
    strengths: tuple[float, ...],
    effect: Effect = clean_when_disentangled,
    image: Picture = shaded,
    n: int = 2,
    control: float = 0.1,
) -> Measured:
    """Effects as `effect` plants them, significant above 0.35, and a random direction whose effects are all `control`.

    A second judge knows the same effects on the first attribute, which it calls mouth_width.
    """
    table = []
    for gamma in strengths:
        for attribute in attributes:
            table += [(row["name"], False, gamma, attribute, effect(row, gamma, attribute)) for row in rows]
            table.append((f"control-{control}", True, gamma, attribute, control))
    frame = indexed(pd.DataFrame(table, columns=["direction", "control", "strength", "attribute", "effect"]))
    significant = (frame["effect"].abs() > 0.35).astype(object).where(~frame["control"], None)
    frame = frame.assign(judge="judge", std=0.04, n=n, raw=frame["effect"], control_limit=0.35, significant=significant)
    other = frame[frame["attribute"].isin(attributes[:1])].assign(judge="second", attribute="mouth_width")
    edits = [(row["name"], index, gamma) for row in rows for index, gamma in enumerate(sorted(strengths))]
    edits.append(("unedited", UNEDITED, 0.0))
    images = {(name, index): [image(name, gamma, i) for i in range(n)] for name, index, gamma in edits}
    kept = preserved(rows, strengths, control)
    return Measured(("judge", "second"), n, 1, frame, other, frame[frame["control"]], kept, images)


def preserved(rows: list[dict], strengths: tuple[float, ...], control: float) -> pd.DataFrame:
    """Clipped is a share of 0, but with a random direction, where it is `control`."""
    edits = [
        ("unedited", False, 0.0),
        (f"control-{control}", True, max(strengths)),
        *((row["name"], False, gamma) for row in rows for gamma in strengths),
    ]
    table = indexed(pd.DataFrame(edits, columns=["direction", "control", "strength"]))
    figures = {"identity": 0.87, "ms_ssim": 0.93, "change_outside": 4.2, "background_shift": 3.1, "precision": 0.64}
    figures |= {"pasted": 0.31, "follows": 0.76}
    return table.assign(n=2, presence=np.nan, realistic=True, clipped=control * table["control"], **figures)


# All of it


def catalog_of(rows: list[dict], **known: object) -> Catalog:
    timesteps = np.linspace(999, 49, T).astype(int).tolist()
    unet = {"in_channels": 3, "sample_size": 16}
    about = {
        "model": ModelCard(name="a model", revision=None, weights_sha256="ab" * 32, unet=unet, scheduler={}),
        "sampling": Sampling(steps=T, timesteps=timesteps, eta=1.0, clip=False, seed=0, n=50),
        "captures": [{"point": "mid_block", "shape": [8, 2, 2]}],
        "directions": [Direction(**{key: row[key] for key in Direction.model_fields if key in row}) for row in rows],
        "evaluations": [
            Evaluation(
                judges=["judge", "second"],
                directions=[row["name"] for row in rows],
                strengths=[1.0],
                n=2,
                controls=1,
                embedder="some features",
            )
        ],
        "stages": [
            {"stage": "sample", "version": 1, "fingerprint": "f00", "settings": {"unet": '{"layers": 2}', "top": NASTY}}
        ],
    }
    return Catalog(**about | known)


def planted(
    wanted: tuple[str, ...] = ("smile", "age"),
    judged: tuple[str, ...] = ("skin", "age", "smile"),
    strengths: tuple[float, ...] = (-2.0, -1.0, 1.0, 2.0),
    disentangle: bool = True,
    components: int = 2,
    effect: Effect = clean_when_disentangled,
    image: Picture = shaded,
    n: int = 2,
) -> Findings:
    """Mean differences and ridge classifiers, compared with 0.1; components, at the ends of the strengths, with 0.9."""
    kinds = [(method, after) for after in (False, True)[: 1 + disentangle] for method in ("mean-difference", "ridge")]
    rows = [supervised(attribute, *kind) for kind in kinds for attribute in wanted]
    unsupervised = [component(j) for j in range(components)]
    ends = tuple(dict.fromkeys((min(strengths), max(strengths))))
    evaluations = [(rows, strengths, 0.1), (unsupervised, ends, 0.9)]
    profiles = [*((row, None) for row in rows), *((row, rank) for rank, row in enumerate(unsupervised, 1))]
    return Findings(
        catalog=catalog_of(rows + unsupervised),
        directions=rows + unsupervised,
        measured=[measured(each, list(judged), at, effect, image, n, by) for each, at, by in evaluations if each],
        samples=[image("unedited", 0.0, i) for i in range(8)],
        learning_curve=LEARNING_CURVE,
        profiles={row["name"]: profile(row, rank) for row, rank in profiles},
    )


def with_profiles(**known: object) -> Findings:
    found = planted()
    return replace(found, profiles={name: {**row, **known} for name, row in found.profiles.items()})


def with_catalog(**known: object) -> Findings:
    found = planted()
    return replace(found, catalog=found.catalog.model_copy(update=known))


def with_sampling(**known: object) -> Findings:
    return with_catalog(sampling=planted().catalog.sampling.model_copy(update=known))


def another_way(way: str, **known: object) -> Findings:
    """With the ridge classifiers disentangled in another way too, and measured like the others."""
    found = planted(components=0)
    rows = [{**supervised(name, "ridge", True), "name": f"{name}/ridge/{way}", **known} for name in ("smile", "age")]
    every = found.directions + rows
    return replace(found, directions=every, measured=[measured(every, found.attributes, (-2.0, -1.0, 1.0, 2.0))])


def of_single_images() -> Findings:
    """Two found on a sample and a mean; mouth-0 moves smile by 2.5 at +4."""
    mean = {"sample_id": None, "step": None, "singular_value": None, "residual": None, "found": None, "share": 0.62}
    rows = [single("image", 0), single("mouth", 0), single("mouth", 1, **mean)]

    def effect(row: dict, gamma: float, attribute: str) -> float:
        moved = 2.5 if gamma > 0 else -2.0
        return moved if (row["name"], attribute) == ("mouth-0/jacobian", "smile") else 0.2

    found, judged = planted(), ["skin", "age", "smile"]
    keys = [(row["name"], gamma) for row in rows[:2] for gamma in (-4.0, 4.0)]
    transfer = [(*key, attribute, 7, 1.75, 2.5, 0.8) for key in keys for attribute in judged]
    locality = [(row["name"], gamma, "mouth", 8.3) for row in rows for gamma in (-4.0, 4.0)]
    ranked = zip((4, 3, 5), rows, strict=True)
    return replace(
        found,
        catalog=catalog_of(found.directions + rows),
        directions=found.directions + rows,
        measured=[*found.measured, measured(rows, judged, (-4.0, 4.0), effect, n=5, control=0.6)],
        profiles=found.profiles | {row["name"]: {**profile(row, rank), "label": "smile +2.5"} for rank, row in ranked},
        transfer=indexed(
            pd.DataFrame(
                transfer, columns=["direction", "strength", "attribute", "sample_id", "own", "others", "same_way"]
            )
        ),
        locality=indexed(pd.DataFrame(locality, columns=["direction", "strength", "region", "ratio"])),
        origins={
            (row["name"], index): jpeg(200 + 10 * i + index)
            for i, row in enumerate(rows[:2])
            for index in (UNEDITED, 0, 1)
        },
    )


# Of several capture points


def at_points(places: dict[str, tuple[str, ...]], judged: tuple[str, ...] = ("skin", "age", "smile")) -> Findings:
    """Ridge classifiers, disentangled and as fitted, and mean differences, of attributes at each point; a component at the first.

    Each point has evaluations of its own: of 4 samples with what is recommended, of 2 with the rest. Random directions move
    attributes by 0.1 at the first point, 0.2 at the second. Smile is moved cleanly at up_blocks.0 alone.
    """

    def effect(row: dict, gamma: float, attribute: str) -> float:
        if attribute == row["attribute"] == "smile" and row["capture"] == "mid_block":
            return 0.4 * gamma
        return clean_when_disentangled(row, gamma, attribute)

    rows, parts, strengths = [], [], (-1.0, 1.0)
    for i, (point, attributes) in enumerate(places.items(), 1):
        best = [placed(supervised(name, "ridge", True), point) for name in attributes]
        best += [placed(supervised(name, "mean-difference"), point) for name in attributes]
        others = [placed(supervised(name, "ridge"), point) for name in attributes]
        parts.append(measured(best, list(judged), strengths, effect, n=4, control=i / 10))
        parts.append(measured(others, list(judged), (1.0,), effect, n=2, control=i / 10))
        rows += best + others
    unsupervised = [placed(component(0), next(iter(places)))]
    parts.append(measured(unsupervised, list(judged), strengths, n=2, control=0.9))
    points = dict.fromkeys(each for point in places for each in point.split("+"))
    found, every = planted(), rows + unsupervised
    return replace(
        found,
        catalog=catalog_of(every, captures=[Capture(point=each, shape=[8, 2 + i, 2]) for i, each in enumerate(points)]),
        directions=every,
        measured=parts,
        profiles={row["name"]: profile(row, None if row["attribute"] else 1) for row in every},
        carriage=carriage(),
        choice=choice(),
    )


def placed(row: dict, point: str) -> dict:
    """A direction as it is called and told at one of several capture points."""
    name, after, _ = row["name"].partition("/disentangled")
    parents = row["parents"] and [f"{name}@{point}", *row["parents"][1:]]
    return {**row, "name": f"{name}@{point}{after}", "capture": point, "parents": parents}


def carriage() -> pd.DataFrame:
    """What `CARRIED` says of all steps, and half of it of each third; intervals are 0.04 to either side."""
    whats = [("smile", "attribute"), ("age", "attribute"), ("image", "pixels"), ("background", "pixels")]
    rows = [
        (point, depth, 100 * 2**depth, third, *what, share * (1.0 if third is None else 0.5))
        for depth, (point, shares) in enumerate(CARRIED.items())
        for what, share in zip(whats, shares, strict=True)
        for third in (None, 0, 1, 2)
    ]
    table = pd.DataFrame(rows[::-1], columns=["point", "depth", "numbers", "third", "what", "kind", "share"])
    order = table["what"].map({what: i for i, (what, _) in enumerate(whats)})
    table = table.assign(order=order).sort_values("order", kind="stable").drop(columns="order")
    return table.assign(low=table["share"] - 0.04, high=table["share"] + 0.04, n=64)


def choice() -> pd.DataFrame:
    """Smile at up_blocks.0, before both points at once, which carry what was not measured; age at the mid block."""
    rows = [
        ("smile", "up_blocks.0", "smile/ridge@up_blocks.0/disentangled", True, 1, 0.62, 1.5, 1.3, 0.2, 0.1),
        ("smile", "mid_block+up_blocks.0", "smile/ridge@both", False, 2, None, 1.0, 1.25, 0.4, 0.62),
        ("age", "mid_block", "age/ridge@mid_block/disentangled", True, 1, 0.8, -2.0, 0.9, 0.1, None),
    ]
    columns = [
        "attribute",
        "point",
        "direction",
        "chosen",
        "rank",
        "carried",
        "strength",
        "on_target",
        "off_target",
        "pasted",
    ]
    return pd.DataFrame(rows, columns=columns).assign(n=16)
