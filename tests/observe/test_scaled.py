"""Standardised observations say the same of z as the originals of x."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.core.grid import Grid
from isopleth.core.normalise import Standardise
from isopleth.observe import (
    Beam,
    FootprintOperator,
    Observation,
    PointOperator,
    ProfileOperator,
    WeightedColumns,
)
from isopleth.observe.columns import ColumnOperator
from isopleth.observe.matrix import MatrixOperator
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


def means() -> Observation:
    """Footprints, whose terms are a list and not rows of equal length."""
    beam = Beam(np.linspace(1e6, 3e6, 6), 1.5e6, np.linspace(0.0, 300.0, 6))
    under = FootprintOperator(GRID, np.linspace(-80.0, 80.0, 6), np.arange(6) * 55.0, beam)
    stream = torch.Generator().manual_seed(6)
    values = torch.randn(6, 3, generator=stream, dtype=torch.float64)
    return Observation(values, under, torch.tensor(0.3))


OBSERVATIONS = pytest.mark.parametrize("observation", [seen, means])


@OBSERVATIONS
@pytest.mark.parametrize("by_level", [True, False])
def test_the_likelihood_is_the_same(
    by_level: bool, observation: Callable[[], Observation]
) -> None:
    z, scale = field(2, 4), scaling(by_level)
    original, scaled = observation(), standardised(observation(), scale)
    x = scale.inverse(z)
    assert scaled.residual(z).numpy() == pytest.approx(original.residual(x).numpy(), abs=1e-12)
    assert torch.allclose(scaled.log_likelihood(z), original.log_likelihood(x))
    assert torch.equal(scaled.valid, original.valid)
    assert not bool(original.valid.all())


@OBSERVATIONS
def test_the_adjoint_and_the_matrix_are_exact(observation: Callable[[], Observation]) -> None:
    plain = observation().operator
    assert isinstance(plain, MatrixOperator)
    operator = ScaledOperator(plain, scaling(False).std)
    assert isinstance(operator, MatrixOperator)
    stream = torch.Generator().manual_seed(8)
    z = field(4)
    y = torch.randn(operator.valid.shape, generator=stream, dtype=torch.float64)
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
    # linear, with an adjoint, but nobody has written its matrix down
    mixed = WeightedColumns(ColumnOperator(GRID, [0.0], [0.0]), [[0.2, 0.3, 0.5]])
    with pytest.raises(InputError, match="WeightedColumns is not a weighted sum"):
        standardised(Observation(torch.ones(1, 1), mixed, torch.tensor(1.0)), scaling(True))
    wrong = PointOperator(Grid.regular(30.0, levels=[0.0]), [0.0], [0.0])
    with pytest.raises(InputError, match="does not fit"):
        standardised(Observation(torch.ones(1), wrong, torch.tensor(1.0)), scaling(True))
