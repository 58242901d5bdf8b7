"""Standardised observations say the same of z as the originals of x."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.core.grid import Grid
from isopleth.core.normalise import Standardise
from isopleth.observe import Observation, PointOperator, ProfileOperator
from isopleth.observe.scaled import ScaledOperator, standardised

GRID = Grid.regular(30.0, levels=[0.0, 50.0, 200.0])
GRID = GRID.with_mask(np.random.default_rng(3).random(GRID.shape) < 0.7)


def field(seed: int, *lead: int) -> Tensor:
    stream = torch.Generator().manual_seed(seed)
    return torch.randn(*lead, *GRID.shape, generator=stream, dtype=torch.float64)


def scaling(by_level: bool) -> Standardise:
    if by_level:
        return Standardise(torch.tensor([10.0, 8.0, 3.0]), torch.tensor([2.0, 1.5, 0.25]))
    return Standardise(5.0 + field(0), field(1).abs() + 0.1)


def seen() -> Observation:
    rng = np.random.default_rng(1)
    at = ProfileOperator(
        GRID, rng.uniform(-90, 90, 20), rng.uniform(0, 360, 20), [0.0, 20.0, 150.0]
    )
    values = torch.from_numpy(rng.normal(8.0, 3.0, (20, 3)))
    values[4, 1] = np.nan
    return Observation(values, at, torch.from_numpy(rng.uniform(0.1, 2.0, (20, 3))))


@pytest.mark.parametrize("by_level", [True, False])
def test_the_likelihood_is_the_same(by_level: bool) -> None:
    z, scale = field(2, 4), scaling(by_level)
    original, scaled = seen(), standardised(seen(), scale)
    x = scale.inverse(z)
    assert scaled.residual(z).numpy() == pytest.approx(original.residual(x).numpy(), abs=1e-12)
    assert torch.allclose(scaled.log_likelihood(z), original.log_likelihood(x))
    assert torch.equal(scaled.valid, original.valid)
    assert not bool(original.valid.all())


def test_the_adjoint_is_exact() -> None:
    operator = ScaledOperator(seen().operator, scaling(False).std)  # type: ignore[arg-type]
    z, y = field(4), torch.randn(20, 3, dtype=torch.float64)
    assert float((operator(z) * y).sum()) == pytest.approx(float((z * operator.adjoint(y)).sum()))
    dense = operator.matrix().to_dense() @ z.flatten()
    assert torch.allclose(dense, operator(z).flatten())


def test_land_is_not_looked_at() -> None:
    scale = scaling(False)
    land = torch.from_numpy(~GRID.mask)
    other = Standardise(scale.mean.masked_fill(land, 1e6), scale.std.masked_fill(land, 1e6))
    a, b = standardised(seen(), scale), standardised(seen(), other)
    assert torch.equal(a.values.nan_to_num(), b.values.nan_to_num())
    z = field(2)
    assert torch.equal(a.operator(z), b.operator(z.masked_fill(land, float("nan"))))


def test_other_levels_and_other_operators_are_refused() -> None:
    with pytest.raises(InputError, match=r"shape \(2, 1, 1\) does not fit a grid of \(3, 6, 12\)"):
        standardised(seen(), Standardise(torch.zeros(2), torch.ones(2)))

    class Speed:
        valid = torch.ones(1, dtype=torch.bool)

        def __call__(self, x: Tensor) -> Tensor:
            return x.flatten(-3)[..., :1].square()

    squared = Observation(torch.ones(1), Speed(), torch.tensor(1.0))
    with pytest.raises(InputError, match="Speed is not a weighted sum"):
        standardised(squared, scaling(True))
    wrong = PointOperator(Grid.regular(30.0, levels=[0.0]), [0.0], [0.0])
    with pytest.raises(InputError, match="does not fit"):
        standardised(Observation(torch.ones(1), wrong, torch.tensor(1.0)), scaling(True))
