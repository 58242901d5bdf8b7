from __future__ import annotations

from pathlib import Path

import netCDF4
import numpy as np
import pytest

from isopleth.core.errors import DataMissingError, InputError
from isopleth.data import seawater
from isopleth.data.argo import read_argo
from isopleth.data.open import open_observations

N, LEVELS = 4, 3
PRES = np.array([5.0, 100.0, 1000.0])
TEMP = np.array([20.0, 15.0, 5.0])
FILL = 99999.0


def characters(file: netCDF4.Dataset, name: str, dims: tuple[str, ...], values: list[str]) -> None:
    variable = file.createVariable(name, "S1", dims, fill_value=b" ")
    size = len(file.dimensions[dims[-1]])
    padded = np.array([v.ljust(size).encode() for v in values], f"S{size}")
    variable[:] = padded.view("S1").reshape(len(values), size)


def write_argo(path: Path, *, parameters: tuple[str, ...] = ("PRES", "TEMP", "PSAL")) -> Path:
    """A file in the layout of the Argo User's Manual 3.1: modes R, A, D, D; one descending."""
    with netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as file:
        sizes = {"N_PROF": N, "N_LEVELS": LEVELS, "N_PARAM": len(parameters), "N_CALIB": 2}
        for name, size in {**sizes, "STRING8": 8, "STRING16": 16, "STRING64": 64}.items():
            file.createDimension(name, size)
        characters(file, "PLATFORM_NUMBER", ("N_PROF", "STRING8"), ["4901079"] * N)
        characters(file, "VERTICAL_SAMPLING_SCHEME", ("N_PROF", "STRING64"), ["Primary"] * N)
        for name, flags in (
            ("DATA_MODE", "RADD"),
            ("DIRECTION", "ADAA"),
            ("JULD_QC", "1111"),
            ("POSITION_QC", "1111"),
        ):
            file.createVariable(name, "S1", ("N_PROF",))[:] = np.array(list(flags), "S1")
        juld = file.createVariable("JULD", "f8", ("N_PROF",), fill_value=999999.0)
        juld.units = "days since 1950-01-01 00:00:00 UTC"
        juld[:] = 24106.5 + np.arange(N)
        for name, value in (
            ("LATITUDE", [10, 11, 12, 13]),
            ("LONGITUDE", [-30, 0, 179.5, -179.5]),
        ):
            file.createVariable(name, "f8", ("N_PROF",), fill_value=FILL)[:] = value
        for name in parameters:
            for suffix in ("", "_ADJUSTED"):
                base = {"PRES": PRES, "TEMP": TEMP, "PSAL": np.full(3, 35.0)}[name]
                values = np.broadcast_to(base + (0.1 if suffix else 0.0), (N, LEVELS)).copy()
                if suffix:
                    values[0] = FILL  # real time: nothing is adjusted
                write_parameter(file, name + suffix, values)
            error = file.createVariable(
                f"{name}_ADJUSTED_ERROR", "f4", ("N_PROF", "N_LEVELS"), fill_value=FILL
            )
            error[:] = np.where(np.arange(N)[:, None] < 2, FILL, 0.002)
    return path


def write_parameter(file: netCDF4.Dataset, name: str, values: np.ndarray) -> None:
    dims = ("N_PROF", "N_LEVELS")
    file.createVariable(name, "f4", dims, fill_value=FILL)[:] = values
    flags = np.where(values == FILL, b" ", b"1")
    file.createVariable(f"{name}_QC", "S1", dims, fill_value=b" ")[:] = flags


def edit(path: Path, **values: object) -> Path:
    """Overwrite variables: a name maps to (index, value)."""
    with netCDF4.Dataset(path, "a") as file:
        file.set_auto_mask(False)
        for name, (index, value) in values.items():  # type: ignore[misc]
            file[name][index] = value
    return path


def test_adjusted_values_follow_the_data_mode(tmp_path: Path) -> None:
    got = read_argo(write_argo(tmp_path / "4901079_prof.nc"))
    assert len(got) == N * LEVELS
    values = got.value.reshape(N, LEVELS)
    assert values[0] == pytest.approx(TEMP)
    assert values[1:] == pytest.approx(np.broadcast_to(TEMP + 0.1, (3, 3)), abs=1e-5)
    depth = got.depth.reshape(N, LEVELS)
    assert depth[0] == pytest.approx(seawater.depth_from_pressure(PRES, 10.0))
    assert depth[1] == pytest.approx(seawater.depth_from_pressure(PRES + 0.1, 11.0), abs=1e-3)
    assert np.isnan(got.error[: 2 * LEVELS]).all()
    assert got.error[2 * LEVELS :] == pytest.approx(0.002)


def test_stations(tmp_path: Path) -> None:
    got = read_argo(write_argo(tmp_path / "a_prof.nc")).stations
    assert got.time[0] == np.datetime64("2016-01-01T12:00")
    assert got.longitude.tolist() == [330.0, 0.0, 179.5, 180.5]
    assert got.platform.tolist() == ["4901079"] * N


