"""What a job ends with says where directions are added, if that is not the same for all."""

from jobs.results import show
from pipeline.catalog.summary import Ranked, Recommended, Summary


def printed(captures: tuple[str, ...], capsys) -> list[str]:
    best = Recommended("smile", "smile/ridge@up_blocks.0", "up_blocks.0", 2.0, 1.5, 1.3, 0.2, True)
    unclean = Recommended("age", "age/ridge@mid_block", "mid_block", 1.0, None, 0.5, 0.4, False)
    component = Ranked("component-0/principal-components", "age +1.4", "mid_block")
    show(Summary(3, captures, (best, unclean), (component,), (), (), ()))
    return capsys.readouterr().out.splitlines()


def test_each_direction_says_its_point_where_there_are_several(capsys):
    smile = (
        "smile: smile/ridge@up_blocks.0 at +2 moves it by +1.30 SD, anything else by 0.20 SD at most; one SD at +1.5"
    )
    age = "age: age/ridge@mid_block at +1 moves it by +0.50 SD, anything else by 0.40 SD at most"
    assert printed(("mid_block", "up_blocks.0"), capsys) == [
        f"{smile}; added at up_blocks.0",
        f"{age}; added at mid_block (not clean)",
        "component-0/principal-components: age +1.4; added at mid_block",
    ]
    assert printed(("mid_block",), capsys) == [
        smile,
        f"{age} (not clean)",
        "component-0/principal-components: age +1.4",
    ]
