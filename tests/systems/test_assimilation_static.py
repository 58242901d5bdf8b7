"""The static covariance and its analysis against dense matrices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

from isopleth.core.channels import PRESSURE, Channels
from isopleth.core.errors import InputError
from isopleth.core.grid import EARTH_RADIUS
from isopleth.core.quantities import named_quantity
from isopleth.data.station_reports import read_report_frame
from isopleth.inference.screening import Readable, located
from isopleth.inference.variational import GaussNewton, Increment, RootedCovariance, ThreeDVar
from isopleth.systems.assimilation.covariance import KernelCovariance, columns_of, nodes_near
from isopleth.systems.assimilation.exact import KernelSeen
from isopleth.systems.assimilation.recipe import standard
from isopleth.systems.assimilation.sample import Sample
from isopleth.systems.assimilation.solving import analysis_deviation, solve
from isopleth.systems.assimilation.statistics import gaussian_of, stated

LAT, LON = np.arange(60.0, 29.0, -5.0), np.arange(0.0, 41.0, 5.0)
LENGTH = (600.0, 900.0)


@pytest.fixture(scope="module")
def channels() -> Channels:
    t = named_quantity("t")
    assert t is not None
    zeros = np.full((2, LAT.size, LON.size), 250.0)
    field = xr.DataArray(zeros, {"pressure": [500.0, 850.0], "lat": LAT, "lon": LON})
    return Channels.of({t: field}, PRESSURE)


@pytest.fixture(scope="module")
def covariance(channels: Channels) -> KernelCovariance:
    deviation = torch.linspace(0.5, 2.0, channels.grid.size, dtype=torch.float64)
    correlation = torch.tensor([[1.0, 0.6], [0.6, 1.0]], dtype=torch.float64)
    return KernelCovariance(channels.grid, deviation.reshape(channels.shape), correlation, LENGTH)


@pytest.fixture(scope="module")
def seen(channels: Channels) -> Readable:
    rng = np.random.default_rng(1)
    n = 30
    frame = pd.DataFrame(
        {
            "time": "2017-01-01",
            "lat": rng.uniform(32.0, 58.0, n),
            "lon": rng.uniform(1.0, 39.0, n),
            "variable": "t",
            "level": rng.choice([500.0, 650.0, 850.0], n),
            "value": 250.0 + rng.normal(0.0, 1.5, n),
            "unit": "K",
            "error": rng.uniform(0.3, 1.0, n),
        }
    )
    return located(read_report_frame(frame).matched(channels.quantities), channels)


def dense(B: KernelCovariance) -> np.ndarray:
    size = B.deviation.numel()
    unit = torch.eye(size, dtype=torch.float64).reshape(size, *B.state_shape)
    return B.product(unit).reshape(size, size).numpy()


def test_it_is_a_rooted_covariance_with_an_exact_adjoint(covariance: KernelCovariance) -> None:
    assert isinstance(covariance, RootedCovariance)
    generator = torch.Generator().manual_seed(0)
    v = torch.randn(3, *covariance.control_shape, generator=generator, dtype=torch.float64)
    x = torch.randn(3, *covariance.state_shape, generator=generator, dtype=torch.float64)
    one = (covariance.sqrt(v) * x).sum()
    other = (v * covariance.sqrt_adjoint(x)).sum()
    torch.testing.assert_close(one, other, rtol=1e-12, atol=0.0)


def test_its_correlation_is_the_gaussian_it_promises(covariance: KernelCovariance) -> None:
    B = dense(covariance)
    sd = covariance.deviation.numpy().ravel()
    rho = B / np.outer(sd, sd)
    np.testing.assert_allclose(np.diag(rho), 1.0, atol=1e-12)
    place = columns_of(covariance.grid)
    chord = np.linalg.norm(place[:, None] - place[None], axis=-1) * EARTH_RADIUS / 1000.0
    n = len(place)
    for c, length in enumerate(LENGTH):
        block = rho[c * n : (c + 1) * n, c * n : (c + 1) * n]
        np.testing.assert_allclose(block, np.exp(-0.5 * (chord / length) ** 2), atol=3e-3)
    total = LENGTH[0] ** 2 + LENGTH[1] ** 2
    factor = 0.6 * 2.0 * LENGTH[0] * LENGTH[1] / total
    np.testing.assert_allclose(rho[:n, n:], factor * np.exp(-(chord**2) / total), atol=3e-3)


def test_the_analysis_is_optimal_interpolation(
    channels: Channels, covariance: KernelCovariance, seen: Readable
) -> None:
    B, H = dense(covariance), seen.operator.matrix().to_dense().numpy()
    R = np.diag(seen.reports.error**2)
    background = torch.full(channels.shape, 250.0, dtype=torch.float64)
    d = seen.reports.value - seen.of(background)
    S = H @ B @ H.T + R
    system = KernelSeen(covariance, seen)
    found = solve(system, seen, background, iterations=200, tolerance=1e-10)
    assert found.remarks == ()
    wanted = B @ H.T @ np.linalg.solve(S, d)
    np.testing.assert_allclose(found.increment.numpy().ravel(), wanted, atol=1e-7)
    np.testing.assert_allclose(found.chi_square, d @ np.linalg.solve(S, d) / d.size, rtol=1e-8)
    np.testing.assert_allclose(system.deviation, np.sqrt(np.diag(H @ B @ H.T)), rtol=1e-10)
    exact = np.sqrt(np.diag(B - B @ H.T @ np.linalg.solve(S, H @ B)))

    def deviation(nearest: int) -> np.ndarray:
        grid, variance = channels.grid, covariance.variance
        return analysis_deviation(system, seen, grid, variance, nearest).numpy().ravel()

    np.testing.assert_allclose(deviation(30), exact, rtol=1e-8)
    fewer = deviation(10)
    assert (fewer >= exact - 1e-9).all()
    assert np.median(fewer / exact) < 1.1


def test_the_dual_form_is_the_minimum_of_the_primal(
    channels: Channels, covariance: KernelCovariance, seen: Readable
) -> None:
    background = torch.full(channels.shape, 250.0, dtype=torch.float64)
    solver = GaussNewton(outer=1, inner=200, tolerance=1e-9)
    primal = ThreeDVar(Increment(covariance), solver)(background, [seen.observation])
    system = KernelSeen(covariance, seen)
    dual = solve(system, seen, background, iterations=200, tolerance=1e-10)
    torch.testing.assert_close(primal.state, background + dual.increment, rtol=0.0, atol=1e-6)
    np.testing.assert_allclose(2.0 * float(primal.cost) / 30, dual.chi_square, rtol=1e-6)


def test_too_few_iterations_are_told(
    channels: Channels, covariance: KernelCovariance, seen: Readable
) -> None:
    background = torch.full(channels.shape, 250.0, dtype=torch.float64)
    system = KernelSeen(covariance, seen)
    found = solve(system, seen, background, iterations=2, tolerance=1e-10)
    assert found.iterations == 2
    assert "had not converged after 2 iterations: the analysis is" in found.remarks[0]


@pytest.mark.parametrize("broken", [np.nan, -1e6])
def test_a_minimisation_that_diverges_keeps_the_best_before(
    channels: Channels, covariance: KernelCovariance, seen: Readable, broken: float
) -> None:
    background = torch.full(channels.shape, 250.0, dtype=torch.float64)
    sound = KernelSeen(covariance, seen)

    class Breaking:
        """The eleventh product is not one of a covariance."""

        deviation, increment, calls = sound.deviation, staticmethod(sound.increment), 0

        def product(self, u: np.ndarray) -> np.ndarray:
            self.calls += 1
            return broken * u if self.calls == 11 else sound.product(u)

    found = solve(Breaking(), seen, background, iterations=50, tolerance=1e-10)
    assert "the minimisation diverged after 10 iterations" in found.remarks[0]
    before = solve(sound, seen, background, iterations=10, tolerance=1e-10)
    torch.testing.assert_close(found.increment, before.increment)
    inverse, R = np.linalg.pinv(dense(covariance), rcond=1e-10), seen.reports.error**2

    def cost(x: torch.Tensor) -> float:
        """Twice J."""
        departure, flat = seen.reports.value - seen.of(background + x), x.numpy().ravel()
        return float(flat @ inverse @ flat + (departure**2 / R).sum())

    ratio = cost(found.increment) / cost(torch.zeros_like(background))
    assert ratio < 1.0
    assert f"lowest cost, {ratio:.0%} of the background's" in found.remarks[0]


def test_numbers_that_are_no_covariance(channels: Channels) -> None:
    one = torch.ones(channels.shape, dtype=torch.float64)
    eye = torch.eye(2, dtype=torch.float64)
    with pytest.raises(InputError, match="deviation of the background is -1"):
        KernelCovariance(channels.grid, -one, eye, LENGTH)
    with pytest.raises(InputError, match="eigenvalue"):
        KernelCovariance(channels.grid, one, 1.5 - 0.5 * eye, LENGTH)
    with pytest.raises(InputError, match="correlation length of 0"):
        nodes_near(columns_of(channels.grid), 0.0)
    with pytest.raises(InputError, match="correlation length of 1 km"):
        nodes_near(columns_of(channels.grid), 1.0)


def test_statistics_come_back_from_a_large_ensemble(
    channels: Channels, covariance: KernelCovariance
) -> None:
    flat = replace(covariance, deviation=torch.full(channels.shape, 1.5, dtype=torch.float64))
    generator = torch.Generator().manual_seed(2)
    v = torch.randn(400, *flat.control_shape, generator=generator, dtype=torch.float64)
    sample = Sample(3.0 + flat.sqrt(v), "draws")
    found = gaussian_of(channels, sample, replace(standard, shrink=0.0))
    np.testing.assert_allclose(found.deviation.numpy(), 1.5, rtol=0.05)
    np.testing.assert_allclose(found.length_km, LENGTH, rtol=0.1)
    total = LENGTH[0] ** 2 + LENGTH[1] ** 2
    there = 0.6 * 2.0 * LENGTH[0] * LENGTH[1] / total
    np.testing.assert_allclose(float(found.correlation[0, 1]), there, atol=0.05)


def test_stated_statistics(channels: Channels) -> None:
    found = stated(channels, standard)
    assert float(found.deviation[0, 0, 0]) == 1.0
    assert found.length_km == (300.0, 300.0)
    apart = np.log(850.0 / 500.0) / standard.vertical_scale
    np.testing.assert_allclose(float(found.correlation[0, 1]), np.exp(-0.5 * apart**2), rtol=1e-9)
    own = stated(channels, replace(standard, deviation={"t": 2.0}, length={"air_temperature": 99}))
    assert (float(own.deviation[1, 2, 3]), own.length_km[0]) == (2.0, 99.0)
    assert found.lines(channels)[0] == "air temperature at 500 hPa: 1 K, 300 km"
