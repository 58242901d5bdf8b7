"""Radiances: what a sounder in space reads of temperature and humidity, linear and not.

Two forms of the same instrument, a few lines of physics each: a mean of the temperature profile
with chosen weights, and an absorbing, non-scattering atmosphere over a black surface (plane
parallel, seen at nadir, one frequency a channel). They are made for twin experiments, where truth
is read by the same operator; they are no replacement for a fitted transmittance model.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.core.protocols import LinearOperator, Operator
from isopleth.observe.planck import brightness_temperature, photons

__all__ = ["Channel", "RadianceOperator", "Sounder", "WeightedColumns", "weighting_functions"]

Floats = npt.NDArray[np.float64]

GRAVITY = 9.80665
"""Standard acceleration, m/s2 (third General Conference on Weights and Measures, 1901)."""

_BROADENING = 2.0
"""Optical depth of a well-mixed gas above p goes as p^2: mass times pressure-broadened lines."""


def weighting_functions(
    pressure: npt.ArrayLike, peak: npt.ArrayLike, width: npt.ArrayLike
) -> Floats:
    """Normalised Gaussians in log-pressure, shape (channels, levels).

        W_ck = exp(-(ln p_k - ln p_c)^2 / (2 w_c^2)) d(ln p)_k,  sum_k W_ck = 1

    with the thickness `d(ln p)_k` between the midpoints of neighbouring levels, and half of that
    at the ends.

    Args:
        pressure: Of the levels, positive and strictly monotone, any unit, shape (levels,).
        peak: Pressure of the largest weight of every channel, same unit, shape (channels,).
        width: Standard deviation in ln p, one or (channels,).

    Raises:
        InputError: If a pressure or width is not positive, the levels are unordered, or a channel
            peaks where no level is.

    >>> weighting_functions([100.0, 300.0, 900.0], [300.0], 0.5).round(3).tolist()
    [[0.041, 0.918, 0.041]]
    """
    p, p_c = np.asarray(pressure, dtype=np.float64), np.atleast_1d(np.asarray(peak, float))
    w_c = np.broadcast_to(np.asarray(width, dtype=np.float64), p_c.shape)
    _check_pressure(p)
    if not (p_c > 0.0).all() or not (w_c > 0.0).all():
        raise InputError(f"peaks {p_c} and widths {w_c} of the channels must all be positive.")
    height = np.log(p)
    thickness = np.abs(np.gradient(height))
    thickness[[0, -1]] *= 0.5
    weight = np.exp(-0.5 * ((height - np.log(p_c)[:, None]) / w_c[:, None]) ** 2) * thickness
    total = weight.sum(axis=1, keepdims=True)
    empty = np.flatnonzero(total < 1e-12)
    if empty.size:
        raise InputError(
            f"channel {empty[0]} peaks at {p_c[empty[0]]:g}, where no level is: "
            f"the levels go from {p[0]:g} to {p[-1]:g}."
        )
    return weight / total


class WeightedColumns:
    """Linear radiances, `T_B = sum_k W_ck T_k`: `(..., level, lat, lon)` to `(..., n, channels)`.

    A channel is `valid` where every level with a weight is.

    Args:
        columns: Reads the profile: observations of shape (n, levels), top and order as in W.
        weights: `W`, shape (channels, levels).

    Raises:
        InputError: If the weights do not fit the columns.

    >>> from isopleth.core.grid import Grid
    >>> from isopleth.observe.columns import ColumnOperator
    >>> grid = Grid.regular(90.0, levels=[0.0, 1.0])
    >>> T = torch.tensor([220.0, 280.0])[:, None, None].expand(grid.shape)
    >>> WeightedColumns(ColumnOperator(grid, [0.0], [0.0]), [[0.5, 0.5]])(T).tolist()
    [[250.0]]
    """

    def __init__(self, columns: LinearOperator, weights: npt.ArrayLike) -> None:
        matrix = torch.from_numpy(np.array(weights, dtype=np.float64))
        shape = tuple(columns.valid.shape)
        if matrix.ndim != 2 or len(shape) != 2 or matrix.shape[1] != shape[1]:
            raise InputError(
                f"weights of shape {tuple(matrix.shape)} do not fit columns of shape {shape}: "
                "give one row a channel, with one weight a level."
            )
        self._columns = columns
        self._weights = matrix

    @property
    def valid(self) -> Tensor:
        """Which channels can be predicted, shape (n, channels)."""
        missing = (~self._columns.valid).double() @ (self._weights != 0).double().T
        return missing == 0

    def __call__(self, x: Tensor) -> Tensor:
        """From `(..., level, lat, lon)` to `(..., n, channels)`; 0 where not valid."""
        y = self._columns(x) @ self._weights.to(x).T
        return y.masked_fill(~self.valid.to(x.device), 0.0)

    def adjoint(self, y: Tensor) -> Tensor:
        """From `(..., n, channels)` to `(..., level, lat, lon)`."""
        seen = y.masked_fill(~self.valid.to(y.device), 0.0)
        return self._columns.adjoint(seen @ self._weights.to(y))


@dataclass(frozen=True, kw_only=True)
class Channel:
    """One channel of a sounder: its frequency and what absorbs there.

    Args:
        frequency: Hz.
        peak: Pressure at which the well-mixed gas alone has an optical depth of 1 above it and
            the weighting function in ln p is largest, Pa; infinite for a window.
        vapour: Absorption coefficient of water vapour, m2 per kg of vapour; 0 for none.

    Raises:
        InputError: If a number is out of range.

    >>> window = Channel(frequency=31.4e9)
    >>> window.peak, window.vapour
    (inf, 0.0)
    """

    frequency: float
    peak: float = float("inf")
    vapour: float = 0.0

    def __post_init__(self) -> None:
        """Check the numbers."""
        numbers = (self.frequency, self.peak, self.vapour)
        if not (self.frequency > 0.0 and self.peak > 0.0 and 0.0 <= self.vapour < np.inf):
            raise InputError(
                f"a channel of frequency, peak and vapour {numbers} absorbs nothing real: give "
                "Hz and Pa above 0, and m2/kg of at least 0."
            )


class Sounder:
    """Brightness temperatures of a column: `(T, q, T_s)` to `(..., n, channels)`.

        tau_c(p) = (p / p_c)^2 + k_c / g int_0^p q dp,   t = exp(-tau)
        B(T_Bc) = sum_k B(T_k) (t_ck - t_c,k+1) + B(T_s) t_c,surface

    Layers k reach from one interface to the next, the interfaces midway in ln p between levels,
    with 0 at the top and the surface pressure at the bottom; T and q are those of the layer. The
    weights sum to 1, so that an isothermal column over a surface of its own temperature reads
    that temperature. Negative humidity counts as none. Schwarzschild's equation without
    scattering: Liou 2002, An Introduction to Atmospheric Radiation, section 1.4; the weighting
    function of a well-mixed gas, `2 tau exp(-tau)` in ln p: Houghton, Taylor and Rodgers 1984,
    Remote Sounding of Atmospheres, chapter 2.

    Args:
        pressure: Of the levels, Pa, strictly increasing (top first), shape (levels,).
        channels: Of the instrument.
        surface_pressure: Pa, below the last level.

    Raises:
        InputError: If the pressures are unordered, no channel is given, or the surface is not
            below the last level.

    >>> sounder = Sounder([2e4, 5e4, 8e4], [Channel(frequency=53.6e9, peak=6e4)])
    >>> T = torch.full((1, 3), 250.0, dtype=torch.float64)
    >>> sounder(T, torch.zeros_like(T), T[..., 0]).numpy().round(9).tolist()
    [[250.0]]
    """

    def __init__(
        self,
        pressure: npt.ArrayLike,
        channels: Sequence[Channel],
        *,
        surface_pressure: float = 101_325.0,
    ) -> None:
        p = np.asarray(pressure, dtype=np.float64)
        _check_pressure(p)
        if not channels:
            raise InputError("the sounder has no channel: give at least one.")
        if not p[0] < p[-1] < surface_pressure:
            raise InputError(
                f"the levels go from {p[0]:g} to {p[-1]:g} Pa over a surface at "
                f"{surface_pressure:g} Pa: order them top first, all above the surface."
            )
        edges = np.concatenate([[0.0], np.sqrt(p[1:] * p[:-1]), [surface_pressure]])
        peak = np.array([channel.peak for channel in channels])
        self.levels, self.channels = p.size, tuple(channels)
        self._gas = torch.from_numpy((edges / peak[:, None]) ** _BROADENING)
        self._mass = torch.from_numpy(np.diff(edges) / GRAVITY)
        self._vapour = _double(channel.vapour for channel in channels)
        self._frequency = _double(channel.frequency for channel in channels)

    def transmittance(self, humidity: Tensor) -> Tensor:
        """`t` from the top to every interface.

        Args:
            humidity: Specific humidity of the layers, kg/kg, shape `(..., levels)`.

        Returns:
            Shape `(..., channels, levels + 1)`, 1 at the top, decreasing.
        """
        above = (humidity.clamp(min=0.0) * self._mass.to(humidity)).cumsum(-1)
        above = torch.cat([torch.zeros_like(above[..., :1]), above], dim=-1)
        vapour = self._vapour.to(humidity)[:, None] * above[..., None, :]
        return torch.exp(-self._gas.to(humidity) - vapour)

    def __call__(self, temperature: Tensor, humidity: Tensor, surface: Tensor) -> Tensor:
        """Brightness temperature, K, shape `(..., channels)`.

        Args:
            temperature: Of the layers, K, shape `(..., levels)`.
            humidity: Specific humidity of the layers, kg/kg, same shape.
            surface: Its temperature, K, shape `(...)`.

        Raises:
            InputError: If the columns have another number of levels.
        """
        if not temperature.shape[-1] == humidity.shape[-1] == self.levels:
            raise InputError(
                f"columns of {temperature.shape[-1]} temperatures and {humidity.shape[-1]} "
                f"humidities do not fit a sounder of {self.levels} levels."
            )
        through = self.transmittance(humidity)
        frequency = self._frequency.to(temperature)
        air = photons(temperature[..., None, :], frequency[:, None])
        emitted = (air * (through[..., :-1] - through[..., 1:])).sum(-1)
        ground = photons(surface[..., None], frequency) * through[..., -1]
        return brightness_temperature(emitted + ground, frequency)


@dataclass(frozen=True, eq=False)
class RadianceOperator:
    """A sounder over columns of the field: `(..., level, lat, lon)` to `(..., n, channels)`.

    Args:
        sounder: Physics and channels.
        temperature: Reads the layers' temperature, K, observations of shape (n, levels).
        humidity: Reads their specific humidity, kg/kg, same shape.
        surface: Reads the temperature of the surface, K, shape (n,) or (n, 1).

    Raises:
        InputError: If the shapes do not fit.

    >>> from isopleth.core.grid import Grid
    >>> from isopleth.observe.columns import ColumnOperator
    >>> grid = Grid.regular(90.0, levels=[0.0, 1.0, 2.0, 3.0])
    >>> sounder = Sounder([3e4, 8e4], [Channel(frequency=183e9, vapour=0.5)])
    >>> T, q = (ColumnOperator(grid, [0.0], [0.0], part) for part in ((0, 1), (2, 3)))
    >>> skin = ColumnOperator(grid, [0.0], [0.0], [1])
    >>> x = torch.tensor([260.0, 260.0, 1e-4, 1e-2])[:, None, None].expand(grid.shape)
    >>> RadianceOperator(sounder, T, q, skin)(x).round().tolist()
    [[260.0]]
    """

    sounder: Sounder
    temperature: Operator
    humidity: Operator
    surface: Operator

    def __post_init__(self) -> None:
        """Check the shapes."""
        air, water, skin = (
            tuple(part.valid.shape) for part in (self.temperature, self.humidity, self.surface)
        )
        fits = len(air) == 2 and air[1] == self.sounder.levels and water == air
        if not fits or skin not in (air[:1], (air[0], 1)):
            raise InputError(
                f"temperature, humidity and surface are read as {air}, {water} and {skin}: the "
                f"sounder needs (n, {self.sounder.levels}) twice and (n,)."
            )

    @property
    def valid(self) -> Tensor:
        """Where the whole column and the surface can be predicted, shape (n, channels)."""
        skin = self.surface.valid.reshape(-1)
        whole = self.temperature.valid.all(-1) & self.humidity.valid.all(-1) & skin
        return whole[:, None].expand(-1, len(self.sounder.channels))

    def __call__(self, x: Tensor) -> Tensor:
        """Brightness temperature, K, from `(..., level, lat, lon)`; 0 where not valid."""
        air, water = self.temperature(x), self.humidity(x)
        skin = self.surface(x).reshape(air.shape[:-1])
        return torch.where(self.valid.to(x.device), self.sounder(air, water, skin), 0.0)


def _double(numbers: Iterable[float]) -> Tensor:
    return torch.tensor(list(numbers), dtype=torch.float64)


def _check_pressure(pressure: Floats) -> None:
    """Positive and strictly monotone, at least two."""
    steps = np.diff(pressure) if pressure.ndim == 1 else np.zeros(1)
    monotone = steps.size > 0 and ((steps > 0.0).all() or (steps < 0.0).all())
    if not monotone or not (pressure > 0.0).all():
        raise InputError(
            f"the pressures {pressure.tolist()} are no profile: give at least two, positive, "
            "rising or falling at every step."
        )
