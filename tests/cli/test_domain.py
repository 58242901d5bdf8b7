from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from isopleth.cli.arguments import Reconstruct
from isopleth.cli.domain import climatology_of, domain_of, extent
from isopleth.cli.request import Request, check
from isopleth.core import Grid, Region
from isopleth.core.errors import DataMissingError, InputError
from isopleth.data import Climatology


def asked(table: Path, **words: object) -> Request:
    return check(Reconstruct(observations=(table,), **words))  # type: ignore[arg-type]


def grid_of(table: Path, **words: object) -> Grid:
    request = asked(table, **words)
    return domain_of(request, climatology_of(request)).grid


def coarse(depth: list[float] | None = None) -> xr.Dataset:
    coords = {"lat": np.arange(20.0, 61.0, 5.0), "lon": np.arange(-60.0, 1.0, 5.0)}
    return xr.Dataset(coords=coords if depth is None else coords | {"depth": depth})


def test_a_cell_size_makes_a_global_ocean(table: Path) -> None:
    grid = grid_of(table, grid="2deg")
    assert grid.shape == (19, 90, 180)
    assert 0.6 < (grid.weights * grid.mask[0]).sum() < 0.75
    assert grid_of(table, grid="10 degrees", levels="5").shape == (1, 18, 36)


def test_a_region_is_cut(table: Path) -> None:
    grid = grid_of(table, grid="5deg", region="20N:60N,20W:20E", levels="0,100")
    assert grid.shape == (2, 8, 8)
    assert extent(grid) == Region(20.0, 60.0, 340.0, 380.0)


def test_the_extent_of_the_globe() -> None:
    assert extent(Grid.regular(2.0, levels=[0.0])) == Region(-90.0, 90.0, 0.0, 360.0)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"grid": "7deg"}, "does not divide 180"),
        ({"region": "35N:45N,62E:90E"}, "no ocean on this grid"),
        ({"region": "10.2N:10.4N,0:1"}, "finer grid or a larger region"),
        ({"levels": "0,2000"}, "the level 2000 m lies below the climatology, which ends at 1000"),
    ],
)
def test_a_grid_that_cannot_be(table: Path, words: dict[str, str], told: str) -> None:
    with pytest.raises(InputError, match=told):
        grid_of(table, **words)


def test_a_grid_file_that_is_not_there(table: Path) -> None:
    with pytest.raises(DataMissingError, match="neither a cell size such as 1deg nor a file"):
        grid_of(table, grid="no.nc")


def test_a_grid_file_without_a_mask_gets_the_shipped_one(table: Path, tmp_path: Path) -> None:
    coarse([0.0, 500.0]).to_netcdf(tmp_path / "grid.nc")
    request = asked(table, grid=str(tmp_path / "grid.nc"))
    domain = domain_of(request, climatology_of(request))
    assert domain.grid.levels.tolist() == [0.0, 500.0]
    assert domain.grid.latitude[0] == 60.0
    assert domain.grid.longitude[0] == 300.0
    assert domain.notes == ("grid.nc has no mask: the shipped bathymetry says what is ocean",)
    spain = np.isclose(domain.grid.latitude, 40.0), np.isclose(domain.grid.longitude, 355.0)
    assert not domain.grid.mask[0][np.ix_(*spain)].any()


def test_a_grid_file_keeps_its_own_mask(table: Path, tmp_path: Path) -> None:
    own = coarse([0.0, 500.0])
    sea = np.zeros((2, 9, 13), np.int8)
    sea[:, 2:5, 3:6] = 1
    own["mask"] = ("depth", "lat", "lon"), sea
    own.to_netcdf(tmp_path / "grid.nc")
    grid = grid_of(table, grid=str(tmp_path / "grid.nc"))
    assert np.array_equal(grid.mask, sea[:, ::-1] == 1)
    other = grid_of(table, grid=str(tmp_path / "grid.nc"), levels="0,10")
    assert np.array_equal(other.mask[0], sea[0, ::-1] == 1)


def test_a_grid_file_without_depths_takes_those_of_the_climatology(
    table: Path, tmp_path: Path
) -> None:
    coarse().to_netcdf(tmp_path / "grid.nc")
    assert grid_of(table, grid=str(tmp_path / "grid.nc")).levels.size == 19


def test_levels_of_a_file_below_the_climatology_are_left_out(table: Path, tmp_path: Path) -> None:
    coarse([0.0, 900.0, 3000.0, 4000.0]).to_netcdf(tmp_path / "grid.nc")
    request = asked(table, grid=str(tmp_path / "grid.nc"))
    domain = domain_of(request, climatology_of(request))
    assert domain.grid.levels.tolist() == [0.0, 900.0]
    assert domain.notes[-1].startswith("2 levels below 1000 m were left out")


