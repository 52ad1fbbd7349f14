"""How the directions of a job are measured: by whom, on how many held-out samples, how far, beside which control."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

from pipeline.annotators.base import Labels, presence_of
from pipeline.engine.stage import Stage
from pipeline.errors import UserError
from pipeline.recipes.domain import Domain
from pipeline.stages.finders.disentangle import Disentangle
from pipeline.stages.finders.disentangle_by_effects import DisentangleByEffects
from pipeline.stages.finders.finder import fitted_with, names_of
from pipeline.stages.finders.joined import Joined
from pipeline.stages.finders.mean_difference import MeanDifference
from pipeline.stages.finders.random_directions import Norms, RandomDirections
from pipeline.stages.finders.selected import Selected, attributes_of
from pipeline.stages.labels.annotate import Annotate
from pipeline.stages.labels.embed import Embed
from pipeline.stages.measures.edit import Edit
from pipeline.stages.measures.edit_calibrated import verification
from pipeline.stages.measures.edit_origins import EditOrigins
from pipeline.stages.measures.edit_otherwise import otherwise
from pipeline.stages.measures.edit_selection import EditSelection
from pipeline.stages.measures.evaluate import Evaluate
from pipeline.stages.measures.full_strengths import FullStrengths
from pipeline.stages.measures.held_out import HeldOut
from pipeline.stages.measures.profiles import Profiles
from pipeline.stages.measures.samplers import Samplers
from pipeline.stages.measures.score_edits import ScoreEdits
from pipeline.stages.sources.source import Source

# Shares of each direction's full strength:
ALL = (-1.0, 0.5, 1.0)  # of the recommended directions, and of what they are compared with
HALF, ENDS = (0.5,), (-1.0, 1.0)  # of what is only compared

MEDIAN, LARGEST = 8, 4  # random directions of the median offset of the supervised ones, and of the largest
MOST = 8  # random directions beside the unsupervised ones: of the offsets of one each
CONTROL = 0.5  # share of the held-out samples that they are measured on: how they scatter is told by many, not by many samples
SIGHTED = 3  # samples that it is looked for on how far to follow unsupervised directions
FEW = 0.22  # share of the held-out samples that what is only compared is measured on


class Edits(NamedTuple):
    """How directions are applied to be measured."""

    strengths: tuple[float, ...]  # shares of the full ones, where there are
    n: int  # held-out samples of a seed
    seeds: int = 1


# Table I of Haas et al. 2024: 100 samples of each of 10 seeds. Its strength is not given.
PAPER = Edits((1.0,), 100, 10)
PROTOCOLS = ("demo", "paper")


@dataclass(frozen=True)
class Measurement:
    """Who measures, on what, and what edits are compared with. Its methods wire evaluations."""

    sample: Source  # whose model makes the held-out samples
    domain: Domain
    allowed: tuple[str, ...]  # judges that may judge directions of their own
    protocol: str
    held_out: int  # samples that the recommended directions are measured on
    strengths: tuple[float, ...] | None = None  # of every direction; None finds them

    def __post_init__(self) -> None:
        if self.protocol not in PROTOCOLS:
            raise UserError(f"There is no protocol {self.protocol!r}; expected {' or '.join(PROTOCOLS)}.")
        if self.protocol == "paper" and self.strengths is not None:
            raise UserError("The protocol of the paper has a strength of its own, 1: leave `strengths` out.")
        if self.strengths == ():
            raise UserError("`strengths` is empty: expected at least one, or leave it out to have them found.")
        if self.held_out < 2:
            raise UserError(f"{self.held_out} held-out samples: expected at least 2.")

    @property
    def few(self) -> int:
        """Samples that what is only compared is measured on."""
        return max(2, int(FEW * self.held_out))

    @cached_property
    def drawn(self) -> HeldOut:
        """The held-out samples, unedited."""
        return HeldOut(self.sample, n=max(2, self.held_out), purpose="unedited samples")

    def supervised(
        self, difference: Stage, better: tuple[Stage, ...], by_effects: bool, attributes: tuple[str, ...] | None = None
    ) -> tuple[Evaluate, ...]:
        """The recommended directions beside the paper's in full, their control, and all others on fewer samples.

        attributes: those whose directions are measured; all of the finders', where not given.
        """

        def wanted(finders: Iterable[Stage]) -> tuple[Stage, ...]:
            if attributes is None or attributes == attributes_of(difference):
                return tuple(finders)
            return tuple(Selected(finder, attributes) for finder in finders)

        several = len(names_of(difference)) > 1  # of one attribute there is nothing to project away
        recommended = wanted(Disentangle(finder) for finder in better) if several else wanted(better)
        others = wanted((*better, Disentangle(difference))) if several else ()
        chosen = wanted(self._by_effects(finder) for finder in better) if by_effects and several else ()
        [difference] = wanted([difference])
        if self.protocol == "paper":
            control = self._control(recommended, None, Edits(ENDS, self.held_out))
            before_and_after = tuple(dict.fromkeys((difference, *others, *recommended, *chosen)))
            return self.evaluate(before_and_after, PAPER, "supervised directions, as in Table I", control), control
        full = self._full(recommended, "supervised directions")
        control = self._control(recommended, full, Edits(ALL if full else ENDS, self.held_out))
        in_full = Edits(self._in_full, self.held_out)
        best = self.evaluate((*recommended, *chosen, difference), in_full, "recommended directions", control, full)
        best = replace(best, beside=self._selected(best.edit))
        near = Edits(self._near, self.few)
        if not others:
            return best, control
        return best, control, self.evaluate(others, near, "other directions", control, full)

    def selection(self, reported: Evaluate) -> Evaluate:
        """The same edits as an evaluation's, of samples that choose their strengths: by the judge that these are told by."""
        scored = reported.beside or self._selected(reported.edit)
        return Evaluate(scored, reported.unedited, None, self.allowed, purpose=scored.purpose)

    def _selected(self, edit: Edit) -> ScoreEdits:
        """The same edits of selection samples, scored by the first judge."""
        purpose = f"choosing strengths of {edit.purpose}"
        n = max(2, self.held_out)
        edits = EditSelection(edit.sample, edit.finders, edit.strengths, n, full=edit.full, purpose=purpose)
        return ScoreEdits(edits, self.domain.judges[:1], self._embed, self.domain.foreground, purpose=purpose)

    def verified(self, best: Evaluate) -> ScoreEdits:
        """Strengths per SD, tried: of what is recommended, and of the paper's beside it."""
        return verification(best, max(2, self.held_out))

    def samplers(self, best: tuple[Evaluate, ...], profiles: Profiles) -> Samplers | None:
        """What is recommended, on as many samples as are held out, by a sampler of the other kind than the run's own."""
        n = max(2, self.held_out)
        scored = tuple(otherwise(each, profiles, n, _recommended(each)) for each in best)
        return Samplers(scored) if scored else None

    def unsupervised(self, finders: tuple[Stage, ...], purpose: str) -> tuple[Evaluate, Evaluate]:
        """Unsupervised directions, and beside them random ones of their own, since their offsets are others."""
        full = self._full(finders, purpose, SIGHTED)
        k = min(MOST, sum(len(names_of(finder)) for finder in finders))
        edits = Edits(self._ends, self.few)
        ends = edits if full is None else Edits(ENDS, self.few)
        control = self.evaluate((self._random(finders, k, "each", full, purpose),), ends, f"control of {purpose}")
        return self.evaluate(finders, edits, purpose, control, full), control

    def origins(self, source: Source, finders: tuple[Stage, ...], beside: Evaluate) -> ScoreEdits:
        """Edits of the samples that directions were found on, as far as those of held-out samples."""
        edit = EditOrigins(source, finders, beside.edit.strengths, full=beside.edit.full, purpose=beside.purpose)
        return ScoreEdits(edit, self.domain.judges[:1], purpose="their own images")

    def evaluate(
        self,
        finders: tuple[Stage, ...],
        edits: Edits,
        purpose: str,
        control: Evaluate | None = None,
        full: FullStrengths | None = None,
    ) -> Evaluate:
        """Edits by these finders' directions, scored by the judges; `purpose` says what they are, for people."""
        edit = Edit(self.sample, finders, *edits, full=full, purpose=purpose)
        if self.drawn.covers(edit):
            edit = replace(edit, drawn=self.drawn)
        scored = ScoreEdits(edit, self.domain.judges, self._embed, self.domain.foreground, purpose=purpose)
        unedited = Annotate(self.sample, self.domain.judges, purpose="by the judges")
        return Evaluate(scored, unedited, control, self.allowed, purpose=purpose)

    @property
    def _embed(self) -> Embed | None:
        return Embed(self.sample, self.domain.embedder) if self.domain.embedder else None

    @property
    def _in_full(self) -> tuple[float, ...]:
        return self.strengths or ALL

    @property
    def _near(self) -> tuple[float, ...]:
        return _one_a_side(self.strengths, min)[-1:] if self.strengths else HALF

    @property
    def _ends(self) -> tuple[float, ...]:
        return _one_a_side(self.strengths, max) if self.strengths else ENDS

    def _full(self, finders: tuple[Stage, ...], purpose: str, n: int = FullStrengths.n) -> FullStrengths | None:
        """How far these directions are followed, by who labelled, on n samples: the judges have had no part in it.

        Labels of images that are there say nothing of edited ones: then it is told by how far images change.
        """
        if self.strengths is not None:
            return None
        labels = None if isinstance(self.domain.annotator, Labels) else self.domain.annotator
        looking = next((each for each in (labels, *self.domain.judges) if each and presence_of(each)), None)
        unedited = Annotate(self.sample, (labels,), purpose=f"by {labels.name}") if labels else None
        return FullStrengths(
            self.sample, finders, unedited, labels, looking, self._embed, n, purpose=f"how far to follow {purpose}"
        )

    def _control(self, recommended: tuple[Stage, ...], full: FullStrengths | None, edits: Edits) -> Evaluate:
        """Random directions of two norms, both ways, from which it is told how their effects grow with the norm."""
        median = self._random(recommended, MEDIAN, "median", full, "median norms")
        largest = self._random(recommended, LARGEST, "largest", full, "large norms")
        fewer = edits._replace(n=max(2, int(CONTROL * edits.n)))
        return self.evaluate((median, largest), fewer, "control")

    def _random(
        self, like: tuple[Stage, ...], k: int, norms: Norms, full: FullStrengths | None, of: str
    ) -> RandomDirections:
        return RandomDirections(self.sample, like, k, norms=norms, full=full, purpose=f"control of {of}")

    def _by_effects(self, finder: Stage) -> Stage:
        """Chosen by who labelled, so that the judges have had no part in it."""
        [chooser] = fitted_with(finder)
        return DisentangleByEffects(finder, self.sample, Annotate(self.sample, (chooser,)), chooser)


def _recommended(best: Evaluate) -> tuple[Stage, ...]:
    """The finders of an evaluation that are recommended: all but the paper's."""
    return tuple(finder for finder in best.edit.finders if not _is_the_papers(finder))


def _is_the_papers(finder: Stage) -> bool:
    """Whether a finder's directions are those of Eq. 11, as they are."""
    of = finder.finder if isinstance(finder, Selected) else finder
    return isinstance(of.finders[0] if isinstance(of, Joined) else of, MeanDifference)


def _one_a_side(strengths: tuple[float, ...], nearest: Callable[..., float]) -> tuple[float, ...]:
    """The strength of each side that is the nearest to 0 (min) or the farthest from it (max)."""
    sides = ([each for each in strengths if each * sign > 0] for sign in (-1, 1))
    return tuple(nearest(side, key=abs) for side in sides if side)
