from __future__ import annotations

from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr

from isopleth.core.errors import InputError
from isopleth.data import seawater
from isopleth.data.en4 import read_en4_analysis, read_en4_profiles
from isopleth.data.open import open_field, open_observations

FILL = 99999.0
DEPTH = np.array([[5.0, 100.0, 2000.0], [5.0, 100.0, FILL]])
POTM = np.array([[20.0, 15.0, 3.0], [21.0, 16.0, FILL]])
PSAL = np.array([[35.5, 35.0, 34.9], [FILL, FILL, FILL]])


def write_profiles(path: Path) -> Path:
    """A file in the layout of EN.4.2.2.f.profiles.g10.YYYYMM.nc: an Argo float and an XBT."""
    with netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as file:
        file.createDimension("N_PROF", None)
        for name, size in (("N_LEVELS", 3), ("N_PARAM", 5), ("STRING8", 8), ("STRING16", 16)):
            file.createDimension(name, size)
        for name, size, values in (
            ("PLATFORM_NUMBER", 8, [b"4901079 ", b"        "]),
            ("DC_REFERENCE", 16, [b"  123456".ljust(16), b"  654321".ljust(16)]),
        ):
            variable = file.createVariable(name, "S1", ("N_PROF", f"STRING{size}"))
            variable[:] = np.array(values, f"S{size}").view("S1").reshape(2, size)
        juld = file.createVariable("JULD", "f8", ("N_PROF",), fill_value=FILL)
        juld.units = "days since 1950-01-01 00:00:00 utc"
        juld[:] = [24106.25, 24110.0]
        for name, value in (("LATITUDE", [10.0, -10.0]), ("LONGITUDE", [-30.0, 200.0])):
            file.createVariable(name, "f8", ("N_PROF",), fill_value=FILL)[:] = value
        for name in ("JULD_QC", "POSITION_QC", "PROFILE_POTM_QC", "PROFILE_DEPH_QC"):
            file.createVariable(name, "S1", ("N_PROF",))[:] = np.array([b"1", b"1"])
        file.createVariable("PROFILE_PSAL_QC", "S1", ("N_PROF",))[:] = np.array([b"1", b"0"])
        for name, value in (
            ("DEPH_CORRECTED", DEPTH),
            ("POTM_CORRECTED", POTM),
            ("PSAL_CORRECTED", PSAL),
            ("TEMP", np.full((2, 3), 44.0)),
        ):
            variable = file.createVariable(name, "f4", ("N_PROF", "N_LEVELS"), fill_value=FILL)
            variable.units = {"DEPH": "metre", "PSAL": "psu"}.get(name[:4], "degree_Celsius")
            variable[:] = value
            if name != "TEMP":
                flag = file.createVariable(f"{name}_QC", "S1", ("N_PROF", "N_LEVELS"))
                flag[:] = np.where(value == FILL, b"0", b"1")
    return path


def edit(path: Path, name: str, index: object, value: object) -> Path:
    with netCDF4.Dataset(path, "a") as file:
        file[name][index] = value
    return path


@pytest.fixture
def profiles(tmp_path: Path) -> Path:
    return write_profiles(tmp_path / "EN.4.2.2.f.profiles.g10.201601.nc")


def test_potential_temperature_becomes_in_situ(profiles: Path) -> None:
    got = open_observations(profiles)
    assert len(got) == 5
    latitude = got.latitude
    pressure = seawater.pressure_from_depth(got.depth, latitude)
    practical = np.array([35.5, 35.0, 34.9, 35.0, 35.0])
    expected = seawater.in_situ_from_potential(POTM[POTM < FILL], pressure, practical)
    assert got.value == pytest.approx(expected, abs=1e-5)
    assert got.value[2] - 3.0 == pytest.approx(0.155, abs=0.005)
    assert got.depth.tolist() == [5.0, 100.0, 2000.0, 5.0, 100.0]
    assert got.platform.tolist() == ["4901079"] * 3 + [""] * 2
    assert got.time[0] == np.datetime64("2016-01-01T06:00")
    assert got.stations.longitude.tolist() == [330.0, 200.0]


@pytest.mark.parametrize(
    ("name", "index", "left", "reason"),
    [
        ("POSITION_QC", 0, 2, "position rejected"),
        ("JULD_QC", 0, 2, "time rejected"),
        ("PROFILE_POTM_QC", 0, 2, "temperature profile rejected"),
        ("POTM_CORRECTED_QC", (0, 1), 4, "temperature rejected"),
        ("DEPH_CORRECTED_QC", (0, 1), 4, "depth rejected"),
        ("PROFILE_PSAL_QC", 0, 5, None),
    ],
)
def test_rejections(
    profiles: Path, name: str, index: object, left: int, reason: str | None
) -> None:
    got = read_en4_profiles(edit(profiles, name, index, b"4"))
    assert len(got) == left
    assert got.rejected.values == 5 - left
    assert reason is None or got.rejected[reason] == 5 - left


