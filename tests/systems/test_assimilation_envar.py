"""The localised ensemble covariance and the hybrid against dense matrices and HybridEnVar."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from torch import Tensor

from isopleth.core.channels import PRESSURE, Channels
from isopleth.core.quantities import named_quantity
from isopleth.data.station_reports import read_report_frame
from isopleth.inference.kalman import ETKF, HybridEnVar
from isopleth.inference.screening import Readable, located
from isopleth.systems.assimilation import (
    Assimilation,
    Hybrid,
    Inputs,
    Static,
    WholeEnsemble,
    standard,
)
from isopleth.systems.assimilation.envar import EnsembleSeen, MixedSeen, localisation
from isopleth.systems.assimilation.sample import of_members
from isopleth.systems.assimilation.statistics import Gaussian

RADIUS = 4000.0
LAT, LON = np.arange(60.0, 29.0, -5.0), np.arange(0.0, 41.0, 5.0)


@pytest.fixture(scope="module")
def channels() -> Channels:
    t = named_quantity("t")
    assert t is not None
    zeros = np.full((2, LAT.size, LON.size), 250.0)
    field = xr.DataArray(zeros, {"pressure": [500.0, 850.0], "lat": LAT, "lon": LON})
    return Channels.of({t: field}, PRESSURE)


def reports(channels: Channels, **columns: object) -> Readable:
    given = {"time": "2017-01-01", "variable": "t", "level": 500.0, "value": 250.0, "unit": "K"}
    frame = pd.DataFrame({**given, "error": 1.0, **columns})
    return located(read_report_frame(frame).matched(channels.quantities), channels)


@pytest.fixture(scope="module")
def seen(channels: Channels) -> Readable:
    rng, n = np.random.default_rng(1), 30
    return reports(
        channels,
        lat=rng.uniform(32.0, 58.0, n),
        lon=rng.uniform(1.0, 39.0, n),
        level=rng.choice([500.0, 650.0, 850.0], n),
        value=250.0 + rng.normal(0.0, 1.5, n),
        error=rng.uniform(0.3, 1.0, n),
    )


@pytest.fixture(scope="module")
def members(channels: Channels) -> Tensor:
    generator = torch.Generator().manual_seed(4)
    x = torch.randn(6, *channels.shape, generator=generator, dtype=torch.float64)
    return 250.0 + x.cumsum(-1) * 0.3


def dense(members: Tensor, K: np.ndarray) -> np.ndarray:
    """`rho o P`, rho the same for all channels."""
    x = (members - members.mean(0)).flatten(1).numpy()
    rho = np.tile(K @ K.T, (members.shape[1],) * 2)
    return rho * (x.T @ x) / (len(x) - 1)


def test_it_is_the_sample_covariance_times_the_taper(
    channels: Channels,
    seen: Readable,
    members: Tensor,
) -> None:
    K = localisation(channels.grid, RADIUS).toarray()
    B, H = dense(members, K), seen.operator.matrix().to_dense().numpy()
    system = EnsembleSeen(members, channels.grid, RADIUS, seen)
    u = np.random.default_rng(0).normal(size=len(H))
    np.testing.assert_allclose(system.product(u), H @ B @ H.T @ u, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(system.increment(u).numpy().ravel(), B @ H.T @ u, atol=1e-9)
    np.testing.assert_allclose(system.deviation**2, np.diag(H @ B @ H.T), rtol=1e-9)
    length = 0.5 * 0.3**0.5 * RADIUS / 6371.0
    assert np.abs(K @ K.T).min() < np.exp(-0.5 * (0.5 / length) ** 2)


def test_what_is_pointwise_is_exact_at_cells(channels: Channels, members: Tensor) -> None:
    lat, lon = np.meshgrid(channels.grid.latitude, channels.grid.longitude, indexing="ij")
    rng = np.random.default_rng(1)
    at = rng.choice(lat.size, 12, replace=False)
    read = reports(channels, lat=lat.ravel()[at], lon=lon.ravel()[at])
    B = dense(members, localisation(channels.grid, RADIUS).toarray())
    H = read.operator.matrix().to_dense().numpy()
    system = EnsembleSeen(members, channels.grid, RADIUS, read)
    near = np.array([[0, 5, 7], [3, 2, 11]])
    scale = float(np.diag(B).max())
    wanted = (H @ B @ H.T)[near[:, :, None], near[:, None]]
    np.testing.assert_allclose(system.among(near), wanted, atol=3e-3 * scale)
    cross = (H @ B).reshape(12, 2, -1)[:, :, 10:12]
    found = system.cross(slice(10, 12), near)
    np.testing.assert_allclose(found[1, :, 1], cross[near[1], 1, 1], atol=3e-3 * scale)
    mixed = MixedSeen(((0.25, system), (0.5, system)))
    np.testing.assert_allclose(mixed.among(near), 0.75 * system.among(near))
    np.testing.assert_allclose(mixed.deviation, 0.75**0.5 * system.deviation)


@dataclass(frozen=True, eq=False)
class Taper:
    """`K K'` as HybridEnVar wants it."""

    matrix: Tensor
    state_shape: tuple[int, int]

    def product(self, x: Tensor) -> Tensor:
        return (x.flatten(-2) @ self.matrix).reshape(x.shape)


def inputs_of(channels: Channels, members: Tensor) -> Inputs:
    return Inputs(
        channels=channels,
        background=members.mean(0),
        members=members,
        time=None,
        sample=of_members(members),
    )


def test_the_analysis_is_that_of_hybrid_envar(
    channels: Channels,
    seen: Readable,
    members: Tensor,
) -> None:
    recipe = replace(standard, radius_km=RADIUS, tolerance=1e-9, gross=1e6, ensemble_share=0.7)
    system = Assimilation(Hybrid(), recipe)
    outcome = system(inputs_of(channels, members), seen.reports)
    assert isinstance(outcome.statistics, Gaussian)
    K = torch.from_numpy(localisation(channels.grid, RADIUS).toarray())
    reference = HybridEnVar(
        static=outcome.statistics.covariance(channels),
        deviations=ETKF(),
        localisation=Taper(K @ K.T, channels.shape[1:]),
        share=0.7,
    )
    wanted = reference.mean(members, [seen.observation])
    torch.testing.assert_close(outcome.analysed.mean, wanted, rtol=0.0, atol=1e-6)
    assert outcome.analysed.members is not None
    torch.testing.assert_close(outcome.analysed.members.mean(0), outcome.analysed.mean)
    assert outcome.analysed.spread is not None
    assert (outcome.analysed.spread <= outcome.background_deviation + 1e-9).all()
    assert (outcome.analysed.spread < 0.8 * outcome.background_deviation).any()


def test_no_share_of_the_ensemble_is_3dvar(
    channels: Channels,
    seen: Readable,
    members: Tensor,
) -> None:
    recipe = replace(standard, tolerance=1e-9, gross=1e6, ensemble_share=0.0)
    inputs = inputs_of(channels, members)
    hybrid = Assimilation(Hybrid(), recipe)(inputs, seen.reports)
    static = Assimilation(Static(), recipe)(inputs, seen.reports)
    torch.testing.assert_close(hybrid.analysed.mean, static.analysed.mean, rtol=0.0, atol=1e-7)


def test_filters_without_localisation_say_so(
    channels: Channels,
    seen: Readable,
    members: Tensor,
) -> None:
    inputs = inputs_of(channels, members)
    outcome = Assimilation(WholeEnsemble.etkf())(inputs, seen.reports)
    assert "6 members fit at most 5 patterns" in outcome.analysed.remarks[0]
    used = located(outcome.reports, channels)
    torch.testing.assert_close(outcome.analysed.members, ETKF()(members, [used.observation]))
    one, two = (Assimilation(WholeEnsemble.enkf())(inputs, seen.reports) for _ in range(2))
    torch.testing.assert_close(one.analysed.mean, two.analysed.mean, rtol=0.0, atol=0.0)
    torch.testing.assert_close(one.analysed.mean, outcome.analysed.mean, rtol=0.0, atol=1e-8)
