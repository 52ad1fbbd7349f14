"""The top of the page: what this is, the figures that decide whether to go on, and unedited samples."""

from pathlib import PurePath

from pipeline.catalog.report import tables
from pipeline.catalog.report.findings import LARGE, Findings, Group
from pipeline.catalog.report.markup import Child, Html, amount, el, join, picture, signed, times, words

_LEAD = (
    "Each direction is an offset that, added to the bottleneck of the U-Net at every step of the reverse process, "
    "is meant to change one thing about the image. This page shows what each does to samples that it was not found on, "
    "and how far it moves every attribute that a judge can read."
)
_GROUPS = (
    f"Each direction at its best strength: the largest on-target effect whose largest off-target effect is at most a third of it, "
    f"or the best ratio where no strength is that clean. “Clean” counts directions that are, with an effect of {LARGE:g} or more. "
    "Effects are in standard deviations of the attribute over unedited samples."
)


def header(findings: Findings) -> Html:
    name = findings.catalog.model.name
    short = PurePath(name).name if name.startswith(("/", ".")) else name
    return el(
        "header",
        el("p", "Direction catalog", class_="kicker"),
        el("h1", f"Directions in the h\N{NON-BREAKING HYPHEN}space of {short}"),
        el("p", _LEAD, class_="lead"),
        _tiles(findings),
        _facts(findings),
        _groups(findings),
    )


def _tiles(findings: Findings) -> Html | None:
    """The figures to judge the catalog by, of the group of directions that comes first."""
    measured = [group for group in findings.groups if len(group.best)]
    if not measured:
        return None
    first = measured[0]
    tiles = [
        (
            f"{first.clean} of {len(first.rows)}",
            f"attributes with a clean effect of at least {LARGE:g} std, by the {_title(first)}",
        )
    ]
    other_side = findings.other_side(first)
    if other_side and len(other_side.best) and _measured_together(findings, first, other_side):
        before, after = (other_side, first) if first.disentangled else (first, other_side)
        tiles.append(
            (
                f"{times(before.ratio)} → {times(after.ratio)}",
                "mean on-target / largest off-target effect, before → after disentangling",
            )
        )
    else:
        tiles.append((times(first.ratio), "mean on-target / largest off-target effect"))
    controls = findings.largest_control(first.best.index)
    if controls is not None:
        tiles.append(
            (f"{amount(controls.max())} std", "largest effect of random directions of the same norms, on any attribute")
        )
    return el("ul", *(el("li", el("strong", figure), el("span", said)) for figure, said in tiles), class_="tiles")


def _measured_together(findings: Findings, one: Group, other: Group) -> bool:
    """On the same held-out samples at the same strengths: otherwise their ratios do not compare."""
    return len(findings.evaluations([*one.best.index, *other.best.index])) == 1


def _title(group: Group) -> str:
    return f"{words(group.method)} directions, {group.projected or 'before disentangling'}"


def _facts(findings: Findings) -> Html:
    sampling, model = findings.catalog.sampling, findings.catalog.model
    held_out = sorted({each.n for each in findings.measured})
    facts: list[tuple[str, Child]] = [
        (
            "Directions",
            _counted(findings),
        ),
        ("Found on", f"{sampling.n:,} {sampling.found_in}"),
        ("Measured on", f"{' and '.join(map(str, held_out))} held-out samples" if held_out else "nothing"),
        ("Sampling", f"T = {sampling.steps} steps, η = {_eta(sampling.eta)}, seed {sampling.seed}"),
        ("Judge", _judges(findings)),
        ("Model", join(f"{model.name} ", el("code", model.weights_sha256[:12]))),
    ]
    return tables.definitions(facts, "facts")


def _eta(eta: float | list[float]) -> str:
    """One for all steps, or the range of those that each step has of its own."""
    return f"{min(eta):g} to {max(eta):g}" if isinstance(eta, list) else f"{eta:g}"


def _judges(findings: Findings) -> str:
    """Who they are, and whether they know what directions are fitted on."""
    judges = list(dict.fromkeys(judge for each in findings.measured for judge in each.judges))
    allowed = list(dict.fromkeys(judge for each in findings.catalog.evaluations for judge in each.allowed))
    if not judges:
        return "none"
    if not allowed:
        return f"{', '.join(judges)}, which labelled nothing that directions are fitted on"
    return f"{', '.join(judges)}; directions that are fitted on its own labels may be judged by {' and '.join(allowed)}"


def _counted(findings: Findings) -> str:
    kinds = [
        (len(findings.supervised), "supervised"),
        (len(findings.components), "principal components"),
        (len(findings.jacobian), "of single images"),
    ]
    return f"{len(findings.directions)}: " + ", ".join(f"{n} {kind}" for n, kind in kinds if n)


def _groups(findings: Findings) -> Html | None:
    groups = [group for group in findings.groups if len(group.best)]
    if not groups:
        return el("p", "No supervised direction was measured.", class_="note")
    headings = (
        "Supervised directions",
        "held-out samples",
        "clean",
        "target moves most",
        "mean on target",
        "mean largest off target",
        "mean ratio",
    )
    rows = []
    for group in groups:
        n = len(group.best)
        shares = (f"{group.clean} of {n}", f"{group.largest_is_target} of {n}")
        effects = signed(group.on_target), amount(group.off_target), times(group.ratio)
        rows.append((group.title, " and ".join(map(str, findings.held_out(group))), *shares, *effects))
    caption = _GROUPS
    return el("figure", tables.figures(headings, rows, led=True), el("figcaption", caption))


def gallery(findings: Findings) -> Html | None:
    if not findings.samples:
        return None
    images = [picture(png, f"sample {i}") for i, png in enumerate(findings.samples)]
    sampling = findings.catalog.sampling
    how = "unedited, as they came" if sampling.found_in == "samples" else "as the model sees them"
    caption = f"The first {len(images)} of {sampling.n:,} {sampling.found_in}, {how}."
    return el("figure", el("div", *images, class_="gallery"), el("figcaption", caption))
