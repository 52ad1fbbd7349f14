"""Models with the configurations that are published, and random weights. Imported by name."""

import json
from pathlib import Path
from typing import Any

import diffusers

from tests.pipeline.planted_models import seeded

CONFIGURATIONS = Path(__file__).parent / "configurations"


def planted(to: Path, name: str, **reduced: dict[str, Any]) -> Path:
    """Write a model by its published files; `reduced` are fields of a network's that make it small, by its folder.

    The config.json is the published one, not what today's diffusers would write.
    """
    for path in (CONFIGURATIONS / name).glob("*/*.json"):
        folder = to / path.parent.name
        folder.mkdir(parents=True)
        config = {**json.loads(path.read_text()), **reduced.get(folder.name, {})}
        if path.name == "config.json":
            kind = getattr(diffusers, config["_class_name"])
            seeded(lambda kind=kind, config=config: kind.from_config(config)).save_pretrained(folder)
        (folder / path.name).write_text(json.dumps(config))
    return to


def described(to: Path, name: str) -> Path:
    """Write a model's published files alone, without weights."""
    for path in (CONFIGURATIONS / name).glob("*/*.json"):
        (to / path.parent.name).mkdir(parents=True)
        (to / path.parent.name / path.name).write_text(path.read_text())
    return to
