"""MMPS against the exact posterior of a Gaussian prior."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.inference.mmps import MMPS
from isopleth.observe import MaskOperator, Observation
from isopleth.observe.scaled import ScaledOperator

if TYPE_CHECKING:
    from conftest import GaussianOcean


class Network:
    """The same denoiser without its closed form: everything has to come from derivatives."""

    def __init__(self, ocean: GaussianOcean) -> None:
        self.prior, self.calls = ocean.prior, 0

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        self.calls += 1
        return self.prior(x, sigma)


def noisy(ocean: GaussianOcean, sigma: float, rows: int = 3) -> Tensor:
    stream = torch.Generator().manual_seed(5)
    return ocean.truth + sigma * torch.randn(rows, *ocean.shape, generator=stream)


def exact(ocean: GaussianOcean, x: Tensor, sigma: float, seen: list[Observation]) -> Tensor:
    """`E[x0 | x, y]`: the noisy field is one more observation."""
    everywhere = MaskOperator(ocean.grid, ocean.grid.mask)
    rows = [Observation(everywhere(row), everywhere, torch.tensor(sigma**2)) for row in x]
    return torch.stack([ocean.prior.posterior([*seen, row])[0] for row in rows])


@pytest.mark.parametrize("sigma", [0.05, 0.5, 3.0])
@pytest.mark.parametrize("closed", [True, False])
def test_the_posterior_mean_at_every_noise_level(
    ocean: GaussianOcean, sigma: float, closed: bool
) -> None:
    seen = [ocean.cells(), ocean.points()]
    prior = ocean.prior if closed else Network(ocean)
    x = noisy(ocean, sigma)
    found = MMPS(prior, seen, iterations=200)(x, torch.tensor(sigma))
    assert torch.allclose(found, exact(ocean, x, sigma, seen), atol=2e-3)
    assert not torch.allclose(ocean.prior(x, torch.tensor(sigma)), found, atol=2e-2)


def test_from_pure_noise_it_is_the_posterior_of_the_observations(ocean: GaussianOcean) -> None:
    seen = [ocean.cells(), ocean.points()]
    x = noisy(ocean, 1e3, rows=1)
    found = MMPS(ocean.prior, seen, iterations=200)(x, torch.tensor(1e3))
    assert torch.allclose(found[0], ocean.prior.posterior(seen)[0], atol=5e-3)


def test_more_iterations_come_closer(ocean: GaussianOcean) -> None:
    seen, x = [ocean.cells()], noisy(ocean, 1.0)
    truth = exact(ocean, x, 1.0, seen)
    sigma = torch.tensor(1.0)
    far = [
        float((MMPS(Network(ocean), seen, iterations=n)(x, sigma) - truth).norm())
        for n in (1, 2, 4, 8)
    ]
    assert far == sorted(far, reverse=True)
    assert far[3] < 0.1 * far[0] < 0.1 * float((ocean.prior(x, sigma) - truth).norm())


@pytest.mark.parametrize("iterations", [1, 3])
def test_rows_do_not_mix_and_each_has_its_noise_level(
    ocean: GaussianOcean, iterations: int
) -> None:
    method = MMPS(Network(ocean), [ocean.cells(), ocean.points()], iterations=iterations)
    x, sigma = noisy(ocean, 1.0), torch.tensor([0.2, 1.0, 5.0])
    together = method(x, sigma)
    for row, level, found in zip(x, sigma, together, strict=True):
        assert torch.allclose(method(row[None], level)[0], found, atol=1e-5)


def test_the_unit_of_an_observation_does_not_matter(ocean: GaussianOcean) -> None:
    """A few iterations, not only the limit: 1 K or 1000 mK weigh the same."""
    plain = ocean.points()
    thousand = ScaledOperator(plain.operator, torch.tensor(1000.0))  # type: ignore[arg-type]
    other = Observation(1000.0 * plain.values, thousand, 1e6 * plain.variance)
    x, sigma = noisy(ocean, 1.0), torch.tensor(1.0)
    a, b = (MMPS(ocean.prior, [ocean.cells(), o], iterations=2)(x, sigma) for o in (plain, other))
    assert torch.allclose(a, b, atol=1e-4)


def test_land_stays_empty_and_missing_values_count_for_nothing(ocean: GaussianOcean) -> None:
    seen = ocean.cells()
    values = seen.values.clone()
    values[::2] = torch.nan
    x, sigma = noisy(ocean, 1.0), torch.tensor(1.0)
    found = MMPS(ocean.prior, [replace(seen, values=values)])(x, sigma)
    assert bool(torch.isfinite(found).all())
    assert bool((found[:, ~ocean.prior.mask] == 0).all())
    nothing = replace(seen, values=torch.full_like(values, torch.nan))
    assert torch.equal(MMPS(ocean.prior, [nothing])(x, sigma), ocean.prior(x, sigma))


def test_one_evaluation_and_one_derivative_an_iteration(
    ocean: GaussianOcean, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, products, grad = Network(ocean), [], torch.autograd.grad
    monkeypatch.setattr(
        torch.autograd, "grad", lambda *a, **k: products.append(1) or grad(*a, **k)
    )
    found = MMPS(network, [ocean.cells()], iterations=4)(noisy(ocean, 1.0), torch.tensor(1.0))
    assert (network.calls, len(products)) == (1, 4)
    assert not found.requires_grad


def test_settings_are_checked(ocean: GaussianOcean) -> None:
    with pytest.raises(InputError, match="iterations is 0"):
        MMPS(ocean.prior, [ocean.cells()], iterations=0)