def test_a_region_does_not_cut_a_grid_file(table: Path, tmp_path: Path) -> None:
    coarse().to_netcdf(tmp_path / "grid.nc")
    with pytest.raises(InputError, match="--region cannot cut the grid"):
        grid_of(table, grid=str(tmp_path / "grid.nc"), region="20N:60N,20W:20E")


def climatology_file(path: Path, **names: float) -> None:
    lat, lon = np.arange(-85.0, 90.0, 10.0), np.arange(5.0, 360.0, 10.0)
    coords = {"time": np.arange(1, 13), "depth": [0.0, 50.0], "lat": lat, "lon": lon}
    dims, shape = tuple(coords), (12, 2, 18, 36)
    fields = {
        name: (dims, np.full(shape, v), {"standard_name": "sea_water_temperature"})
        for name, v in names.items()
    }
    xr.Dataset(fields, coords, {"epoch": "1991 to 2020"}).to_netcdf(path)


def test_a_climatology_of_the_user(table: Path, tmp_path: Path) -> None:
    climatology_file(tmp_path / "mine.nc", t_an=11.0)
    found = climatology_of(asked(table, climatology=str(tmp_path / "mine.nc")))
    assert found.epoch == "1991 to 2020"
    assert found.at("2016-01-15", [0.0], [0.0], [0.0]).item() == 11.0
    assert found.linear_in_time


def test_one_of_several_fields_is_named_after_a_colon(table: Path, tmp_path: Path) -> None:
    climatology_file(tmp_path / "mine.nc", t_an=11.0, t_mn=12.0)
    with pytest.raises(InputError, match="several fields"):
        climatology_of(asked(table, climatology=str(tmp_path / "mine.nc")))
    found = climatology_of(asked(table, climatology=f"{tmp_path / 'mine.nc'}:t_mn"))
    assert found.values.max() == 12.0


def test_salinity_has_a_climatology_too(table: Path) -> None:
    found: Climatology = climatology_of(asked(table, variable="salinity"))
    assert found.variable.name == "salinity"
    with pytest.raises(DataMissingError, match="absent"):
        climatology_of(asked(table, climatology="absent.nc"))


def test_more_cells_than_can_be_held_are_refused_at_once(table: Path) -> None:
    with pytest.raises(InputError, match=r"1e-05 degrees would have 6e\+14 cells on all levels"):
        grid_of(table, grid="0.00001deg", levels="0")


# --- a method with its own grid ---------------------------------------------------------------

OWN = Grid.regular(10.0, levels=[0.0, 100.0, 300.0])


def own_grid(table: Path, **words: object) -> Grid:
    request = asked(table, **words)
    return domain_of(request, climatology_of(request), OWN).grid


def test_a_method_with_its_own_grid_maps_that(table: Path) -> None:
    assert own_grid(table) == OWN
    assert own_grid(table, levels="0,300").levels.tolist() == [0.0, 300.0]
    finer = own_grid(table, grid="5deg")
    assert finer.shape == (3, 36, 72)


def test_its_own_grid_is_cut_across_greenwich(table: Path) -> None:
    wet = OWN.mask.copy()
    wet[:, 4, 0] = False  # 45N, 5E
    request = asked(table, region="20N:60N,30W:20E")
    grid = domain_of(request, climatology_of(request), OWN.with_mask(wet)).grid
    assert grid.latitude.tolist() == [55.0, 45.0, 35.0, 25.0]
    assert (grid.longitude % 360.0).tolist() == [335.0, 345.0, 355.0, 5.0, 15.0]
    assert np.argwhere(~grid.mask[0]).tolist() == [[1, 3]]
    with pytest.raises(InputError, match=r"holds 1 x \d cells of the prior"):
        own_grid(table, region="20N:30N,30W:20E")


@pytest.mark.parametrize("words", [{"levels": "0,50"}, {"levels": "0,50", "grid": "5deg"}])
def test_its_levels_are_the_only_ones(table: Path, words: dict[str, str]) -> None:
    with pytest.raises(InputError, match="50 m is not one that the prior knows: choose among 0, "):
        own_grid(table, **words)


def test_a_grid_file_must_be_on_its_levels(table: Path, tmp_path: Path) -> None:
    coarse([0.0, 500.0]).to_netcdf(tmp_path / "grid.nc")
    with pytest.raises(InputError, match="the level 500 m is not one that the prior knows"):
        own_grid(table, grid=str(tmp_path / "grid.nc"))
