"""Jacobians whose singular vectors are known: planted, or by the exact SVD of the whole matrix."""

import pytest
import torch
from torch import Tensor, nn
from torch.func import jacrev
from torch.nn.attention import SDPBackend, sdpa_kernel

from pipeline.domains import portraits
from pipeline.errors import UserError
from pipeline.hspace.edits import Add
from pipeline.hspace.jacobian import Subspace, jacobian_subspace, masked
from pipeline.hspace.noise import NoiseStreams
from pipeline.hspace.reverse_process import ReverseProcess
from pipeline.models import pretrained


def orthonormal(n: int, m: int, seed: int) -> Tensor:
    """m orthonormal rows of n numbers, float64."""
    g = torch.Generator().manual_seed(seed)
    return torch.linalg.qr(torch.randn(n, m, generator=g, dtype=torch.float64)).Q.mT


def planted(values: list[float], D: int = 60, E: int = 40, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """A matrix with these singular values: J (E, D), and its U and V as rows."""
    U, V = orthonormal(E, len(values), seed), orthonormal(D, len(values), seed + 1)
    return U.mT @ torch.diag(torch.tensor(values, dtype=torch.float64)) @ V, U, V


def cosines(found: Tensor, truth: Tensor) -> Tensor:
    """|cosine| of each row to that of the truth."""
    return (found.flatten(1).double() * truth.flatten(1).double()).sum(dim=1).abs()


def principal_cosine(found: Tensor, truth: Tensor) -> float:
    """Of the largest angle between the subspaces of two orthonormal sets."""
    return float(torch.linalg.svdvals(found.flatten(1).double() @ truth.flatten(1).double().mT).min())


class Attending(nn.Module):
    """A small network of the kinds of layers that U-Nets have: (B, 8, 4, 4) -> (B, 3, 8, 8). Its rows are independent."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.qkv = nn.GroupNorm(2, 8), nn.Conv2d(8, 24, 1)
        self.up, self.out = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 3, 3, padding=1)

    def forward(self, h: Tensor) -> Tensor:
        q, k, v = (each.flatten(2).mT[:, None] for each in self.qkv(self.norm(h)).chunk(3, dim=1))
        h = h + nn.functional.scaled_dot_product_attention(q, k, v)[:, 0].mT.unflatten(2, (4, 4))
        return self.out(nn.functional.silu(self.up(nn.functional.interpolate(h, scale_factor=2.0))))


@pytest.fixture(scope="module")
def network() -> Attending:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return Attending().eval().requires_grad_(False)


@pytest.fixture(scope="module")
def h() -> Tensor:
    return torch.randn(3, 8, 4, 4, generator=torch.Generator().manual_seed(4))


def exact(f, h: Tensor) -> Tensor:
    """The Jacobian of each row of h: (B, E, D) float64. The network is run in float64."""
    rows = [jacrev(lambda one: f(one[None])[0].flatten())(row).flatten(1) for row in h.double()]
    return torch.stack(rows)


@pytest.fixture(scope="module")
def J(network, h) -> Tensor:
    with sdpa_kernel(SDPBackend.MATH):
        J = exact(network.double(), h)
    network.float()
    return J


METHODS = [("krylov", None), ("krylov", 1), ("krylov", 3), ("subspace", None), ("subspace", 2)]


@pytest.mark.parametrize(("method", "block"), METHODS)
def test_planted_singular_vectors_come_back(method, block):
    J, U, V = planted([9.0, 7.0, 5.0, 4.0, 2.0, 1.0, 0.5])
    found = jacobian_subspace(
        lambda h: h @ J.mT, torch.zeros(1, 60).double(), 4, method=method, block=block, tolerance=1e-7, iterations=200
    )
    assert found.S[0].tolist() == pytest.approx([9, 7, 5, 4], rel=1e-9)
    assert cosines(found.Vt[0], V[:4]).min() > 1 - 1e-9
    assert cosines(found.U[0], U[:4]).min() > 1 - 1e-9
    assert torch.allclose(found.Vt[0] @ J.mT, found.S[0][:, None] * found.U[0], atol=1e-9)


@pytest.mark.parametrize(("method", "block"), METHODS)
def test_of_a_network_with_attention_they_are_those_of_the_exact_svd(network, h, J, method, block):
    found = jacobian_subspace(network, h, 5, method=method, block=block, tolerance=1e-5, iterations=400)
    _, S, Vh = torch.linalg.svd(J)
    assert torch.allclose(found.S.double(), S[:, :5], rtol=1e-4)
    for row in range(3):
        assert principal_cosine(found.Vt[row], Vh[row, :5]) > 0.9999
        apart = (S[row, :5] - S[row, 1:6]) / S[row, 0] > 0.01
        alone = apart & torch.cat([torch.tensor([True]), apart[:-1]])  # from the one before as well
        assert alone.any() and cosines(found.Vt[row], Vh[row, :5])[alone].min() > 0.9999
    assert found.formulation == "forward mode"


def test_residuals_and_products_are_what_they_say(network, h, J):
    found = jacobian_subspace(network, h, 5, tolerance=1e-2)
    V, U = found.Vt.flatten(2).double(), found.U.flatten(2).double()
    S = found.S.double()
    residuals = (U @ J - S[..., None] * V).norm(dim=2) / S[:, :1]
    assert torch.allclose(found.residuals.double(), residuals, atol=2e-5) and found.residuals.max() <= 1e-2
    assert torch.allclose(V @ J.mT, S[..., None] * U, atol=1e-5)
    for rows in (V, U):
        assert torch.allclose(rows @ rows.mT, torch.eye(5).double().expand(3, -1, -1), atol=1e-5)
    largest = found.Vt.flatten(2).gather(2, found.Vt.flatten(2).abs().argmax(2, keepdim=True))
    assert (largest > 0).all()


def test_a_sample_is_the_same_alone_and_in_a_batch(network, h):
    together = jacobian_subspace(network, h, 3, tolerance=1e-5)
    alone = jacobian_subspace(network, h[1:2], 3, tolerance=1e-5)
    assert torch.allclose(together.S[1], alone.S[0], rtol=1e-5)
    assert principal_cosine(together.Vt[1], alone.Vt[0]) > 1 - 1e-6


def test_krylov_needs_far_fewer_products_where_singular_values_lie_close():
    J, _, _ = planted([1.2, 1.0, 0.97, 0.94, 0.91, 0.88, 0.85, 0.82, *(0.8 * 0.98**i for i in range(80))], 200, 150)
    products = {}
    for method in ("krylov", "subspace"):
        f = lambda h: h @ J.mT  # noqa: E731
        found = jacobian_subspace(f, torch.zeros(1, 200).double(), 4, method=method, tolerance=1e-3, iterations=1000)
        assert found.residuals.max() < 2e-3
        products[method] = found.products
    assert products["krylov"] * 4 < products["subspace"]


def test_a_good_start_saves_products(network, h):
    near = h + 0.02 * torch.randn(h.shape, generator=torch.Generator().manual_seed(6))
    before = jacobian_subspace(network, near, 4)
    cold, warm = jacobian_subspace(network, h, 4), jacobian_subspace(network, h, 4, start=before.Vt)
    exact_start = jacobian_subspace(network, h, 4, start=jacobian_subspace(network, h, 4, tolerance=1e-5).Vt)
    assert exact_start.products == 4 < warm.products < cold.products
    assert torch.allclose(warm.S, cold.S, rtol=1e-4)


def test_the_paper_s_method_stops_when_the_subspace_stands_still():
    J, _, _ = planted([4.0, 2.0, 0.1, 0.05])
    f, h = lambda h: h @ J.mT, torch.zeros(1, 60).double()
    found = jacobian_subspace(f, h, 2, method="subspace", tolerance=1e-4)
    assert found.change.max() <= 1e-4 and found.products <= 8
    stopped = jacobian_subspace(f, h, 2, method="subspace", tolerance=1e-12, iterations=2)
    assert stopped.products == 4 and stopped.change.max() > 1e-12


# Masks


@pytest.mark.parametrize("soft", [False, True])
def test_a_mask_gives_the_svd_of_the_masked_jacobian(network, h, J, soft):
    mask = torch.zeros(1, 1, 8, 8)
    mask[..., 2:5, 3:7] = 1
    if soft:
        mask[..., 5, :] = 0.3
    found = jacobian_subspace(masked(network, mask), h, 4, tolerance=1e-5)
    rows = mask.expand(1, 3, 8, 8).flatten().double()
    _, S, Vh = torch.linalg.svd(rows[:, None] * J)
    assert torch.allclose(found.S.double(), S[:, :4], rtol=1e-4)
    assert min(principal_cosine(found.Vt[row], Vh[row, :4]) for row in range(3)) > 0.9999
    assert not (found.U * (1 - mask.ceil())).any()  # nothing of the output outside


def test_each_sample_has_its_own_mask(network, h):
    masks = torch.zeros(3, 1, 8, 8)
    for row in range(3):
        masks[row, :, row : row + 4, 1:6] = 1
    together = jacobian_subspace(masked(network, masks), h, 2, tolerance=1e-5)
    alone = jacobian_subspace(masked(network, masks[2:]), h[2:], 2, tolerance=1e-5)
    assert torch.allclose(together.S[2], alone.S[0], rtol=1e-5)


def test_a_mask_of_fewer_numbers_than_vectors_leaves_the_rest_at_zero(network, h):
    mask = torch.zeros(1, 1, 8, 8)
    mask[..., 4, 4] = 1  # three numbers: RGB
    found = jacobian_subspace(masked(network, mask), h, 5, tolerance=1e-4)
    assert (found.S[:, :3] > 0).all() and found.S[:, 3:].max() < 1e-5 * found.S.min(dim=0).values[0]
    assert not found.U[:, 3:].any()
    V = found.Vt.flatten(2)
    assert torch.allclose(V @ V.mT, torch.eye(5).expand(3, -1, -1), atol=1e-4)


def test_edges_of_what_can_be_asked():
    J, _, _ = planted([3.0, 2.0, 1.0], D=3, E=5)
    whole = jacobian_subspace(lambda h: h @ J.mT, torch.zeros(1, 3).double(), 3, tolerance=1e-9)
    assert whole.S[0].tolist() == pytest.approx([3, 2, 1])
    nothing = jacobian_subspace(lambda h: 0 * h, torch.zeros(2, 6), 2)
    assert not nothing.S.any() and not nothing.U.any() and nothing.Vt.isfinite().all()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"k": 6}, "6 singular vectors of a Jacobian of 5 x 8"),
        ({"k": 0}, "0 singular vectors"),
        ({"k": 2, "block": 3}, "Blocks of 3"),
        ({"k": 2, "block": 0}, "Blocks of 0"),
        ({"k": 2, "method": "lanczos"}, "krylov, subspace"),
    ],
)
def test_what_cannot_be_is_refused(asked, said):
    with pytest.raises(UserError, match=said):
        jacobian_subspace(lambda h: h[:, :5], torch.zeros(1, 8), **asked)


def test_nan_is_refused():
    with pytest.raises(UserError, match="not finite"):
        jacobian_subspace(lambda h: h * torch.tensor(float("nan")), torch.ones(1, 8), 2)


# Kernels without a forward mode


class Fused(torch.autograd.Function):
    """h^3, by a kernel of its own that knows reverse mode alone."""

    @staticmethod
    def forward(ctx, h):
        ctx.save_for_backward(h)
        return h**3

    @staticmethod
    def backward(ctx, gradient):
        (h,) = ctx.saved_tensors
        return 3 * h**2 * gradient


class OnceOnly(Fused):
    """The same, and its backward cannot be differentiated again."""

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        (h,) = ctx.saved_tensors
        return 3 * h**2 * gradient


def test_without_forward_mode_it_takes_double_backward_and_says_so():
    h = torch.tensor([[0.5, 3.0, 1.0, 2.0], [1.0, 0.1, 0.2, 0.3]])
    with pytest.warns(UserWarning, match="double backward"):
        found = jacobian_subspace(Fused.apply, h, 2)
    assert found.formulation == "double backward"
    assert found.S[0].tolist() == pytest.approx([27, 12]) and found.S[1].tolist() == pytest.approx([3, 0.27])
    assert found.Vt[0].abs().argmax(dim=1).tolist() == [1, 3]


def test_both_formulations_agree_on_a_network(network, h):
    def without(h: Tensor) -> Tensor:
        return network(Fused.apply(h)) - network(torch.zeros_like(h))

    with pytest.warns(UserWarning):
        found = jacobian_subspace(without, h, 3, tolerance=1e-5)
    reference = jacobian_subspace(lambda h: network(h**3), h, 3, tolerance=1e-5)
    assert torch.allclose(found.S, reference.S, rtol=1e-5)


@pytest.mark.filterwarnings("ignore:No forward mode")
def test_without_either_the_error_says_what_to_do():
    with pytest.raises(UserError, match="no Jacobian by double backward either .*\\n.*set_default_attn_processor"):
        jacobian_subspace(OnceOnly.apply, torch.ones(1, 4), 2)


# U-Nets


def at_step(model: pretrained.Model, step: int, T: int, rows: int):
    """A loaded model, and x_t of some samples at a step."""
    loaded, process = model.load(), ReverseProcess(model.ddim(), T, 1.0)
    states = process.states(loaded.denoiser, NoiseStreams(0, range(rows), model.x_shape))
    return loaded.denoiser, process.timesteps[step], next(x_t for at, x_t in states if at == step)


def test_of_a_tiny_unet_it_is_that_of_the_whole_unet_with_h_edited(tiny_model):
    denoiser, timestep, x_t = at_step(pretrained.find(str(tiny_model)), 2, 4, 1)
    with denoiser.decoder(x_t, timestep) as (decoder, h):
        found = jacobian_subspace(decoder, h, 4, tolerance=1e-5)

    def whole(v: Tensor) -> Tensor:  # the plain way: the whole U-Net, h moved by a hook
        return denoiser(x_t, timestep, lambda h: Add(v)(0, h))[0].flatten()

    with sdpa_kernel(SDPBackend.MATH):
        J = jacrev(whole)(torch.zeros_like(h[0])).flatten(1).double()
    _, S, Vh = torch.linalg.svd(J, full_matrices=False)
    assert torch.allclose(found.S[0].double(), S[:4], rtol=1e-4)
    assert principal_cosine(found.Vt[0], Vh[:4]) > 0.9999


@pytest.mark.slow
@pytest.mark.parametrize("region", [None, (30, 39, 16, 34)])
def test_of_the_bundled_unet_it_is_the_exact_svd(region):
    denoiser, timestep, x_t = at_step(pretrained.find(str(portraits.MODEL)), 8, 16, 1)
    with denoiser.decoder(x_t, timestep) as (decoder, h):
        f = decoder
        if region:
            mask = torch.zeros(1, 1, 48, 48)
            mask[..., region[0] : region[1], region[2] : region[3]] = 1
            f = masked(decoder, mask)
        found: Subspace = jacobian_subspace(f, h, 8, tolerance=1e-4)
        other = jacobian_subspace(f, h, 8, block=2, tolerance=1e-4)
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
            _, pull = torch.func.vjp(f, h)
            rows = torch.eye(f(h).numel()).view(-1, *f(h).shape)
            if region:
                rows = rows[(mask.expand(1, 3, 48, 48) > 0).flatten()]
            J = torch.func.vmap(lambda u: pull(u)[0], chunk_size=64)(rows).flatten(1).double()
    squares, Q = torch.linalg.eigh(J.mT @ J if len(J) > J.shape[1] else J @ J.mT)
    S = squares.flip(0).sqrt()
    V = (Q if len(J) > J.shape[1] else torch.nn.functional.normalize(J.mT @ Q, dim=0)).flip(1)[:, :8].mT
    assert found.formulation == "forward mode"
    for each in (found, other):  # Alg. 1 and its mini-batches
        assert torch.allclose(each.S[0].double(), S[:8], rtol=1e-4)
        gaps = (S[:8] - S[1:9]) / S[0]
        alone = (gaps > 0.005) & (torch.cat([torch.ones(1), gaps[:-1]]) > 0.005)
        assert alone.sum() >= 2 and cosines(each.Vt[0], V)[alone].min() > 0.9999


SPARSE = torch.zeros(30, 40).index_put((torch.tensor([0, 1]), torch.tensor([0, 1])), torch.tensor([2.0, 1.0]))


@pytest.mark.parametrize("block", [None, 1, 2])
@pytest.mark.parametrize("method", ["krylov", "subspace"])
@pytest.mark.parametrize(
    "lower",
    [torch.zeros(30, 40), SPARSE, planted([3.0], 40, 30)[0].float(), planted([3.0, 1.0], 40, 30)[0].float()],
    ids=["zero", "two inputs", "rank 1", "rank 2"],
)
def test_a_jacobian_of_lower_rank_than_the_one_beside_it_has_its_own_vectors(lower, method, block):
    J = torch.stack([lower, planted([5.0, 4.0, 3.0, 2.0, 1.0], 40, 30)[0].float()])
    found = jacobian_subspace(
        lambda h: torch.einsum("bed,bd->be", J, h), torch.randn(2, 40), 4, method=method, block=block
    )
    assert torch.allclose(found.Vt @ found.Vt.mT, torch.eye(4).expand(2, 4, 4), atol=1e-5)
    assert torch.allclose(found.S, torch.linalg.svdvals(J)[:, :4], atol=1e-4)
    assert torch.allclose(found.Vt @ J.mT, found.S[..., None] * found.U, atol=1e-4)


@pytest.mark.parametrize("start", [torch.zeros(1, 4, 40), torch.ones(1, 4, 40), torch.eye(40)[None, :4]])
def test_a_start_that_says_little_is_no_matter(start):
    J = torch.diag_embed(torch.linspace(3, 1, 40))
    found = jacobian_subspace(lambda h: h @ J.mT, torch.zeros(1, 40), 4, start=start, tolerance=1e-4)
    assert torch.allclose(found.S[0], torch.linspace(3, 1, 40)[:4], atol=1e-3)
