"""What has changed from one catalog to another: `python -m jobs.compare A B [--json] [--html FILE]`.

Exit codes: 0 nothing that matters has changed; 1 something has, by the bounds; 2 they cannot be compared.
"""

from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from jobs.printing import console, for_people, option, print_json, print_table, refuse
from jobs.scores import scores_behind
from pipeline.catalog.compare.bounds import Bounds
from pipeline.catalog.compare.comparison import Change, Comparison, compare
from pipeline.catalog.compare.for_machines import for_machines
from pipeline.catalog.compare.page import page
from pipeline.catalog.compare.pairs import SamplePairs
from pipeline.catalog.compare.words import amount_of_change, called, verdict
from pipeline.catalog.templates import signed
from pipeline.errors import UserError

MEANING = {each.name: each.metadata["meaning"] for each in fields(Bounds)}
MATTERS = 1  # exit code

A = Annotated[Path, typer.Argument(metavar="A", help="Folder of the catalog before.", show_default=False)]
B = Annotated[Path, typer.Argument(metavar="B", help="Folder of the catalog to compare with it.", show_default=False)]
JSON = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output, all else on errors.")]
HTML = Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write one page of it.")]


def bound(name: str, **limits: Any) -> Any:
    """An option of that name, with what it means."""
    return typer.Option(option(name), help=MEANING[name], **limits)


def compare_catalogs(
    a: A,
    b: B,
    json: JSON = False,
    html: HTML = None,
    cosine: Annotated[float, bound("cosine", min=0, max=1)] = Bounds.cosine,
    effect: Annotated[float, bound("effect", min=0)] = Bounds.effect,
    confidence: Annotated[float, bound("confidence", min=0.5, max=0.999999)] = Bounds.confidence,
    match: Annotated[float, bound("match", min=0, max=1)] = Bounds.match,
    any_method: Annotated[bool, bound("any_method")] = Bounds.any_method,
    everything: Annotated[bool, bound("everything")] = Bounds.everything,
) -> None:
    """Compare two catalogs of one model, or of checkpoints of one, direction by direction."""
    for_people(json)
    try:
        scores = SamplePairs(scores_behind(a), scores_behind(b))
        found = compare(a, b, Bounds(cosine, effect, confidence, match, any_method, everything), scores)
        if html:
            html.write_text(page(found), encoding="utf-8")
    except UserError as error:
        refuse(error)
        raise typer.Exit(2) from None
    except OSError as error:
        refuse(UserError(f"{html} cannot be written ({error.strerror}). Name another file with --html."))
        raise typer.Exit(2) from None
    show(found)
    if html:
        console.print(f"Page: {html}")
    if json:
        print_json(for_machines(found))
    raise typer.Exit(MATTERS if found.findings else 0)


def show(found: Comparison) -> None:
    """Print every direction beside its counterpart, what is alone, and what of it matters."""
    table = Table(
        "direction", "cosine", "effect on target", "change", "most on", "change", "", box=None, header_style="bold"
    )
    for each in found.changes:
        table.add_row(*_cells(each))
    print_table(table)
    for what, alone in (("Vanished", found.vanished), ("Appeared", found.appeared)):
        if alone:
            console.print(f"{what}: {', '.join(each.name for each in alone)}")
    for note in found.notes:
        console.print(note)
    console.print(verdict(found))
    for finding in found.findings:
        console.print(f"  {finding}")


def _cells(change: Change) -> tuple[str, ...]:
    effects, cosines = change.effects, change.pair.cosines
    target, other = (effects.target, effects.most_changed) if effects else (None, None)
    return (
        called(change.pair),
        signed(cosines.over_all) if cosines else "–",
        f"{signed(target.before.mean)} to {signed(target.after.mean)}" if target else "–",
        amount_of_change(target),
        other.attribute if other else "–",
        amount_of_change(other),
        "matters" if change.matters else "moved" if change.moved else "",
    )


if __name__ == "__main__":
    typer.run(compare_catalogs)
