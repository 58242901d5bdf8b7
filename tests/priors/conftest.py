"""A Gaussian prior of 30 ocean cells, and its covariance as a matrix."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from isopleth.priors.gaussian import EofGaussian

SHAPE = (2, 4, 5)


@pytest.fixture(params=["one trailing variance", "one a cell"])
def gaussian(request: pytest.FixtureRequest) -> EofGaussian:
    stream = torch.Generator().manual_seed(7)
    mask = torch.ones(SHAPE, dtype=torch.bool)
    mask[:, 0, :5] = False
    V = torch.randn(4, *SHAPE, generator=stream, dtype=torch.float64)
    field = torch.rand(SHAPE, generator=stream, dtype=torch.float64) + 0.05
    trailing = field if request.param == "one a cell" else torch.tensor(0.2, dtype=torch.float64)
    variances = torch.tensor([2.0, 0.6, 0.1, 0.0], dtype=torch.float64)
    return EofGaussian(V, variances, trailing, mask)


@pytest.fixture
def covariance(gaussian: EofGaussian) -> Tensor:
    """S on the ocean cells, shape (30, 30)."""
    V = gaussian.vectors[:, gaussian.mask]
    trailing = gaussian.trailing.expand(SHAPE)[gaussian.mask]
    return V.T @ torch.diag(gaussian.variances) @ V + torch.diag(trailing)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)
