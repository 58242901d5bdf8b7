"""ReconMOST against its equations written out for an epsilon network, and the exact posterior."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.inference.reconmost import Dynamic, Fixed, Gradient, ReconMOST
from isopleth.priors import MemberNoise

if TYPE_CHECKING:
    from conftest import GaussianOcean

STEPS = 30


class Counted:
    """A prior that counts, and remembers whether it was asked to build a graph."""

    def __init__(self, ocean: GaussianOcean) -> None:
        self.prior, self.calls, self.graph = ocean.prior, 0, False

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        self.calls += 1
        self.graph |= torch.is_grad_enabled()
        return self.prior(x, sigma)


def target(ocean: GaussianOcean, share: float = 0.15) -> tuple[Tensor, Tensor]:
    """Exact values of some cells, NaN elsewhere."""
    draw = torch.rand(ocean.shape, generator=torch.Generator().manual_seed(3))
    seen = ocean.prior.mask & (draw < share)
    return torch.where(seen, ocean.truth, torch.nan), seen


def spread(g: Tensor) -> Tensor:
    """The 5 x 5 kernel cell by cell: circular in longitude, nothing beyond the poles."""
    total, rows = torch.zeros_like(g), g.shape[-2]
    for i in range(-2, 3):
        moved = torch.zeros_like(g)
        moved[..., max(i, 0) : rows + min(i, 0), :] = g[..., max(-i, 0) : rows - max(i, 0), :]
        for j in range(-2, 3):
            total += 2.718281828 ** (-(i * i + j * j) / 2) * moved.roll(j, -1)
    return total


def published(ocean: GaussianOcean, method: ReconMOST, noise: MemberNoise) -> Tensor:
    """The chain as the program runs it, on an epsilon network, with `abar` and `beta` tables."""
    T, kind = method.steps, method.gradient
    beta = (1000 / T) * torch.linspace(1e-4, 0.02, T, dtype=torch.float64)
    abar = torch.cumprod(1 - beta, 0)

    def eps(x: Tensor, t: int) -> Tensor:
        x0 = ocean.prior(x / abar[t].sqrt().float(), ((1 - abar[t]) / abar[t]).sqrt().float())
        return (x - abar[t].sqrt() * x0) / (1 - abar[t]).sqrt()

    def denoised(x: Tensor, t: int) -> Tensor:
        x0 = (x - (1 - abar[t]).sqrt() * eps(x, t)) / abar[t].sqrt()
        return x0 if method.clamp is None else x0.clamp(*method.clamp)

    def gamma(x: Tensor, t: int) -> Tensor:
        return torch.where(method.seen, method.cells - denoised(x, t), 0.0).detach()

    def dynamic(x: Tensor, t: int) -> Tensor:
        apart, x = gamma(x, t), x.detach().requires_grad_()
        through = torch.autograd.grad((eps(x, t) * apart).sum(), x)[0]
        return (1 / abar[t]).sqrt() * 2 * apart - (1 / abar[t] - 1).sqrt() * 2 * through

    x = noise(ocean.shape).double()
    for t in reversed(range(T)):
        before = abar[t - 1] if t > 0 else torch.tensor(1.0, dtype=torch.float64)
        x0 = denoised(x, t)
        mu = beta[t] * before.sqrt() / (1 - abar[t]) * x0
        mu = mu + (1 - beta[t]).sqrt() * (1 - before) / (1 - abar[t]) * x
        if isinstance(kind, Fixed):
            g = kind.strength * 2 * gamma(x, t)
            g = spread(g) if kind.soft else g
        else:
            g = dynamic(mu, t - 1) if kind.ahead and t > 0 else dynamic(x, t)
        x = (mu + beta[t] * g).detach()
        if method.noise and t > 0:
            x = x + beta[t].sqrt() * noise(ocean.shape)
    return x


@pytest.mark.parametrize("noise", [False, True])
@pytest.mark.parametrize("clamp", [None, (-0.8, 0.8)])
@pytest.mark.parametrize(
    "gradient", [Fixed(), Fixed(1.5, soft=True), Dynamic(), Dynamic(ahead=True)], ids=repr
)
def test_the_published_chain(
    ocean: GaussianOcean, gradient: Gradient, clamp: tuple[float, float] | None, noise: bool
) -> None:
    cells, seen = target(ocean)
    method = ReconMOST(ocean.prior, cells, seen, gradient, STEPS, noise, clamp)
    found = method(MemberNoise(0, [0, 1]), ocean.shape)
    wanted = published(ocean, method, MemberNoise(0, [0, 1])).float()
    assert torch.allclose(found, wanted, atol=2e-3, rtol=1e-3)


def test_without_noise_it_is_near_the_posterior_mean(ocean: GaussianOcean) -> None:
    cells, seen = target(ocean, 0.1)
    exact, _ = ocean.prior.posterior([ocean.seen_cells(seen)])
    found = ReconMOST(ocean.prior, cells, seen, steps=50)(MemberNoise(0, range(3)), ocean.shape)
    climatology = float(exact.square().mean().sqrt())
    apart = (found - exact).square().mean((1, 2, 3)).sqrt()
    assert bool((apart < 0.25 * climatology).all())
    assert float((found[0] - found[1]).abs().max()) < 0.05
    longer = ReconMOST(ocean.prior, cells, seen, steps=400)(MemberNoise(0, [0]), ocean.shape)
    assert float((longer - found[0]).square().mean().sqrt()) < 0.1 * climatology


@pytest.mark.parametrize("gradient", [Fixed(), Dynamic(), Dynamic(ahead=True)], ids=repr)
def test_evaluations_are_counted_and_only_dynamic_forms_differentiate(
    ocean: GaussianOcean, gradient: Gradient
) -> None:
    prior, told = Counted(ocean), []
    method = ReconMOST(prior, *target(ocean), gradient=gradient, steps=STEPS)
    found = method(MemberNoise(0, [0]), ocean.shape, progress=told.append)
    assert (
        prior.calls == method.evaluations == STEPS * (2 if gradient.ahead else 1) - gradient.ahead
    )
    assert prior.graph == isinstance(gradient, Dynamic)
    assert not found.requires_grad
    assert told[-1] == 1.0
    assert len(told) == STEPS


@pytest.mark.parametrize("gradient", [Fixed(), Dynamic()], ids=repr)
def test_a_member_does_not_depend_on_the_others(ocean: GaussianOcean, gradient: Gradient) -> None:
    method = ReconMOST(ocean.prior, *target(ocean), gradient=gradient, steps=STEPS, noise=True)
    together = method(MemberNoise(0, range(4)), ocean.shape)
    alone = method(MemberNoise(0, [2]), ocean.shape)
    assert torch.allclose(together[2], alone[0], atol=1e-4)


def test_each_member_may_have_its_own_cells(ocean: GaussianOcean) -> None:
    cells, seen = target(ocean)
    both = torch.stack([cells, -cells]), torch.stack([seen, seen])
    a, b = ReconMOST(ocean.prior, *both, steps=STEPS)(MemberNoise(0, [0, 1]), ocean.shape)
    assert float((a + b).square().mean()) < 0.02 * float(a.square().mean())


def test_land_stays_empty(ocean: GaussianOcean) -> None:
    method = ReconMOST(ocean.prior, *target(ocean), steps=STEPS)
    found = method(MemberNoise(0, [0]), ocean.shape)
    assert bool((found[:, ~ocean.prior.mask] == 0).all())
    assert bool(torch.isfinite(found).all())


def test_settings_are_checked(ocean: GaussianOcean) -> None:
    cells, seen = target(ocean)
    with pytest.raises(InputError, match="20 steps"):
        ReconMOST(ocean.prior, cells, seen, steps=20)
    with pytest.raises(InputError, match="one flag for every cell"):
        ReconMOST(ocean.prior, cells, seen[0])
    with pytest.raises(InputError, match="no finite value"):
        ReconMOST(ocean.prior, cells, ~seen)
    with pytest.raises(InputError, match="strength is 0"):
        Fixed(0.0)
