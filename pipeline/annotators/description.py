"""What a JSON beside a network's weights says of it: what its outputs mean and are called, and how images are fed to it.

{
  "describes": "Towers and their age, of photographs of churches.",
  "outputs": [
    {"output": "age", "means": "value", "attributes": ["age"], "thresholds": [400]},
    {"output": "tower", "means": "classes", "attributes": [null, "tower"]}
  ],
  "preprocessing": {"size": 224, "resize": "crop", "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]},
  "features": "embedding"
}
"""

import json
import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

import numpy as np
from pydantic import BeforeValidator, ConfigDict, TypeAdapter, ValidationError
from scipy.special import logsumexp

from pipeline.annotators.names import chosen
from pipeline.annotators.preprocessing import Numbers, Preprocessing
from pipeline.errors import UserError
from pipeline.fingerprint import not_hashed

Meaning = Literal["value", "logit", "probability", "classes", "expectation"]
Raw = dict[str, np.ndarray]  # a network's outputs by name, each (B, ...)

BORDERS = {
    "logit": 0.0,
    "probability": 0.5,
    "classes": 0.0,
}  # above it an attribute is present; of what else is said, none

MEANINGS = """"value" (numbers as they are), "logit" (one for each attribute, on its own), "probability" (0 to 1),
"classes" (logits of classes of which one is true), "expectation" (probabilities of classes that stand for `values`)"""


@dataclass(frozen=True)
class Output:
    """One of a network's outputs: (B, n) numbers, and what they say.

    attributes: a name for each number; null leaves one out. An expectation has one name for all
    means: "value", the numbers themselves; "logit", one for each attribute; "probability", 0 .. 1; "classes", logits of classes of
        which one is true, whose score is the log odds of the class: between two, the difference of their logits; "expectation",
        probabilities of classes that stand for `values`, whose score is the mean of these
    output: its name in the network; not needed where there is but one
    columns: the first of its numbers that is meant, and the first that is not; all where nothing is said
    thresholds: above which an attribute is present, null for none; by default 0 for log odds and .5 for probabilities
    softmax: the network gives logits where probabilities are meant
    missing: the number that the network gives where there is nothing to measure
    """

    attributes: tuple[str | None, ...]
    means: Meaning
    output: str | None = None
    columns: tuple[int, int] | None = None
    thresholds: tuple[float | None, ...] | None = None
    values: Numbers = ()
    softmax: bool = False
    missing: float | None = None

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    @property
    def borders(self) -> tuple[float, ...]:
        """A threshold for each attribute that has a name; NaN where there is none."""
        borders = self.thresholds or (BORDERS.get(self.means),) * len(self.attributes)
        pairs = zip(self.attributes, borders, strict=True)
        return tuple(math.nan if border is None else border for name, border in pairs if name is not None)

    @property
    def width(self) -> int:
        """How many numbers it reads of an image."""
        return len(self.values) or len(self.attributes)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name in self.attributes if name is not None)

    def check(self, where: object) -> None:
        """Raise UserError, which names `where` it stands, where what is said of an output does not fit together."""
        if not self.names:
            raise UserError(f"{where}: an output without names; expected at least one of its attributes to have one.")
        if self.thresholds is not None and len(self.thresholds) != len(self.attributes):
            raise UserError(
                f"{where}: {len(self.thresholds)} thresholds of {len(self.attributes)} attributes ({', '.join(self.names)}).\n"
                "Expected one each, null where there is none."
            )
        if (self.means == "expectation") != bool(self.values) or (self.values and len(self.attributes) != 1):
            raise UserError(
                f"{where}: an expectation has one name and the `values` that its classes stand for, and nothing else has them;\n"
                f"found {self.means!r} of {len(self.attributes)} names with {len(self.values)} values."
            )
        if self.means == "classes" and len(self.attributes) < 2:
            raise UserError(f'{where}: one class alone; a single logit means "logit", and classes are two or more.')
        if self.softmax and self.means not in ("probability", "expectation"):
            raise UserError(f"{where}: `softmax` makes probabilities, and {self.means!r} has none. Leave it out.")

    def scores(self, raw: np.ndarray, where: str) -> np.ndarray:
        """The output of a network for B images -> (B, names) float32. Raises UserError for another number of columns."""
        given = raw.reshape(len(raw), -1)
        numbers = given[:, slice(*self.columns) if self.columns else slice(None)].astype(np.float64)
        if numbers.shape[1] != self.width:
            of = f"columns {self.columns[0]} to {self.columns[1]} of {given.shape[1]}" if self.columns else "an image"
            raise UserError(
                f"{where} gives {numbers.shape[1]} numbers ({of}) where its JSON has {self.width} "
                f"{'values' if self.values else 'attributes'}: {', '.join(self.names[:3])} ...\n"
                "Give each number a name, or null; several in one output are told apart by `columns`."
            )
        if self.missing is not None:
            numbers[numbers == np.float64(np.float32(self.missing))] = np.nan
        found = self._meant(numbers)
        return found[:, [name is not None for name in self.attributes]].astype(np.float32)

    def _meant(self, numbers: np.ndarray) -> np.ndarray:
        if self.softmax:
            numbers = np.exp(numbers - numbers.max(1, keepdims=True))
            numbers /= numbers.sum(1, keepdims=True)
        if self.means == "expectation":
            return (numbers @ np.array(self.values) / numbers.sum(1))[:, None]
        return log_odds(numbers) if self.means == "classes" else numbers


