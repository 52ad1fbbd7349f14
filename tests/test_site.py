"""The site of the documents: it is built strictly, is whole by itself, and says what the code says."""

import os
import re
import shutil
import subprocess
import sys
from html import unescape
from importlib import import_module
from pathlib import Path

import pytest
import yaml

from pipeline.estimators import halves, projection, told
from pipeline.metrics import (
    calibration,
    choice,
    control,
    effects,
    intervals,
    profiles,
    realism,
    significance,
    strengths,
    template,
)
from pipeline.recipes.measure import SIGHTED
from pipeline.stages.measures.full_strengths import FullStrengths

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))


def build(project: Path, site: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site)],
        cwd=project,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = build(ROOT, folder)
    assert done.returncode == 0, done.stderr
    return folder


# What is built


def test_every_page_of_the_documents_is_there(site):
    for page in [*PAGES, DOCS / "first_catalog.ipynb"]:
        assert (site / page.relative_to(DOCS).with_suffix(".html")).is_file(), page


def test_the_pages_ask_no_other_machine(site):
    """Links to click on may lead away; what a browser fetches by itself may not."""
    pages = list(site.rglob("*.html"))
    assert len(pages) > len(PAGES)
    for page in pages:
        fetched = re.findall(
            r"<(?:script|link|img|iframe|source)\b[^>]*?(?:src|href)=\"?((?:https?:)?//[^\"> ]+)", page.read_text()
        )
        assert not fetched, (page, fetched)
        assert "class=mermaid" not in page.read_text() and 'class="mermaid"' not in page.read_text()
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(?:url\(|@import )[\"']?(?:https?:)?//", sheet.read_text()), sheet


def test_the_search_has_a_name(site):
    """The theme's has none; should its markup change, the hook that names it does nothing."""
    assert 'role="dialog" aria-label="Search"' in (site / "index.html").read_text()


def test_formulas_are_mathematics(site):
    for page in ("method", "measures"):
        html = (site / f"{page}.html").read_text()
        assert html.count("<math ") > 20 and "arithmatex" not in html and "\\frac" not in html
    assert [
        n
        for n in ("2", "3", "4", "5", "6", "10", "11", "12")
        if f"({n})</span>" not in (site / "method.html").read_text()
    ] == []


def test_links_to_source_files_lead_to_their_lines(site):
    assert 'href="source/pipeline/metrics/effects.py.html"' in (site / "measures.html").read_text()
    shown = re.sub(r"<[^>]+>", "", (site / "source" / "pipeline" / "metrics" / "effects.py.html").read_text())
    assert "CLEAN = 1 / 3" in unescape(shown) and "def on_and_off_target(" in unescape(shown)
    assert "Set up" in (site / "source" / "CONTRIBUTING.html").read_text(), "documents at the top are pages, too"


def test_the_notebook_is_a_page_with_its_pictures(site):
    html = (site / "first_catalog.html").read_text()
    assert html.count("data:image/jpeg;base64,") == 2 and html.count("<table") >= 2
    assert 'href="first_catalog.ipynb"' in html and (site / "first_catalog.ipynb").is_file()


# The reference


@pytest.mark.parametrize(
    ("page", "name", "says"),
    [
        ("catalog", "pipeline.catalog.direction_catalog.DirectionCatalog.search", "the largest effect first"),
        ("catalog", "pipeline.catalog.direction_catalog.DirectionCatalog.__getitem__", "Raises UserError for neither"),
        ("catalog", "pipeline.catalog.direction.Direction.vector", "float32 (T, C, H, W)"),
        ("catalog", "pipeline.catalog.direction_edit.DirectionEdit.timesteps", "the lowest and the highest timestep"),
        ("catalog", "pipeline.catalog.editing", "at every pass of the U-Net, h gets that of the catalog"),
        ("run", "schemas.run.Run.held_out", "Held-out samples that the recommended directions are measured on"),
        ("run", "pipeline.recipes.make.make", "What is there already is not made again"),
        ("run", "pipeline.annotators.functions.attributes", "(B, len(names))"),
        ("hspace", "pipeline.hspace.reverse_process.Level.alpha", "alpha_t, a cumulative product"),
        ("hspace", "pipeline.hspace.jacobian.jacobian_subspace", "The k largest singular values"),
        ("estimators", "pipeline.estimators.projection.Projection.removed_share", "of the squared norm removed"),
        ("metrics", "pipeline.metrics.significance.beside_control", "its limit, p-values, and what is significant"),
        ("metrics", "pipeline.metrics.sliders.conceptual_range", "the highest strength has than the lowest"),
    ],
)
def test_the_reference_has_the_words_of_the_source(site, page, name, says):
    html = (site / "api" / f"{page}.html").read_text()
    _, found, after = html.partition(f'id="{name}"')
    assert found, f"{name} is not in api/{page}.md"
    text = re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", "", after)))
    assert says in text[:6000]


def test_the_science_is_in_the_reference_whole(site):
    """But for what is of no use without the rest of its package."""
    inside = {"hspace": {"first_pass", "inputs"}, "estimators": set(), "metrics": set()}
    for package, unlisted in inside.items():
        listed = set(
            re.findall(rf"^::: pipeline\.{package}\.(\w+)$", (DOCS / "api" / f"{package}.md").read_text(), re.MULTILINE)
        )
        assert listed | unlisted == {path.stem for path in (ROOT / "pipeline" / package).glob("*.py")} - {"__init__"}


# What ends a build

FAULTS = {
    "a dead page": ("[there](nowhere.md)", "nowhere.md"),
    "a dead anchor": ("[there](index.md#nowhere)", "#nowhere"),
    "a dead anchor of a document at the top": ("[there](../TOP.md#nowhere)", "#nowhere"),
    "a dead source file": ("[`there`](../pipeline/nowhere.py)", "pipeline/nowhere.py, which does not exist"),
    "a dead picture": ("![there](nowhere.png)", "nowhere.png"),
    "a formula that is none": (r"$\nosuchcommand{x}$", r"\nosuchcommand is not known"),
}


@pytest.fixture
def small(tmp_path) -> Path:
    """A project of two pages, built as this one is."""
    configuration = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    configuration |= {"nav": [{"Home": "index.md"}], "plugins": []}
    (tmp_path / "mkdocs.yml").write_text(yaml.safe_dump(configuration))
    shutil.copytree(DOCS / "_site", tmp_path / "docs" / "_site", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "docs" / "assets").mkdir()
    (tmp_path / "docs" / "assets" / "site.css").write_text("")
    (tmp_path / "TOP.md").write_text("# Top\n\n## Here\n\n[Home](docs/index.md#home)\n")
    (tmp_path / "docs" / "index.md").write_text("# Home\n\n[Top](../TOP.md#here), `[no](link.md)` and $x_t$\n")
    return tmp_path


def test_a_project_without_faults_is_built(small):
    done = build(small, small / "site")
    assert done.returncode == 0, done.stderr
    assert (small / "site" / "source" / "TOP.html").is_file()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_ends_the_build(small, fault):
    line, said = FAULTS[fault]
    with (small / "docs" / "index.md").open("a") as page:
        page.write(f"\n{line}\n")
    done = build(small, small / "site")
    assert done.returncode != 0 and said in done.stderr


def test_a_page_that_no_menu_has_ends_the_build(small):
    (small / "docs" / "forgotten.md").write_text("# Forgotten\n")
    done = build(small, small / "site")
    assert done.returncode != 0 and "forgotten.md" in done.stderr


# What the pages say of the code


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(DOCS)))
def test_every_file_and_name_of_the_code_that_a_page_has_exists(page):
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE))
    paths = [
        each
        for each in spans
        if re.fullmatch(r"(?:pipeline|jobs|schemas|benchmarks|tests|cluster|docs)/[\w./-]+", each)
    ]
    assert [each for each in paths if not (ROOT / each).exists()] == []
    named = [each for each in spans if re.fullmatch(r"(?:pipeline|jobs|schemas)(?:\.\w+)+", each)]
    named += re.findall(r"^::: ([\w.]+)$", page.read_text(), re.MULTILINE)
    for name in named:
        assert _exists(name), name


