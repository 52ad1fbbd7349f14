"""Both ways from a model to directions find the same, in this process and at a tiny size; the timings are the benchmark's own."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from benchmarks._equality import equality
from benchmarks.end_to_end import (
    PARTS,
    Cost,
    Round,
    Size,
    figures,
    goals,
    one_round,
    processor,
    size_of,
    work_of,
)
from pipeline.engine.pool import InProcess
from pipeline.engine.store import Store
from schemas.run import Run


@pytest.fixture(scope="module")
def size(tiny_model) -> Size:
    run = Run(
        model=str(tiny_model),
        annotator="pixels",
        judge=("pixels",),
        allow_judge=("pixels",),
        attributes=("contrast", "warmth"),
        samples=24,
        batch=12,
        steps=2,
        top=4,
        components=3,
        jacobians=1,
        capture=("mid_block",),
    )
    return Size(run, cap=30, rounds=1)


@pytest.fixture(scope="module")
def found(size, tmp_path_factory) -> tuple[Round, Path]:
    """The second round, in which the other side is first."""
    folder = tmp_path_factory.mktemp("round")
    with ThreadPoolExecutor(1) as others:
        return one_round(size, 1, others, InProcess, folder), folder


def test_both_sides_do_every_part_and_say_what_it_took(found):
    result, _ = found
    for side in (result.ours, result.published):
        assert list(side) == list(PARTS) and all(cost.seconds > 0 and cost.processor >= 0 for cost in side.values())
    assert all(cost.twice == 0 for cost in result.ours.values())
    twice = {part: cost.twice > 0 for part, cost in result.published.items()}
    assert twice == {"labelled": False, "directions": True, "components": True, "jacobians": False}


def test_both_sides_find_the_same(found):
    equal = found[0].equality
    assert equal["same_selected"] == 1
    assert equal["cosine_of_mean_differences"] > 0.9999
    assert equal["components_told_apart"] > 0
    assert equal["cosine_of_components"] > 0.999 and equal["principal_cosine_of_components"] > 0.99
    assert equal["jacobian_difference_of_S"] < 0.02 and equal["jacobian_share_inside"] > 0.98


def test_what_lies_on_the_disk_is_counted(found):
    result, folder = found
    h = 24 * 2 * 16 * 8 * 8 * 2  # samples, steps, numbers, float16
    assert h < result.bytes["h"] < result.bytes["ours"]
    directions = 2 * 2 * 16 * 8 * 8 * 4  # attributes, steps, numbers, float32
    assert directions < result.bytes["published"] == size_of(folder / "published")


def test_what_is_not_the_same_is_seen(size, found):
    """Each of the other's results is turned a little, and its own figure tells."""
    result, folder = found
    run = size.run.model_copy(update={"seed": 1})
    work = work_of(run, size.cap, folder / "published")

    def changed(name: str, change) -> dict[str, float]:
        whole = (work.folder / name).read_bytes()
        read = torch.load(work.folder / name, weights_only=True)
        torch.save(change(read), work.folder / name)
        try:
            return equality(goals(run), Store(folder / "ours"), work)
        finally:
            (work.folder / name).write_bytes(whole)

    noise = torch.Generator().manual_seed(0)
    turned = lambda v: v + v.std() * torch.randn(v.shape, generator=noise)  # noqa: E731
    assert changed("direction-warmth.pt", turned)["cosine_of_mean_differences"] < 0.9
    components = changed("components.pt", lambda read: {**read, "components": turned(read["components"])})
    assert components["cosine_of_components"] < 0.9 > components["principal_cosine_of_components"]
    vectors = changed("jacobians.pt", lambda read: {**read, "vectors": turned(read["vectors"])})
    assert vectors["jacobian_share_inside"] < 0.8
    larger = changed("jacobians.pt", lambda read: {**read, "singular_values": 1.1 * read["singular_values"]})
    assert larger["jacobian_difference_of_S"] == pytest.approx(0.1, abs=0.03)
    others = changed("scores.pt", lambda scores: scores * torch.tensor([1.0, -1.0]))  # other samples, for one attribute
    assert others["same_selected"] == 0.5 and others["cosine_of_the_same_samples"] > 0.9999
    assert changed("scores.pt", lambda scores: -scores)["cosine_of_the_same_samples"] == 0
    assert equality(goals(run), Store(folder / "ours"), work) == result.equality


EQUAL = {
    "same_selected": 1.0,
    "cosine_of_mean_differences": 0.99999999,
    "cosine_of_the_same_samples": 1.0,
    "cosine_of_components": 1.0,
    "components_told_apart": 0.5,
    "principal_cosine_of_components": 1.0,
    "jacobian_share_inside": 1.0,
    "jacobian_share_of_the_last": 0.9,
    "jacobian_difference_of_S": 0.001,
    "jacobian_residual_ours": 0.001,
    "jacobian_residual_published": 0.002,
}
BYTES = {"ours": 3_000_000, "h": 2_000_000, "published": 1_000_000}


def test_a_speedup_is_taken_within_each_round():
    def of_round(ours: float, published: float, twice: float = 0.0, **equal: float) -> Round:
        one = {"ours": {"labelled": Cost(ours, ours)}, "published": {"labelled": Cost(published, 2 * published, twice)}}
        return Round(**one, equality=EQUAL | equal, bytes=BYTES)

    busy = of_round(10.0, 60.0, 20.0, cosine_of_components=0.9)  # a round in which the machine did something else
    rounds = [of_round(1.0, 6.0, 2.0), busy, of_round(1.0, 9.0, 3.0)]
    told = figures({"ours": Cost(3.0, 1.0), "published": Cost(6.0, 1.0)}, rounds)
    assert (told["speedup"], told["speedup_processor_time"]) == (6, 12)
    assert told["speedup_nothing_made_twice"] == 4
    assert told["speedup_with_starts"] == 3.75  # (9 + 6) / (1 + 3), between 3 and 66 / 13
    assert told["smallest_cosine_of_components"] == 0.9  # of the worst round
    assert told["smallest_cosine_of_mean_differences"] == 0.9999999  # never rounded up
    assert (told["megabytes_ours"], told["megabytes_of_it_h"], told["megabytes_published"]) == (3, 2, 1)


def test_processor_time_counts_what_children_do():
    import subprocess
    import sys

    before = processor()
    subprocess.run([sys.executable, "-c", "import time\nwhile time.process_time() < 0.5: pass"], check=True)
    assert processor() - before > 0.4
