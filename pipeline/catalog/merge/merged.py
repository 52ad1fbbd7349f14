"""One catalog of several: written whole or not at all, and read again, every byte, before it is published."""

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from pipeline.catalog.card import card
from pipeline.catalog.direction_catalog import SUMS, DirectionCatalog
from pipeline.catalog.merge.naming import Naming, named
from pipeline.catalog.merge.sources import MergeSource, opened
from pipeline.catalog.merge.tables import OF_ONE, Merging, tables
from pipeline.errors import UserError
from pipeline.formats.arrays import write_vectors
from pipeline.formats.hashes import sha256
from pipeline.formats.parquet import write_table
from schemas.catalog import Catalog, Direction, Evaluation, LeftOut
from schemas.published import VERSION, versioned


def merge(folders: Sequence[str | Path], out: Path) -> DirectionCatalog:
    """Merge the catalogs in these folders into a new folder, and return what was published there.

    Raises UserError where they are not of one model and one way of sampling, where one is damaged, or `out` is there already.
    """
    if os.path.lexists(out):
        raise UserError(f"{out} is there already, and nothing is merged over what is there. Name a new folder.")
    sources = opened(folders)
    staging = out.with_name(f".{out.name}-{os.getpid()}")
    try:
        staging.mkdir(parents=True)
        _write(sources, staging)
        _verify(staging)
        staging.rename(out)
    except OSError as error:
        raise UserError(f"{out} cannot be written ({error.strerror}). Name another folder.") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return DirectionCatalog.open(out)


def _verify(folder: Path) -> None:
    """Read every file of a catalog, which checks its sum."""
    catalog = DirectionCatalog.open(folder)
    for name in catalog.files:
        catalog.read(name)


def _write(sources: Sequence[MergeSource], out: Path) -> None:
    merging = list(_merging(sources, named(sources)))
    write_vectors(out / "directions.safetensors", dict(_vectors(merging)), VERSION)
    for name, table in tables(merging):
        write_table(out / name, versioned(table))
    (out / "catalog.json").write_text(_about(merging).model_dump_json(indent=2) + "\n", encoding="utf-8")
    files = frozenset(path.name for path in out.iterdir())
    published = DirectionCatalog(lambda name: (out / name).read_bytes(), files)
    (out / "README.md").write_text(card(published), encoding="utf-8")
    sums = [f"{sha256(path)}  {path.name}\n" for path in sorted(out.iterdir())]
    (out / SUMS).write_text("".join(sums))


def _merging(sources: Sequence[MergeSource], namings: Sequence[Naming]) -> Iterator[Merging]:
    """Each catalog with its evaluations' numbers: of those that measured what is published, and those that they compare with."""
    n = 0
    for place, (source, naming) in enumerate(zip(sources, namings, strict=True)):
        every = source.about.evaluations
        own = {i for i, each in enumerate(every) if naming.published & set(each.directions)}
        behind = {control for i in own if (control := every[i].control) is not None}
        kept = sorted(own | behind)
        yield Merging(source, naming, {old: n + new for new, old in enumerate(kept)}, place == 0)
        n += len(kept)


def _vectors(merging: Sequence[Merging]) -> Iterator[tuple[str, np.ndarray]]:
    for each in merging:
        for row in each.source.rows:
            if row["name"] in each.naming.published:
                for ending, key in each.source.keys(row).items():
                    yield f"{each.naming(row['name'])}{ending}", each.source.arrays[key]


def _about(merging: Sequence[Merging]) -> Catalog:
    """catalog.json: of the first catalog in what all have in common, and of every one in what it adds."""
    first = merging[0].source.about
    directions = [each for one in merging for each in _directions(one)]
    return first.model_copy(
        update={
            "schema_version": Catalog.model_fields["schema_version"].default,
            "captures": _unique([each for one in merging for each in one.source.about.captures]),
            "directions": directions,
            "evaluations": [each for one in merging for each in _evaluations(one)],
            "left_out": _left_out(merging, directions),
            "notes": _unique([note for one in merging for note in one.source.about.notes]) + list(_notes(merging)),
            "stages": _unique([stage for one in merging for stage in one.source.about.stages]),
            "recommended": _recommended(merging),
            "recommended_by": next(filter(None, (one.source.about.recommended_by for one in merging)), ""),
        }
    )


def _recommended(merging: Sequence[Merging]) -> dict[str, str]:
    """The direction to use of each attribute, of the first catalog that recommends one."""
    return {
        attribute: one.naming.names[name]
        for one in reversed(merging)
        for attribute, name in one.source.about.recommended.items()
    }


def _directions(merging: Merging) -> Iterator[Direction]:
    naming = merging.naming
    for each in merging.source.about.directions:
        if each.name in naming.published:
            parents = None if each.parents is None else [naming(parent) for parent in each.parents]
            yield each.model_copy(update={"name": naming(each.name), "parents": parents})


def _evaluations(merging: Merging) -> Iterator[Evaluation]:
    for old in merging.evaluations:
        each = merging.source.about.evaluations[old]
        own = [merging.naming(name) for name in each.directions if name in merging.naming.published]
        control = None if each.control is None else merging.evaluations.get(each.control)
        yield each.model_copy(update={"directions": own, "control": control})


def _left_out(merging: Sequence[Merging], directions: Sequence[Direction]) -> list[LeftOut]:
    """What no catalog has."""
    there = {each.attribute for each in directions}
    every = {(each.what, each.name): each for one in merging for each in one.source.about.left_out}
    return [each for each in every.values() if each.what != "attribute" or each.name not in there]


def _notes(merging: Sequence[Merging]) -> Iterator[str]:
    """What is to be known of a merged catalog."""
    yield (
        f"Merged of {len(merging)} catalogs; nothing was measured again, and what each measured stands as it was. "
        "provenance.parquet says which catalog each direction is of."
    )
    for each in merging:
        source, sampling = each.source, each.source.about.sampling
        numbers = ", ".join(map(str, each.evaluations.values())) or "none"
        yield (
            f"{source.name}: {len(each.naming.published)} directions, found on {sampling.n} {sampling.found_in} of seed "
            f"{sampling.seed}; evaluations {numbers}; SHA256SUMS {source.sha256sums[:12]}."
        )
    for name in OF_ONE:
        having = [each.source.name for each in merging if name in each.source.catalog.files]
        if len(having) > 1:
            yield f"{name} is that of {having[0]} alone."


def _unique(values: list) -> list:
    """The values, each once, in their order; they need not be hashable."""
    found: list = []
    for each in values:
        if each not in found:
            found.append(each)
    return found
