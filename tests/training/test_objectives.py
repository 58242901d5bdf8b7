"""The loss has its known minimum, sees no land, and its noise levels have their law."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from isopleth.core.errors import InputError
from isopleth.training.objectives import (
    DenoisingLoss,
    EdmWeight,
    LogNormal,
    LogUniform,
    ReferenceWeight,
)

MASK = torch.ones(2, 5, 6, dtype=torch.bool)
MASK[0, :2] = False


class Shrink(nn.Module):
    """D(x, sigma) = factor x / (1 + sigma^2): the best one for N(0, 1) cells at factor 1."""

    def __init__(self, factor: float = 1.0, land: float = 0.0) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))
        self.land = land

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        answer = self.factor * x / (1 + sigma[:, None, None, None] ** 2)
        return torch.where(MASK, answer, self.land)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def fields(count: int) -> Tensor:
    return torch.randn(count, *MASK.shape, generator=generator(9)) * MASK


def test_the_best_denoiser_has_a_loss_of_one() -> None:
    loss = DenoisingLoss(Shrink(), MASK)(fields(4000), generator())
    assert loss.item() == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("factor", [0.8, 0.95, 1.05, 1.2])
def test_every_other_denoiser_loses_more(factor: float) -> None:
    x = fields(4000)
    best = DenoisingLoss(Shrink(), MASK)(x, generator())
    assert DenoisingLoss(Shrink(factor), MASK)(x, generator()) > best


def test_land_says_nothing() -> None:
    x = fields(8)
    clean = DenoisingLoss(Shrink(), MASK)(x, generator())
    dirty = DenoisingLoss(Shrink(land=50.0), MASK)(torch.where(MASK, x, 3.0), generator())
    assert dirty.item() == clean.item()


def test_land_that_is_no_number_does_no_harm() -> None:
    objective, x = DenoisingLoss(Shrink(), MASK), fields(8)
    clean = objective(x, generator())
    loss = objective(torch.where(MASK, x, torch.nan), generator())
    loss.backward()
    assert loss.item() == clean.item()
    assert torch.isfinite(objective.denoiser.factor.grad)


def test_weights_are_a_mean_over_the_ocean() -> None:
    x = fields(8)
    area = torch.linspace(0.2, 1.0, 5)[:, None]
    once = DenoisingLoss(Shrink(), MASK, area)(x, generator())
    twice = DenoisingLoss(Shrink(), MASK, 2 * area)(x, generator())
    assert twice.item() == pytest.approx(once.item(), rel=1e-6)
    assert once.item() != DenoisingLoss(Shrink(), MASK)(x, generator()).item()


def test_a_batch_can_tell_the_denoiser_more() -> None:
    class Told(Shrink):
        def forward(self, x: Tensor, sigma: Tensor, month: Tensor) -> Tensor:  # type: ignore[override]
            return super().forward(x, sigma) * month[:, None, None, None]

    x = fields(8)
    told = DenoisingLoss(Told(), MASK)((x, torch.full((8,), 0.5)), generator())
    assert torch.equal(told, DenoisingLoss(Shrink(0.5), MASK)(x, generator()))


def test_a_denoiser_may_bring_its_own_weight() -> None:
    class Weighted(Shrink):
        def loss_weight(self, sigma: Tensor) -> Tensor:
            return 3.0 * EdmWeight()(sigma)

    x = fields(8)
    plain = DenoisingLoss(Shrink(), MASK)(x, generator()).item()
    assert DenoisingLoss(Weighted(), MASK)(x, generator()).item() == pytest.approx(3 * plain)
    given = DenoisingLoss(Weighted(), MASK, weighting=EdmWeight())(x, generator())
    assert given.item() == plain


def test_only_the_denoiser_is_kept() -> None:
    assert set(DenoisingLoss(Shrink(), MASK).state_dict()) == {"denoiser.factor"}


def test_noise_levels_have_their_law() -> None:
    u = (torch.arange(10_000) + 0.5) / 10_000
    normal = LogNormal(-1.0, 0.7)(u).log()
    assert normal.mean().item() == pytest.approx(-1.0, abs=1e-3)
    assert normal.std().item() == pytest.approx(0.7, abs=2e-3)
    uniform = LogUniform(0.02, 80.0)(u).log()
    assert uniform.mean().item() == pytest.approx(math.log(0.02 * 80.0) / 2, abs=1e-3)
    assert uniform.std().item() == pytest.approx(math.log(80 / 0.02) / 12**0.5, rel=1e-3)


def test_extreme_quantiles_stay_in_range() -> None:
    levels = LogNormal(low=0.01, high=10.0)(torch.tensor([0.0, 1.0]))
    assert levels.tolist() == pytest.approx([0.01, 10.0])


def test_a_batch_is_spread_over_the_levels() -> None:
    seen: list[Tensor] = []

    class Spy(Shrink):
        def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
            seen.append(sigma)
            return super().forward(x, sigma)

    loss = DenoisingLoss(Spy(), MASK, levels=LogUniform(1.0, math.e))
    for seed in range(400):
        loss(fields(8), generator(seed))
    u = torch.stack(seen).log()
    assert torch.all(torch.histc(u[0], 8, 0.0, 1.0) == 1)  # one in every eighth
    assert u[:, 0].mean().item() == pytest.approx(0.5, abs=0.05)  # each row: uniform over draws
    assert u[:, 0].std().item() == pytest.approx(12**-0.5, abs=0.03)


def test_the_reference_makes_the_loss_a_ratio() -> None:
    sigmas = torch.logspace(-3, 3, 60)
    errors = sigmas**2 / (1 + sigmas**2)
    weight = ReferenceWeight(sigmas, errors)
    torch.testing.assert_close(weight(sigmas), 1 / errors)
    between = torch.tensor([0.013, 0.9, 40.0])
    torch.testing.assert_close(weight(between), EdmWeight()(between), rtol=5e-3, atol=0)
    single = ReferenceWeight(torch.tensor([1.0]), torch.tensor([0.5]))
    assert single(between).tolist() == [2.0, 2.0, 2.0]


def test_what_is_refused() -> None:
    with pytest.raises(InputError, match="no range"):
        LogUniform(1.0, 1.0)
    with pytest.raises(InputError, match="no table"):
        ReferenceWeight(torch.tensor([1.0, 0.5]), torch.tensor([1.0, 1.0]))
    with pytest.raises(InputError, match="cannot weigh"):
        ReferenceWeight(torch.tensor([0.5, 1.0]), torch.tensor([0.0, 1.0]))
    with pytest.raises(InputError, match="no ocean cell"):
        DenoisingLoss(Shrink(), torch.zeros_like(MASK))
