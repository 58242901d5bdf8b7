"""The exact posterior takes every operator that can be written down."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from isopleth.core.errors import InputError
from isopleth.core.grid import Grid
from isopleth.observe import (
    Beam,
    ColumnOperator,
    FootprintOperator,
    Observation,
    PointOperator,
    WeightedColumns,
)
from isopleth.observe.scaled import ScaledOperator
from isopleth.priors.posterior import LowRank, posterior

GRID = Grid.regular(45.0, levels=[0.0, 100.0])
GRID = GRID.with_mask(np.random.default_rng(1).random(GRID.shape) < 0.8)


def prior() -> LowRank:
    rng = np.random.default_rng(2)
    cells = int(GRID.mask.sum())
    return LowRank(rng.normal(size=(cells, 4)), rng.uniform(0.2, 1.0, cells), GRID.mask)


def test_footprints_and_scaled_operators_together_with_points() -> None:
    mean = FootprintOperator(GRID, [10.0, -40.0], [30.0, 250.0], Beam.circular(4e6))
    point = PointOperator(GRID, [20.0, -20.0], [100.0, 200.0], level=[0, 1])
    scaled = ScaledOperator(mean, torch.linspace(0.5, 2.0, GRID.mask.size).reshape(GRID.shape))
    operators = [mean, point, scaled]
    stream = torch.Generator().manual_seed(3)
    seen = [
        Observation(
            torch.randn(A.valid.shape, generator=stream, dtype=torch.float64),
            A,
            torch.tensor(0.2, dtype=torch.float64),
        )
        for A in operators
    ]
    rows = torch.cat([A.matrix().to_dense()[A.valid.flatten()] for A in operators])
    H = rows.numpy()[:, GRID.mask.ravel()]
    y = torch.cat([o.values[o.valid] for o in seen]).numpy()
    assert len(y) >= 8
    p = prior()
    B = p.U @ p.U.T + np.diag(p.trailing)
    K = B @ H.T @ np.linalg.inv(H @ B @ H.T + 0.2 * np.eye(len(y)))
    found = posterior(p, seen)
    assert found[0] == pytest.approx(K @ y)
    assert found[1] == pytest.approx((B - K @ H @ B).diagonal())


def test_an_operator_without_a_matrix_is_refused() -> None:
    mixed = WeightedColumns(ColumnOperator(GRID, [0.0], [0.0]), [[0.4, 0.6]])
    with pytest.raises(InputError, match="WeightedColumns has no sparse matrix"):
        posterior(prior(), [Observation(torch.ones(1, 1), mixed, torch.tensor(1.0))])
