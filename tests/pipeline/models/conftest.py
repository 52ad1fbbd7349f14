"""What tests of models need: a cache of this machine that is the test's own."""

from pathlib import Path

import pytest

from pipeline.models import pickles


@pytest.fixture(autouse=True)
def kept(tmp_path, monkeypatch) -> Path:
    """Where what is made of pickles is kept; empty."""
    monkeypatch.setenv(pickles.CACHE, str(tmp_path / "kept"))
    return tmp_path / "kept" / "weights"
