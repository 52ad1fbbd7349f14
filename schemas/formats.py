"""docs/formats.md: every table, catalog.json and the settings of a run, as these schemas say. `python -m schemas.formats`."""

import inspect
import json
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType, NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pyarrow as pa
from pydantic import BaseModel

from schemas import (
    activations,
    annotated_images,
    annotations,
    broken_images,
    catalog,
    directions,
    dtypes,
    edits,
    events,
    familiarity,
    image_index,
    imported,
    left_out_files,
    read_images,
    run,
    run_summary,
    samples,
    scores,
    strengths,
)
from schemas.columns import meaning_of, unit_of
from schemas.published import TABLES

FILE = Path(__file__).parents[1] / "docs" / "formats.md"

# Title, the module that says what it is, and its columns.
PUBLISHED: tuple[tuple[str, ModuleType, pa.Schema], ...] = tuple(
    (name, import_module(f"schemas.{name.removesuffix('.parquet')}"), table) for name, table in TABLES.items()
)
INTERMEDIATE: tuple[tuple[str, ModuleType, pa.Schema], ...] = (
    ("samples.parquet", samples, samples.SAMPLES),
    ("activations.parquet", activations, activations.activations_schema((512, 8, 8))),
    ("dtypes.parquet", dtypes, dtypes.DTYPES),
    ("annotations.parquet", annotations, annotations.ANNOTATIONS),
    ("familiarity.parquet", familiarity, familiarity.FAMILIARITY),
    ("strengths.parquet", strengths, strengths.STRENGTHS),
    ("edits.parquet", edits, edits.EDITS),
    ("scores.parquet", scores, scores.SCORES),
    ("index-*.parquet", image_index, image_index.INDEX),
    ("left_out.parquet", left_out_files, left_out_files.LEFT_OUT_FILES),
    ("images.parquet of a part", read_images, read_images.READ_IMAGES),
    ("images.parquet of annotations/", annotated_images, annotated_images.ANNOTATED_IMAGES),
    ("broken.parquet of annotations/", broken_images, broken_images.BROKEN_IMAGES),
)
FURTHER = (
    ("Trials", "Where effects chose what to project away: a column of directions.parquet.", directions.TRIALS),
    (
        "changes.parquet",
        "Beside scores.parquet, a row an image. Of an unedited one the changes are none.",
        scores.CHANGES,
    ),
)
MODELS: tuple[type[BaseModel], ...] = (
    catalog.Catalog,
    catalog.ModelCard,
    catalog.Sampling,
    catalog.Direction,
    catalog.Evaluation,
)

DESCRIPTION = (imported.ImportedDirections, imported.ImportedDirection)
SUMMARY = (run_summary.RunSummary, run_summary.StageSummary, run_summary.FailureSummary)

_INTRODUCTION = """\
# Formats

Every file of a catalog, the tables that it is made from, and the settings of a run. This page is written by
`python -m schemas.formats` from [schemas/](../schemas); change those, not this. A Parquet file of these carries the meaning and the
unit of each column in the metadata of its fields, but for activations, which are written for speed.
"""


def document() -> str:
    """Return the page as Markdown."""
    pieces = [_INTRODUCTION, "## A catalog's tables\n", *(_table(*each) for each in PUBLISHED)]
    pieces += ["## catalog.json\n", _module(catalog), *(_model(model) for model in MODELS)]
    pieces += ["## The tables behind them\n", *(_table(*each) for each in INTERMEDIATE)]
    pieces += [f"### {title}\n\n{said}\n\n{_columns(schema)}" for title, said, schema in FURTHER]
    pieces += ["## A run\n", _module(run), _fields(run.Run)]
    pieces += ["## Directions from outside\n", _module(imported), *(_model(model) for model in DESCRIPTION)]
    pieces += ["## How a run went\n", _module(run_summary), *(_model(model) for model in SUMMARY)]
    pieces += [_table("events-*.jsonl", events, events.EVENTS)]
    return "\n".join(pieces)


def _table(title: str, module: ModuleType, schema: pa.Schema) -> str:
    return f"### {title}\n\n{_module(module)}\n{_columns(schema)}"


def _module(module: ModuleType) -> str:
    return inspect.cleandoc(module.__doc__ or "") + "\n"


def _columns(schema: pa.Schema) -> str:
    rows = [
        (f"`{field.name}`", _type(field.type), unit_of(field), meaning_of(field), "yes" if field.nullable else "no")
        for field in schema
    ]
    return _markdown(("column", "type", "unit", "meaning", "may be null"), rows)


def _type(kind: pa.DataType) -> str:
    """Say a type in words, without the fields of a list's items, which have a table of their own where they are many."""
    if pa.types.is_list(kind):
        return f"list of {_type(kind.value_type)}"
    if pa.types.is_struct(kind):
        return f"struct of {', '.join(field.name for field in kind)}"
    return "bytes" if pa.types.is_binary(kind) or pa.types.is_fixed_size_binary(kind) else str(kind)


def _model(model: type[BaseModel]) -> str:
    return f"### {model.__name__}\n\n{inspect.cleandoc(model.__doc__ or '')}\n\n{_fields(model)}"


def _fields(model: type[BaseModel]) -> str:
    rows = []
    for name, field in model.model_fields.items():
        default = "required" if field.is_required() else f"`{_plain(field.default)}`"
        rows.append((f"`{name}`", _annotation(field.annotation), default, field.description or ""))
    return _markdown(("field", "type", "default", "meaning"), rows)


def _annotation(annotation: Any) -> str:
    """A type in words, as JSON has it."""
    kind, of = get_origin(annotation), get_args(annotation)
    if kind in (Union, UnionType):
        return " or ".join(map(_annotation, of))
    if kind is Literal:
        return " or ".join(map(json.dumps, of))
    if kind is dict:
        return "object"
    if kind is list:
        return f"list of {_annotation(of[0])}"
    if kind is Annotated:
        return _annotation(of[0])
    if kind is tuple and of[-1] is ...:
        return f"list of {_annotation(of[0])}"
    if kind is tuple:
        return f"[{', '.join(map(_annotation, of))}]"
    return "null" if annotation is NoneType else str(annotation.__name__)


def _plain(value: Any) -> str:
    return "null" if value is None else json.dumps(value) if isinstance(value, tuple) else str(value)


def _markdown(headings: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [headings, ("---",) * len(headings), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def main() -> None:
    FILE.write_text(document(), encoding="utf-8")


if __name__ == "__main__":
    main()
