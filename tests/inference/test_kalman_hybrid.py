"""Covariances as products, and the hybrid analysis, against dense matrices."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.core.grid import Grid
from isopleth.dynamics.lorenz import Components
from isopleth.inference.kalman import (
    ETKF,
    LETKF,
    EnsembleCovariance,
    HybridEnVar,
    Located,
    PeriodicLine,
    Sphere,
    Tapered,
)
from isopleth.inference.variational.covariance import MatrixCovariance
from isopleth.observe import Observation

SIZE = 16
LINE = PeriodicLine(SIZE)


def draw(*shape: int, seed: int = 0) -> Tensor:
    stream = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=stream, dtype=torch.float64)


def static() -> MatrixCovariance:
    root = draw(SIZE, SIZE, seed=1)
    return MatrixCovariance(root @ root.T / SIZE + 0.1 * torch.eye(SIZE), (SIZE,))


def seen() -> Located:
    index = (0, 2, 3, 7, 12)
    values = 1.0 + draw(5, seed=2)
    observation = Observation(values, Components(index, SIZE), 0.1 + draw(5, seed=3).square())
    return Located(observation, [[float(i)] for i in index])


def members(count: int = 6) -> Tensor:
    return draw(count, SIZE, seed=4)


def gain(B: Tensor, H: Tensor, R: Tensor) -> Tensor:
    return B @ H.T @ torch.linalg.inv(H @ B @ H.T + torch.diag(R))


def matrix_of(covariance: EnsembleCovariance) -> Tensor:
    return torch.stack([covariance.product(row) for row in torch.eye(SIZE, dtype=torch.float64)])


# --- covariances -----------------------------------------------------------------------------


def test_the_ensemble_covariance_is_the_schur_product() -> None:
    x, rho = members(), Tapered(LINE, 5.0)
    assert torch.allclose(matrix_of(EnsembleCovariance(x)), torch.cov(x.T))
    assert torch.allclose(matrix_of(EnsembleCovariance(x, rho)), rho.matrix * torch.cov(x.T))


def test_a_horizontal_correlation_serves_every_level() -> None:
    grid = Grid.regular(45.0, levels=[0.0, 100.0])
    rho = Tapered(Sphere.of(grid), 8000.0)
    x, v = draw(4, *grid.shape), draw(3, *grid.shape, seed=1)
    P = torch.cov(x.flatten(1).T)
    whole = torch.kron(torch.ones(2, 2, dtype=P.dtype), rho.matrix)
    found = EnsembleCovariance(x, rho).product(v)
    assert torch.allclose(found.flatten(1), v.flatten(1) @ (whole * P))
    assert torch.allclose(EnsembleCovariance(x).product(v).flatten(1), v.flatten(1) @ P)


@pytest.mark.parametrize("geometry", [LINE, Sphere.of(Grid.regular(30.0, levels=[0.0]))])
def test_the_taper_is_a_correlation(geometry: PeriodicLine | Sphere) -> None:
    rho = Tapered(geometry, 5.0 if geometry is LINE else 7000.0).matrix
    assert torch.allclose(rho.diagonal(), torch.ones(len(rho), dtype=rho.dtype))
    assert float(torch.linalg.eigvalsh(rho)[0]) > -1e-12
    assert bool((rho == 0).any())
    assert 0.01 < float(rho.mean()) < 0.9


# --- the hybrid ------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("radius", [None, 5.0])
def test_the_mean_is_that_of_the_mixed_covariance(share: float, radius: float | None) -> None:
    x, o = members(), seen()
    rho = None if radius is None else Tapered(LINE, radius)
    method = HybridEnVar(static=static(), deviations=ETKF(), localisation=rho, share=share)
    P = torch.cov(x.T) * (1.0 if rho is None else rho.matrix)
    B = (1 - share) * static().matrix + share * P
    H = o.operator(torch.eye(SIZE, dtype=x.dtype)).T
    expected = x.mean(0) + gain(B, H, o.variance) @ (o.values - H @ x.mean(0))
    found = method(x, [o])
    assert torch.allclose(found.mean(0), expected, atol=1e-5)
    inner = ETKF()(x, [o])
    assert torch.allclose(found - found.mean(0), inner - inner.mean(0))


def test_the_ensemble_alone_is_the_transform_filter() -> None:
    x, o = members(), seen()
    method = HybridEnVar(static=static(), deviations=ETKF(), share=1.0)
    assert torch.allclose(method(x, [o]), ETKF()(x, [o]), atol=1e-5)


def test_outer_loops_reach_the_minimum_of_a_nonlinear_problem() -> None:
    class Square(Components):
        def __call__(self, x: Tensor) -> Tensor:
            return super().__call__(x).square()

    x, B = members() + 2.0, static()
    H = Square((0, 2, 3, 7, 12), SIZE)
    values = torch.tensor([6.0, 3.0, 5.0, 2.0, 4.5], dtype=x.dtype)
    o = Observation(values, H, torch.tensor(0.2))
    first = x.mean(0)

    def slope(at: Tensor) -> float:
        at = at.clone().requires_grad_()
        d = at - first
        cost = d @ torch.linalg.solve(B.matrix, d) + (values - H(at)).square().sum() / 0.2
        return float(torch.autograd.grad(cost, at)[0].norm())

    def found(outer: int) -> Tensor:
        method = HybridEnVar(static=B, deviations=ETKF(), share=0.0, outer=outer)
        return method.mean(x, [o])

    assert slope(found(1)) > 0.1
    assert slope(found(12)) < 1e-3


def test_missing_values_and_no_values() -> None:
    x, o = members(), seen()
    deviations = LETKF(geometry=LINE, radius=4.0)
    method = HybridEnVar(static=static(), deviations=deviations, localisation=Tapered(LINE, 4.0))
    values = o.values.clone()
    values[1:4] = torch.nan
    gaps = Located(Observation(values, o.operator, o.variance), o.position)
    at = o.variance[[0, 4]]
    short = Observation(o.values[[0, 4]], Components((0, 12), SIZE), at)
    expected = method(x, [Located(short, [[0.0], [12.0]])])
    assert torch.allclose(method(x, [gaps]), expected, atol=1e-6)
    nothing = Observation(torch.full_like(values, torch.nan), o.operator, o.variance)
    assert torch.equal(method(x, [Located(nothing, o.position)]), x)
    assert torch.equal(method.mean(x, []), x.mean(0))
    assert method(x.float(), [o]).dtype == torch.float32


def test_bad_input() -> None:
    with pytest.raises(InputError, match=r"the ensemble's share is 1\.2"):
        HybridEnVar(static=static(), deviations=ETKF(), share=1.2)
    for name in ("iterations", "outer"):
        with pytest.raises(InputError, match=f"{name} is 0: give at least 1"):
            HybridEnVar(static=static(), deviations=ETKF(), **{name: 0})  # type: ignore[arg-type]
    method = HybridEnVar(static=static(), deviations=ETKF())
    with pytest.raises(InputError, match="the ensemble has 1 member"):
        method(members(1), [seen()])
    with pytest.raises(InputError, match="the ensemble has 1 member"):
        EnsembleCovariance(members(1))
    with pytest.raises(InputError, match="radius is inf"):
        Tapered(LINE, np.inf)
    with pytest.raises(InputError, match="10000 points make too large a matrix"):
        Tapered(PeriodicLine(10_000), 3.0)
