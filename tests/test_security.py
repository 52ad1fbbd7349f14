"""What SECURITY.md promises, asked of the code: hostile files are planted, and nothing in them runs or lands elsewhere."""

import ast
import pickle
from functools import cache
from pathlib import Path

import pytest
import torch

from pipeline.annotators import exported, facenet, network
from pipeline.catalog.templates import environment
from pipeline.errors import UserError

ROOT = Path(__file__).parents[1]
CODE = ("pipeline", "jobs", "schemas")


@cache
def calls() -> list[tuple[str, str, ast.Call]]:
    """Every call in the code: where, what is called, and how."""
    files = sorted(path for folder in CODE for path in (ROOT / folder).rglob("*.py"))
    nodes = [(str(path.relative_to(ROOT)), node) for path in files for node in ast.walk(ast.parse(path.read_text()))]
    return [(path, ast.unparse(node.func), node) for path, node in nodes if isinstance(node, ast.Call)]


def keyword(call: ast.Call, name: str) -> object:
    return next((ast.literal_eval(each.value) for each in call.keywords if each.arg == name), None)


def test_nothing_is_unpickled_but_tensors():
    loads = [(path, call) for path, name, call in calls() if name == "torch.load"]
    assert loads, "or this test looks at nothing"
    assert [path for path, call in loads if keyword(call, "weights_only") is not True] == []
    unpicklers = {"pickle.load", "pickle.loads", "pickle.Unpickler", "joblib.load", "cloudpickle.loads", "dill.load"}
    found = [(path, name) for path, name, _ in calls() if name in unpicklers]
    assert found == [("pipeline/engine/ray_worker.py", "pickle.loads")], "what the driver sends to its own workers"


def test_no_code_of_a_model_is_run():
    asked = [(path, keyword(call, "trust_remote_code")) for path, _, call in calls()]
    assert [path for path, value in asked if value is not None and value is not False] == []
    names = {"eval", "exec", "compile", "os.system", "os.popen"}
    assert [(path, name) for path, name, _ in calls() if name in names] == []
    shells = [path for path, name, call in calls() if name.startswith("subprocess.") and keyword(call, "shell")]
    assert shells == []


def test_yaml_is_not_read_at_all_and_toml_by_the_standard_library():
    assert [(path, name) for path, name, _ in calls() if name.startswith("yaml.")] == []


class Hostile:
    """What makes a file where it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> tuple:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("suffix", [".pt", ".bin"])
def test_a_hostile_pickle_is_refused_and_not_run(tmp_path, suffix):
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(pickle.dumps({"weight": Hostile(tmp_path / "run")}))
    for read in (facenet._read, network.tensors):
        with pytest.raises(UserError):
            read(path)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("read", [facenet._read, network.tensors, exported._loaded])
def test_a_torch_whose_unpickler_is_not_safe_reads_no_pickle(tmp_path, monkeypatch, read):
    path = tmp_path / "weights.pt"
    torch.save({"weight": torch.zeros(2)}, path)
    monkeypatch.setattr(torch, "__version__", "2.9.1+cpu")
    with pytest.raises(UserError, match="does not read those safely"):
        read(path)


def test_pages_escape_what_they_are_given():
    found = environment()
    pages = [path for path in (ROOT / "pipeline").rglob("*.j2") if path.name != "card.md.j2"]
    assert pages and all(path.name.endswith(".html.j2") for path in pages), "other names are not escaped"
    assert callable(found.autoescape) and found.autoescape("page.html.j2")
    assert found.from_string("{% autoescape true %}{{ name }}{% endautoescape %}").render(name="<b>") == "&lt;b&gt;"
