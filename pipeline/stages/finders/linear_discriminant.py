"""LinearDiscriminant: how h moves when one attribute alone rises, weighed against how h varies anyway."""

from dataclasses import dataclass
from typing import ClassVar

from pipeline.errors import UserError
from pipeline.estimators.step import Blocks, Step
from pipeline.stages.finders.supervised import Supervised


@dataclass(frozen=True)
class LinearDiscriminant(Supervised):
    """Discriminants of everything that the annotator scores.

    Where the labels correlate, the other attributes are held fixed, whether or not a direction is wanted for them.
    """

    grams: ClassVar[float] = 5.5

    shrinkage: float = 0.9  # 1 is the adjusted difference of means: nothing is weighed

    @property
    def estimator(self) -> str:
        return "adjusted-difference" if self.shrinkage == 1 else "linear-discriminant"

    def check(self) -> None:
        super().check()
        if not 0 < self.shrinkage <= 1:
            raise UserError(f"Shrinkage {self.shrinkage}: expected more than 0, and at most 1.")

    def fit(self, step: Step) -> Blocks:
        return step.discriminants(self.shrinkage)
