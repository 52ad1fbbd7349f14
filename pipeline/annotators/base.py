"""What an annotator is: images in, scores out.

A frozen dataclass; its fields are its settings, and what the weights hash to is one of them, so whatever was made with
other weights has another fingerprint. `load()` gives the function that scores:

    images (B, H, W, 3) uint8 RGB  ->  scores (B, len(attributes)) float32, NaN where there is nothing to measure

It runs on a CPU, unless the class says `gpus = 1`: then its stage has a GPU where there is one.

An image's scores are its own: they do not depend on the images beside it, beyond rounding. An annotator is found by
`module:object`, wherever it is written, or by name where it is listed in `ANNOTATORS`; the contract test then covers it.

What an annotator may also say of itself:

    describes: ClassVar[str]             what it scores, and of what images, in a line
    presence: ClassVar[str]              the attribute that says whether an image shows what the model is of at all
    gpus: ClassVar[int] = 1              that it wants a GPU
    check(height, width)                 raises UserError for images of a size that it cannot read
    knows(weights: str) -> bool          whether it can say anything of images of the model with these weights (their SHA-256)
    notes: tuple[str, ...]               what is to be known of all its scores, a sentence each
    embedder()                           features, too
    lookup()                             that it knows images by who they are, and looks at none: see `Labels`
    embeds: bool = False                 that it has no features all the same, being made of something without
    missed(scores, scales) -> bool       of scores (B, A) of images that were brought to another size, scales (B,) pixels of the
                                         image as it is stored for one that was seen: which say nothing of it, and become NaN
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeGuard, runtime_checkable

import numpy as np

if TYPE_CHECKING:  # whoever asks what annotators there are has no use for networks
    from torch import Tensor

Scorer = Callable[[np.ndarray], np.ndarray]
Lookup = Callable[[Sequence[int], Sequence[str | None]], np.ndarray]


class Annotator(Protocol):
    """Nothing to inherit from: any frozen dataclass of this shape will do."""

    @property
    def name(self) -> str:
        """What `annotations.annotator` says, and by what a judge is allowed. One that is listed has its key of `ANNOTATORS`."""
        ...

    @property
    def attributes(self) -> tuple[str, ...]:
        """The columns of the scores."""
        ...

    @property
    def thresholds(self) -> tuple[float, ...]:
        """The score above which each attribute counts as present; NaN where a score knows no such border."""
        ...

    def load(self) -> Scorer:
        """Load the networks, in eval mode and without gradients."""
        ...


def presence_of(annotator: Annotator) -> str | None:
    """Return which of an annotator's attributes says how likely an image shows what the model is of at all; None where none does.

    An annotator that has one says so: `presence: ClassVar[str] = "church"`. It counts among what edits preserve, and not among
    what they do.
    """
    return getattr(annotator, "presence", None)


@runtime_checkable
class Embedder(Protocol):
    """What images are compared by. A frozen dataclass, as an annotator is; an annotator may be one too."""

    @property
    def name(self) -> str: ...

    def embedder(self) -> Callable[[np.ndarray], np.ndarray]:
        """Return the function from images (B, H, W, 3) uint8 RGB to features (B, F) float32, each image's its own."""
        ...


@runtime_checkable
class Labels(Protocol):
    """An annotator that knows images by who they are: by sample_id, or by name in their set. Of edited ones it can say nothing.

    Its `load` raises UserError, which says so. `check_known(ids, names)` of all images, where it has that, raises UserError where
    they are not those that it knows.
    """

    @property
    def name(self) -> str: ...

    @property
    def attributes(self) -> tuple[str, ...]: ...

    def lookup(self) -> Lookup:
        """Return the function from sample_id (B,) and names (B,), None of images made from noise, to scores (B, attributes)."""
        ...


def check_known(labels: Labels, ids: Sequence[int], names: Sequence[str | None]) -> None:
    """Raise UserError where labels say that these images, all that there are, are not those that they know."""
    if check := getattr(labels, "check_known", None):
        check(ids, names)


def embeds(plug: object) -> TypeGuard[Embedder]:
    """Whether images can be compared by a plug's features. One whose `embedder` hangs on what it is made of says so in `embeds`."""
    return isinstance(plug, Embedder) and bool(getattr(plug, "embeds", True))


def gpus_of(*plugs: object) -> int:
    """How many GPUs some annotators, embedders or masks want: 1 where one of them says `gpus = 1`, otherwise none."""
    return max((getattr(plug, "gpus", 0) for plug in plugs), default=0)


def check_size(height: int, width: int, *plugs: object) -> None:
    """Raise UserError where one of some annotators, embedders or masks says that it cannot read images of this size."""
    for plug in plugs:
        if check := getattr(plug, "check", None):
            check(height, width)


def stranger(annotator: Annotator, weights: str) -> str | None:
    """Return in a sentence why an annotator's scores of a model's images mean nothing; None where it does not say that they do.

    weights: the SHA-256 of the model's. An annotator that knows the images of some models alone says so in `knows`.
    """
    knows = getattr(annotator, "knows", None)
    if knows is None or knows(weights):
        return None
    return f"{annotator.name!r} does not know what this model shows: {describes(annotator)}"


def describes(annotator: Annotator) -> str:
    """Return what an annotator scores, and of what images, in a line; "" where it does not say."""
    written = (type(annotator).__doc__ or "").strip().partition("\n")[0]
    by_dataclass = written.startswith(f"{type(annotator).__name__}(")  # what a class without a docstring has
    return str(getattr(annotator, "describes", "" if by_dataclass else written))


def check_images(images: np.ndarray) -> None:
    """Raise ValueError for what is not images (B, H, W, 3) uint8."""
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8:
        found = getattr(images, "dtype", type(images).__name__)
        raise ValueError(f"Images must be a uint8 array (0..255), found {found}. Scale floats to 0..255 and round.")
    if images.ndim != 4 or images.shape[-1] != 3 or 0 in images.shape[1:]:
        raise ValueError(
            f"Images must have the shape (batch, height, width, 3), RGB, found {images.shape}. "
            "Add a batch axis to a single image; move channels last; repeat a grey channel three times."
        )


def to_tensor(images: np.ndarray) -> "Tensor":
    """Check what a scorer is given: (B, H, W, 3) uint8 -> (B, 3, H, W) float32 in 0..255."""
    import torch

    check_images(images)
    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float()


def full_batch(images: np.ndarray, size: int) -> np.ndarray:
    """These images, and the last one again until there are `size`: kernels round by how many they are given.

    So what a network says of an image is the same to the bit however many come after it.
    """
    return np.concatenate([images, np.repeat(images[-1:], size - len(images), axis=0)])


def resize(images: "Tensor", height: int, width: int) -> "Tensor":
    """Resize images (B, C, H, W) bilinearly, averaging over the pixels that fall together when an image shrinks."""
    import torch

    if images.shape[-2:] == (height, width):
        return images
    return torch.nn.functional.interpolate(images, size=(height, width), mode="bilinear", antialias=True)
