"""Some attributes' directions of a finder."""

import numpy as np


def test_they_are_the_finders_own_and_no_others(places, made_of):
    selected = places.selected
    store = made_of(selected)
    assert selected.names == ("smile/ridge@up_blocks.0/disentangled", "yaw/ridge@up_blocks.0/disentangled")
    of_all, some = store.vectors(selected.finder), store.vectors(selected)
    assert len(of_all) == 3 and set(some) == set(selected.names)
    for name in selected.names:
        np.testing.assert_array_equal(some[name], of_all[name])
    rows = store.table(selected, "directions.parquet").to_pylist()
    assert [row["attribute"] for row in rows] == ["smile", "yaw"]
    assert {row["parents"][0] for row in rows} == {"smile/ridge@up_blocks.0", "yaw/ridge@up_blocks.0"}
    assert selected.fitted_with == selected.finder.fitted_with
