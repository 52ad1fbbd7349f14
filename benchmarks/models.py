"""What to expect of a model that was not made for the method: `python -m benchmarks.models [--quick]`.

Three bundled models, each as a run of the recipe makes its catalog, at the bottleneck and at points that `capture` auto chooses:

    portraits             the two deepest skip connections were closed in training, so that h carries what the pictures mean
    portraits-open-skips  the same, with all of them open
    digits                real handwriting, an ordinary U-Net with all of them open

Everything is read from the catalogs: what the recommended direction of each attribute does at the strength that selection samples
chose, on held-out samples, by the judge; what each estimator does; principal components beside random directions as long;
directions of single images on other images; and which of the paper's claims hold that a catalog can be asked. 384 samples, T = 16,
16 held-out samples, ten components, Jacobians of two samples. Effects are in standard deviations of the attribute, with 95 %
intervals over the held-out samples; means over attributes have intervals over the attributes, of which one that has no direction
with a strength in its valid range counts as one that is not moved.

An edit is clean where nothing else moves by more than a third of its target. Two things are asked for, for reasons that were there
before: components of the model that was made for the method must beat random directions, and points that are chosen must not lose
clean directions that the bottleneck of the open model has.
"""

import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from benchmarks._catalogs import (
    Best,
    Overview,
    answers,
    best,
    components,
    methods,
    overview,
    transferred,
)
from benchmarks._compared import RUNS, markdown
from benchmarks._report import verdict
from pipeline.catalog.explorer.findings import Findings
from pipeline.catalog.explorer.read import findings
from pipeline.recipes.make import make
from schemas.run import Run

TARGETS = {
    "portraits_components_over_largest_random": (">", 1.0),  # mean of ten components, over the largest random direction
    "open_skips_clean_won_by_auto": (">=", 0),  # clean directions at the points chosen, less those at the bottleneck
}

CAPTURES = {"bottleneck": ("mid_block",), "auto": ("auto",)}
DIGITS = ("slant", "stroke_width", "loops", "zero", "seven", "nine")


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    runs: tuple[Run, ...]
    workers: int


ALIKE = {"samples": 384, "top": 56, "held_out": 16, "components": 10, "jacobians": 2}
FULL = Size(
    tuple(
        run.model_copy(update=ALIKE | ({"attributes": DIGITS} if name == "digits" else {}))
        for name, run in RUNS.items()
    ),
    workers=os.cpu_count() or 1,
)
LITTLE = {"samples": 48, "top": 8, "held_out": 2, "components": 2, "jacobians": 1, "steps": 2, "strengths": (-1.0, 1.0)}
QUICK = Size((RUNS["digits"].model_copy(update=LITTLE | {"attributes": ("slant", "stroke_width")}),), workers=0)


@dataclass(frozen=True)
class Made:
    """A catalog, read, and of which model at which points it is."""

    model: str
    capture: str
    attributes: tuple[str, ...]
    found: Findings

    @property
    def title(self) -> str:
        return f"{self.model}, {self.capture}"

    @property
    def overview(self) -> Overview:
        return overview(best(self.found), len(self.attributes))


def main() -> int:
    size = QUICK if "--quick" in sys.argv[1:] else FULL
    print(f"Load average at the start: {os.getloadavg()[0]:.1f}; cores: {os.cpu_count()}")
    made = []
    with tempfile.TemporaryDirectory(prefix="hspace-") as folder:
        for run in size.runs:
            made += [one(run, capture, Path(folder) / str(run.model), size.workers) for capture in CAPTURES]
    print(markdown(*by_model(made)))
    for title, table in (
        ("The direction to use of each attribute", by_attribute(made)),
        ("Every estimator", by_method(made)),
        ("Claims", by_claim(made)),
    ):
        print(f"\n{title}\n\n{markdown(*table)}")
    return verdict("models", figures(made), TARGETS if size is FULL else {})


