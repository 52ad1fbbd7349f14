"""A comparison as JSON: every figure by name, null where it is not known."""

import math
from dataclasses import asdict
from typing import Any

from pipeline.catalog.compare.comparison import Change, Comparison
from pipeline.catalog.compare.effects import EffectChange
from pipeline.catalog.compare.matching import Alone
from pipeline.catalog.field_figures import FieldFigures


def for_machines(found: Comparison) -> dict[str, Any]:
    """Return what can be written as JSON. `matters` is empty exactly where the exit code of the job is 0."""
    said = {
        "first": found.first,
        "second": found.second,
        "bounds": asdict(found.bounds),
        "matters": found.findings,
        "directions": [_change(each) for each in found.changes],
        "vanished": [_alone(each) for each in found.vanished],
        "appeared": [_alone(each) for each in found.appeared],
        "recommended": [asdict(each) for each in found.recommended],
        "notes": list(found.notes),
    }
    return _known(said)


def _change(change: Change) -> dict[str, Any]:
    pair, effects = change.pair, change.effects
    return {
        "first": pair.a,
        "second": pair.b,
        **pair.meaning._asdict(),
        "cosine": pair.cosines.over_all if pair.cosines else None,
        "cosine_by_timestep": dict(zip(pair.cosines.timesteps, pair.cosines.by_timestep, strict=True))
        if pair.cosines
        else None,
        "not_compared": [each for each in (pair.why_not, change.no_effects) if each],
        "judge": effects.judge if effects else None,
        "strength": effects.strength if effects else None,
        "read_off": effects.read_off if effects else None,
        "target": _effect(effects.target) if effects and effects.target else None,
        "others": [_effect(each) for each in effects.others] if effects else [],
        "now_significant": list(effects.now_significant) if effects else [],
        "no_longer_significant": list(effects.no_longer_significant) if effects else [],
        "moved": list(change.reasons),
        "matters": change.matters,
        "strength_per_sd": list(change.strength_per_sd),
        "figures": [_figures(each) for each in change.figures],
    }


def _effect(change: EffectChange) -> dict[str, Any]:
    return {
        "attribute": change.attribute,
        "before": change.before.mean,
        "after": change.after.mean,
        "difference": change.difference.value,
        "standard_error": change.difference.error,
        "paired": change.difference.paired,
        "was_significant": change.was_significant,
        "is_significant": change.is_significant,
    }


def _figures(figures: FieldFigures | None) -> dict[str, Any] | None:
    return figures._asdict() if figures else None


def _alone(alone: Alone) -> dict[str, Any]:
    return {"name": alone.name, **alone.meaning._asdict(), "why": alone.why}


def _known(value: Any) -> Any:
    """The same with null for what is not a number, which JSON does not have."""
    if isinstance(value, dict):
        return {key: _known(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_known(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
