"""What every test of a job begins with."""

import pytest

from jobs.printing import console


@pytest.fixture(autouse=True)
def for_people(monkeypatch) -> None:
    """Have jobs print for people on standard output, whatever one of this process has printed for machines before."""
    monkeypatch.setattr(console, "stderr", False)
