"""FootprintOperator: an instrument that reads the mean under a Gaussian beam, not a point."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.core.grid import EARTH_RADIUS, Grid
from isopleth.observe.bilinear import corners
from isopleth.observe.columns import chosen_channels
from isopleth.observe.sphere import destination

__all__ = ["Beam", "FootprintOperator"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_DIAMETERS = math.sqrt(8.0 * math.log(2.0))
"""Full width at half maximum of a Gaussian, in standard deviations."""

_CUT = 4.0
"""Standard deviations at which a beam ends; 0.03 % of it lies outside."""

_STEPS = 40
"""Nodes of the sum from the centre of a beam to its cut, at most."""

_COVERED = 0.5
"""Share of a beam that must lie on open cells for its mean to be predicted."""

_CHUNK = 4_000_000
"""Terms made at a time, to bound memory."""


@dataclass(frozen=True, eq=False)
class Beam:
    """Diameters at half power and orientation of elliptical Gaussian footprints.

    Args:
        across: Diameter along `azimuth`, m, one or (n,), kept as (n,).
        along: Diameter at right angles to it, m, likewise.
        azimuth: Degrees clockwise from north, likewise.

    Raises:
        InputError: If the lengths do not fit, a number is not finite or a diameter not positive.

    >>> Beam.circular(50e3).across.tolist()
    [50000.0]
    """

    across: Floats
    along: Floats
    azimuth: Floats

    def __post_init__(self) -> None:
        """Check the numbers and give them one shape."""
        each = (self.across, self.along, self.azimuth)
        shapes = {np.shape(value) for value in each} - {(), (1,)}
        if len(shapes) > 1 or any(len(shape) > 1 for shape in shapes):
            raise InputError(
                f"the beam has diameters and azimuths of shapes {sorted(shapes)}: "
                "give one number, or one a footprint."
            )
        flat = [np.atleast_1d(np.asarray(value, dtype=np.float64)) for value in each]
        rows = np.stack(np.broadcast_arrays(*flat))
        wrong = rows[:2][~(rows[:2] > 0.0)]
        if wrong.size or not np.isfinite(rows).all():
            worst = wrong[0] if wrong.size else rows[~np.isfinite(rows)][0]
            raise InputError(
                f"a beam has {worst:g} for a diameter or azimuth: "
                "give positive metres and finite degrees."
            )
        for name, value in zip(("across", "along", "azimuth"), rows, strict=True):
            value.flags.writeable = False
            object.__setattr__(self, name, value)

    @classmethod
    def circular(cls, diameter: npt.ArrayLike) -> Beam:
        """A round beam of a diameter at half power, m, one or (n,)."""
        size = np.asarray(diameter, dtype=np.float64)
        return cls(size, size, np.zeros(()))


class FootprintOperator:
    """Mean of every channel under a beam: `(..., nlev, nlat, nlon)` to `(..., n, channels)`.

        (A x)_i = sum_q g_q x(s_iq) / sum_q g_q,  g_q = exp(-|q|^2 / 2)

    The nodes q lie on a square lattice in units of the beam's standard deviations, up to 4 of
    them, carried to the sphere along great circles to `s_iq` and read there bilinearly. Lattice
    lines are at most one deviation apart, and half a cell, but never more than 81 each way: a
    beam more than some ten cells wide is sampled more coarsely. A beam much smaller than a cell
    is the bilinear reading at its centre. Masked cells are left out and the rest renormalised; a
    mean of which less than half lies on open cells is not `valid`.

    Near a pole one beam covers many narrow cells, elsewhere few, so the terms are kept as a list
    and not, as in `SparseOperator`, as rows of equal length.

    Args:
        grid: Where x lives.
        latitude: Of the centres, degrees north, shape (n,).
        longitude: Degrees east, any convention, shape (n,).
        beam: One for all, or one each.
        channels: Indices into the level axis; all when None.

    Raises:
        InputError: If a position is NaN or off the Earth, a channel does not exist, there is no
            footprint, or there are neither one beam nor n.

    >>> grid = Grid.regular(10.0, levels=[0.0, 1.0])
    >>> mean = FootprintOperator(grid, [0.0], [180.0], Beam.circular(2e6))
    >>> mean(torch.ones(grid.shape)).shape, f"{mean(torch.ones(grid.shape))[0, 0]:.6f}"
    (torch.Size([1, 2]), '1.000000')
    """

    def __init__(
        self,
        grid: Grid,
        latitude: npt.ArrayLike,
        longitude: npt.ArrayLike,
        beam: Beam,
        channels: Sequence[int] | None = None,
    ) -> None:
        lat = np.atleast_1d(np.asarray(latitude, dtype=np.float64))
        lon = np.atleast_1d(np.asarray(longitude, dtype=np.float64))
        if lat.size == 0:
            raise InputError("there are 0 footprints: choose a longer window or a larger region.")
        corners(grid, lat, lon)  # refuses what is no position before the beam is laid around it
        which = chosen_channels(grid, channels)
        row, cell, weight = _terms(grid, lat, lon, _each(beam, lat.size))
        opened = grid.mask[which].reshape(which.size, -1)[:, cell] * weight
        share = np.stack([np.bincount(row, part, minlength=lat.size) for part in opened])
        whole = np.where(share >= _COVERED, share, np.inf)
        self.grid_shape, self.out_shape = grid.shape, (lat.size, which.size)
        self._channels, self._valid = (
            torch.from_numpy(which),
            torch.from_numpy(share.T >= _COVERED),
        )
        self._row, self._cell = torch.from_numpy(row), torch.from_numpy(cell)
        self._weight = torch.from_numpy(opened / whole[:, row])

    @property
    def valid(self) -> Tensor:
        """Which means the grid can predict, boolean, shape (n, channels)."""
        return self._valid

    def __call__(self, x: Tensor) -> Tensor:
        """From `(..., nlev, nlat, nlon)` to `(..., n, channels)`; 0 where not valid.

        Raises:
            InputError: If the last axes of `x` are not those of the grid.
        """
        if tuple(x.shape[-3:]) != self.grid_shape:
            raise InputError(
                f"a field of shape {tuple(x.shape)} does not end in the grid's {self.grid_shape}: "
                "bring it to the grid with isopleth.core.fields.to_tensor."
            )
        planes = x.index_select(-3, self._channels.to(x.device)).flatten(-2)
        terms = planes.index_select(-1, self._cell.to(x.device))
        weight = self._weight.to(x)
        terms = terms.masked_fill(weight == 0, 0.0) * weight
        means = x.new_zeros(*planes.shape[:-1], self.out_shape[0])
        return means.index_add(-1, self._row.to(x.device), terms).transpose(-1, -2)

    def adjoint(self, y: Tensor) -> Tensor:
        """From `(..., n, channels)` to `(..., nlev, nlat, nlon)`.

        Raises:
            InputError: If the last axes of `y` are not those of the observations.
        """
        if tuple(y.shape[-2:]) != self.out_shape:
            raise InputError(
                f"values of shape {tuple(y.shape)} do not end in the observations' "
                f"{self.out_shape}: give one value for every observation."
            )
        seen = y.masked_fill(~self._valid.to(y.device), 0.0).transpose(-1, -2)
        terms = seen.index_select(-1, self._row.to(y.device)) * self._weight.to(y)
        lead, (levels, rows, columns) = y.shape[:-2], self.grid_shape
        planes = y.new_zeros(*lead, self.out_shape[1], rows * columns)
        planes = planes.index_add(-1, self._cell.to(y.device), terms)
        field = y.new_zeros(*lead, levels, rows * columns)
        field = field.index_add(-2, self._channels.to(y.device), planes)
        return field.reshape(*lead, *self.grid_shape)

    def matrix(self) -> Tensor:
        """A as a sparse tensor of float64, shape (n * channels, nlev * nlat * nlon)."""
        count, many = self.out_shape
        plane = self.grid_shape[1] * self.grid_shape[2]
        rows = self._row * many + torch.arange(many)[:, None]
        cells = self._cell + self._channels[:, None] * plane
        place = torch.stack([rows.flatten(), cells.flatten()])
        size = (count * many, self.grid_shape[0] * plane)
        terms = self._weight.flatten()
        return torch.sparse_coo_tensor(place, terms, size, check_invariants=True).coalesce()


def _each(beam: Beam, count: int) -> Floats:
    """Deviations across and along, m, and azimuth, shape (3, n)."""
    rows = np.stack([beam.across / _DIAMETERS, beam.along / _DIAMETERS, beam.azimuth])
    if rows.shape[1] not in (1, count):
        raise InputError(
            f"there are {rows.shape[1]} beams for {count} footprints: give one, or one each."
        )
    return np.broadcast_to(rows, (3, count))


def _terms(grid: Grid, lat: Floats, lon: Floats, beam: Floats) -> tuple[Ints, Ints, Floats]:
    """Footprint, flat cell of (nlat, nlon) and weight of every term, each pair once."""
    steps = _steps(grid, beam)
    parts = []
    for number in np.unique(steps):
        lattice = _lattice(int(number))
        rows = np.flatnonzero(steps == number)
        size = max(1, _CHUNK // (4 * lattice.shape[1]))
        for first in range(0, rows.size, size):
            some = rows[first : first + size]
            row, cell, weight = _cells(grid, lat[some], lon[some], beam[:, some], lattice)
            parts.append((some[row], cell, weight))
    row, cell, weight = (np.concatenate(part) for part in zip(*parts, strict=True))
    return row, cell, weight


def _steps(grid: Grid, beam: Floats) -> Ints:
    """Nodes from the centre of every beam to its cut: 4, 8, 16 ..., by that beam alone."""
    rows, columns = np.abs(np.diff(grid.latitude)), np.diff(grid.longitude)
    # Near the poles cells are narrower than this, but the beam sees no finer field for that.
    cell = math.radians(min(rows.min(), columns.min())) * EARTH_RADIUS
    wanted = np.maximum(1.0, 2.0 * beam[:2].max(axis=0) / cell)
    doubled = _CUT * 2.0 ** np.ceil(np.log2(wanted))
    return np.minimum(doubled, _STEPS).astype(np.int64)


def _lattice(steps: int) -> Floats:
    """Nodes across and along in deviations, and their weights, which sum to 1; shape (3, m)."""
    axis = np.linspace(-_CUT, _CUT, 2 * steps + 1)
    across, along = (nodes.ravel() for nodes in np.meshgrid(axis, axis))
    inside = np.hypot(across, along) <= _CUT * (1.0 + 1e-12)
    across, along = across[inside], along[inside]
    chance = np.exp(-0.5 * (across**2 + along**2))
    return np.stack([across, along, chance / chance.sum()])


def _cells(
    grid: Grid, lat: Floats, lon: Floats, beam: Floats, lattice: Floats
) -> tuple[Ints, Ints, Floats]:
    """Terms of beams that share a lattice; the terms of one cell are added up."""
    x, y = beam[0, :, None] * lattice[0], beam[1, :, None] * lattice[1]
    bearing = beam[2, :, None] + np.degrees(np.arctan2(y, x))
    there = destination(lat[:, None], lon[:, None], bearing, np.hypot(x, y))
    around = corners(grid, there[0].ravel(), there[1].ravel())
    weight = around.weight.reshape(lat.size, -1, 4) * lattice[2][:, None]
    plane = grid.latitude.size * grid.longitude.size
    cell = (around.row * grid.longitude.size + around.column).reshape(lat.size, -1)
    key, term = cell + np.arange(lat.size)[:, None] * plane, weight.reshape(lat.size, -1)
    unique, inverse = np.unique(key[term > 0.0], return_inverse=True)
    row, cells = np.divmod(unique, plane)
    total = np.bincount(inverse, weights=term[term > 0.0], minlength=unique.size)
    return row, cells, total.astype(np.float64)
