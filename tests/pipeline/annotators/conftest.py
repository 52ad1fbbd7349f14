import sys

import pytest

from pipeline.fingerprint import identity
from tests.pipeline.annotators import outside


@pytest.fixture(scope="module")
def outside_folder(tmp_path_factory):
    """The folder of the plugs outside, to stand in. What was imported from it is forgotten with it."""
    folder = outside.write(tmp_path_factory.mktemp("outside"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        forget("outside_plugs", "outside_sibling")
        yield folder
    forget("outside_plugs", "outside_sibling")


def forget(*modules: str) -> None:
    for name in modules:
        sys.modules.pop(name, None)
    identity.cache_clear()


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Write modules into a folder and stand in it: `stand_in(my_plugs="...")`."""
    monkeypatch.chdir(tmp_path)
    written = []

    def write(**sources: str):
        for name, source in sources.items():
            (tmp_path / f"{name}.py").write_text(source)
            forget(name)
            written.append(name)
        return tmp_path

    yield write
    forget(*written)
