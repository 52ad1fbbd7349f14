"""Settings of a run that change nothing beside others. What a person gave is refused then, and never ignored in silence."""

from collections.abc import Collection, Iterator

from pipeline.errors import UserError
from pipeline.recipes.find import YARDSTICK
from pipeline.stages.finders.by_step import EXACT
from schemas.run import Run


def applicable(run: Run, given: Collection[str] | None = None) -> Run:
    """Return the run without what does not apply. Raises UserError for such a setting where it was given.

    given: the names of the settings that a person gave; without, all that the run was made of.
    """
    given = run.model_fields_set if given is None else given
    if run.jacobians and not run.region:
        raise UserError(
            "`region` names nothing, and `jacobians` are looked at somewhere: leave it out for whole images."
        )
    idle = dict(_idle(run))
    for name, why in idle.items():
        if name in given:
            raise UserError(f"`{name}` has no effect {why}. Leave it out.")
    return run.model_copy(update={name: Run.model_fields[name].default for name in idle})


def _idle(run: Run) -> Iterator[tuple[str, str]]:
    """What is set, has another value than by default, and no effect; and beside what."""
    return ((name, why) for name, why in _conditions(run) if getattr(run, name) != Run.model_fields[name].default)


def _conditions(run: Run) -> Iterator[tuple[str, str]]:
    sketched = not run.activations or (run.images is None and run.samples > EXACT)
    if run.attributes == ():
        for name in ("top", "by_effects", "protocol"):
            yield name, "without attributes (`attributes` '')"
    elif sketched:
        yield (
            "top",
            f"on sketches (without `activations`, or of more than {EXACT:,} `samples`), which take every sample",
        )
    if not sketched:
        yield "block", f"on stored activations of at most {EXACT:,} `samples`, which are not sketched"
    if run.images is None:
        yield "fail_above", "without `images`"
    if not run.jacobians:
        yield "region", "without `jacobians`, which alone look at regions"
    if not run.components:
        yield "across", "without `components`"
    if run.images is not None and run.samples > YARDSTICK:
        yield (
            "samples",
            f"beyond {YARDSTICK} where directions are found in `images`: samples only say how much attributes vary",
        )