def test_rejected_salinity_is_replaced_by_35(profiles: Path) -> None:
    before = read_en4_profiles(profiles).value
    after = read_en4_profiles(edit(profiles, "PSAL_CORRECTED_QC", (0, 2), b"4")).value
    assert 0.0 < abs(after[2] - before[2]) < 1e-3
    assert (after[:2] == before[:2]).all()


def test_salinity(profiles: Path) -> None:
    assert read_en4_profiles(profiles, variable="salinity").value == pytest.approx(PSAL[0])
    with pytest.raises(InputError, match="not 'oxygen'"):
        read_en4_profiles(profiles, variable="oxygen")


def test_nothing_left_is_a_sentence(profiles: Path) -> None:
    edit(profiles, "POSITION_QC", slice(None), b"4")
    with pytest.raises(InputError, match="5 position rejected"):
        read_en4_profiles(profiles)


def write_analysis(path: Path) -> Path:
    """A file in the layout of EN.4.2.2.f.analysis.g10.YYYYMM.nc, on a coarser grid."""
    lat, lon = np.arange(-80.0, 81.0, 40.0), np.arange(60.0, 361.0, 60.0)
    depth = np.array([5.02, 1000.0])
    dims = ("time", "depth", "lat", "lon")
    field = np.full((1, 2, lat.size, lon.size), 273.15 + 10.0)
    field[0, :, 0] = np.nan
    field[0, :, :, -1] += 1.0  # the column at 360 E
    kelvin = {"units": "kelvin", "standard_name": "sea_water_potential_temperature"}
    kelvin |= {"valid_min": np.float32(-5.0), "valid_max": np.float32(45.0)}  # as published
    uncertain = {"units": "kelvin", "long_name": "temperature error standard deviation"}
    salt = {"units": "psu", "standard_name": "sea_water_salinity"}
    data = xr.Dataset(
        {
            "temperature": (dims, field, kelvin),
            "salinity": (dims, np.where(np.isnan(field), np.nan, 36.0), salt),
            "temperature_uncertainty": (dims, np.full(field.shape, 0.5), uncertain),
            "salinity_uncertainty": (dims, np.full(field.shape, 0.1), {"units": "psu"}),
            "temperature_observation_weights": (dims, np.full(field.shape, 0.7)),
            "salinity_observation_weights": (dims, np.full(field.shape, 0.7)),
            "time_bnds": (("time", "bnds"), np.array([[78892.0, 78923.0]])),
        },
        {
            "time": ("time", [78907.5], {"units": "days since 1800-01-01 00:00:00"}),
            "depth": ("depth", depth, {"units": "metres", "positive": "down"}),
            "lat": ("lat", lat, {"units": "degrees_north", "standard_name": "latitude"}),
            "lon": ("lon", lon, {"units": "degrees_east", "standard_name": "longitude"}),
        },
        {"title": "Temperature and salinity analysis"},
    )
    packed = {"dtype": "i2", "scale_factor": 0.01, "add_offset": 280.0, "_FillValue": -32768}
    data.to_netcdf(path, encoding={"temperature": packed}, unlimited_dims=["time"])
    return path


def test_analysis_layout_and_units(tmp_path: Path) -> None:
    got = open_field(write_analysis(tmp_path / "EN.4.2.2.f.analysis.g10.201601.nc"))
    assert got["temperature"].dims == ("time", "depth", "lat", "lon")
    assert got["lat"].values.tolist() == [80.0, 40.0, 0.0, -40.0, -80.0]
    assert got["lon"].values.tolist() == [0.0, 60.0, 120.0, 180.0, 240.0, 300.0]
    assert got["time"].values[0] == np.datetime64("2016-01-16T12:00")
    potential = got["potential_temperature"]
    assert potential.chunks is not None
    assert potential.attrs["units"] == "degC"
    assert float(potential[0, 0, 0, 0]) == pytest.approx(11.0, abs=0.01)
    assert float(potential[0, 0, 0, 1]) == pytest.approx(10.0, abs=0.01)
    assert np.isnan(potential[0, 0, -1]).all()
    error = got["temperature_standard_error"]
    assert float(error[0, 0, 0, 0]) == 0.5, "an uncertainty in kelvin has no offset"
    assert error.attrs["units"] == "degC"


def test_analysis_in_situ_temperature_uses_the_salinity_of_the_file(tmp_path: Path) -> None:
    got = read_en4_analysis(write_analysis(tmp_path / "a.nc")).load()
    pressure = seawater.pressure_from_depth(1000.0, 40.0)
    potential = got["potential_temperature"].values[0, 1, 1, 1]
    expected = seawater.in_situ_from_potential(potential, pressure, 36.0)
    assert got["temperature"].values[0, 1, 1, 1] == pytest.approx(float(expected), abs=1e-6)


def test_other_files_are_refused(tmp_path: Path, profiles: Path) -> None:
    xr.Dataset({"sst": ("x", [1.0])}).to_netcdf(tmp_path / "x.nc")
    with pytest.raises(InputError, match="an EN4 analysis holds temperature"):
        read_en4_analysis(tmp_path / "x.nc")
    with pytest.raises(InputError, match="no variable"):
        read_en4_profiles(write_analysis(tmp_path / "a.nc"))
