"""Covariances held as numbers: samples and matrices."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.inference.variational import (
    ExplicitCovariance,
    MatrixCovariance,
    RootedCovariance,
    SampleCovariance,
    draw,
)

SHAPE = (2, 3, 2)
CELLS = 12


def normal(*shape: int, seed: int = 0) -> Tensor:
    stream = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=stream, dtype=torch.float64)


def samples(count: int) -> Tensor:
    mix = normal(CELLS, CELLS, seed=1)
    return (normal(count, CELLS, seed=2) @ mix + 5.0).reshape(count, *SHAPE)


def dense(covariance: RootedCovariance) -> Tensor:
    units = torch.eye(CELLS, dtype=torch.float64).reshape(CELLS, *SHAPE)
    return covariance.product(units).flatten(1)


@pytest.mark.parametrize("count", [7, 60])  # fewer and more samples than cells
@pytest.mark.parametrize("kind", [SampleCovariance, MatrixCovariance])
def test_it_is_the_sample_covariance(
    kind: type[SampleCovariance] | type[MatrixCovariance], count: int
) -> None:
    covariance = kind.fit(samples(count))
    C = torch.cov(samples(count).flatten(1).T)
    assert isinstance(covariance, RootedCovariance)
    assert isinstance(covariance, ExplicitCovariance)
    assert torch.allclose(dense(covariance), C)
    assert torch.allclose(covariance.variance.flatten(), C.diagonal())
    half = covariance.scaled(0.5)
    assert torch.allclose(dense(half), 0.25 * C)
    assert torch.allclose(half.variance, 0.25 * covariance.variance)
    H = normal(CELLS, 5, seed=3)
    crossed = half.cross(lambda x: x.flatten(1) @ H, torch.ones(1).double())
    assert torch.allclose(crossed.HB.flatten(1), 0.25 * H.T @ C)
    assert torch.allclose(crossed.HBH, 0.25 * H.T @ C @ H)
    z = normal(2, 5, seed=4)
    assert torch.allclose(crossed.increment(z).flatten(1), 0.25 * z @ H.T @ C)


@pytest.mark.parametrize("kind", [SampleCovariance, MatrixCovariance])
def test_the_root_and_its_adjoint(kind: type[SampleCovariance] | type[MatrixCovariance]) -> None:
    covariance = kind.fit(samples(60)).scaled(0.7)
    v, x = normal(4, *covariance.control_shape), normal(4, *SHAPE, seed=5)
    pairs = (covariance.sqrt(v) * x).flatten(1).sum(1), (v * covariance.sqrt_adjoint(x)).flatten(1)
    assert torch.allclose(pairs[0], pairs[1].sum(1))
    assert torch.allclose(covariance.sqrt(covariance.sqrt_adjoint(x)), covariance.product(x))
    found = draw(covariance, 20_000, torch.Generator().manual_seed(0))
    C = dense(covariance)
    assert torch.allclose(torch.cov(found.flatten(1).T), C, atol=0.05 * float(C.diagonal().max()))


def test_leading_modes_are_those_of_the_covariance() -> None:
    C = torch.cov(samples(60).flatten(1).T)
    values, V = torch.linalg.eigh(C)
    kept = SampleCovariance.fit(samples(60), modes=4)
    expected = (V[:, -4:] * values[-4:]) @ V[:, -4:].T
    assert kept.control_shape == (4,)
    assert torch.allclose(dense(kept), expected, atol=1e-6 * float(values[-1]))


def test_a_matrix_without_full_rank_has_a_root() -> None:
    X = normal(3, CELLS)
    covariance = MatrixCovariance(X.T @ X, SHAPE)
    assert torch.allclose(dense(covariance), X.T @ X)
    assert torch.allclose(
        covariance.sqrt(covariance.sqrt(normal(*SHAPE))), covariance.product(normal(*SHAPE))
    )


def test_bad_input() -> None:
    hole = samples(5)
    hole[2, 0, 0, 0] = torch.nan
    for kind in (SampleCovariance, MatrixCovariance):
        with pytest.raises(
            InputError, match="1 of 5 samples are not finite, the first is number 2"
        ):
            kind.fit(hole)
        with pytest.raises(
            InputError, match=r"samples of shape \(1, 2, 3, 2\) have no covariance"
        ):
            kind.fit(samples(1))
        with pytest.raises(InputError, match=r"amplitude is 0\.0"):
            kind.fit(samples(5)).scaled(0.0)
    with pytest.raises(InputError, match="the matrix is not symmetric"):
        MatrixCovariance(normal(3, 3), (3,))
    with pytest.raises(InputError, match=r"shape \(3, 3\), but a state \(2,\)"):
        MatrixCovariance(torch.eye(3), (2,))
    with pytest.raises(InputError, match="has a variance of -1"):
        MatrixCovariance(-torch.eye(3), (3,))
    with pytest.raises(InputError, match="not finite, or no axis of rows"):
        SampleCovariance(torch.tensor([[torch.inf]]))
