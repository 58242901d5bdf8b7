"""Make `qg3_boundary.npz`, the boundary conditions of the quasi-geostrophic world, from pyshqg.

Get the package (no account; it need not be installed)::

    pip download --no-deps pyshqg==1.0.1 && unzip pyshqg-1.0.1-*.whl -d pyshqg

    python scripts/make_qg3_assets.py --data pyshqg/pyshqg/data/data_t63.zarr

Its fields lie on the Gaussian grid of T63, 64x128: that grid is kept, and 32x64 is interpolated.
The words of the card are written by hand; this script only renews its `bytes` and `sha256`.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import tyro
import xarray as xr

from isopleth.core.gaussian_grid import GaussianGrid

ASSETS = Path(__file__).parents[1] / "src" / "isopleth" / "data" / "assets"
NAME = "qg3_boundary"
FIELDS = {
    "forcing": "forcing",
    "potential_vorticity": "initial_q",
    "land": "land_sea_mask",
    "orography": "orography",
}
ROUNDING = 1e-4  # the latitudes of the file are those of the Gaussian grid to this many degrees


def north_to_south_from_greenwich(dataset: xr.Dataset) -> xr.Dataset:
    """Rows from 90 N to 90 S, columns from 0; latitudes restated exactly."""
    fine = GaussianGrid(nlat=dataset.sizes["lat"], nlon=dataset.sizes["lon"])
    turned = dataset.sortby("lat", ascending=False).sortby("lon")
    if np.abs(turned["lat"].values - fine.latitude).max() > ROUNDING:
        raise SystemExit("the file is not on a Gaussian grid; use pyshqg 1.0.1.")
    return turned.assign_coords(lat=fine.latitude, lon=fine.longitude)


def with_poles(field: xr.DataArray) -> xr.DataArray:
    """A row at each pole that holds the mean of the row next to it."""
    ends = [
        field.isel(lat=[row]).mean("lon", keepdims=True).assign_coords(lat=[pole])
        for row, pole in ((0, 90.0), (-1, -90.0))
    ]
    north, south = (
        end.isel(lon=0, drop=True).expand_dims(lon=field["lon"], axis=-1) for end in ends
    )
    return xr.concat([north, field, south], "lat")


def interpolated(field: xr.DataArray, grid: GaussianGrid) -> np.ndarray:
    """Bilinear, single precision, shape (..., nlat, nlon); every column of `grid` is a column."""
    values = with_poles(field).sel(lon=grid.longitude).interp(lat=grid.latitude, method="linear")
    return values.values.astype(np.float32)


def main(data: Path) -> None:
    """Write the asset and renew its card."""
    dataset = north_to_south_from_greenwich(xr.open_zarr(data).load())
    arrays = {
        f"{name}_{grid.nlat}x{grid.nlon}": interpolated(dataset[source], grid)
        for grid in (GaussianGrid(nlat=32, nlon=64), GaussianGrid(nlat=64, nlon=128))
        for name, source in FIELDS.items()
    }
    for name in arrays:
        if name.startswith("land"):
            arrays[name] = arrays[name].clip(0.0, 1.0)  # rounding in the source: -1e-16
    np.savez_compressed(ASSETS / f"{NAME}.npz", allow_pickle=False, **arrays)
    content = (ASSETS / f"{NAME}.npz").read_bytes()
    path = ASSETS / f"{NAME}.json"
    card = json.loads(path.read_text(encoding="utf-8"))
    card |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    path.write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{path.with_suffix('.npz')}: {len(content)} bytes")


if __name__ == "__main__":
    tyro.cli(main)