def one(run: Run, capture: str, root: Path, workers: int) -> Made:
    """Make a catalog and read it. Catalogs of one model are made in one root: what both need is made once."""
    began = time.monotonic()
    catalog = make(run.model_copy(update={"capture": CAPTURES[capture]}), root, workers)
    found = findings(catalog)
    print(f"{run.model}, {capture}: {time.monotonic() - began:.0f} s", flush=True)
    return Made(str(run.model), capture, run.attributes or (), found)


def carriage_of(made: list[Made], model: str) -> pd.DataFrame | None:
    """What swaps of a model's h carry: it is measured where points are chosen."""
    return next((each.found.carriage for each in made if each.model == model and each.found.carriage is not None), None)


# Tables


def by_model(made: list[Made]) -> tuple[list[str], list[list[str]]]:
    head = [
        "model, points",
        "clean",
        "mean on target",
        "off / on",
        "components: largest effect (any random one's)",
        "of one image: on others / on its own (the same way)",
        "where",
    ]
    rows = []
    for each in made:
        of, own, others = each.overview, components(each.found), transferred(each.found)
        rows.append(
            [
                each.title,
                f"{of.clean} of {len(each.attributes)}",
                of.on.text(),
                of.off_over_on.text(),
                "" if own is None else f"{own.mean:.2f} ({own.largest_random:.2f}); {own.beyond} of {own.k} beyond",
                "" if others is None else f"{others.others:+.2f} / {others.own:.2f} ({others.same_way:.0%})",
                of.points,
            ]
        )
    return head, rows


def by_attribute(made: list[Made]) -> tuple[list[str], list[list[str]]]:
    head = [
        "model, points",
        "attribute",
        "where",
        "estimator",
        "strength",
        "on target",
        "off target",
        "on / off",
        "clean",
        "valid range",
    ]
    rows = []
    for each in made:
        found = {row.attribute: row for row in best(each.found)}
        for name in each.attributes:
            there = found.get(name)
            cells = [""] * (len(head) - 2) if there is None else cells_of(there)
            rows.append([each.title, name.replace("_", " "), *cells])
    return head, rows


def cells_of(row: Best) -> list[str]:
    low, high = row.ratio
    return [
        row.point,
        row.estimator.replace("-", " "),
        f"{row.strength:+.2f}",
        f"{row.on.text()}{'' if row.beyond else ', as random ones'}",
        f"{row.off:.2f}",
        f"{low:.1f} to {high:.1f}" if high == high else f"{low:.1f} or more",  # NaN: there is no higher end
        "yes" if row.clean else "no",
        f"{row.valid[0]:.1f} to {row.valid[1]:.1f}",
    ]


def by_method(made: list[Made]) -> tuple[list[str], list[list[str]]]:
    head = ["model, points", "estimator", "directions with a strength", "clean", "mean on target", "off / on"]
    rows = [
        [
            each.title,
            of.title,
            f"{of.usable} of {of.directions}",
            str(of.clean),
            of.on.text(),
            of.off_over_on.text(),
        ]
        for each in made
        for of in methods(each.found)
    ]
    return head, rows


def by_claim(made: list[Made]) -> tuple[list[str], list[list[str]]]:
    found = [answers(each.found, carriage_of(made, each.model)) for each in made]
    head = ["claim", *(each.title for each in made)]
    return head, [[row[0].claim, *(answer.cell for answer in row)] for row in zip(*found, strict=True)]


def figures(made: list[Made]) -> dict[str, float]:
    """Clean directions of every model at its points, and what is asked for."""
    clean = {(each.model, each.capture): float(each.overview.clean) for each in made}
    found = {f"clean_{model}_{capture}".replace("-", "_"): n for (model, capture), n in clean.items()}
    for each in made:
        if each.model == "portraits" and each.capture == "bottleneck" and (own := components(each.found)):
            found["portraits_components_over_largest_random"] = round(own.mean / own.largest_random, 2)
    if ("portraits-open-skips", "auto") in clean:
        won = clean["portraits-open-skips", "auto"] - clean["portraits-open-skips", "bottleneck"]
        found["open_skips_clean_won_by_auto"] = won
    return found


if __name__ == "__main__":
    sys.exit(main())
