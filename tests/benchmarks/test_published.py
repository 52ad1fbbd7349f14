"""The published way makes the samples that ours makes, and finds what is planted."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks._published import Published, Work, do, forward, singular_vectors
from pipeline.hspace.denoiser import Denoiser
from pipeline.models import pretrained
from pipeline.stages.sources.sample import Sample


@pytest.fixture
def work(tiny_model, tmp_path) -> Work:
    return Work(
        model=Path(tiny_model),
        annotator="pixels",
        attributes=("contrast", "warmth"),
        n=8,
        seed=3,
        steps=3,
        top=2,
        components=2,
        jacobians=1,
        at=(1, 2),
        vectors=2,
        tolerance=1e-3,
        cap=200,
        folder=tmp_path / "published",
    )


def test_the_forward_written_out_is_the_model_s(tiny_unet):
    x, t = torch.randn(1, 3, 16, 16), torch.tensor(500)
    with torch.inference_mode():
        output, h = forward(tiny_unet, x, t)
        expected, expected_h = Denoiser(tiny_unet)(x, 500)
    torch.testing.assert_close(output, expected)
    torch.testing.assert_close(h, expected_h)


def test_a_change_of_h_is_an_edit_of_it(tiny_unet):
    x, t = torch.randn(1, 3, 16, 16), torch.tensor(500)
    with torch.inference_mode():
        delta = torch.randn_like(forward(tiny_unet, x, t)[1])
        output, h = forward(tiny_unet, x, t, delta)
        expected, expected_h = Denoiser(tiny_unet)(x, 500, lambda h: h + delta)
    torch.testing.assert_close(output, expected)
    torch.testing.assert_close(h, expected_h)


def test_a_sample_is_ours_with_its_h(work):
    sample = Sample(pretrained.find(str(work.model)), n=work.n, steps=work.steps, seed=work.seed, batch=work.n)
    kept: list[torch.Tensor] = []
    images = sample.draw(sample.setup(), range(work.n), lambda step, timestep, h: kept.append(h))
    published = Published(work)
    for i in (0, 5):
        h, image = published.sample(i)
        torch.testing.assert_close(h, torch.stack(kept)[:, i], rtol=1e-4, atol=1e-5)
        assert np.abs(image[0].astype(int) - images[i]).max() <= 1  # a level, where it is rounded


def test_samples_are_made_again_for_every_attribute_and_for_the_components(work):
    drawn: list[int] = []
    published = Published(work)
    sample = published.sample
    published.sample = lambda i: drawn.append(i) or sample(i)  # type: ignore[method-assign]
    published.labelled()
    assert drawn == list(range(8)) and published.again == 0
    drawn.clear()
    published.directions()
    assert len(drawn) == 2 * 2 * 2 and published.again > 0
    drawn.clear()
    published.components()
    assert drawn == list(range(8))


def test_a_part_says_how_long_it_made_what_had_been_made(work):
    work = replace(work, cap=1)
    assert do("labelled", work) == 0
    assert do("directions", work) > 0
    assert do("jacobians", work) == 0


def test_a_direction_is_the_difference_of_means(work):
    published = Published(work)
    published.labelled()
    published.directions()
    scores = torch.load(work.folder / "scores.pt", weights_only=True)
    order = scores[:, 1].argsort().tolist()
    h = torch.stack([published.sample(i)[0] for i in range(work.n)])
    expected = h[order[-2:]].mean(dim=0) - h[order[:2]].mean(dim=0)
    torch.testing.assert_close(torch.load(work.folder / "direction-warmth.pt", weights_only=True), expected)


def test_components_are_a_standard_deviation_long_and_agree_with_step_0(work):
    published = Published(work)
    published.components()
    found = torch.load(work.folder / "components.pt", weights_only=True)["components"].flatten(2).double()
    h = torch.stack([published.sample(i)[0] for i in range(work.n)]).flatten(2).double()
    for step in range(work.steps):
        _, S, Vt = torch.linalg.svd(h[:, step] - h[:, step].mean(dim=0), full_matrices=False)
        torch.testing.assert_close(found[:, step].norm(dim=1), S[:2] / 7**0.5, rtol=1e-3, atol=0)
        torch.testing.assert_close((found[:, step] * Vt[:2]).sum(dim=1).abs(), S[:2] / 7**0.5, rtol=1e-3, atol=0)
    assert ((found * found[:, :1]).sum(dim=2) >= 0).all()


def test_singular_vectors_are_those_of_a_planted_matrix():
    torch.manual_seed(0)
    U, V = (torch.linalg.qr(torch.randn(size, 4))[0] for size in (30, 12))
    S = torch.tensor([3.0, 2.0, 1.2, 0.4])
    A = U @ torch.diag(S) @ V.T

    def f(h: torch.Tensor) -> torch.Tensor:
        return (h.flatten(1) @ A.T).view(1, 2, 3, 5)

    found = singular_vectors(f, torch.randn(1, 3, 2, 2), 3, tolerance=1e-4, cap=500)
    torch.testing.assert_close(found["singular_values"], S[:3], rtol=1e-4, atol=0)
    cosines = (found["vectors"].flatten(1) * V.T[:3]).sum(dim=1).abs()
    torch.testing.assert_close(cosines, torch.ones(3), rtol=0, atol=1e-4)
    assert (found["residuals"] <= 1e-4).all()


def test_a_vector_that_does_not_converge_is_given_up(work):
    published = Published(replace(work, cap=1, folder=work.folder / "capped"))
    published.jacobians()
    assert torch.load(work.folder / "capped/jacobians.pt", weights_only=True)["residuals"].max() > work.tolerance
