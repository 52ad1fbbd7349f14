"""From where on a change matters."""

from dataclasses import dataclass, field

from pipeline.errors import UserError


@dataclass(frozen=True)
class Bounds:
    """What of two catalogs may differ before something that matters has changed. Metadata says what each means."""

    cosine: float = field(
        default=0.9, metadata={"meaning": "A vector has moved where the cosine of both is below this."}
    )
    effect: float = field(
        default=0.25,
        metadata={
            "meaning": "An effect has changed where it differs by more than so many standard deviations, and not by chance."
        },
    )
    confidence: float = field(
        default=0.99,
        metadata={"meaning": "The confidence with which that is not chance, over all effects that are compared."},
    )
    match: float = field(
        default=0.5,
        metadata={"meaning": "Directions that only their vectors tell apart are counterparts from this |cosine| on."},
    )
    any_method: bool = field(
        default=False,
        metadata={
            "meaning": "Whether directions by different methods are counterparts, as by two estimators of one attribute."
        },
    )
    everything: bool = field(
        default=False,
        metadata={"meaning": "Whether unsupervised directions, and those that appeared, matter as supervised ones do."},
    )

    def __post_init__(self) -> None:
        for name in ("cosine", "confidence", "match"):
            if not 0 <= getattr(self, name) <= 1:
                raise UserError(f"`{name}` is {getattr(self, name)}: expected a number from 0 to 1.")
        if self.confidence in (0, 1) or self.effect < 0:
            raise UserError("`confidence` lies between 0 and 1, and `effect` is 0 or more: give such numbers.")
