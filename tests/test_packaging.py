"""What rots unseen: declared dependencies, pins, and the commands that the documents name."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from glob import glob
from importlib import import_module
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from schemas.published import table_of_files

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
RUNTIME = [Requirement(line) for line in PROJECT["dependencies"]]
EXTRAS = {name: [*map(Requirement, lines)] for name, lines in PROJECT["optional-dependencies"].items()}
OWN = PROJECT["name"]  # dev has all extras by it
DEV = [each for each in EXTRAS["dev"] if each.name != OWN]
EXTRA = [each for name, lines in EXTRAS.items() if name != "dev" for each in lines]  # imported where it is asked for
PROVIDERS = packages_distributions()
OURS = {"jobs", "pipeline", "schemas", "benchmarks", "tests"}


def imported(folder: str) -> set[str]:
    """The distributions whose packages the files of `folder` import, anywhere in them."""
    names = set()
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names.add(node.module.split(".")[0])

    foreign = names - OURS - set(sys.stdlib_module_names)
    return {canonicalize_name(PROVIDERS.get(name, [name])[0]) for name in foreign}


def names(requirements: list[Requirement]) -> set[str]:
    return {canonicalize_name(requirement.name) for requirement in requirements}


@pytest.mark.parametrize("folder", ["jobs", "pipeline", "schemas"])
def test_what_the_project_imports_is_declared(folder):
    assert imported(folder) <= names(RUNTIME + EXTRA)


@pytest.mark.parametrize("folder", ["benchmarks", "docs", "tests"])
def test_what_developers_import_is_declared(folder):
    assert imported(folder) <= names(RUNTIME + DEV + EXTRA)


def test_developers_have_every_extra():
    [own] = (each for each in EXTRAS["dev"] if each.name == OWN)
    assert own.extras == EXTRAS.keys() - {"dev"}


def test_a_catalog_needs_no_cluster_no_estimators_and_no_face_detector():
    heavy = {"ray", "scikit-learn", "facenet-pytorch", "diffusers", "torchvision", "scipy", "obstore"}
    assert not names(RUNTIME + EXTRAS["catalog"]) & heavy and heavy <= names(EXTRAS["pipeline"])


def test_every_dependency_has_a_lower_bound():
    for requirement in RUNTIME + DEV + EXTRA:
        assert any(bound.operator == ">=" for bound in requirement.specifier), requirement


def test_what_is_no_module_is_packaged():
    """Templates, style sheets, weights: all that lies beside the code."""
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    for package, globs in patterns.items():
        packaged = {path for each in globs for path in glob(each, root_dir=ROOT / package, recursive=True)}
        files = [path for path in (ROOT / package).rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")]
        assert {str(path.relative_to(ROOT / package)) for path in files} <= packaged


@pytest.fixture(scope="module")
def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    parsed = [Requirement(line) for line in lines if line and not line.startswith("#")]
    for pin in parsed:
        assert re.fullmatch(r"==[^*]+", str(pin.specifier)), f"{pin} does not pin one release"
    return {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in parsed}


def test_constraints_pin_every_dependency_within_its_bounds(pins):
    for requirement in RUNTIME + DEV + EXTRAS["pipeline"] + EXTRAS["docs"]:
        assert pins[canonicalize_name(requirement.name)] in requirement.specifier, requirement


def test_constraints_leave_the_cuda_libraries_to_torch(pins):
    assert not [name for name in pins if name.startswith(("nvidia", "cuda", "triton"))]


DOCUMENTS = [
    "README.md",
    "CONTRIBUTING.md",
    *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")),
]


def commands(document: str, pattern: str) -> set[str]:
    """What `pattern` finds in the code of a Markdown file: its fences and its `spans`."""
    text = (ROOT / document).read_text()
    fences = re.findall(r"^```[^\n]*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))
    return {found for code in fences + spans for found in re.findall(pattern, code, re.MULTILINE)}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_make_target_that_is_named_exists(document):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = commands(document, r"(?:^|&&|;)[ $]*make ([a-z-]+)")
    assert named or document not in ("README.md", "CONTRIBUTING.md")
    assert named <= targets


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_module_that_is_to_be_run_exists(document):
    for module in commands(document, r"python -m ((?:jobs|benchmarks)\.[a-z_]+)"):
        assert (ROOT / f"{module.replace('.', '/')}.py").is_file(), module


def tree() -> list[str]:
    """The paths in README's tree, by their indentation."""
    block = (ROOT / "README.md").read_text().split("## Where things are\n\n")[1].split("\n\n")[0]
    above: list[tuple[int, str]] = []
    paths = []
    for line in block.splitlines():
        indent, name = len(line) - len(line.lstrip()), line.split()[0]
        above = [(depth, folder) for depth, folder in above if depth < indent] + [(indent, name)]
        paths.append("".join(folder for _, folder in above))
    return paths


