"""Spectral statistics of a whole globe, as the observations see them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

from isopleth.core.channels import PRESSURE, Channels
from isopleth.core.grid import Grid
from isopleth.core.quantities import named_quantity
from isopleth.data.station_reports import read_report_frame
from isopleth.inference.screening import Readable, located
from isopleth.systems.assimilation.recipe import standard
from isopleth.systems.assimilation.sample import Sample
from isopleth.systems.assimilation.solving import analysis_deviation, solve
from isopleth.systems.assimilation.spectral import Spectral, SpectralSeen, fitted, truncation_for
from isopleth.systems.assimilation.statistics import Gaussian, of_sample, stated

LAT, LON = np.linspace(90.0, -90.0, 19), np.arange(0.0, 360.0, 10.0)


@pytest.fixture(scope="module")
def channels() -> Channels:
    fields = {}
    for name in ("t", "z"):
        quantity = named_quantity({"z": "geopotential_height"}.get(name, name))
        assert quantity is not None
        coords = {"pressure": [500.0, 850.0], "lat": LAT, "lon": LON}
        fields[quantity] = xr.DataArray(np.zeros((2, 19, 36)), coords)
    return Channels.of(fields, PRESSURE)


@pytest.fixture(scope="module")
def sample(channels: Channels) -> Sample:
    """Smooth errors: heights of 10 m, temperatures that follow their difference, and noise."""
    covariance = replace(
        stated(channels, replace(standard, length={"z": 2500.0, "t": 2500.0})).covariance(channels)
    )
    generator = torch.Generator().manual_seed(0)
    v = torch.randn(40, *covariance.control_shape, generator=generator, dtype=torch.float64)
    x = covariance.sqrt(v)
    z = channels.where(channels.quantities[1])
    x[:, :2] = 0.5 * x[:, :2] + 0.05 * (x[:, z[:1]] - x[:, z[1:]])
    return Sample(x, "forty draws")


@pytest.fixture(scope="module")
def found(channels: Channels, sample: Sample) -> Spectral:
    return fitted(channels, sample.errors, sample.source, standard, 12)


def read(channels: Channels, rows: int) -> Readable:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "time": "2017-01-01",
            "lat": rng.choice(LAT[2:-2], rows),
            "lon": rng.choice(LON, rows),
            "variable": rng.choice(["t", "z"], rows),
            "level": rng.choice([500.0, 850.0], rows),
            "unit": "K",
            "value": 270.0,
            "error": rng.uniform(0.5, 1.0, rows),
        }
    )
    frame.loc[frame["variable"] == "z", "unit"] = "m"
    return located(read_report_frame(frame).matched(channels.quantities), channels)


def dense(found: Spectral) -> np.ndarray:
    size = found.deviation.numel()
    unit = torch.eye(size, dtype=torch.float64).reshape(size, *found.deviation.shape)
    return found.covariance.product(unit).reshape(size, size).numpy()


def test_it_is_the_spectral_covariance(channels: Channels, found: Spectral) -> None:
    seen_by = read(channels, 25)
    B, H = dense(found), seen_by.operator.matrix().to_dense().numpy()
    system = SpectralSeen(found.covariance, channels.grid, seen_by)
    u = np.random.default_rng(0).normal(size=25)
    np.testing.assert_allclose(system.product(u), H @ B @ H.T @ u, rtol=1e-9)
    np.testing.assert_allclose(system.increment(u).numpy().ravel(), B @ H.T @ u, atol=1e-9)
    sd = np.sqrt(np.diag(H @ B @ H.T))
    np.testing.assert_allclose(system.deviation, sd, rtol=1e-9)
    near = np.arange(25).reshape(1, -1)
    scale = np.outer(sd, sd)
    np.testing.assert_allclose(system.among(near)[0] / scale, H @ B @ H.T / scale, atol=3e-3)
    cross = (H @ B).reshape(25, 4, -1)[:, :, 100:103]
    each = system.cross(slice(100, 103), np.repeat(near, 3, 0))
    size = sd[:, None] * found.deviation.flatten(1)[:, 101].numpy()
    np.testing.assert_allclose(each[1] / size, cross[:, :, 1] / size, atol=3e-3)


def test_the_analysis_and_its_error_are_those_of_optimal_interpolation(
    channels: Channels, found: Spectral
) -> None:
    seen_by = read(channels, 25)
    B, H = dense(found), seen_by.operator.matrix().to_dense().numpy()
    R = np.diag(seen_by.reports.error**2)
    background = torch.full(channels.shape, 269.0, dtype=torch.float64)
    d = seen_by.reports.value - seen_by.of(background)
    system = found.seen(channels, seen_by)
    done = solve(system, seen_by, background, iterations=300, tolerance=1e-10)
    gain = np.linalg.solve(H @ B @ H.T + R, H @ B)
    np.testing.assert_allclose(done.increment.numpy().ravel(), d @ gain, atol=1e-6)
    variance = found.covariance.variance
    error = analysis_deviation(system, seen_by, channels.grid, variance, 25).flatten()
    exact = np.sqrt(np.diag(B - (H @ B).T @ gain))
    np.testing.assert_allclose(error, exact, atol=0.03 * float(variance.max()) ** 0.5)


def test_the_fit_has_the_sample_s_deviations_and_balance(
    channels: Channels, sample: Sample, found: Spectral
) -> None:
    sd = sample.errors.square().mean((0, -2, -1)).sqrt()
    mean = found.deviation.square().mean((-2, -1)).sqrt()
    torch.testing.assert_close(mean, sd, rtol=0.05, atol=0.0)
    assert found.covariance.statistics.groups[0] == (2, 3)
    B = found.covariance
    unit = torch.zeros(channels.shape, dtype=torch.float64)
    unit[2, 5, 5] = 1.0
    response = B.product(unit)[:, 5, 5]
    assert float(response[0]) > 0.2 * float(found.deviation[0, 5, 5] * found.deviation[2, 5, 5])
    assert "regressed on geopotential height" in found.words
    length = float(found.lines(channels)[2].split(", ")[1].split()[0])
    assert 2000.0 < length < 3200.0


def test_stated_deviations_replace_those_of_the_fit(channels: Channels, sample: Sample) -> None:
    recipe = replace(standard, deviation={"t": 3.0})
    scaled = fitted(channels, sample.errors, sample.source, recipe, 12)
    mean = scaled.deviation.square().mean((-2, -1)).sqrt()
    torch.testing.assert_close(mean[:2], torch.full((2,), 3.0, dtype=torch.float64))
    assert float((mean[2] / 3.0 - 1.0).abs()) > 0.1


def test_only_a_whole_globe_of_values_has_a_spectrum(channels: Channels, sample: Sample) -> None:
    globe = channels.grid
    assert truncation_for(globe, 106) == 12
    assert truncation_for(globe, 8) == 8
    mask = np.array(globe.mask)
    mask[0, 3, 3] = False
    assert truncation_for(globe.with_mask(mask), 106) == 0
    belt = Grid(LAT[3:-3], LON, np.arange(4.0), np.ones((4, 13, 36), bool))
    region = Grid(LAT, LON[:20], np.arange(4.0), np.ones((4, 19, 20), bool))
    assert truncation_for(belt, 106) == truncation_for(region, 106) == 0
    assert isinstance(of_sample(channels, sample, standard), Spectral)
    stated_length = replace(standard, length={"t": 500.0})
    assert isinstance(of_sample(channels, sample, stated_length), Gaussian)


def test_a_sample_without_a_spectrum_falls_back_and_says_why(
    channels: Channels, sample: Sample
) -> None:
    still = sample.errors.clone()
    still[:, 3] = 0.0
    found = of_sample(channels, Sample(still, sample.source), standard)
    assert isinstance(found, Gaussian)
    assert "(no spectral statistics: channel 3 does not change" in found.source
