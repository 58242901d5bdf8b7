"""Loaders of the profiles for the depth benchmark: Station Papa, WOCE A03 and twelve floats."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import rdata

from argo_boxes import EXTRA
from isopleth.data import Profiles, Soundings, load_climatology, read_frame, to_levels
from isopleth.data.argo import read_argo
from isopleth.data.quality import check

PAPA, WOCE = EXTRA / "ocean" / "T.dat", EXTRA / "ocean" / "section.rda"
FLOATS = sorted((EXTRA / "argo").glob("*_prof.nc"))
PAPA_LATITUDE, PAPA_LONGITUDE, PAPA_MISSING = 50.0, -145.0, -9.0
GOOD_PAPA_QUALITY = "12"  # highest and default quality of the OceanSITES processing


def papa(path: Path = PAPA) -> Soundings:
    """Daily temperatures of the mooring, 1 to 300 m, 2007 to 2012 (PMEL's text format)."""
    depths: list[float] = []
    rows: list[tuple[str, float, float]] = []
    for line in path.read_text().splitlines():
        words = line.split()
        if line.lstrip().startswith("Depth(M):"):
            depths = [float(word) for word in words[1:] if word[0].isdigit()]
        elif words and words[0].isdigit() and len(words[0]) == 8:
            day = f"{words[0][:4]}-{words[0][4:6]}-{words[0][6:]}T{words[1][:2]}:00Z"
            quality = words[2 + len(depths)]
            for depth, text, flag in zip(depths, words[2:], quality, strict=False):
                if float(text) > PAPA_MISSING and flag in GOOD_PAPA_QUALITY:
                    rows.append((day, depth, float(text)))
    frame = pd.DataFrame(rows, columns=["time", "depth", "temperature"])
    return read_frame(frame.assign(lat=PAPA_LATITUDE, lon=PAPA_LONGITUDE, platform="papa"))


def woce(path: Path = WOCE) -> Soundings:
    """The CTD stations of section A03 across the Atlantic at 36 N, 1993."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        section = rdata.read_rda(path)["section"]
    parts = []
    for station in section.data["station"]:
        about = station.metadata
        parts.append(
            pd.DataFrame(
                {
                    "time": pd.Timestamp(float(np.ravel(about["startTime"])[0]), unit="s"),
                    "lat": float(np.ravel(about["latitude"])[0]),
                    "lon": float(np.ravel(about["longitude"])[0]),
                    "pressure": np.ravel(station.data["pressure"]),
                    "temperature": np.ravel(station.data["temperature"]),
                    "platform": str(np.ravel(about["station"])[0]),
                }
            )
        )
    return read_frame(pd.concat(parts, ignore_index=True))


def datasets() -> dict[str, Profiles]:
    """Each data set on the climatology's levels, checked, in order of platform and time."""
    for path in (PAPA, WOCE, *(FLOATS or [EXTRA / "argo"])):
        if not path.exists() or not FLOATS:
            raise SystemExit(f"{path} is not here; set ISOPLETH_EXTRA_DATA to its folder.")
    levels = load_climatology().grid.levels
    sources = {
        "papa": papa(),
        "woce a03": woce(),
        "floats": read_argo(FLOATS, accept_estimated=True),
    }
    ready = {}
    for name, soundings in sources.items():
        profiles = to_levels(check(soundings)[0], levels)
        order = np.lexsort((profiles.time, profiles.platform.astype(str)))
        if name != "floats":
            order = np.argsort(profiles.time, kind="stable")
        ready[name] = profiles.select(order)
    return ready


if __name__ == "__main__":
    for name, profiles in datasets().items():
        seen = np.isfinite(profiles.value)
        print(
            name,
            len(profiles),
            "profiles",
            dict(zip(profiles.depth, seen.sum(axis=0), strict=True)),
        )
