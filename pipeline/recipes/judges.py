"""Who may measure: judges that are told apart by name, score what is wanted, and are not who labelled."""

from pipeline.annotators.base import Annotator, Labels, presence_of
from pipeline.annotators.independence import same_network
from pipeline.annotators.names import check_distinct
from pipeline.annotators.registry import annotator as named
from pipeline.annotators.specs import parsed
from pipeline.errors import UserError


def check_judges(
    annotator: Annotator | None,
    judges: tuple[Annotator, ...],
    attributes: tuple[str, ...],
    allowed: tuple[str, ...] = (),
) -> tuple[str, ...]:
    """Return the names of the judges that may judge directions fitted on their own scores, of `allowed`: names or `module:object`.

    annotator: who labels; None where nobody does. attributes: what directions are found for; with none, any judge will do.
    Raises UserError where there is no judge, two plugs have one name, a judge scores nothing that is wanted, is the annotator and
    not allowed, or is allowed and is none.
    """
    if not judges:
        raise UserError(f"Nobody measures the edits: name a judge. {_ALONE}")
    check_distinct(*((annotator,) if annotator else ()), *judges)
    names = tuple(named(each).name if ":" in each or parsed(each).settings else each for each in allowed)
    there = [judge.name for judge in judges]
    if unknown := [each for each, name in zip(allowed, names, strict=True) if name not in there]:
        raise UserError(f"`allow_judge` {unknown[0]}: no judge of this run is called so; there are {', '.join(there)}.")
    for judge in judges:
        if isinstance(judge, Labels):
            raise UserError(
                f"{judge.name!r} cannot judge: it knows images by their names, and edited images are in no table.\n"
                "Name a `judge` that looks at images."
            )
        _check_scores(judge, judge is judges[0], attributes)
        if annotator and judge.name not in names and same_network(judge, annotator):
            raise UserError(
                f"{judge.name!r} labels the samples that directions are fitted on, so it cannot judge them: its blind spots\n"
                f"would count as success. Name a judge that was made in another way, of other data. {_ALONE}"
            )
    return names


_ALONE = (
    "Whoever has a single network names it as `judge` too,\nand as `allow_judge`: figures then say how well edits please that "
    "network, not how well they do what they are called."
)


def _check_scores(judge: Annotator, first: bool, attributes: tuple[str, ...]) -> None:
    """Raise UserError for a judge that scores nothing wanted; one beside the first may say whether there is anything to see."""
    presence = presence_of(judge)
    scored = {name for name in judge.attributes if name != presence}
    if not attributes or scored & set(attributes) or (presence and not first):
        return
    raise UserError(
        f"The judge {judge.name!r} scores none of {', '.join(attributes)}, for which directions are found.\n"
        f"It scores {', '.join(judge.attributes)}: name another judge"
        + (", or name this one after another: the first one ranks directions." if presence else ", or leave it out.")
    )
