"""A direction that is turned round says of itself what it said, with every sign changed."""

import pyarrow as pa

from pipeline.catalog.orientation import turned
from schemas.columns import table_of
from schemas.profiles import PROFILES


def test_every_figure_that_has_the_sign_of_the_direction_changes_it():
    rows = [
        {
            "direction": name,
            "judge": "judge",
            "strength": -1.5,
            "strength_per_sd": -0.5,
            "valid_low": -2.0,
            "valid_high": 0.0,
            "nearest_cosine": 0.5,
            "nearest_cosine_by_step": [0.5, -0.25],
            "on_target": 1.1,
            "label": "smile +1.1",
            "turned": name == "a",
        }
        for name in "ab"
    ]
    table = table_of(rows, PROFILES)
    found = turned(table, {"a"}).to_pylist()
    assert found[1] == table.to_pylist()[1]
    assert (found[0]["strength"], found[0]["strength_per_sd"]) == (1.5, 0.5)
    assert (found[0]["valid_low"], found[0]["valid_high"]) == (0.0, 2.0)
    assert (found[0]["nearest_cosine"], found[0]["nearest_cosine_by_step"]) == (-0.5, [-0.5, 0.25])
    before = table.to_pylist()[0]
    assert all(found[0][key] == before[key] for key in ("on_target", "label", "judge"))
    assert turned(turned(table, {"a"}), {"a"}).equals(table) and turned(table, set()) is table


def test_effects_keep_their_index_and_their_values():
    table = pa.table(
        {
            "direction": ["a", "a", "b"],
            "strength_index": [0, 1, 0],
            "strength": [-1.0, 1.0, -1.0],
            "effect": [2.0, -2.0, 1.0],
        }
    )
    found = turned(table, {"a"}).to_pydict()
    assert found["strength"] == [1.0, -1.0, -1.0]
    assert (found["strength_index"], found["effect"]) == ([0, 1, 0], [2.0, -2.0, 1.0])


def test_what_is_not_known_stays_unknown():
    table = table_of([{"direction": "a", "judge": "judge", "turned": True}], PROFILES)
    assert turned(table, {"a"}).to_pylist() == table.to_pylist()
