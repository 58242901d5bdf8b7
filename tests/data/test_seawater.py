from __future__ import annotations

import gsw
import numpy as np
import pytest
import xarray as xr

from isopleth.data import seawater


def test_depth_and_pressure_are_inverse_at_every_latitude() -> None:
    depth = np.linspace(0.0, 6000.0, 50)[:, None]
    latitude = np.linspace(-80.0, 80.0, 9)
    pressure = seawater.pressure_from_depth(depth, latitude)
    back = seawater.depth_from_pressure(pressure, latitude)
    assert np.abs(back - depth).max() < 1e-6


def test_potential_temperature_round_trip() -> None:
    pressure = np.array([0.0, 500.0, 2000.0, 5000.0])
    in_situ = seawater.in_situ_from_potential(4.0, pressure, 34.7)
    assert in_situ[0] == pytest.approx(4.0, abs=1e-9)
    assert (np.diff(in_situ) > 0.0).all()
    assert seawater.potential_from_in_situ(in_situ, pressure, 34.7) == pytest.approx(4.0, abs=1e-8)


def test_conservative_temperature_agrees_with_gsw() -> None:
    reference = gsw.SR_from_SP(36.0)
    assert seawater.conservative_from_in_situ(10.0, 1000.0, 36.0) == pytest.approx(
        gsw.CT_from_t(reference, 10.0, 1000.0), abs=1e-12
    )
    back = seawater.in_situ_from_conservative(
        seawater.conservative_from_in_situ(10.0, 1000.0, 36.0), 1000.0, 36.0
    )
    assert back == pytest.approx(10.0, abs=1e-9)


def test_unknown_salinity_costs_less_than_a_hundredth_degree() -> None:
    exact = seawater.in_situ_from_potential(3.0, 2000.0, [33.0, 37.0])
    assumed = seawater.in_situ_from_potential(3.0, 2000.0, [np.nan, np.nan])
    assert assumed == pytest.approx(float(seawater.in_situ_from_potential(3.0, 2000.0, 35.0)))
    assert np.abs(assumed - exact).max() < 0.01


def test_reference_salinity_costs_less_than_a_tenth_millidegree() -> None:
    place = {"lon": 180.0, "lat": 40.0}
    absolute = gsw.SA_from_SP(34.5, 2000.0, **place)
    exact = gsw.pt_from_t(absolute, 3.0, 0.0, 2000.0)
    assert seawater.in_situ_from_potential(3.0, 2000.0, 34.5) == pytest.approx(exact, abs=1e-4)


def test_field_is_converted_lazily_in_its_own_order() -> None:
    potential = xr.DataArray(
        np.full((2, 2, 3, 4), 2.0),
        dims=("time", "depth", "lat", "lon"),
        coords={"depth": [0.0, 4000.0], "lat": [10.0, 0.0, -10.0]},
    ).chunk({"time": 1})
    field = seawater.in_situ_field(potential)
    assert field.dims == potential.dims
    assert field.chunks is not None
    assert float(field[0, 0, 0, 0]) == pytest.approx(2.0, abs=1e-9)
    assert float(field[0, 1, 0, 0]) == pytest.approx(2.36, abs=0.02)
