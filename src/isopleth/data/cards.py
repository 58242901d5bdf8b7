"""Cards: what every shipped data file is, where it comes from and what its bytes must be."""

from __future__ import annotations

import hashlib
import io
from importlib import resources
from importlib.resources.abc import Traversable

import netCDF4
import xarray as xr
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from xarray.backends import NetCDF4DataStore

from isopleth.core.errors import DataMissingError, IntegrityError

__all__ = ["Card", "CardVariable", "Source", "asset_names", "open_asset", "open_grid", "read_card"]


class _Strict(BaseModel):
    """A card says what it says: no unknown field, nothing changed after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Strict):
    """The public package that a file was made from."""

    registry: str
    package: str
    version: str
    file: str


class CardVariable(_Strict):
    """One variable of a file."""

    name: str
    units: str
    description: str


class Card(_Strict):
    """The card of one shipped file, read from `data/assets/NAME.json`.

    Args:
        name: Name of the asset.
        file: Name of its file beside the card.
        what: One sentence: what the numbers are.
        source: Package, version and file they were taken from.
        licence: Terms under which the package may be passed on; the full notices are in NOTICE.
        attribution: Whom to name.
        epoch: The years that the numbers stand for.
        variables: Names, units and shapes.
        changes: Every difference from the source.
        limits: What the file cannot be used for.
        synthetic: True if the numbers were generated rather than observed.
        bytes: Size of the file.
        sha256: Hash of the file, hexadecimal.
    """

    name: str
    file: str
    what: str
    source: Source
    licence: str
    attribution: str
    epoch: str
    variables: tuple[CardVariable, ...] = Field(min_length=1)
    changes: tuple[str, ...]
    limits: tuple[str, ...]
    synthetic: bool
    bytes: int = Field(gt=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


def asset_names() -> tuple[str, ...]:
    """Names of the shipped files, in alphabetical order.

    >>> "bathymetry" in asset_names()
    True
    """
    cards = (entry.name for entry in _folder().iterdir() if entry.name.endswith(".json"))
    return tuple(sorted(name.removesuffix(".json") for name in cards))


def read_card(name: str) -> Card:
    """The card of a shipped file.

    Raises:
        DataMissingError: If no file of this name is shipped.
        IntegrityError: If the card itself is damaged.

    >>> read_card("coastline_110m").source.package
    'world-atlas'
    """
    if name not in asset_names():
        raise DataMissingError(
            f"no shipped data file is named {name!r}: use one of {', '.join(asset_names())}."
        )
    try:
        return Card.model_validate_json((_folder() / f"{name}.json").read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        raise IntegrityError(
            f"the card of {name!r} is damaged ({'.'.join(map(str, first['loc']))}: "
            f"{first['msg']}): install isopleth again."
        ) from error


def open_asset(name: str) -> io.BytesIO:
    """The bytes of a shipped file, after their hash was compared with the card's.

    Raises:
        DataMissingError: If no file of this name is shipped, or the file has gone.
        IntegrityError: If the bytes are not those that the card promises.

    >>> len(open_asset("coastline_110m").read()) == read_card("coastline_110m").bytes
    True
    """
    card = read_card(name)
    path = _folder() / card.file
    if not path.is_file():
        raise DataMissingError(f"the data file {card.file} is missing: install isopleth again.")
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != card.sha256:
        raise IntegrityError(
            f"the data file {card.file} has SHA-256 {found[:12]}..., its card promises "
            f"{card.sha256[:12]}...: install isopleth again."
        )
    return io.BytesIO(data)


def open_grid(name: str) -> xr.Dataset:
    """A shipped netCDF file in memory, checked against its card.

    Raises:
        DataMissingError: If no file of this name is shipped.
        IntegrityError: If the bytes are not those that the card promises.

    >>> dict(open_grid("bathymetry").sizes)
    {'lat': 540, 'lon': 1080}
    """
    with netCDF4.Dataset(f"{name}.nc", memory=open_asset(name).getvalue()) as file:
        return xr.open_dataset(NetCDF4DataStore(file)).load()


def _folder() -> Traversable:
    return resources.files("isopleth.data") / "assets"
