"""A table as a person would bring it: real Argo positions near Iberia, atlas temperatures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from isopleth.core import Region
from isopleth.systems.kriging import demo

REGION = Region.parse("25N:45N,40W:5E")


def make_table() -> pd.DataFrame:
    """Profiles at 0, 100 and 300 m, January 2016, longitudes in [-180, 180]; every 30th is moved
    to February."""
    profiles = demo.prepare([0.0, 100.0, 300.0]).profiles
    near = profiles.select(REGION.contains(profiles.latitude, profiles.longitude))
    rows, columns = np.nonzero(np.isfinite(near.value))
    later = np.where(rows % 30 == 0, 31, 0).astype("timedelta64[D]")
    return pd.DataFrame(
        {
            "time": near.time[rows] + later,
            "lat": near.latitude[rows],
            "lon": np.round((near.longitude[rows] + 180.0) % 360.0 - 180.0, 3),
            "depth_m": near.depth[columns],
            "temp (degC)": near.value[rows, columns].round(3),
            "platform": near.platform[rows],
        }
    )


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("input") / "profiles.csv"
    make_table().to_csv(path, index=False)
    return path
