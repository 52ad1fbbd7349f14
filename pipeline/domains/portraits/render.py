"""Draw portraits with known factors: signed-distance shapes and soft shading, vectorised over the batch.

The truth about every image is known here, so what papers can only show, this project can measure. Factors are correlated
on purpose, as in real data: glasses with age, smile with gender. Coordinates run from -1 (left, top) to 1; a distance is
negative inside its shape. Soft shading (rim, eye sockets, nose, lids, lips) is what makes a detector trained on
photographs find the faces.
"""

from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

SUPERSAMPLING = 2

Number = Tensor | float


@dataclass(frozen=True)
class Factors:
    """What a portrait shows; every field is a float32 tensor of shape (B,), `background` (B, 3)."""

    smile: Tensor  # -1 frown .. 1 wide open smile
    glasses: Tensor  # 0 or 1
    age: Tensor  # 0 young .. 1 old
    gender: Tensor  # 0 drawn as male, 1 drawn as female
    yaw: Tensor  # -1 turned to the left of the image .. 1 to the right
    eyes_open: Tensor  # 0 nearly shut .. 1 wide open
    hair: Tensor  # 0 black .. 1 blond
    skin: Tensor  # 0 light .. 1 dark
    width: Tensor  # 0 narrow face .. 1 broad
    background: Tensor  # RGB, 0..1

    def __len__(self) -> int:
        return len(self.smile)

    def __getitem__(self, rows: slice | Tensor) -> "Factors":
        return Factors(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def sample_factors(n: int, seed: int) -> Factors:
    """Draw n sets of factors. Smiles are likelier in women, glasses and grey hair in the old.

    58 % are drawn as female, as in CelebA (Liu et al. 2015, 202,599 photographs).
    """
    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(n, *shape, generator=generator)

    age = uniform()
    gender = (uniform() < 0.58).float()
    smiling = uniform() < 0.33 + 0.30 * gender
    smile = torch.where(smiling, 0.35 + 0.65 * uniform(), -0.7 + 0.9 * uniform())
    glasses = (uniform() < 0.15 + 0.40 * (age > 0.6)).float()
    return Factors(
        smile=smile,
        glasses=glasses,
        age=age,
        gender=gender,
        yaw=2 * uniform() - 1,
        eyes_open=0.15 + 0.85 * uniform(),
        hair=uniform(),
        skin=uniform(),
        width=uniform(),
        background=uniform(3),
    )


def render(factors: Factors, size: int = 48) -> Tensor:
    """Draw portraits: (B, 3, size, size), float32 in [-1, 1]."""
    portrait = _Portrait(factors, size * SUPERSAMPLING)
    portrait.paint()
    return avg_pool2d(portrait.image.clamp(0, 1), SUPERSAMPLING) * 2 - 1


class _Portrait:
    """One batch on its way from background to glasses. Scalars of a sample are (B, 1, 1), colours (B, 3, 1, 1)."""

    def __init__(self, factors: Factors, size: int):
        axis = (torch.arange(size) + 0.5) / size * 2 - 1
        self.y, self.x = (grid[None] for grid in torch.meshgrid(axis, axis, indexing="ij"))
        self.size = size
        self.f = {
            field.name: getattr(factors, field.name).view(-1, 1, 1)
            for field in fields(factors)
            if field.name != "background"
        }
        self.turn = 0.10 * self.f["yaw"]  # how far features in the plane of the eyes move: twice this
        self.half_width = 0.50 + 0.06 * self.f["width"] - 0.05 * self.f["gender"]
        self.skin_colour, self.hair_colour, self.lip_colour = self._colours()
        background = (0.25 + 0.7 * factors.background)[:, :, None, None]
        self.image = background.expand(-1, -1, size, size).clone()

    def paint(self) -> None:
        self._hair_behind()
        self._head()
        self._nose()
        self._eyes()
        self._mouth()
        self._hair_in_front()
        self._lines_of_age()
        self._glasses()

    # Shapes and brushes

    def _ellipse(self, cx: Number, cy: Number, rx: Number, ry: Number) -> Tensor:
        """Signed distance (approximate, in units of the image) to an axis-aligned ellipse."""
        radius = torch.sqrt(((self.x - cx) / rx) ** 2 + ((self.y - cy) / ry) ** 2 + 1e-9)
        return (radius - 1) * torch.minimum(torch.as_tensor(rx), torch.as_tensor(ry))

    def _cover(self, distance: Tensor) -> Tensor:
        """Share of each pixel inside a shape, 0..1."""
        return (0.5 - distance * self.size / 2).clamp(0, 1)

    def _blob(self, cx: Number, cy: Number, sx: Number, sy: Number) -> Tensor:
        return torch.exp(-(((self.x - cx) / sx) ** 2) - ((self.y - cy) / sy) ** 2)

    def _over(self, mask: Tensor, colour: Number) -> None:
        self.image = torch.lerp(self.image, torch.as_tensor(colour), mask[:, None])

    def _shade(self, mask: Tensor) -> None:
        self.image = self.image * (1 - mask[:, None])

    def _light(self, mask: Tensor) -> None:
        self.image = (self.image + mask[:, None]).clamp(0, 1)

    def _colours(self) -> tuple[Tensor, Tensor, Tensor]:
        def colour(*channels: Number) -> Tensor:
            return torch.stack([torch.as_tensor(channel).expand_as(self.f["age"]) for channel in channels], 1)

        skin, hue, gender, age = (self.f[name] for name in ("skin", "hair", "gender", "age"))
        pale = 1 - 0.08 * age
        skin_colour = colour((0.95 - 0.40 * skin) * pale, 0.78 - 0.42 * skin, 0.66 - 0.42 * skin)
        grey = ((age - 0.30) / 0.50).clamp(0, 1)[:, None]
        hair_colour = torch.lerp(
            colour(0.12 + 0.50 * hue, 0.08 + 0.32 * hue, 0.05 + 0.12 * hue), colour(0.84, 0.84, 0.86), grey
        )
        lip_colour = colour(0.60 + 0.20 * gender, 0.34 - 0.20 * gender, 0.32 - 0.10 * gender)
        return skin_colour, hair_colour, lip_colour

    # Parts of the face, from behind to the front

    def _hair_behind(self) -> None:
        gender = self.f["gender"]
        self._over(self._cover(self._ellipse(-0.3 * self.turn, -0.13, self.half_width + 0.12, 0.70)), self.hair_colour)
        long_hair = self._ellipse(-0.5 * self.turn, 0.28, self.half_width + 0.20, 0.66)
        self._over(self._cover(long_hair) * gender, self.hair_colour)

    def _head(self) -> None:
        gender, turn = self.f["gender"], self.turn
        neck = torch.maximum((self.x - 0.3 * turn).abs() - 0.20 + 0.04 * gender, 0.5 - self.y)
        self._over(self._cover(neck), self.skin_colour * 0.78)

        skull = self._ellipse(0, 0.02, self.half_width, 0.62)
        jaw = self._ellipse(0.4 * turn, 0.30, self.half_width * (0.88 - 0.16 * gender), 0.45)
        self.face = self._cover(torch.minimum(skull, jaw))
        self._over(self.face, self.skin_colour)

        rim = (self._ellipse(0.8 * turn, 0.06, self.half_width, 0.68) + 0.20).clamp(0, 0.3) / 0.3
        self._shade(self.face * rim * 0.45)
        stubble = self._blob(1.2 * turn, 0.52, 0.36, 0.24) * (1 - gender)
        self._shade(self.face * stubble * 0.42)

    def _nose(self) -> None:
        turn = self.turn
        self._light(self.face * self._blob(2.4 * turn, 0.02, 0.05, 0.18) * 0.10)
        for side in (-1, 1):
            self._shade(self.face * self._blob(2.6 * turn + side * 0.06, 0.19, 0.035, 0.03) * 0.5)
        self._shade(self.face * self._blob(2.5 * turn, 0.225, 0.12, 0.03) * 0.25)

    def _eyes(self) -> None:
        gender, smile, turn = self.f["gender"], self.f["smile"], self.turn
        opening = (self.f["eyes_open"] * (1 - 0.15 * smile.clamp(min=0))).clamp(min=0.01)
        cheer = smile.clamp(min=0)
        for side in (-1, 1):
            cx, cy = 2 * turn + side * 0.21, -0.09
            self._shade(self.face * self._blob(cx, cy - 0.02, 0.17, 0.11) * 0.28)
            self._light(
                self.face * self._blob(cx + side * 0.03, 0.20 - 0.03 * cheer, 0.13, 0.09) * (0.05 + 0.08 * cheer)
            )

            eye = self._cover(self._ellipse(cx, cy, 0.115, 0.10 * opening))
            self._over(eye, 0.95)
            self._over(eye * self._cover(self._ellipse(cx + 0.4 * turn, cy, 0.052, 0.09)), 0.06)
            lid = torch.maximum(
                (self.y - cy + 0.10 * opening).abs() - 0.013 - 0.006 * gender, (self.x - cx).abs() - 0.12
            )
            self._over(self._cover(lid), 0.06)
            arch = cy - 0.17 - 0.03 * (1 - ((self.x - cx) / 0.13) ** 2)
            brow = torch.maximum((self.y - arch).abs() - 0.030 + 0.016 * gender, (self.x - cx).abs() - 0.13)
            self._over(self._cover(brow), self.hair_colour * 0.6)

    def _mouth(self) -> None:
        smile, gender, turn = self.f["smile"], self.f["gender"], self.turn
        cheer = smile.clamp(min=0)
        cx, half = 2 * turn, 0.21 + 0.07 * smile
        u = (self.x - cx) / half  # -1 .. 1 from corner to corner
        middle = 0.42 - 0.12 * smile * (u * u - 0.45)
        lips = (0.035 + 0.020 * gender + 0.035 * cheer) * (1 - 0.7 * u * u)
        ends = (u.abs() - 1) * 0.2
        self._over(self._cover(torch.maximum((self.y - middle).abs() - lips, ends)), self.lip_colour)
        teeth = torch.maximum((self.y - middle).abs() - 0.055 * cheer * (1 - u * u) + 0.004, ends)
        self._over(self._cover(teeth), 0.93)
        line = torch.maximum((self.y - middle).abs() - 0.010 * (1 - cheer), ends)
        self._over(self._cover(line) * (1 - cheer), self.lip_colour * 0.4)
        self._shade(self.face * self._blob(cx, 0.55 + 0.02 * cheer, 0.13, 0.03) * 0.22)
        for side in (-1, 1):  # the fold from nose to mouth that a smile deepens
            fold = self._blob(cx + side * (0.27 + 0.04 * smile), 0.31, 0.030, 0.10)
            self._shade(self.face * fold * 0.35 * cheer)

    def _hair_in_front(self) -> None:
        hairline = -0.36 - 0.06 * self.f["age"] * (1 - self.f["gender"])
        fringe = torch.maximum(self._ellipse(0.5 * self.turn, -0.06, self.half_width * 1.03, 0.62), self.y - hairline)
        self._over(self._cover(fringe), self.hair_colour)

    def _lines_of_age(self) -> None:
        old = ((self.f["age"] - 0.45) * 2).clamp(0, 1)
        for y in (-0.31, -0.26):
            self._shade(self.face * self._blob(1.5 * self.turn, y, 0.24, 0.014) * 0.30 * old)
        for side in (-1, 1):
            self._shade(self.face * self._blob(2 * self.turn + side * 0.20, 0.045, 0.11, 0.018) * 0.38 * old)
            self._shade(self.face * self._blob(2 * self.turn + side * 0.33, -0.05, 0.018, 0.05) * 0.30 * old)

    def _glasses(self) -> None:
        glasses, turn = self.f["glasses"], self.turn
        for side in (-1, 1):
            rim = self._ellipse(2 * turn + side * 0.21, -0.08, 0.165, 0.140).abs() - 0.017
            self._over(self._cover(rim) * glasses, 0.10)
        bridge = torch.maximum((self.y + 0.10).abs() - 0.016, (self.x - 2 * turn).abs() - 0.06)
        self._over(self._cover(bridge) * glasses, 0.10)