def test_flags_are_applied_and_counted(tmp_path: Path) -> None:
    path = edit(
        write_argo(tmp_path / "a_prof.nc"),
        POSITION_QC=(0, b"4"),
        JULD_QC=(1, b"8"),
        PRES_ADJUSTED_QC=((2, 0), b"4"),
        TEMP_ADJUSTED_QC=((2, 1), b"3"),
        TEMP_QC=((2, 2), b"4"),
    )
    got = read_argo(path)
    assert len(got) == 4
    assert {row.reason: (row.values, row.profiles) for row in got.rejected.rows} == {
        "position flagged other than 1 or 2": (3, 1),
        "time flagged other than 1 or 2": (3, 1),
        "pressure flagged other than 1 or 2": (1, 1),
        "temperature flagged other than 1 or 2": (1, 1),
    }
    assert len(read_argo(path, accept_estimated=True)) == 7


def test_values_withdrawn_by_delayed_mode_are_counted(tmp_path: Path) -> None:
    path = edit(
        write_argo(tmp_path / "a_prof.nc"),
        TEMP_ADJUSTED=((3, slice(None)), FILL),
        TEMP_ADJUSTED_QC=((3, slice(None)), b"4"),
    )
    got = read_argo(path)
    assert len(got) == 9
    assert got.rejected["temperature flagged other than 1 or 2"] == 3


def test_adjusted_mode_without_adjusted_data_takes_the_raw(tmp_path: Path) -> None:
    path = edit(
        write_argo(tmp_path / "a_prof.nc"),
        TEMP_ADJUSTED=(slice(None), FILL),
        TEMP_ADJUSTED_QC=(slice(None), b" "),
    )
    assert read_argo(path).value == pytest.approx(np.tile(TEMP, N))


def test_rows_without_temperature_and_other_samplings(tmp_path: Path) -> None:
    near = np.frombuffer(b"Near-surface sampling: averaged, unpumped".ljust(64), "S1")
    path = edit(
        write_argo(tmp_path / "a_prof.nc"),
        TEMP=(0, FILL),
        TEMP_QC=(0, b" "),
        VERTICAL_SAMPLING_SCHEME=(3, near),
    )
    got = read_argo(path)
    assert len(got.stations) == 2
    assert got.rejected["near-surface or secondary sampling"] == 3


def test_missing_position_or_time_never_passes_whatever_the_flag(tmp_path: Path) -> None:
    path = edit(write_argo(tmp_path / "a_prof.nc"), JULD=(0, 999999.0), LATITUDE=(1, FILL))
    got = read_argo(path)
    assert len(got.stations) == 2
    assert got.rejected["position missing or impossible"] == 3
    assert got.rejected["time missing"] == 3


def test_salinity_and_floats_without_it(tmp_path: Path) -> None:
    full = write_argo(tmp_path / "a_prof.nc")
    poor = write_argo(tmp_path / "b_prof.nc", parameters=("PRES", "TEMP"))
    assert len(read_argo(poor)) == N * LEVELS
    both = read_argo([full, poor], variable="salinity")
    assert both.value[:3] == pytest.approx(35.0)
    assert both.notes == ("b_prof.nc: the float has no salinity",)
    with pytest.raises(InputError, match=r"no salinity in b_prof\.nc"):
        read_argo(poor, variable="salinity")


def test_data_mode_of_each_parameter_in_synthetic_files(tmp_path: Path) -> None:
    path = write_argo(tmp_path / "a_Sprof.nc")
    with netCDF4.Dataset(path, "a") as file:
        file.renameVariable("DATA_MODE", "OLD_MODE")
        listed = file.createVariable("STATION_PARAMETERS", "S1", ("N_PROF", "N_PARAM", "STRING16"))
        names = np.array([n.ljust(16).encode() for n in ("PRES", "TEMP", "PSAL")], "S16")
        listed[:] = np.broadcast_to(names.view("S1").reshape(3, 16), (N, 3, 16))
        mode = file.createVariable("PARAMETER_DATA_MODE", "S1", ("N_PROF", "N_PARAM"))
        mode[:] = np.broadcast_to(np.array([b"D", b"R", b"R"]), (N, 3))
    assert read_argo(path).value == pytest.approx(np.tile(TEMP, N))


def test_several_files_are_one_table(tmp_path: Path) -> None:
    paths = [write_argo(tmp_path / f"{name}_prof.nc") for name in "ab"]
    got = open_observations(paths)
    assert len(got) == 2 * N * LEVELS
    assert len(got.stations) == 2 * N
    assert got.source == "a_prof.nc, b_prof.nc"


def test_bad_files_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(DataMissingError):
        read_argo(tmp_path / "absent.nc")
    with pytest.raises(InputError, match="not 'oxygen'"):
        read_argo(tmp_path / "absent.nc", variable="oxygen")
    with pytest.raises(InputError, match="at least one"):
        read_argo([])
    path = edit(write_argo(tmp_path / "a_prof.nc"), JULD_QC=(slice(None), b"8"))
    with pytest.raises(InputError, match=r"12 time flagged.*accept_estimated=True"):
        read_argo(path)
    kelvin = edit(write_argo(tmp_path / "k_prof.nc"), TEMP=(slice(None), 280.0))
    kelvin = edit(kelvin, TEMP_ADJUSTED=(slice(None), 280.0))
    with pytest.raises(InputError, match="looks like kelvin"):
        read_argo(kelvin)


@pytest.mark.extra_data("argo/4901079_prof.nc")
def test_real_floats(extra_data: Path) -> None:
    got = read_argo(sorted((extra_data / "argo").glob("*_prof.nc")))
    assert len(got) == 200_262
    assert len(set(got.stations.platform)) == 11
    assert got.rejected["time flagged other than 1 or 2"] == 14_929
    assert got.value.min() > -2.0
    assert got.value.max() < 33.0
    assert got.depth.max() < 6000.0
