"""Models that come with this project have names, and a folder of the same name is not taken for one in silence."""

import pytest

from pipeline.errors import UserError
from pipeline.models.bundled import BUNDLED, bundled
from pipeline.models.pretrained import find


@pytest.mark.parametrize("name", BUNDLED)
def test_each_is_a_model(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = bundled(name)
    assert folder is not None and find(str(folder)).x_shape[1:] in {(32, 32), (48, 48)}
    assert sum(path.stat().st_size for path in folder.rglob("*.safetensors")) < 20_000_000


def test_other_names_are_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert bundled("owner/name") is None
    (tmp_path / "digits").mkdir()
    with pytest.raises(UserError, match="write ./digits for the folder"):
        bundled("digits")
