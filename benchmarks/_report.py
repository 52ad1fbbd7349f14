"""How a benchmark ends: its figures against their targets, as a table and as one last line of JSON."""

import json

from rich.console import Console
from rich.table import Table

Targets = dict[str, tuple[str, float]]  # figure -> ("<=", ">=" or ">", number)


def verdict(benchmark: str, figures: dict[str, float], targets: Targets) -> int:
    """Print every figure, with its target where it has one. The exit code: 0 exactly when every target holds."""
    table = Table("figure", "measured", "target", "holds", box=None, header_style="bold")
    for name, figure in figures.items():
        sign, target = targets.get(name, ("", 0.0))
        mark = "" if not sign else "yes" if holds(figure, sign, target) else "NO"
        table.add_row(name, f"{figure:g}", f"{sign} {target:g}" if sign else "", mark)
    Console(width=110).print(table)

    held = all(holds(figures[name], sign, target) for name, (sign, target) in targets.items())
    wanted = {name: f"{sign} {target:g}" for name, (sign, target) in targets.items()}
    print(json.dumps({"benchmark": benchmark, "figures": figures, "targets": wanted, "holds": held}))
    return 0 if held else 1


def holds(figure: float, sign: str, target: float) -> bool:
    return {"<=": figure <= target, ">=": figure >= target, ">": figure > target}[sign]