def test_the_tree_of_the_readme_is_the_tree():
    listed = tree()
    assert [path for path in listed if not (ROOT / path).exists()] == []
    folders = {f"{path.parent.relative_to(ROOT)}/" for path in (ROOT / "pipeline").glob("*/__init__.py")}
    stages = {f"{path.parent.relative_to(ROOT)}/" for path in (ROOT / "pipeline" / "stages").glob("*/__init__.py")}
    assert folders | stages <= set(listed) and len(stages) == 4


def test_nothing_stands_at_the_top_that_the_readme_or_a_tool_does_not_know():
    """A run that is left in the tree is easily committed with it."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("this is no clone")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip(f"git does not list this clone: {listed.stderr.strip()}")
    top = {path.partition("/")[0] for path in listed.stdout.split()}
    folders = {path.partition("/")[0] for path in tree()} | {"docs", ".ci"}
    files = {".gitignore", ".rayignore", "CONTRIBUTING.md", "LICENSE", "LOG.md", "Makefile", "README.md", "SECURITY.md"}
    assert top == folders | files | {"constraints.txt", "mkdocs.yml", "pyproject.toml"}


def test_a_document_names_the_files_of_a_catalog():
    assert f"\n\n{table_of_files()}\n" in (ROOT / "docs" / "how_it_works.md").read_text()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_what_a_document_links_to_and_imports_exists(document):
    text = (ROOT / document).read_text()
    links = {link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", text) if not link.startswith("http")}
    assert [link for link in links if not (ROOT / document).parent.joinpath(link).exists()] == []
    for module, names in re.findall(r"^from (pipeline[\w.]*) import ([\w, ]+)", text, re.MULTILINE):
        found = import_module(module)
        for name in names.split(","):
            assert hasattr(found, name.strip()) or import_module(f"{module}.{name.strip()}")


def test_the_tests_mirror_the_tree():
    """A module's test is where the module is; what has none is tested by those around it."""
    tests = [path for path in (ROOT / "tests" / "pipeline").rglob("test_*.py") if path.parent.name != "pipeline"]
    strays = [
        str(path.relative_to(ROOT))
        for path in tests
        if not (ROOT / path.relative_to(ROOT / "tests")).with_name(path.name.removeprefix("test_")).exists()
    ]
    whole_flow = {
        "contract",
        "damage",
        "jacobian",
        "signs",
        "ray_start",
        "ray_plugs",
        "ray_faults",
        "ray_cluster",
        "sizes",
        "configurations",
        "points",
        "memory",
        "real_images",
        "in_browser",
    }  # of several modules, or of a whole flow of stages
    assert {Path(stray).stem.removeprefix("test_") for stray in strays} <= whole_flow


def test_what_docstrings_refer_to_exists():
    """`pipeline.estimators.linear`, or something in it."""
    named = {
        name
        for folder in ("pipeline", "jobs", "schemas", "benchmarks")
        for path in (ROOT / folder).rglob("*.py")
        for name in re.findall(r"`((?:pipeline|schemas|jobs)\.[a-z_.]+[a-z_])`", path.read_text())
    }
    assert len(named) > 3
    for name in named:
        module, _, last = name.rpartition(".")
        path = ROOT / name.replace(".", "/")
        if not (path.is_dir() or path.with_suffix(".py").exists()):
            assert hasattr(import_module(module), last), name
