"""The paper's claims, measured on the bundled model: `python -m benchmarks.claims [--quick]`.

For each claim of Haas et al. 2024 that can be put into a number: what the paper says, what was measured here, and whether it holds.
Effects are by the judge, in standard deviations of the attribute over samples; T = 16, eta = 1 unless stated. A claim that does not
hold is printed as such. Bars are in this file, beside what is measured.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from rich.console import Console
from rich.table import Table

from benchmarks._measured import JUDGE, make, measured
from benchmarks._report import verdict
from pipeline import models, preservation
from pipeline.cluster import InProcess, RayPool
from pipeline.diffusion import NoiseStreams
from pipeline.effects import on_and_off_target
from pipeline.hspace import Add, Edit, Take
from pipeline.linear import mean_difference
from pipeline.masks import mask
from pipeline.preservation import Manifold
from pipeline.selection import select
from pipeline.stage import Stage
from pipeline.stages.activations import read_steps
from pipeline.stages.annotate import Annotate, annotator
from pipeline.stages.convergence import Convergence
from pipeline.stages.disentangle import Disentangle
from pipeline.stages.edit import HELD_OUT
from pipeline.stages.embed import Embed
from pipeline.stages.finder import names_of
from pipeline.stages.jacobian_directions import JacobianDirections
from pipeline.stages.jacobian_subspaces import JacobianSubspaces
from pipeline.stages.locality import Locality
from pipeline.stages.mean_difference import MeanDifference
from pipeline.stages.principal_components import PrincipalComponents
from pipeline.stages.random_directions import RandomDirections
from pipeline.stages.sample import Sample
from pipeline.store import Store

ATTRIBUTES = ("smile", "glasses", "age", "gender", "yaw")
BATCH = 32


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    samples: int  # that directions are found in
    top: int  # positives, and as many negatives
    steps: int
    few: int  # held-out samples
    many: int  # held-out samples of a seed of Table I ...
    seeds: int  # ... and how many seeds
    pairs: int  # of samples whose h is swapped
    deterministic: int  # samples at eta = 0
    jacobians: int  # samples whose Jacobians are taken


FULL = Size(896, 128, 16, 14, 100, 10, 32, 1200, 8)
QUICK = Size(96, 16, 4, 3, 4, 2, 4, 96, 2)


@dataclass(frozen=True)
class Claim:
    """One row of the table."""

    claim: str
    paper: str  # what it says, and where
    measured: str
    holds: bool


def main() -> int:
    size = QUICK if "--quick" in sys.argv[1:] else FULL
    claims: list[Claim] = []
    with tempfile.TemporaryDirectory(prefix="hspace-") as folder:
        bench = Bench(size, Path(folder))
        for measure in (components, offsets, swapping, transfer_and_table, adding, examples, asyrp, masked):
            began = time.monotonic()
            found = list(measure(bench))
            claims += found
            print(f"{measure.__name__}: {time.monotonic() - began:.0f} s")
            for each in found:
                print(f"  {'holds' if each.holds else 'DOES NOT HOLD'}: {each.claim}: {each.measured}", flush=True)
    show(claims)
    held = sum(claim.holds for claim in claims)
    return verdict("claims", {"claims": len(claims), "hold": held}, {"hold": (">=", len(claims))})


def show(claims: list[Claim]) -> None:
    table = Table("claim", "the paper", "measured", "", box=None, header_style="bold", padding=(0, 2, 1, 0))
    for claim in claims:
        table.add_row(claim.claim, claim.paper, claim.measured, "holds" if claim.holds else "DOES NOT HOLD")
    Console(width=160).print(table)


# What the claims are measured with


@dataclass(frozen=True)
class Bench:
    """The model, its samples and directions; stages for what takes long, and the model in this process for the rest."""

    size: Size
    folder: Path

    @cached_property
    def sample(self) -> Sample:
        return Sample(models.find(str(models.BUNDLED)), self.size.samples, self.size.steps)

    @cached_property
    def difference(self) -> MeanDifference:
        annotate = Annotate(self.sample, (annotator("portraits"),))
        return MeanDifference(annotate, "portraits", ATTRIBUTES, self.size.top)

    @cached_property
    def directions(self) -> dict[str, torch.Tensor]:
        """(T, C, H, W) by attribute."""
        vectors = self.made(self.difference).vectors(self.difference)
        return {name.split("/")[0]: torch.from_numpy(v) for name, v in vectors.items()}

    def made(self, *goals: Stage) -> Store:
        return make(self.folder, list(goals), InProcess if self.size is QUICK else RayPool)

    @cached_property
    def loaded(self) -> models.LoadedModel:
        return self.sample.load()

    @cached_property
    def judge(self) -> Callable[[np.ndarray], np.ndarray]:
        return annotator(JUDGE).load()

    @cached_property
    def std(self) -> pd.Series:
        """Of each attribute over samples."""
        annotate = Annotate(self.sample, (annotator(JUDGE),))
        return annotate.scores(self.made(annotate), JUDGE).std(ddof=0)

    def scores(self, images: np.ndarray) -> pd.DataFrame:
        return pd.DataFrame(self.judge(images), columns=list(annotator(JUDGE).attributes))

    def images(
        self,
        edit: Callable[[int], list[Edit]] | list[Edit] = [],  # noqa: B006
        ids: range | None = None,
        asyrp: bool = False,
    ) -> np.ndarray:
        """Held-out samples, edited."""
        ids = range(HELD_OUT, HELD_OUT + self.size.few) if ids is None else ids
        process = self.sample.reverse_process
        edits = edit if isinstance(edit, list) else edit(len(ids))
        return self.loaded.to_images(process.run(self.loaded.denoiser, self.noise(ids), edits, asyrp=asyrp))

    def noise(self, ids: range) -> NoiseStreams:
        return self.sample.noise(self.loaded, ids)

    @cached_property
    def unedited(self) -> np.ndarray:
        return self.images()

    def effect(self, images: np.ndarray, attribute: str) -> float:
        """Mean change of an attribute from the unedited samples."""
        change = self.scores(images)[attribute] - self.scores(self.unedited)[attribute]
        return float(change.mean() / self.std[attribute])


# The claims


def components(bench: Bench) -> Iterator[Claim]:
    found = PrincipalComponents(bench.sample, 10)
    random = RandomDirections(bench.sample, (found,), 10, norms="each")
    evaluation = measured(bench.sample, [found, random], (-2.0, 2.0), bench.size.few)
    table = bench.made(evaluation).table(evaluation, "effects.parquet").to_pandas()
    largest = table.assign(size=table["effect"].abs()).groupby(["direction", "control"])["size"].max()
    ours, controls = largest.xs(False, level="control"), largest.xs(True, level="control")
    yield Claim(
        "Principal components beat random directions of the same norm at every step (two standard deviations of h)",
        "semantic changes against none (Fig. 4)",
        f"largest effect, mean of 10: {ours.mean():.2f} against {controls.mean():.2f}; "
        f"{(ours > controls.max()).sum()} of 10 beyond the largest of any random one ({controls.max():.2f})",
        bool(ours.mean() > 3 * controls.mean() and (ours > controls.max()).all()),
    )


def offsets(bench: Bench) -> Iterator[Claim]:
    """Random offsets of the norm of a component at growing strength, by what becomes of the images."""
    found = PrincipalComponents(bench.sample, 10)
    vectors = bench.made(found).vectors(found)
    norms = np.linalg.norm(np.stack(list(vectors.values())).reshape(10, bench.size.steps, -1), axis=2).mean(axis=0)
    stream = torch.Generator().manual_seed(0)
    v = torch.randn((bench.size.steps, *bench.sample.h_shape), generator=stream)
    v = v / v.flatten(1).norm(dim=1).view(-1, 1, 1, 1) * torch.from_numpy(norms).float().view(-1, 1, 1, 1)
    embed = Embed(bench.sample, annotator(JUDGE))  # type: ignore[arg-type]
    manifold = Manifold.of(embed.reference(bench.made(embed), 512))
    features = annotator(JUDGE).embedder()  # type: ignore[attr-defined]
    said, similar, typical = [], {}, {}
    for gamma in (0, 2, 8, 32, 128):
        images = bench.images([Add(v, gamma)])
        similar[gamma] = preservation.structure(bench.unedited, images).mean()
        typical[gamma] = manifold.contains(features(images)).mean()
        said.append(f"x{gamma}: MS-SSIM {similar[gamma]:.2f}, {typical[gamma]:.0%} typical")
    yield Claim(
        "Random offsets change little where they are small and destroy the image where they are large",
        "shown at growing strength (Fig. 4)",
        "; ".join(said),
        bool(similar[2] > 0.95 and similar[128] < 0.5 and typical[128] < 0.5 * typical[0]),
    )


def swapping(bench: Bench) -> Iterator[Claim]:
    pairs = bench.size.pairs
    ids = range(HELD_OUT, HELD_OUT + 2 * pairs)
    own, other, now = [], [], []
    for start in range(0, pairs, BATCH // 4):
        here = range(start, min(start + BATCH // 4, pairs))
        batch = [ids[2 * i + j] for i in here for j in (0, 1)]
        partners = [row ^ 1 for row in range(len(batch))]
        take = Take([*range(len(batch)), *partners])
        process, noise = bench.sample.reverse_process, bench.sample.noise(bench.loaded, [*batch, *batch])
        images = bench.loaded.to_images(process.run(bench.loaded.denoiser, noise, [take]))
        own.append(images[: len(batch)])
        other.append(images[: len(batch)][partners])
        now.append(images[len(batch) :])
    mine, theirs, swapped = (np.concatenate(images) for images in (own, other, now))
    a, b, c = (bench.scores(images) for images in (mine, theirs, swapped))
    shares = {name: share(a[name], b[name], c[name]) for name in ATTRIBUTES}
    behind = share(*(background(images) for images in (mine, theirs, swapped)))
    yield Claim(
        "Swapping h between two samples swaps what they show, and not the background",
        "shown (Fig. 2a)",
        "share of the way to the other sample: "
        + ", ".join(f"{name} {value:.2f}" for name, value in shares.items())
        + f"; background colour {behind:.2f} ({2 * pairs} samples)",
        bool(np.mean(list(shares.values())) > 0.5 and behind < 1 / 3),
    )


def share(own: np.ndarray | pd.Series, other: np.ndarray | pd.Series, now: np.ndarray | pd.Series) -> float:
    """How far `now` went from `own` toward `other`: the slope of the changes."""
    change, way = np.asarray(now) - np.asarray(own), np.asarray(other) - np.asarray(own)
    return float((change * way).sum() / (way**2).sum())


def background(images: np.ndarray) -> np.ndarray:
    """Mean colour of the two upper corners, where no face is: (B, 3)."""
    corners = np.concatenate([images[:, :6, :6], images[:, :6, -6:]], axis=2)
    return corners.reshape(len(images), -1, 3).mean(axis=1)


def transfer_and_table(bench: Bench) -> Iterator[Claim]:
    """Table I's protocol: 100 samples of each of 10 seeds, before and after the projection."""
    finders = [bench.difference, Disentangle(bench.difference)]
    evaluation = measured(bench.sample, finders, (1.0,), bench.size.many, bench.size.seeds)
    store = bench.made(evaluation)
    effects = store.table(evaluation, "effects.parquet").to_pandas()
    scores = store.table(evaluation, "scores.parquet").to_pandas()
    yield transferred(scores, bench)
    effects = effects[effects["attribute"].isin(ATTRIBUTES)]
    before, after = (table_one(effects, names, bench) for names in map(names_of, finders))
    n = f"{bench.size.many} samples x {bench.size.seeds} seeds, strength 1"
    yield Claim(
        "Projection raises the ratio of on-target to mean off-target effect",
        "on .478 to .408, off .361 to .115, ratio 1.33 to 3.55 (Table I)",
        f"on {before['on']:.2f} to {after['on']:.2f}, off {before['off']:.2f} to {after['off']:.2f}, "
        f"ratio {before['ratio']:.2f} to {after['ratio']:.2f} ({n})",
        bool(after["ratio"] > 1.1 * before["ratio"]),
    )
    yield Claim(
        "After projection the target is the largest effect in every row",
        "2 of 5 before, 5 of 5 after (Table I)",
        f"{before['top']:.0f} of 5 before, {after['top']:.0f} of 5 after; "
        f"largest spread over seeds {max(before['seeds'], after['seeds']):.2f}",
        bool(after["top"] == 5),
    )


