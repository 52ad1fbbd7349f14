"""Settings that have no effect beside others are refused where a person gave them, and dropped where nobody did."""

import pytest

from pipeline.errors import UserError
from pipeline.recipes.applicable import applicable
from schemas.run import Run


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"attributes": (), "top": 64}, "top"),
        ({"attributes": (), "protocol": "paper"}, "protocol"),
        ({"activations": False, "top": 64}, "top"),
        ({"samples": 30_000, "top": 64}, "top"),
        ({"block": 64}, "block"),
        ({"jacobians": 0, "region": "box:0,0,4,4"}, "region"),
        ({"components": 0, "across": "joint"}, "across"),
        ({"images": "photographs", "samples": 1000}, "samples"),
        ({"fail_above": 0.5}, "fail_above"),
    ],
)
def test_what_was_given_is_refused_and_what_was_not_is_as_by_default(settings, name):
    run = Run(**settings)
    with pytest.raises(UserError, match=f"`{name}` has no effect "):
        applicable(run)
    kept = applicable(run, given=settings.keys() - {name})
    assert getattr(kept, name) == Run.model_fields[name].default
    assert kept == applicable(kept), "and can be given again"


@pytest.mark.parametrize(
    "settings",
    [
        {"attributes": (), "jacobians": 2},
        {"activations": False, "block": 64},
        {"samples": 30_000, "block": 64},
        {"images": "photographs", "samples": 100, "top": 64, "fail_above": 0.5},
        {"jacobians": 0, "region": "image"},
    ],
)
def test_what_applies_is_left_alone(settings):
    assert applicable(Run(**settings)) == Run(**settings)
