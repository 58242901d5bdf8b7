"""Shipped data: every file has a true card, and a changed byte is noticed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from isopleth.core.errors import DataMissingError, IntegrityError
from isopleth.data import cards
from isopleth.data.cards import asset_names, open_asset, open_grid, read_card

ASSETS = Path(cards.__file__).parent / "assets"
SYNTHETIC = {"qg3_climate"}  # states of a model, and called so
GRIDS = [name for name in asset_names() if read_card(name).file.endswith(".nc")]


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of one asset that may be damaged."""
    for suffix in ("json", "npz"):
        shutil.copy(ASSETS / f"coastline_110m.{suffix}", tmp_path)
    monkeypatch.setattr(cards, "_folder", lambda: tmp_path)
    return tmp_path


def test_no_file_without_a_card_and_all_within_eight_megabytes() -> None:
    files = [path for path in ASSETS.iterdir() if path.is_file()]
    described = {f"{name}.json" for name in asset_names()}
    described |= {read_card(name).file for name in asset_names()}
    notices = {path.name for path in ASSETS.glob("NOTICE*")}
    assert {path.name for path in files} == described | notices
    assert sum(path.stat().st_size for path in files) <= 8_000_000


@pytest.mark.parametrize("name", asset_names())
def test_card_is_true_and_its_file_is_named_in_the_notice(name: str) -> None:
    card = read_card(name)
    assert card.name == name
    assert len(open_asset(name).getvalue()) == card.bytes
    assert card.synthetic == (name in SYNTHETIC)
    assert card.changes
    assert card.limits
    notice = "".join(path.read_text() for path in ASSETS.glob("NOTICE*"))
    assert card.file in notice
    assert f"{card.source.package} {card.source.version}" in notice


@pytest.mark.parametrize("name", GRIDS)
def test_grid_has_the_variables_of_its_card_in_canonical_order(name: str) -> None:
    dataset = open_grid(name)
    expected = {variable.name: variable.units for variable in read_card(name).variables}
    assert {str(key): field.attrs["units"] for key, field in dataset.data_vars.items()} == expected
    assert dataset.attrs["Conventions"] == "CF-1.11"
    assert (np.diff(dataset["lat"]) < 0.0).all()
    assert (np.diff(dataset["lon"]) > 0.0).all()
    assert 0.0 <= float(dataset["lon"][0]) < float(dataset["lon"][-1]) < 360.0


def test_sea_surface_temperature_anomalies_know_el_nino() -> None:
    """Niño 3.4 was above 2 degrees in December 1982 and 1997, below -1 in December 1988."""
    field = open_grid("sst_anomaly_1979_2013")["sst_anomaly"]
    box = field.sel(lat=slice(5, -5), lon=slice(190, 240)).mean(["lat", "lon"])
    index = [float(box.sel(time=month)) for month in ("1982-12-01", "1997-12-01", "1988-12-01")]
    assert index[0] > 2.0
    assert index[1] > 2.0
    assert index[2] < -1.0
    assert float(np.abs(field).max()) < 6.0


def test_argo_positions_are_those_of_january_2016() -> None:
    table = pd.read_csv(open_asset("argo_positions_201601"), compression="gzip")
    time = pd.to_datetime(table["time"])
    assert len(table) == 14_961
    assert time.is_monotonic_increasing
    assert (time.dt.strftime("%Y-%m") == "2016-01").all()
    assert table["latitude"].between(-90.0, 90.0).all()
    assert table["longitude"].between(0.0, 360.0, inclusive="left").all()


def test_changed_byte_is_refused(copied: Path) -> None:
    path = copied / "coastline_110m.npz"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(IntegrityError, match=r"coastline_110m\.npz has SHA-256 .* install"):
        open_asset("coastline_110m")


def test_missing_file_says_what_to_do(copied: Path) -> None:
    (copied / "coastline_110m.npz").unlink()
    with pytest.raises(DataMissingError, match=r"coastline_110m\.npz is missing: install"):
        open_asset("coastline_110m")


def test_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(DataMissingError, match=r"named 'gebco': use one of .*bathymetry"):
        open_asset("gebco")


@pytest.mark.parametrize(
    ("field", "value"), [("sha256", "0"), ("bytes", 0), ("variables", []), ("surprise", 1)]
)
def test_damaged_card_is_refused(copied: Path, field: str, value: object) -> None:
    path = copied / "coastline_110m.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: value}))
    with pytest.raises(IntegrityError, match=f"card of 'coastline_110m' is damaged \\({field}"):
        read_card("coastline_110m")
