"""What a job ends with: the catalog and its explorer where they can always be found, and what was found."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jobs.printing import console
from jobs.where import Where
from pipeline.catalog.summary import Recommended, Summary
from pipeline.engine.roots import opened
from pipeline.engine.stage import Stage
from pipeline.engine.store import Store
from pipeline.recipes.make import catalog_in
from pipeline.stages.explorer import Explorer
from pipeline.stages.publish import Catalog


def hand_over(store: Store, catalog: Catalog, explorer: Explorer, where: Where) -> dict[str, Any]:
    """Print what was found and where it is: ROOT/catalog and ROOT/explorer, always of the latest. Return it for machines."""
    folder = folder_at_hand(store, catalog, "catalog")
    page = f"{folder_at_hand(store, explorer, 'explorer')}/index.html"
    found = Summary.of(catalog_in(store, catalog))
    if not where.json:
        show(found)
    console.print(f"Catalog:  {folder}")
    console.print(f"Explorer: {page}")
    return {"catalog": folder, "explorer": page, **asdict(found)}


def folder_at_hand(store: Store, stage: Stage, name: str) -> str:
    """Have what a stage made lie under a name in the root, whatever lay there before: a link, or copies in an object store."""
    if isinstance(store.root, Path):
        return str(_linked(store.folder(stage), store.root / name))
    for file in sorted(
        store.record(stage, 0)["files"], key=lambda each: each.endswith("SUMS")
    ):  # the sums of the others last
        store.leave(f"{name}/{file}", store.read(stage, file))
    files = opened(store.root)
    for old in files.listing(name).keys() - store.record(stage, 0)["files"].keys():
        files.remove(f"{name}/{old}")
    return f"{store.root}/{name}"


def file_at_hand(store: Store, stage: Stage, name: str) -> str:
    """Have a file that a stage made lie under its name in the root: see `folder_at_hand`."""
    if isinstance(store.root, Path):
        return str(_linked(store.folder(stage) / name, store.root / name))
    store.leave(name, store.read(stage, name))
    return f"{store.root}/{name}"


def _linked(target: Path, link: Path) -> Path:
    """Make `link` lead to a target below the same folder, at once, whatever it led to before; the target itself where it cannot."""
    new = link.with_name(f".{link.name}-{os.getpid()}")
    try:
        new.symlink_to(os.path.relpath(target, link.parent))
        new.replace(link)
    except OSError:  # a disk without links, or something else of that name
        new.unlink(missing_ok=True)
        return target
    return link


def show(found: Summary) -> None:
    """Print the directions to use, what else is worth a look, and what is to be known."""

    def added(point: str) -> str:
        """Where a direction is added, where there are several places."""
        return f"; added at {point}" if len(found.captures) > 1 else ""

    for each in found.recommended:
        per_sd = "" if each.strength_per_sd is None else f"; one SD at {each.strength_per_sd:+.3g}"
        said = "" if each.clean else " (not clean)"
        console.print(
            f"{each.attribute}: {each.direction} at {each.strength:+.3g} moves it by {each.on_target:+.2f} SD, "
            f"anything else by {each.off_target:.2f} SD at most{per_sd}{added(each.capture)}{said}; {_samples(each)}"
        )
    for attribute in found.without_strength:
        console.print(f"{attribute}: at every strength that was measured images were seen to leave the model's own")
    for ranked in found.ranked:
        again = f" (re-measured on {ranked.confirmed_n} other samples)" if ranked.confirmed_n else ""
        console.print(f"{ranked.direction}: {ranked.label}{again}{added(ranked.capture)}")
    for what in found.left_out:
        console.print(f"Left out: {what}.")
    for note in found.notes:
        console.print(f"Note: {note}")
    for warning in found.warnings:
        console.print(f"Warning: {warning}")


def _samples(of: Recommended) -> str:
    """How many samples its effects are of, and how many others chose its strength."""
    if of.chosen_on is None:
        return f"n = {of.n}, at a strength that no effect chose"
    return f"n = {of.n}, chosen on {f'{of.chosen_on} others' if of.chosen_on else 'the same'}"