def table_one(effects: pd.DataFrame, names: tuple[str, ...], bench: Bench) -> dict[str, float]:
    targets = {name: name.split("/")[0] for name in names}
    rows = on_and_off_target(effects, targets)
    absolute = rows[list(ATTRIBUTES)].abs().to_numpy()
    on = rows["on_target"].to_numpy()
    off = (absolute.sum(axis=1) - np.abs(on)) / (len(ATTRIBUTES) - 1)
    own = effects[effects["direction"].isin(names)]
    return {
        "on": on.mean(),
        "off": off.mean(),
        "ratio": on.mean() / off.mean(),
        "top": (on > rows["off_target"]).sum(),
        "seeds": own["std_over_seeds"].max(),
    }


def transferred(scores: pd.DataFrame, bench: Bench) -> Claim:
    """Whether single samples, none of which a direction was found on, move the way that it says."""
    twins = scores[scores["direction"] == "unedited"].set_index(["sample_id", "attribute"])["score"]
    right = {}
    for name in bench.difference.names:
        target = name.split("/")[0]
        own = scores[(scores["direction"] == name) & (scores["attribute"] == target)].set_index("sample_id")["score"]
        right[target] = float((own > twins.xs(target, level="attribute").reindex(own.index)).mean())
    return Claim(
        "A direction found on some samples does the same to others",
        "shown (Fig. 2b, 5)",
        "held-out samples whose attribute rises at strength 1: "
        + ", ".join(f"{name} {value:.0%}" for name, value in right.items()),
        bool(min(right.values()) > 0.8),
    )


