"""Several observations as one vector."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.core.grid import Grid
from isopleth.observe import MaskOperator, Observation, PointOperator
from isopleth.observe.stacked import Stacked

GRID = Grid.regular(30.0, levels=[0.0, 50.0])
LAND = np.zeros(GRID.shape, dtype=bool)
LAND[:, :2, :5] = True
OCEAN = GRID.with_mask(~LAND)


def observations() -> list[Observation]:
    cells = MaskOperator(OCEAN, ~LAND & (np.random.default_rng(0).random(GRID.shape) < 0.3))
    rng = np.random.default_rng(1)
    lat, lon = rng.uniform(-90, 90, 30), rng.uniform(0, 360, 30)
    points = PointOperator(OCEAN, lat, lon, level=1)
    values = [torch.from_numpy(rng.standard_normal(tuple(o.valid.shape))) for o in (cells, points)]
    values[0][3] = np.nan
    return [
        Observation(values[0], cells, torch.tensor(0.1)),
        Observation(values[1], points, torch.from_numpy(rng.uniform(0.1, 1.0, 30))),
    ]


def test_only_what_counts_is_kept_and_the_likelihood_is_that_of_the_parts() -> None:
    parts = observations()
    stacked = Stacked(parts)
    assert len(stacked.values) == sum(int(o.valid.sum()) for o in parts)
    assert len(stacked.values) < sum(o.values.numel() for o in parts)
    x = torch.randn(3, *GRID.shape, dtype=torch.float64)
    squared = (stacked.residual(x).square() / stacked.variance).sum(-1)
    each = sum((o.residual(x).square() / o.variance).flatten(1).sum(-1) for o in parts)
    assert torch.allclose(squared, torch.as_tensor(each))


def test_the_adjoint_is_exact() -> None:
    stacked = Stacked(observations())
    x = torch.randn(2, *GRID.shape, dtype=torch.float64)
    v = torch.randn(2, len(stacked.values), dtype=torch.float64)
    assert torch.allclose((stacked(x) * v).sum(), (x * stacked.adjoint(v)).sum())


def test_nothing_to_see_is_refused_and_so_is_an_operator_without_adjoint() -> None:
    with pytest.raises(InputError, match="no observation"):
        Stacked([])

    class Square:
        valid = torch.ones(1, dtype=torch.bool)

        def __call__(self, x: Tensor) -> Tensor:
            return x.flatten(-3)[..., :1].square()

    with pytest.raises(InputError, match="Square has no adjoint"):
        Stacked([Observation(torch.ones(1), Square(), torch.tensor(1.0))])
