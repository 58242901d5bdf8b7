"""Make `src/isopleth/data/assets/era5_ensemble_201701.nc` from the source archive of cfgrib.

Get the archive and run::

    pip download --no-deps --no-binary cfgrib cfgrib==0.9.15.1 && tar xzf cfgrib-0.9.15.1.tar.gz
    python scripts/make_era5_ensemble.py cfgrib-0.9.15.1/tests/sample-data/era5-levels-members.nc

The words of the card are written by hand; this script renews its `bytes` and `sha256`.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import xarray as xr

ASSETS = Path(__file__).parents[1] / "src" / "isopleth" / "data" / "assets"
NAME = "era5_ensemble_201701"
TIME = "2017-01-02T00:00"
STEPS = 64_000  # of the 65,536 that 16 bits hold
ATTRS = {
    "z": {"standard_name": "geopotential", "long_name": "geopotential", "units": "m2 s-2"},
    "t": {"standard_name": "air_temperature", "long_name": "air temperature", "units": "K"},
}
COORDINATES = {
    "number": {"standard_name": "realization", "units": "1"},
    "pressure": {"standard_name": "air_pressure", "units": "hPa", "positive": "down"},
    "lat": {"standard_name": "latitude", "units": "degrees_north"},
    "lon": {"standard_name": "longitude", "units": "degrees_east"},
}


def packed(field: xr.DataArray) -> dict[str, object]:
    """Encoding as 16-bit integers over the range of the field."""
    low, high = float(field.min()), float(field.max())
    scale = (high - low) / STEPS
    return {
        "dtype": "int16",
        "scale_factor": scale,
        "add_offset": 0.5 * (low + high),
        "_FillValue": np.int16(-32768),
        "zlib": True,
        "complevel": 9,
        "shuffle": True,
        "chunksizes": (1, 1, 1, *field.shape[3:]),
    }


def main(source: Path) -> None:
    """Cut, rename, pack, and renew the card."""
    with xr.open_dataset(source) as file:
        data = file[["z", "t"]].drop_vars(["step", "valid_time"]).load()
    names = {"isobaricInhPa": "pressure", "latitude": "lat", "longitude": "lon"}
    data = data.rename(names).sortby("pressure").sel(time=[TIME])
    data.attrs = {"Conventions": "CF-1.11", "title": "ERA5 ensemble members, 3 degrees, a sample"}
    for name, attrs in {**ATTRS, **COORDINATES}.items():
        data[name].attrs = attrs
    data["time"].attrs = {"standard_name": "time"}
    data["number"] = data["number"].astype("int16")
    encoding = {name: packed(data[name]) for name in ATTRS}
    encoding |= {name: {"_FillValue": None} for name in ("pressure", "lat", "lon")}
    encoding["time"] = {"units": "hours since 2017-01-01", "dtype": "int32"}
    path = ASSETS / f"{NAME}.nc"
    data.to_netcdf(path, engine="netcdf4", encoding=encoding)
    card = ASSETS / f"{NAME}.json"
    words = json.loads(card.read_text(encoding="utf-8"))
    content = path.read_bytes()
    words |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    card.write_text(json.dumps(words, indent=2) + "\n", encoding="utf-8")
    print(path, len(content))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
