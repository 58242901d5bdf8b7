"""Observable: what instruments can read of a state: its variables, and winds of a streamfunction.

Nobody measures a streamfunction. Its winds, `u = -1/a dpsi/dphi`, `v = 1/(a cos phi)
dpsi/dlambda`, stand behind it as channels of their own, so that a sounding is read like any
other variable and every method stays linear.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from isopleth.core.channels import Channels
from isopleth.core.gaussian_grid import GaussianGrid
from isopleth.core.sphere import Sphere
from isopleth.dynamics.qg3_recipe import T21
from isopleth.systems.losda.standard import Standard, channels_of

__all__ = ["Observable", "observable"]

_WINDS = ("eastward_wind", "northward_wind")


@dataclass(frozen=True, eq=False, kw_only=True)
class Observable:
    """A state with what follows from it.

    Args:
        channels: Of the whole: those of the state first.
        of: Linear, from (..., channel, lat, lon) to the whole, float64.
        doubt: From variances of the state that no latent describes, (channel, lat, lon), to those
            of the whole.
    """

    channels: Channels
    of: Callable[[Tensor], Tensor]
    doubt: Callable[[Tensor], Tensor]


def observable(standard: Standard) -> Observable:
    """The state itself; with winds, if it is a streamfunction on a Gaussian grid.

    >>> from isopleth.core.channels import PRESSURE
    >>> grid = GaussianGrid(nlat=8, nlon=16)
    >>> channels = channels_of({"streamfunction": [500.0]}, PRESSURE, grid.latitude,
    ...                        grid.longitude)
    >>> parts = {"mean": torch.zeros(1, 8, 16), "sd": torch.ones(1), "area": torch.ones(8)}
    >>> whole = observable(Standard(channels=channels, **parts))
    >>> [quantity.name for quantity in whole.channels.quantities]
    ['streamfunction', 'eastward_wind', 'northward_wind']
    """
    channels, grid = standard.channels, standard.gaussian
    (first, *others) = channels.quantities
    levels = channels.levels(first)
    if grid is None or others or first.name != "streamfunction" or levels is None:
        return Observable(channels=channels, of=lambda x: x.double(), doubt=lambda v: v.double())
    winds = _Winds(grid)
    names = (first.name, *_WINDS)
    whole = channels_of(
        {name: levels.tolist() for name in names},
        channels.vertical,
        channels.grid.latitude,
        channels.grid.longitude,
    )
    return Observable(channels=whole, of=winds.behind, doubt=winds.doubt)


class _Winds:
    """Of a streamfunction, by spherical harmonics up to the grid's alias-free degree."""

    def __init__(self, grid: GaussianGrid) -> None:
        self._sphere = Sphere((grid.nlon - 1) // 3, grid, torch.float64)

    def behind(self, psi: Tensor) -> Tensor:
        """Psi (..., level, lat, lon), then u and v, m s-1: (..., 3 level, lat, lon)."""
        psi = psi.double()
        east, north = self._sphere.gradient(self._sphere.analysis(psi) / T21.radius)
        return torch.cat([psi, -north, east], -3)

    def doubt(self, variance: Tensor) -> Tensor:
        """As if all of it were waves of the truncation's degree T, which errs to the safe side.

        The wind variance of degree l is `l (l + 1) / a^2` times the streamfunction's, half of it
        in either component.
        """
        T = self._sphere.truncation
        winds = variance.double() * (0.5 * T * (T + 1) / T21.radius**2)
        return torch.cat([variance.double(), winds, winds], -3)
