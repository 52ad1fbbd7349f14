from pipeline.catalog.web.heat_maps import HeatMap, limit_for


def test_colours_are_symmetric_and_end_at_the_limit():
    shares = [HeatMap((), (), 3.0).share(value) for value in (1.5, -1.5, 99.0, float("nan"))]
    assert shares == [0.5, 0.5, 1.0, 0.0]


def test_a_scale_reaches_the_largest_value_within_bounds():
    assert [limit_for(values) for values in ([1.7, -2.2], [0.1], [9.0], [], [float("nan")])] == [
        2.5,
        1.0,
        3.0,
        1.0,
        1.0,
    ]