def log_odds(logits: np.ndarray) -> np.ndarray:
    """Logits (B, n) of classes of which one is true -> (B, n): log p / (1 - p) of each, which does not saturate as p does."""
    rows, top = np.arange(len(logits)), logits.argmax(1)
    others = logits.copy()
    others[rows, top] = -np.inf
    found = logits - logsumexp(logits, axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        found -= np.log1p(-np.exp(found))  # exact where p is not near 1, as it can be for the top class alone
    found[rows, top] = logits[rows, top] - logsumexp(others, axis=1)
    return found


def _pairs(value: Any) -> Any:
    return tuple(sorted(value.items())) if isinstance(value, dict) else value


@dataclass(frozen=True)
class Description:
    """A network, as the JSON beside it describes it."""

    outputs: tuple[Output, ...]
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    features: str | None = None  # the output that images are compared by
    describes: str = not_hashed("")  # what it scores, and of what images, in a line

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    @property
    def attributes(self) -> tuple[str, ...]:
        return tuple(name for output in self.outputs for name in output.names)

    @property
    def thresholds(self) -> tuple[float, ...]:
        return tuple(border for output in self.outputs for border in output.borders)

    def check(self, where: object) -> None:
        """Raise UserError, which names `where` it stands, for what does not fit together."""
        if not self.outputs:
            raise UserError(f"{where} describes no outputs; expected at least one, with the names of its attributes.")
        for output in self.outputs:
            output.check(where)
        self.preprocessing.check(where)

    def only(self, labels: str | None, where: object) -> Self:
        """The same with these of its attributes alone, listed by commas; None is all. Raises UserError for one that it has not."""
        if labels is None:
            return self
        wanted = chosen(labels, self.attributes, where)
        kept = (
            replace(each, attributes=tuple(name if name in wanted else None for name in each.attributes))
            for each in self.outputs
        )
        return replace(self, outputs=tuple(each for each in kept if each.names))

    def scores(self, raw: Raw, where: str) -> np.ndarray:
        """A network's outputs for B images -> (B, attributes) float32."""
        found = [output.scores(self.of(raw, output.output, where), where) for output in self.outputs]
        return np.concatenate(found, axis=1)

    def of(self, raw: Raw, name: str | None, where: str) -> np.ndarray:
        """The output of a name, or the only one. Raises UserError where there is none, or the name is needed."""
        if name is None and len(raw) == 1:
            return next(iter(raw.values()))
        if name not in raw:
            asked = "does not say which output it means" if name is None else f"names the output {name!r}"
            raise UserError(f"The JSON of {where} {asked}; the network has {', '.join(raw)}.")
        return raw[name]


@dataclass(frozen=True)
class Architecture(Description):
    """A network that a library makes by a name."""

    library: Literal["torchvision", "timm"] = "timm"
    architecture: str = ""
    arguments: Annotated[
        tuple[tuple[str, Any], ...], BeforeValidator(_pairs)
    ] = ()  # for whoever makes it, beside these

    @property
    def width(self) -> int:
        """How many numbers it gives for an image."""
        return max(each.columns[1] if each.columns else each.width for each in self.outputs)


Described = TypeVar("Described", bound=Description)


def read(path: Path) -> dict[str, Any]:
    """The object in a JSON file. Raises UserError for what is none."""
    try:
        held = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as JSON ({error}).") from error
    if not isinstance(held, dict):
        raise UserError(f"{path} holds no JSON object; expected one with `outputs` and `preprocessing`.")
    return held


def described(held: dict[str, Any], kind: type[Described], where: Path) -> Described:
    """What JSON says. Raises UserError, which names each place where it says something else than expected."""
    try:
        found = TypeAdapter(kind).validate_python(held)
    except ValidationError as error:
        raise UserError(f"{where} does not describe a network: {_told(error)}\nAn output means {MEANINGS}.") from error
    found.check(where)
    return found


def _told(error: ValidationError) -> str:
    return "; ".join(f"{'.'.join(map(str, each['loc'])) or 'it'}: {each['msg']}" for each in error.errors()[:3])