def _exists(name: str) -> bool:
    """A module, or something in one."""
    path = ROOT / name.replace(".", "/")
    if path.is_dir() or path.with_suffix(".py").exists():
        return True
    module, _, last = name.rpartition(".")
    return hasattr(import_module(module), last)


@pytest.mark.parametrize("page", ["method.md", "measures.md"])
def test_every_definition_names_the_file_that_computes_it(page):
    sections = re.split(r"^## ", (DOCS / page).read_text(), flags=re.MULTILINE)[1:]
    without = {"Notation", "What is otherwise than in the paper"}
    for section in sections:
        if (title := section.partition("\n")[0]) not in without:
            assert re.search(r"\]\(\.\./pipeline/(?:hspace|estimators|metrics|catalog)/\w+\.py\)", section), title


def test_the_numbers_of_the_definitions_are_those_of_the_code():
    text = re.sub(r"\s+", " ", (DOCS / "measures.md").read_text())
    farthest = strengths.FIRST * 2**strengths.BOUND
    said = {
        "clean with off $\\le$ on / 3": effects.CLEAN == 1 / 3,
        "is .01 or less: of those": significance.FALSE == 0.01,
        "stays under with 99 % confidence": significance.CONFIDENCE == 0.99,
        "has $k / 2$, and at most 3": (control.TAILS, control.MOST) == (0.5, 3.0),
        "At 95 %, of an effect": intervals.TAIL == 0.025,
        "with pasted of .8 or more": template.PASTED == 0.8,
        "unless it is known to follow by .5": template.FOLLOWS == 0.5,
        "fewer than six samples": template.FEWEST == 6,
        "From .45 spreads": strengths.FIRST == 0.45,
        "until on eight samples (three, of unsupervised directions)": (FullStrengths.n, SIGHTED) == (8, 3),
        "has moved by 1.5 standard deviations": strengths.WANTED == 1.5,
        "moves it by a fifth more": strengths.LEVEL == 1.2,
        "or 3.6 spreads": farthest == pytest.approx(3.6),
        "precision is at least .8 of theirs": realism.PRECISION == 0.8,
        "presence is at least .9 of theirs": realism.PRESENCE == 0.9,
        "at most .05 more of all values": realism.CLIPPED == 0.05,
        "where the 95 % lower bound": realism.TAIL == 0.05,
        "for a quarter beyond the last": calibration.BELIEVED == 1.25,
        "up to three attributes": profiles.NAMED == 3,
        "by .1 or more": profiles.SMALLEST == 0.1,
        "from .6 on it is called a duplicate": profiles.DUPLICATE == 0.6,
        "moves by .75 standard deviations and pasted is below .8": (choice.REACHED, choice.PASTED) == (0.75, 0.8),
        "of those within .1 of it": choice.ALIKE == 0.1,
        "over 8 pairs of halves": halves.PAIRS == 8,
        "in 99 of 100 cases": told.BY_CHANCE == 0.01,
    }
    assert [words for words in said if words not in text] == []
    assert [words for words, holds in said.items() if not holds] == []
    method = re.sub(r"\s+", " ", (DOCS / "method.md").read_text())
    assert "rises by a twentieth and a fifth of the norm is left" in method
    assert (projection.BETTER, projection.LEAST) == (1.05, 0.2)
