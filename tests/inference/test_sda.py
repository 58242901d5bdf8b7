"""SDA on fields: exact where its assumption holds, and what it promises where it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.inference.dps import DPS
from isopleth.inference.sda import SDA
from isopleth.observe import MaskOperator, Observation
from isopleth.priors import EofGaussian, MemberNoise
from isopleth.priors.samplers import Ancestral
from isopleth.priors.schedules import karras

if TYPE_CHECKING:
    from conftest import GaussianOcean


def rmse(x: Tensor) -> float:
    return float(x.square().mean().sqrt())


def white(ocean: GaussianOcean) -> EofGaussian:
    """`x ~ N(0, I)`: the error of the denoised field is what `gamma = 1` says it is."""
    return EofGaussian(
        ocean.prior.vectors, torch.zeros(12), torch.tensor(1.0), ocean.prior.mask
    )  # fmt: skip


@pytest.mark.parametrize("sigma", [0.1, 1.0, 10.0])
def test_it_is_exact_on_a_white_prior(ocean: GaussianOcean, sigma: float) -> None:
    prior, seen = white(ocean), [ocean.cells()]
    x = ocean.truth + sigma * MemberNoise(1, [0, 1])(ocean.shape)
    found = SDA(prior, seen, gamma=1.0)(x, torch.tensor(sigma))
    everywhere = MaskOperator(ocean.grid, ocean.grid.mask)
    for row, guided in zip(x, found, strict=True):
        noisy = Observation(everywhere(row), everywhere, torch.tensor(sigma**2))
        assert torch.allclose(guided, prior.posterior([*seen, noisy])[0], atol=1e-5)


def test_without_gamma_it_is_dps(ocean: GaussianOcean) -> None:
    """Both forms: then the denoised field is taken as certain."""
    seen, sigma = [ocean.points()], torch.tensor(0.7)
    x = ocean.truth + 0.7 * MemberNoise(1, [0, 1])(ocean.shape)
    expected = DPS(ocean.prior, seen)(x, sigma)
    for scalar in (False, True):
        assert torch.equal(SDA(ocean.prior, seen, 0.0, scalar=scalar)(x, sigma), expected)


def test_the_published_variance(ocean: GaussianOcean) -> None:
    """`R + gamma s^2`, the same for every value: as DPS with that R."""
    seen, sigma = ocean.points(), torch.tensor(1.5)
    x = ocean.truth + 1.5 * MemberNoise(1, [0, 1])(ocean.shape)
    wider = Observation(seen.values, seen.operator, seen.variance + 0.1 * 1.5**2)
    found = SDA(ocean.prior, [seen], 0.1, scalar=True)(x, sigma)
    assert torch.allclose(found, DPS(ocean.prior, [wider])(x, sigma), atol=1e-5)


def test_few_observations_bring_samples_closer(ocean: GaussianOcean) -> None:
    seen, sigmas = ocean.cells(0.03), karras(40, 0.02, 20.0)
    noise = lambda: MemberNoise(2, range(16))  # noqa: E731
    free = Ancestral(ocean.prior, sigmas)(noise(), ocean.shape)
    guided = Ancestral(SDA(ocean.prior, [seen]), sigmas)(noise(), ocean.shape)
    exact = ocean.prior.posterior([seen])[0]
    assert rmse(seen.residual(guided)) < 0.5 * rmse(seen.residual(free))
    assert rmse(guided.mean(0) - exact) < 0.8 * rmse(free.mean(0) - exact)


def test_settings_are_checked(ocean: GaussianOcean) -> None:
    with pytest.raises(InputError, match="gamma is -1"):
        SDA(ocean.prior, [ocean.cells()], gamma=-1.0)
    with pytest.raises(InputError, match="probes is 0"):
        SDA(ocean.prior, [ocean.cells()], probes=0)
    with pytest.raises(InputError, match="no observation"):
        SDA(ocean.prior, [])
