"""How the directions of a job are measured: by whom, on how many held-out samples, beside which control."""

from dataclasses import dataclass
from typing import NamedTuple

from pipeline.engine.stage import Stage
from pipeline.errors import UserError
from pipeline.recipes.domain import Domain
from pipeline.stages.finders.disentangle import Disentangle
from pipeline.stages.finders.disentangle_by_effects import DisentangleByEffects
from pipeline.stages.finders.finder import fitted_with, names_of
from pipeline.stages.finders.random_directions import RandomDirections
from pipeline.stages.labels.annotate import Annotate
from pipeline.stages.labels.embed import Embed
from pipeline.stages.measures.edit import Edit, EditOrigins
from pipeline.stages.measures.evaluate import Evaluate
from pipeline.stages.measures.score_edits import ScoreEdits
from pipeline.stages.sources.source import Source

STRENGTHS = (-1.25, -0.75, 0.75, 1.25)  # of the recommended directions, and of what they are compared with
MEDIAN, LARGEST = 4, 2  # random directions of the median norms of the supervised ones, and of the norms of the longest
MOST = 10  # random directions beside the unsupervised ones: of the norms of one each


class Edits(NamedTuple):
    """How directions are applied to be measured."""

    strengths: tuple[float, ...]
    n: int  # held-out samples of a seed
    seeds: int = 1


# Table I of Haas et al. 2024: 100 samples of each of 10 seeds. Its strength is not given.
PAPER = Edits((1.0,), 100, 10)
PROTOCOLS = ("demo", "paper")


@dataclass(frozen=True)
class Measurement:
    """Who measures, and what edits are compared with. Its methods wire evaluations."""

    sample: Source  # whose model makes the held-out samples
    domain: Domain
    allowed: tuple[str, ...]  # judges that may judge directions of their own
    protocol: str

    def __post_init__(self) -> None:
        if self.protocol not in PROTOCOLS:
            raise UserError(f"There is no protocol {self.protocol!r}; expected {' or '.join(PROTOCOLS)}.")

    def supervised(
        self, difference: Stage, better: tuple[Stage, ...], held_out: int, by_effects: bool
    ) -> tuple[Evaluate, ...]:
        """The recommended directions beside the paper's in full, their control, and all others on fewer samples."""
        recommended, projected = tuple(Disentangle(finder) for finder in better), Disentangle(difference)
        chosen = tuple(self._by_effects(finder) for finder in better) if by_effects else ()
        control = self._control(recommended, 2 * held_out)
        if self.protocol == "paper":
            before_and_after = (difference, projected, *better, *recommended, *chosen)
            return self.evaluate(before_and_after, PAPER, "supervised directions, as in Table I", control), control
        full = (*recommended, *chosen, difference)
        return (
            self.evaluate(full, Edits(STRENGTHS, held_out), "recommended directions", control),
            control,
            self.evaluate((*better, projected), Edits((-0.5, 0.5), max(2, held_out // 4)), "other directions", control),
        )

    def _control(self, recommended: tuple[Stage, ...], n: int) -> Evaluate:
        """Random directions of two norms, from which it is told how their effects grow with the norm."""
        median = RandomDirections(self.sample, recommended, MEDIAN, purpose="control of median norms")
        largest = RandomDirections(self.sample, recommended, LARGEST, norms="largest", purpose="control of large norms")
        return self.evaluate((median, largest), Edits((-1.0, 1.0), n), "control")

    def unsupervised(self, finders: tuple[Stage, ...], strengths: tuple[float, ...], n: int, purpose: str) -> Evaluate:
        """Measure unsupervised directions beside random ones of their own, since their norms are others."""
        k = min(MOST, sum(len(names_of(finder)) for finder in finders))
        random = RandomDirections(self.sample, finders, k, norms="each", purpose=f"control of {purpose}")
        return self.evaluate((*finders, random), Edits(strengths, n), purpose)

    def origins(self, source: Source, finders: tuple[Stage, ...], strengths: tuple[float, ...]) -> ScoreEdits:
        """Edits of the samples that directions were found on."""
        edit = EditOrigins(source, finders, strengths, purpose="directions of single images")
        return ScoreEdits(edit, self.domain.judges[:1], purpose="their own images")

    def evaluate(
        self, finders: tuple[Stage, ...], edits: Edits, purpose: str, control: Evaluate | None = None
    ) -> Evaluate:
        """Edits by these finders' directions, scored by the judges; `purpose` says what they are, for people."""
        edit = Edit(self.sample, finders, *edits, purpose=purpose)
        embed = Embed(self.sample, self.domain.embedder) if self.domain.embedder else None
        scored = ScoreEdits(edit, self.domain.judges, embed, self.domain.foreground, purpose=purpose)
        unedited = Annotate(self.sample, self.domain.judges, purpose="by the judges")
        return Evaluate(scored, unedited, control, self.allowed, purpose=purpose)

    def _by_effects(self, finder: Stage) -> Stage:
        """Chosen by who labelled, so that the judges have had no part in it."""
        [chooser] = fitted_with(finder)
        return DisentangleByEffects(finder, self.sample, Annotate(self.sample, (chooser,)), chooser)
