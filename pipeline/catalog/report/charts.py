"""Line charts as SVG: labelled at the ends of their lines, coloured by the style sheet so that they follow light and dark."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.catalog.report.markup import Html, el, join, strength

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
    """From numbers to pixels."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return round(self.start + share * (self.end - self.start), 1)


def chart(
    lines: Sequence[Line],
    title: str,
    x_ticks: Sequence[Tick],
    y_ticks: Sequence[Tick],
    x_label: str,
    y_label: str,
    band: Sequence[tuple[float, float, float]] = (),
    baseline: float | None = None,
    size: tuple[int, int] = (470, 290),
) -> Html:
    """Lines over a grid. x and y run from the first tick to the last; `band` is (x, low, high), drawn behind the lines."""
    width, height = size
    x = Axis(x_ticks[0][0], x_ticks[-1][0], 44, width - LABEL_WIDTH)
    y = Axis(y_ticks[0][0], y_ticks[-1][0], height - 40, 26)
    return el(
        "svg",
        el("title", title),
        _grid(x, y, x_ticks, y_ticks, baseline),
        _band(x, y, band),
        *(_line(x, y, line) for line in lines),
        _end_labels(x, y, lines),
        el("text", y_label, x=0, y=12, class_="axis"),
        el("text", x_label, x=(x.start + x.end) / 2, y=height - 4, class_="axis middle"),
        class_="chart",
        viewBox=f"0 0 {width} {height}",
        width=width,
        height=height,
        role="img",
    )


def _grid(x: Axis, y: Axis, x_ticks: Sequence[Tick], y_ticks: Sequence[Tick], baseline: float | None) -> Html:
    marks: list[Html] = []
    for value, text in y_ticks:
        css = "baseline" if value == baseline else "grid"
        marks.append(el("line", x1=x.start, x2=x.end, y1=y(value), y2=y(value), class_=css))
        marks.append(el("text", text, x=x.start - 7, y=y(value) + 4, class_="tick end"))
    for value, text in x_ticks:
        if text:
            marks.append(el("text", text, x=x(value), y=y.start + 17, class_="tick middle"))
    return join(*marks)


def _band(x: Axis, y: Axis, band: Sequence[tuple[float, float, float]]) -> Html | None:
    if not band:
        return None
    above = [f"{x(at)},{y(high)}" for at, _, high in band]
    below = [f"{x(at)},{y(low)}" for at, low, _ in reversed(band)]
    return el("polygon", points=" ".join(above + below), class_="band")


def _line(x: Axis, y: Axis, line: Line) -> Html:
    drawn = [(x(a), y(b)) for a, b in line.points if math.isfinite(b)]
    path = el("polyline", points=" ".join(f"{a},{b}" for a, b in drawn))
    whiskers = [
        el("line", x1=x(a), x2=x(a), y1=y(b - error), y2=y(b + error), class_="whisker")
        for (a, b), error in zip(line.points, line.errors, strict=False)
        if math.isfinite(b) and math.isfinite(error) and error > 0
    ]
    dots = [el("circle", cx=a, cy=b, r=3) for a, b in drawn] if line.errors or len(drawn) == 1 else []
    return el("g", path, *whiskers, *dots, class_=line.css, style=_share(line))


def _share(line: Line) -> str | None:
    return f"--share:{line.share:.2f}" if line.share < 1 else None


def _end_labels(x: Axis, y: Axis, lines: Sequence[Line]) -> Html:
    """Each line's name beside its last point, moved apart where they would overlap, and tied to the line."""
    ending = [line for line in lines if line.label and line.points and math.isfinite(line.points[-1][1])]
    ends = [y(line.points[-1][1]) for line in ending]
    marks: list[Html] = []
    for line, end, place in zip(ending, ends, spread(ends, LABEL_HEIGHT, y.end, y.start), strict=True):
        start = x(line.points[-1][0])
        tie = el("polyline", points=f"{start + 3},{end} {x.end + 12},{place}", class_="tie")
        marks.append(
            el("g", tie, el("text", line.label, x=x.end + 16, y=place + 4), class_=line.css, style=_share(line))
        )
    return join(*marks)


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
