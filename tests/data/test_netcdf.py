from __future__ import annotations

from pathlib import Path

import netCDF4
import numpy as np
import pytest

from isopleth.core.errors import DataMissingError, InputError
from isopleth.data.netcdf import check_file, numbers, open_arrays, texts


def write(path: Path, form: str = "NETCDF3_CLASSIC") -> Path:
    with netCDF4.Dataset(path, "w", format=form) as file:
        file.createDimension("N_PROF", 2)
        file.createDimension("STRING8", 8)
        file.createDimension("N_LEVELS", 5000)
        name = file.createVariable("PLATFORM_NUMBER", "S1", ("N_PROF", "STRING8"))
        name[:] = netCDF4.stringtochar(np.array([b"4901079 ", b"13857\0\0\0"], "S8"))
        flag = file.createVariable("POSITION_QC", "S1", ("N_PROF",))
        flag[:] = np.array([b"1", b" "])
        temp = file.createVariable("TEMP", "f4", ("N_PROF", "N_LEVELS"), fill_value=99999.0)
        temp.valid_min, temp.valid_max = np.float32(-2.5), np.float32(40.0)
        temp[:] = 300.0
        temp[0, 0] = 99999.0
        packed = file.createVariable("packed", "i2", ("N_PROF",), fill_value=-1)
        packed.scale_factor, packed.add_offset = 0.1, 5.0
        packed.set_auto_maskandscale(False)
        packed[:] = [-1, 10]
    return path


@pytest.mark.parametrize("form", ["NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF4"])
def test_arrays_and_texts(tmp_path: Path, form: str) -> None:
    with open_arrays(write(tmp_path / "a.nc", form)) as file:
        assert texts(file, "PLATFORM_NUMBER", strings=True).tolist() == ["4901079", "13857"]
        assert texts(file, "POSITION_QC", strings=False).tolist() == ["1", ""]
        temp = numbers(file, "TEMP")
        packed = numbers(file, "packed")
        with pytest.raises(InputError, match="no variable PRES"):
            numbers(file, "PRES")
    assert np.isnan(temp[0, 0])
    assert temp[1, 1] == 300.0, "values beyond valid_max must not vanish silently"
    assert np.isnan(packed[0])
    assert packed[1] == pytest.approx(6.0)


@pytest.mark.parametrize("form", ["NETCDF3_CLASSIC", "NETCDF4"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.95])
def test_truncated_files_are_refused(tmp_path: Path, form: str, share: float) -> None:
    path = write(tmp_path / "a.nc", form)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(InputError, match="truncated or damaged"), open_arrays(path) as file:
        numbers(file, "TEMP")


@pytest.mark.parametrize("length", [1, 3])
def test_a_lone_record_variable_is_whole(tmp_path: Path, length: int) -> None:
    with netCDF4.Dataset(tmp_path / "r.nc", "w", format="NETCDF3_CLASSIC") as file:
        file.createDimension("record", None)
        file.createDimension("x", length)
        file.createVariable("flag", "S1", ("record", "x"))[:] = np.full((2, length), b"1")
    check_file(tmp_path / "r.nc")


def test_absent_empty_and_other_files(tmp_path: Path) -> None:
    with pytest.raises(DataMissingError, match="there is no file"):
        check_file(tmp_path / "absent.nc")
    (tmp_path / "empty.nc").touch()
    with pytest.raises(InputError, match="0 bytes"):
        check_file(tmp_path / "empty.nc")
    (tmp_path / "page.nc").write_text("<html>404</html>")
    with pytest.raises(InputError, match="no NetCDF file"):
        check_file(tmp_path / "page.nc")


def test_errors_of_the_caller_pass_through(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="mine"), open_arrays(write(tmp_path / "a.nc")):
        raise InputError("mine")
