"""What the quasi-geostrophic world stands on: land, mountains and its constant forcing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from isopleth.core.errors import InputError
from isopleth.core.gaussian_grid import GaussianGrid
from isopleth.data.cards import open_asset

__all__ = ["Surface", "load_forcing", "load_initial", "load_surface"]

Floats = npt.NDArray[np.float64]

_ASSET = "qg3_boundary"
_SHIPPED = (32, 64), (64, 128)


@dataclass(frozen=True, eq=False)
class Surface:
    """Land and mountains on a Gaussian grid.

    Args:
        land: Share of land, 0 to 1, shape (nlat, nlon).
        orography: Height of the surface, m, shape (nlat, nlon).

    Raises:
        InputError: If the shapes differ, or a value is not finite or no share.
    """

    land: Floats
    orography: Floats

    def __post_init__(self) -> None:
        """Freeze the fields and check them."""
        for name in ("land", "orography"):
            field = np.array(getattr(self, name), dtype=np.float64)
            field.flags.writeable = False
            object.__setattr__(self, name, field)
        if self.land.shape != self.orography.shape or self.land.ndim != 2:
            raise InputError(
                f"land has shape {self.land.shape} and orography {self.orography.shape}: give "
                "both on one grid (nlat, nlon)."
            )
        finite = np.isfinite(self.land).all() and np.isfinite(self.orography).all()
        if not finite or self.land.min() < 0.0 or self.land.max() > 1.0:
            raise InputError(
                f"the share of land runs from {self.land.min():g} to {self.land.max():g}: give "
                "finite heights and shares between 0 and 1."
            )

    @classmethod
    def flat(cls, grid: GaussianGrid) -> Surface:
        """Sea everywhere.

        >>> Surface.flat(GaussianGrid(nlat=32, nlon=64)).land.max().item()
        0.0
        """
        return cls(np.zeros(grid.shape), np.zeros(grid.shape))


def load_surface(grid: GaussianGrid) -> Surface:
    """The shipped land and orography on 32x64 or 64x128.

    Raises:
        InputError: If the grid is another one.

    >>> load_surface(GaussianGrid(nlat=32, nlon=64)).orography.max() > 4000.0
    np.True_
    """
    return Surface(_read("land", grid), _read("orography", grid))


def load_forcing(grid: GaussianGrid) -> Floats:
    """The shipped forcing of potential vorticity, s^-2, shape (3, nlat, nlon), 200 hPa first.

    Raises:
        InputError: If the grid is another one than 32x64 or 64x128.
    """
    return _read("forcing", grid)


def load_initial(grid: GaussianGrid) -> Floats:
    """A potential vorticity to start a spin-up from, s^-1, shape (3, nlat, nlon), 200 hPa first.

    Raises:
        InputError: If the grid is another one than 32x64 or 64x128.
    """
    return _read("potential_vorticity", grid)


def _read(name: str, grid: GaussianGrid) -> Floats:
    if grid.shape not in _SHIPPED:
        raise InputError(
            f"no boundary conditions are shipped on the grid {grid.shape}: use one of "
            f"{', '.join(map(str, _SHIPPED))}, or interpolate your own."
        )
    with np.load(open_asset(_ASSET), allow_pickle=False) as file:
        return np.asarray(file[f"{name}_{grid.nlat}x{grid.nlon}"], dtype=np.float64)
