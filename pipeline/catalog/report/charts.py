"""Line charts, as the numbers that chart.html.j2 draws: where points, ticks, bands and labels lie, in pixels."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.catalog.templates import strength

Point = tuple[float, float]
Tick = tuple[float, str]

LABEL_HEIGHT = 13.0
LABEL_WIDTH = 86.0


@dataclass(frozen=True)
class Line:
    """Points to be joined. `css` is a class of the style sheet; `errors` are half-lengths of whiskers."""

    label: str
    points: tuple[Point, ...]
    css: str
    errors: tuple[float, ...] = ()
    share: float = 1.0  # how strong the colour is, where the class asks


@dataclass(frozen=True)
class Axis:
    """An axis turns numbers into pixels."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return round(self.start + share * (self.end - self.start), 1)


@dataclass(frozen=True)
class Drawn:
    """A line in pixels. Its points are marked where it has whiskers, or is one point."""

    line: Line
    points: tuple[Point, ...]
    whiskers: tuple[tuple[float, float, float], ...]  # x, from, to
    marked: bool


@dataclass(frozen=True)
class Label:
    """The name of a line, and the height at which it is written: where the line ends, or near it."""

    line: Line
    end: Point
    place: float


@dataclass(frozen=True)
class Chart:
    """Lines over a grid, in pixels."""

    width: int
    height: int
    x: Axis
    y: Axis
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    baseline: float | None
    band: tuple[Point, ...]  # a polygon behind the lines
    lines: tuple[Drawn, ...]
    labels: tuple[Label, ...]


def chart(
    lines: Sequence[Line],
    x_ticks: Sequence[Tick],
    y_ticks: Sequence[Tick],
    band: Sequence[tuple[float, float, float]] = (),
    baseline: float | None = None,
    size: tuple[int, int] = (470, 290),
) -> Chart:
    """Lines over a grid. x and y run from the first tick to the last; `band` is (x, low, high), drawn behind the lines."""
    width, height = size
    x = Axis(x_ticks[0][0], x_ticks[-1][0], 44, width - LABEL_WIDTH)
    y = Axis(y_ticks[0][0], y_ticks[-1][0], height - 40, 26)
    return Chart(
        *(width, height, x, y),
        x_ticks=tuple((x(value), text) for value, text in x_ticks if text),
        y_ticks=tuple((y(value), text) for value, text in y_ticks),
        baseline=None if baseline is None else y(baseline),
        band=tuple((x(at), y(high)) for at, _, high in band) + tuple((x(at), y(low)) for at, low, _ in reversed(band)),
        lines=tuple(_drawn(x, y, line) for line in lines),
        labels=tuple(_labels(x, y, lines)),
    )


def _drawn(x: Axis, y: Axis, line: Line) -> Drawn:
    points = tuple((x(a), y(b)) for a, b in line.points if math.isfinite(b))
    whiskers = tuple(
        (x(a), y(b - error), y(b + error))
        for (a, b), error in zip(line.points, line.errors, strict=False)
        if math.isfinite(b) and math.isfinite(error) and error > 0
    )
    return Drawn(line, points, whiskers, marked=bool(line.errors) or len(points) == 1)


def _labels(x: Axis, y: Axis, lines: Sequence[Line]) -> list[Label]:
    """Each line's name beside its last point, moved apart where they would overlap."""
    ending = [line for line in lines if line.label and line.points and math.isfinite(line.points[-1][1])]
    ends = [(x(line.points[-1][0]), y(line.points[-1][1])) for line in ending]
    places = spread([end for _, end in ends], LABEL_HEIGHT, y.end, y.start)
    return [Label(*each) for each in zip(ending, ends, places, strict=True)]


def spread(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move places as little as needed to lie `gap` apart, within low..high while there is room; their order is kept."""
    order = sorted(range(len(places)), key=lambda i: (places[i], i))
    gap = min(gap, (high - low) / max(1, len(places) - 1))
    moved = [min(max(places[i], low), high) for i in order]
    for _ in range(200):  # push overlapping neighbours apart, half each
        worst = 0.0
        for i in range(len(moved) - 1):
            overlap = gap - (moved[i + 1] - moved[i])
            if overlap > 0:
                worst = max(worst, overlap)
                moved[i], moved[i + 1] = moved[i] - overlap / 2, moved[i + 1] + overlap / 2
        shift = max(0.0, low - moved[0]) - max(0.0, moved[-1] - high) if moved else 0.0
        moved = [place + shift for place in moved]
        if worst < 0.1:
            break
    result = dict(zip(order, moved, strict=True))
    return [round(result[i], 1) for i in range(len(places))]


def ticks(low: float, high: float, n: int = 5) -> list[float]:
    """About n round numbers that enclose low..high."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        low, high = 0.0, 1.0
    rough = (high - low) / n
    power = 10 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 10) for i in range(first, last + 1)]


def number_ticks(low: float, high: float, n: int = 5) -> list[Tick]:
    found = ticks(low, high, n)
    digits = max(len(f"{value:g}".partition(".")[2]) for value in found)
    return [(value, f"{value:.{digits}f}".replace("-", "−")) for value in found]


def percent_ticks(low: float, high: float, n: int = 5) -> list[Tick]:
    return [(value, f"{100 * value:g} %") for value in ticks(low, high, n)]


def strength_ticks(strengths: Sequence[float]) -> list[Tick]:
    return [(value, strength(value) if value else "0") for value in sorted({0.0, *strengths})]


def step_ticks(timesteps: Sequence[int], n: int = 6) -> list[Tick]:
    """Every step, at most n of them with their timestep as a label, the first and the last always."""
    last = len(timesteps) - 1
    labelled = {round(i * last / (n - 1)) for i in range(n)} if last else {0}
    return [(step, str(timestep) if step in labelled else "") for step, timestep in enumerate(timesteps)]


def by_step(label: str, values: Sequence[float], css: str, share: float = 1.0) -> Line:
    return Line(label, tuple((float(step), float(value)) for step, value in enumerate(values)), css, share=share)
