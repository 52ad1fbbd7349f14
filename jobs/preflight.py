"""What a job prints of a preflight: a line a check, and what to do where one failed."""

import re
import tomllib
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import constants

from jobs.printing import console, errors
from jobs.timing import seconds_a_pass
from jobs.where import Where
from pipeline.engine.checks import Check, Trial
from pipeline.engine.plan import StagePlan
from pipeline.engine.preflight import preflight
from pipeline.engine.stage import Stage
from pipeline.engine.store import Store
from pipeline.errors import UserError
from pipeline.stages.sources.source import Source

PROJECT = Path(__file__).parents[1] / "pyproject.toml"


def look(store: Store, plans: list[StagePlan], where: Where) -> None:
    """Print what is found on the machines of a cluster. Raises UserError where something would make the run fail."""
    failed = []
    for check in preflight(store, plans, packages(), attempt, where.address, Path(constants.HF_HUB_CACHE)):
        show(check)
        failed += [check] if check.state == "failed" else []
    if failed:
        raise UserError(f"The cluster is not ready: {', '.join(each.name for each in failed)}. Nothing was begun.")


def show(check: Check) -> None:
    """Print a line of what was found, and, where that will not do, what was expected and what to do."""
    (errors if check.state == "failed" else console).print(f"{check.state:8}{check.name:16}{check.found}")
    if check.state == "failed":
        errors.print(f"{'':8}{'expected':16}{check.expected}\n{'':8}{'to do':16}{check.to_do}")


def packages() -> list[str]:
    """The packages that this project needs, by name, and those of its extras."""
    project: dict[str, Any] = tomllib.loads(PROJECT.read_text())["project"]
    extras = [each for name, extra in project["optional-dependencies"].items() if name != "dev" for each in extra]
    return sorted({re.split(r"[^\w.-]", each, maxsplit=1)[0] for each in (*project["dependencies"], *extras)})


def attempt(stage: Stage) -> Trial | None:
    """Make passes of a batch through the U-Net, and say what that took of the GPU; None without one, and of other stages."""
    source = getattr(stage, "sample", stage)
    if not isinstance(source, Source) or not torch.cuda.is_available():
        return None
    torch.cuda.reset_peak_memory_stats()
    seconds = seconds_a_pass(source)
    _, total = torch.cuda.mem_get_info()
    return Trial(torch.cuda.get_device_name(), torch.cuda.max_memory_reserved(), total, seconds)