def adding(bench: Bench) -> Iterator[Claim]:
    gamma, pairs = 0.7, (("smile", "yaw"), ("glasses", "yaw"), ("smile", "glasses"))
    alone = {
        name: bench.effect(bench.images([Add(bench.directions[name], gamma)]), name)
        for name in ("smile", "glasses", "yaw")
    }
    kept, said = [], []
    for pair in pairs:
        images = bench.images([Add(bench.directions[name], gamma) for name in pair])
        together = {name: bench.effect(images, name) for name in pair}
        kept += [together[name] / alone[name] for name in pair]
        said.append(" + ".join(f"{name} {together[name]:.2f} ({alone[name]:.2f} alone)" for name in pair))
    yield Claim(
        "Directions add: with two at once each does what it does alone",
        "shown (Fig. 2b, 8b)",
        f"at strength {gamma}: {'; '.join(said)}",
        bool(min(kept) > 0.6 and max(kept) < 1.6),
    )


def examples(bench: Bench) -> Iterator[Claim]:
    """Directions of h and of x_T from n labelled examples, at eta = 0, where x_T alone makes the image."""
    sample = Sample(bench.sample.model, bench.size.deterministic, bench.size.steps, eta=0.0)
    annotate = Annotate(sample, (annotator("portraits"),))
    difference = MeanDifference(annotate, "portraits", ("smile",), bench.size.deterministic // 3)
    convergence = Convergence(difference)
    store = bench.made(convergence)
    curve = store.table(convergence, "convergence.parquet").to_pandas().set_index(["space", "n"])["to_truth"]
    sizes = [n for n in curve["h"].index if n >= 8]
    effect = {space: effects_by_n(bench, sample, annotate, store, space, sizes[::2]) for space in ("h", "x_T")}

    def said(space: str, values: dict[int, float]) -> str:
        return f"{space}: " + ", ".join(f"{n}: {value:.2f}" for n, value in values.items())

    few, most = min((n for n in sizes if n >= 32), default=sizes[-1]), sizes[-1]
    yield Claim(
        "A smile direction in h needs a few dozen labelled examples, in x_T more than 200 (eta = 0)",
        "h converges with a few dozen, x_T needs more than 200 (Fig. 8a)",
        "cosine to the limit by n: "
        + "; ".join(said(space, dict(curve[space][sizes])) for space in ("h", "x_T"))
        + ". Effect on smile by n, at one norm: "
        + "; ".join(said(space, values) for space, values in effect.items()),
        bool(curve["h"][few] > 0.7 and curve["x_T"][most] < curve["h"][few]),
    )


def effects_by_n(
    bench: Bench, sample: Sample, annotate: Annotate, store: Store, space: str, sizes: list[int], norm: float = 0.2
) -> dict[int, float]:
    """Half the difference of smile between + and - a direction from n examples: of h at the norm that the most examples give;
    of x_T at `norm` times the norm of the noise, to which the sum is brought back."""
    scores = annotate.scores(store, "portraits").reindex(range(sample.n))["smile"].to_numpy()
    shuffled = np.random.default_rng(0).permutation(sample.n)
    ids = range(HELD_OUT, HELD_OUT + 2 * bench.size.few)
    noise = sample.noise(bench.loaded, ids).x_T()
    found = {}
    if space == "h":
        steps = [h for _, h in read_steps(store, sample)]
    else:
        batches = [range(start, min(start + BATCH, sample.n)) for start in range(0, sample.n, BATCH)]
        steps = [np.concatenate([sample.noise(bench.loaded, batch).x_T().flatten(1).numpy() for batch in batches])]
    everything = select(scores, sample.n // 3)
    norms = [float(np.linalg.norm(mean_difference(h, everything))) for h in steps]
    for n in sizes:
        drawn = shuffled[: min(3 * n, sample.n)]  # a third of what was labelled on either side, as of all samples
        own = select(scores[drawn], min(n, len(drawn) // 3))
        v = [mean_difference(h[drawn], own) for h in steps]
        sides = [side_scores(bench, sample, space, v, norms, noise, sign, norm) for sign in (1.0, -1.0)]
        found[n] = float((sides[0] - sides[1]).mean() / 2 / bench.std["smile"])
    return found


def side_scores(
    bench: Bench,
    sample: Sample,
    space: str,
    v: list[np.ndarray],
    norms: list[float],
    x_T: torch.Tensor,
    sign: float,
    norm: float,
) -> np.ndarray:
    """Smile of held-out samples after an edit in either space."""
    process, edits = sample.reverse_process, []
    if space == "h":
        scaled = np.stack([each / np.linalg.norm(each) * length for each, length in zip(v, norms, strict=True)])
        edits = [Add(torch.from_numpy(scaled).float().view(-1, *sample.h_shape), sign)]
    else:
        unit = torch.from_numpy(v[0] / np.linalg.norm(v[0])).float().view(1, *x_T.shape[1:])
        length = x_T.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
        edited = x_T + sign * norm * length * unit
        x_T = edited / edited.flatten(1).norm(dim=1).view(-1, 1, 1, 1) * length
    images = bench.loaded.to_images(process.run(bench.loaded.denoiser, Begun(x_T), edits))
    return bench.scores(images)["smile"].to_numpy()


@dataclass(frozen=True)
class Begun:
    """Noise that begins with a given x_T; at eta = 0 there is no other."""

    x: torch.Tensor

    def x_T(self) -> torch.Tensor:
        return self.x

    def sigma_z(self, step: int, sigma: float) -> torch.Tensor | None:
        return None


def asyrp(bench: Bench) -> Iterator[Claim]:
    ratios, near, said = [], [], []
    grid = (0.4, 0.6, 0.8, 1.0, 1.2)
    for name in ("smile", "glasses", "yaw"):
        v = bench.directions[name]
        plain = {gamma: bench.images([Add(v, gamma)]) for gamma in grid}
        effects = [bench.effect(images, name) for images in plain.values()]
        amplified = bench.images([Add(v, grid[0])], asyrp=True)
        effect = bench.effect(amplified, name)
        gamma = float(np.interp(effect, effects, grid))
        rescaled = bench.images([Add(v, gamma)])
        ratios.append(effect / effects[0])
        near.append(distance(amplified, rescaled) / distance(amplified, bench.unedited))
        said.append(f"{name} {effects[0]:.2f} to {effect:.2f}, matched at {gamma:.2f}")
    yield Claim(
        "Asyrp (the edit in P_t alone, two passes a step) amplifies an edit",
        "amplifies (SM B)",
        f"effect at strength {grid[0]}, plain to Asyrp: {'; '.join(said)}",
        bool(min(ratios) > 1.05),
    )
    yield Claim(
        "A rescaled plain edit gives much the same image as Asyrp, at one pass a step",
        "much the same (SM B)",
        "distance of the two images over that of Asyrp's to the unedited one: "
        + ", ".join(f"{value:.2f}" for value in near),
        bool(max(near) < 0.5),
    )


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Root mean squared, in levels of 0..255."""
    return float(np.sqrt(np.square(a.astype(np.float64) - b).mean()))


def masked(bench: Bench) -> Iterator[Claim]:
    at = tuple(sorted({bench.size.steps * quarter // 4 for quarter in (1, 2, 3)}))
    regions = {"image": None, "eyes": mask("eyes"), "mouth": mask("mouth")}
    finders = [
        JacobianDirections(
            JacobianSubspaces(bench.sample, tuple(range(bench.size.jacobians)), at, 4, region), bench.sample, 3
        )
        for region in regions.values()
    ]
    evaluation = measured(bench.sample, finders, (-4.0, 4.0), bench.size.few)
    locality = Locality(evaluation.edit, tuple(region for region in regions.values() if region))
    table = bench.made(locality).table(locality, "locality.parquet").to_pandas()
    found_in = table["direction"].str.split("-").str[0]
    ratio = np.exp(np.log(table["ratio"]).groupby([table["region"], found_in]).mean())
    yield Claim(
        "Jacobian directions found inside a mask change the image there",
        "local edits (Fig. 6)",
        "squared change per area, inside over outside, masked against unmasked: "
        + ", ".join(f"{name} {ratio[name, name]:.1f} against {ratio[name, 'image']:.1f}" for name in ("eyes", "mouth")),
        bool(all(ratio[name, name] > max(2, ratio[name, "image"]) for name in ("eyes", "mouth"))),
    )


if __name__ == "__main__":
    sys.exit(main())
