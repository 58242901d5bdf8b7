from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from isopleth.core.errors import DataMissingError, InputError
from isopleth.data.open import open_observations

TABLE = "time,lat,lon,depth,temp\n2016-01-01T00:00Z,10,20,0,20.0\n"


def test_content_counts_not_the_name(tmp_path: Path) -> None:
    (tmp_path / "plain.dat").write_text(TABLE)
    (tmp_path / "packed.txt").write_bytes(gzip.compress(TABLE.encode()))
    got = open_observations([tmp_path / "plain.dat", tmp_path / "packed.txt"])
    assert got.value.tolist() == [20.0, 20.0]
    assert got.source == "plain.dat, packed.txt"


def test_a_table_named_as_netcdf_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.nc").write_text(TABLE)
    with pytest.raises(InputError, match="no NetCDF file"):
        open_observations(tmp_path / "a.nc")


def test_absent_folder_and_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataMissingError, match="there is no file"):
        open_observations(tmp_path / "absent.csv")
    with pytest.raises(InputError, match="is a folder"):
        open_observations(tmp_path)
    with pytest.raises(InputError, match="at least one"):
        open_observations([])
    (tmp_path / "empty.nc").touch()
    with pytest.raises(InputError, match="0 bytes"):
        open_observations(tmp_path / "empty.nc")


@pytest.mark.extra_data("argo/13857_prof.nc", "argo/5900446_prof.nc")
def test_a_float_without_good_data_does_not_stop_the_others(extra_data: Path) -> None:
    names = ["13857_prof.nc", "5900446_prof.nc"]
    got = open_observations([extra_data / "argo" / name for name in names])
    alone = open_observations(extra_data / "argo" / names[0])
    assert got.value.tolist() == alone.value.tolist()
    assert got.rejected.values > alone.rejected.values
    with pytest.raises(InputError, match="can be used"):
        open_observations(extra_data / "argo" / names[1])


@pytest.mark.extra_data("argo/13857_prof.nc", "ocean/argo_2016_janfeb_100_150_200dbar.csv.gz")
def test_real_files_mix(extra_data: Path) -> None:
    files = ["argo/13857_prof.nc", "ocean/argo_2016_janfeb_100_150_200dbar.csv.gz"]
    got = open_observations([extra_data / name for name in files], wide="dbar")
    assert len(got) == 63_684 + 14_148
    with pytest.raises(InputError, match="cover 1997"):
        open_observations(extra_data / files[0]).within("2016-01", "2016-02")
