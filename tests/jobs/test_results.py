"""What a job ends with says where directions are added, if that is not the same for all."""

from jobs.results import show
from pipeline.catalog.summary import Ranked, Recommended, Summary

YAW = "yaw: at every strength that was measured images were seen to leave the model's own"
AGAIN = "component-1/principal-components: not confirmed: the opposite, age -0.4 (re-measured on 28 other samples)"
WARNING = "Warning: smile/ridge: 6 of 64 samples have a score above 0"


def printed(captures: tuple[str, ...], capsys) -> list[str]:
    best = Recommended("smile", "smile/ridge@up_blocks.0", "up_blocks.0", 2.0, 1.5, 1.3, 0.2, True, 28, 14)
    unclean = Recommended("age", "age/ridge@mid_block", "mid_block", 1.0, None, 0.5, 0.4, False, 28, 0)
    component = Ranked("component-0/principal-components", "age +1.4", "mid_block")
    again = Ranked("component-1/principal-components", "not confirmed: the opposite, age -0.4", "mid_block", 28)
    show(
        Summary(
            3,
            captures,
            (best, unclean),
            (component, again),
            ("yaw",),
            (),
            (),
            ("smile/ridge: 6 of 64 samples have a score above 0",),
        )
    )
    return capsys.readouterr().out.splitlines()


def test_each_direction_says_its_point_where_there_are_several(capsys):
    smile = (
        "smile: smile/ridge@up_blocks.0 at +2 moves it by +1.30 SD, anything else by 0.20 SD at most; one SD at +1.5"
    )
    age = "age: age/ridge@mid_block at +1 moves it by +0.50 SD, anything else by 0.40 SD at most"
    assert printed(("mid_block", "up_blocks.0"), capsys) == [
        f"{smile}; added at up_blocks.0; n = 28, chosen on 14 others",
        f"{age}; added at mid_block (not clean); n = 28, chosen on the same",
        YAW,
        "component-0/principal-components: age +1.4; added at mid_block",
        f"{AGAIN}; added at mid_block",
        WARNING,
    ]
    assert printed(("mid_block",), capsys) == [
        f"{smile}; n = 28, chosen on 14 others",
        f"{age} (not clean); n = 28, chosen on the same",
        YAW,
        "component-0/principal-components: age +1.4",
        AGAIN,
        WARNING,
    ]
