"""A comparison in words: what the console and the page say alike."""

from pipeline.catalog.compare.comparison import Comparison
from pipeline.catalog.compare.effects import EffectChange
from pipeline.catalog.compare.matching import Matched
from pipeline.catalog.templates import NO_NUMBER, amount, signed


def called(pair: Matched) -> str:
    """The name of a direction, and of its counterpart where that is another."""
    return pair.a if pair.a == pair.b else f"{pair.a} = {pair.b}"


def amount_of_change(change: EffectChange | None) -> str:
    """A difference with its standard error, as +0.42 ± 0.11."""
    if change is None:
        return NO_NUMBER
    return f"{signed(change.difference.value)} ± {amount(change.difference.error)}"


def verdict(found: Comparison) -> str:
    """What has come of it, in a sentence."""
    moved = sum(each.moved for each in found.changes)
    said = f"{len(found.changes)} directions beside their counterparts: {moved} moved, {len(found.vanished)} vanished, "
    said += f"{len(found.appeared)} appeared; {len(found.recommended)} attributes have another direction to use. "
    if not found.findings:
        return said + "Nothing that matters has changed."
    return said + f"What matters, by the bounds ({len(found.findings)}):"
