"""Make the data files that ship in `src/isopleth/data/assets` from four public packages.

Get the packages (no account, no root) and unpack them::

    apt-get download ferret-datasets=7.6.0-5 && dpkg-deb -x ferret-datasets_*.deb ferret
    pip download --no-deps jcm==3.0.0 && unzip jcm-3.0.0-*.whl -d jcm
    npm pack world-atlas@2.0.2 && mkdir atlas && tar xzf world-atlas-2.0.2.tgz -C atlas
    pip download --no-deps --no-binary :all: bgcArgoDMQC==0.2.13   # no need to unpack

    python scripts/make_assets.py --ferret ferret/usr/share/ferret-vis/data --jcm jcm/jcm/data/bc
        --atlas atlas/package --argo bgcArgoDMQC-0.2.13.tar.gz

The words of the cards (NAME.json) are written by hand; this script only renews their `bytes` and
`sha256`. The HDF5 library writes its version into a file, so another version changes the hash.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

import netCDF4
import numpy as np
import pandas as pd
import tyro
import xarray as xr

ASSETS = Path(__file__).parents[1] / "src" / "isopleth" / "data" / "assets"
FILL = -32768
COLDEST_SEA_DEGC = -2.1  # sea water of practical salinity 38 freezes here; the atlas dips to -3.0
ICE_FREE = 0.01  # largest climatological ice fraction of a cell that is kept
LATITUDE = {"standard_name": "latitude", "units": "degrees_north"}
LONGITUDE = {"standard_name": "longitude", "units": "degrees_east"}
DEPTH = {"standard_name": "depth", "units": "m", "positive": "down", "axis": "Z"}
TEMPERATURE = {"standard_name": "sea_water_temperature", "units": "degC"}
SALINITY = {"standard_name": "sea_water_practical_salinity", "units": "1"}


def read(path: Path, name: str) -> np.ndarray:
    """Variable `name` of a netCDF file as float64, NaN where the file has no value."""
    with netCDF4.Dataset(path) as file:
        return np.ma.filled(file[name][:].astype(float), np.nan)


def north_to_south_from_greenwich(
    field: np.ndarray, latitude: np.ndarray, longitude: np.ndarray
) -> tuple[np.ndarray, dict[str, tuple[str, np.ndarray, dict[str, str]]]]:
    """Reorder a field (..., lat, lon): latitude decreasing, longitude increasing in [0, 360)."""
    rows, columns = np.argsort(-latitude), np.argsort(longitude % 360.0)
    coords = {
        "lat": ("lat", latitude[rows], LATITUDE),
        "lon": ("lon", (longitude % 360.0)[columns], LONGITUDE),
    }
    return field[..., rows, :][..., columns], coords


def write(name: str, dataset: xr.Dataset, packing: dict[str, tuple[float, float]]) -> None:
    """Write NAME.nc as deflated int16; `packing` is (scale factor, offset) of each variable."""
    encoding = {
        key: {"dtype": "int16", "scale_factor": scale, "add_offset": offset, "_FillValue": FILL}
        | {"zlib": True, "complevel": 9, "shuffle": True}
        for key, (scale, offset) in packing.items()
    }
    encoding |= {key: {"_FillValue": None} for key in dataset.coords}
    title = json.loads((ASSETS / f"{name}.json").read_text())["what"]
    dataset.attrs = {"Conventions": "CF-1.11", "title": title}
    dataset.to_netcdf(ASSETS / f"{name}.nc", encoding=encoding, engine="netcdf4")


def ocean_temperature_monthly(ferret: Path) -> None:
    """World Ocean Atlas monthly temperature (12 months, 19 depths, 90, 180), degC."""
    path = ferret / "ocean_atlas_subset.nc"
    field, coords = north_to_south_from_greenwich(
        read(path, "TEMP"), read(path, "YAX_SUBSET"), read(path, "XAX_SUBSET")
    )
    coords["month"] = ("month", np.arange(1, 13, dtype="int32"), {"long_name": "calendar month"})
    coords["depth"] = ("depth", read(path, "ZAXLEVIT19"), DEPTH)
    dims = ("month", "depth", "lat", "lon")
    attrs = TEMPERATURE | {"long_name": "monthly mean temperature", "cell_methods": "month: mean"}
    values = np.maximum(field, COLDEST_SEA_DEGC)
    dataset = xr.Dataset({"temperature": (dims, values, attrs)}, coords)
    write("ocean_temperature_monthly", dataset, {"temperature": (0.001, 15.0)})


def ocean_annual(ferret: Path) -> None:
    """Levitus (1982) annual temperature and salinity (20 depths to 5000 m, 180, 360)."""
    path, dims = ferret / "levitus_climatology.cdf", ("depth", "lat", "lon")
    variables = {}
    for source, name, attrs in (
        ("TEMP", "temperature", TEMPERATURE | {"long_name": "annual mean temperature"}),
        ("SALT", "salinity", SALINITY | {"long_name": "annual mean salinity"}),
    ):
        field, coords = north_to_south_from_greenwich(
            read(path, source), read(path, "YAXLEVITR"), read(path, "XAXLEVITR")
        )
        variables[name] = (dims, field, attrs)
    coords["depth"] = ("depth", read(path, "ZAXLEVITR"), DEPTH)
    dataset = xr.Dataset(variables, coords)
    write("ocean_annual", dataset, {"temperature": (0.005, 15.0), "salinity": (0.005, 25.0)})


def sst_anomaly_1979_2013(jcm: Path) -> None:
    """Monthly sea-surface temperature anomalies (420, 48, 96), degC; NaN on land and near ice."""
    path = jcm / "t30" / "anom" / "sea_surface_temperature_anomaly.nc"
    anomaly, latitude = read(path, "ssta"), read(path, "lat")
    ice = read(jcm / "t30" / "clim" / "sea_ice.nc", "icec").max(axis=0)
    open_sea = (anomaly != 0.0).any(axis=0) & (ice <= ICE_FREE)
    field, coords = north_to_south_from_greenwich(
        np.where(open_sea, anomaly, np.nan), latitude, read(path, "lon")
    )
    months = pd.date_range("1979-01-01", periods=field.shape[0], freq="MS")
    coords["time"] = ("time", months, {"standard_name": "time", "long_name": "start of month"})
    attrs = {"standard_name": "sea_surface_temperature_anomaly", "units": "degC"} | {
        "long_name": "anomaly from the 1981-2010 monthly mean",
        "units_metadata": "temperature: difference",
    }
    dataset = xr.Dataset({"sst_anomaly": (("time", "lat", "lon"), field, attrs)}, coords)
    write("sst_anomaly_1979_2013", dataset, {"sst_anomaly": (0.005, 0.0)})


def bathymetry(ferret: Path) -> None:
    """Height of the solid surface above sea level (540, 1080) on 1/3 degree cells, m."""
    path, n = ferret / "etopo20.cdf", 1080  # column 1080 repeats column 0
    # The file's axes carry a step of 0.3333333 that drifts by 1e-4 degree: restated exactly.
    latitude = -90.0 + (np.arange(n // 2) + 0.5) / 3.0
    longitude = 20.0 + (np.arange(n) + 0.5) / 3.0
    field, coords = north_to_south_from_greenwich(read(path, "ROSE")[:, :n], latitude, longitude)
    attrs = {"standard_name": "surface_altitude", "units": "m"} | {
        "long_name": "height of land surface or sea floor above mean sea level"
    }
    dataset = xr.Dataset({"height": (("lat", "lon"), field, attrs)}, coords)
    write("bathymetry", dataset, {"height": (1.0, 0.0)})


def coastline_110m(atlas: Path) -> None:
    """Natural Earth 1:110m coastlines: TopoJSON arcs decoded to degrees, joined end to end."""
    topology = json.loads((atlas / "land-110m.json").read_text())
    scale, origin = (np.array(topology["transform"][key]) for key in ("scale", "translate"))
    arcs = [np.cumsum(arc, axis=0) * scale + origin for arc in topology["arcs"]]
    points = np.concatenate(arcs).astype("float32")
    start = np.cumsum([0] + [len(arc) for arc in arcs], dtype="int32")
    buffer = io.BytesIO()
    np.savez_compressed(buffer, longitude=points[:, 0], latitude=points[:, 1], start=start)
    (ASSETS / "coastline_110m.npz").write_bytes(buffer.getvalue())


def argo_positions_201601(argo: Path) -> None:
    """Time and place of every Argo profile of January 2016 in the data centres' index."""
    member = "bgcArgoDMQC-0.2.13/bgcArgoDMQC/ref/ar_index_global_prof.txt.gz"
    with tarfile.open(argo) as archive, gzip.open(archive.extractfile(member)) as text:
        columns = ["file", "date", "latitude", "longitude"]
        table = pd.read_csv(text, comment="#", usecols=columns, dtype={"date": str})
    date = pd.to_datetime(table["date"], format="%Y%m%d%H%M%S", errors="coerce")
    inside = table["latitude"].between(-90, 90) & table["longitude"].between(-180, 360)
    keep = (date.dt.strftime("%Y%m") == "201601") & inside
    rows = pd.DataFrame(
        {
            "time": date[keep].dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "latitude": table["latitude"][keep].map("{:.3f}".format),
            "longitude": (table["longitude"][keep] % 360.0).map("{:.3f}".format),
            "platform": table["file"][keep].str.split("/").str[1],
        }
    ).sort_values(["time", "platform", "latitude"])
    data = gzip.compress(rows.to_csv(index=False).encode(), compresslevel=9, mtime=0)
    (ASSETS / "argo_positions_201601.csv.gz").write_bytes(data)


def renew_cards() -> None:
    """Write the size and SHA-256 of every asset into its card."""
    for path in sorted(ASSETS.glob("*.json")):
        card = json.loads(path.read_text())
        data = (ASSETS / card["file"]).read_bytes()
        card |= {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        path.write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n")


def main(ferret: Path, jcm: Path, atlas: Path, argo: Path) -> None:
    """Make all assets from the unpacked packages and renew their cards."""
    ocean_temperature_monthly(ferret)
    ocean_annual(ferret)
    sst_anomaly_1979_2013(jcm)
    bathymetry(ferret)
    coastline_110m(atlas)
    argo_positions_201601(argo)
    renew_cards()


if __name__ == "__main__":
    tyro.cli(main)
