"""Perturbed climatology: a synthetic ocean with known truth, made from a real one.

    T(z, y, x) = C_m(z - heave(z, y, x), y + dy, x + dx) + a(y, x) M(z; y, x) + bias_k(z, y, x)

`C_m` is the real monthly climatology; heave moves isotherms down (positive), (dx, dy) displaces
fronts, `a` warms the mixed layer `M`, and a model `k` adds a bias that is the same in all its
states. It is not a simulation of the ocean and is called perturbed climatology everywhere.

The amplitudes and lengths of :class:`OceanStatistics` were fitted to 21,228 Argo profiles of
January and February 2016 at 100, 150 and 200 dbar (anomalies from the climatology, divided by its
vertical gradient, in 2-degree boxes) and to 35 years of monthly sea-surface temperature anomalies,
then frozen before anything was learned.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor
from torch.nn.functional import grid_sample

from isopleth.core.errors import InputError
from isopleth.core.grid import EARTH_RADIUS, Grid
from isopleth.data.cards import open_grid
from isopleth.data.climatology import Climatology
from isopleth.data.random_fields import SmoothField

__all__ = ["MODELS", "OceanModel", "OceanStatistics", "PerturbedClimatology", "unbiased"]

Floats = npt.NDArray[np.float64]
KM_PER_DEGREE = EARTH_RADIUS * 1e-3 * np.pi / 180.0


@dataclass(frozen=True, kw_only=True)
class OceanStatistics:
    """Amplitudes and lengths, as functions of the latitude where they are tuples.

    Args:
        latitude: Absolute latitudes of the tuples, degrees; linear between, constant beyond.
        heave_m: Standard deviation of the vertical displacement of isotherms in monthly means of
            2-degree boxes, m (from Argo's median absolute deviation, less what is smaller).
        broad_share: Share of its variance that is correlated over the ocean basin.
        broad_km: Zonal and meridional length of that part, at the first and last latitude.
        eddy_km: Length of the rest, which a 2-degree grid barely resolves.
        eddy_log_spread: Standard deviation of the logarithm of the amplitude of the rest: a
            kurtosis of 2 in excess, as in Argo.
        second_mode: Amplitude of the heave that changes sign at 140 m over the first one's: Argo's
            correlation between 100 and 200 dbar is 0.4 to 0.6 in the tropics, 0.8 poleward.
        displacement_km: Standard deviation of dx and dy.
        front_km: Their length.
        warm_km: Zonal length of mixed-layer anomalies at the first and last latitude.
        warm_meridional_km: Their meridional length, likewise.
    """

    latitude: tuple[float, ...] = (0.0, 10.0, 22.0, 37.0, 50.0, 70.0)
    heave_m: tuple[float, ...] = (24.0, 18.0, 20.0, 32.0, 35.0, 30.0)
    broad_share: tuple[float, ...] = (0.65, 0.60, 0.30, 0.15, 0.15, 0.15)
    broad_km: tuple[tuple[float, float], tuple[float, float]] = ((3500.0, 1500.0), (700.0, 700.0))
    eddy_km: float = 280.0
    eddy_log_spread: float = 0.36
    second_mode: tuple[float, ...] = (0.8, 0.8, 0.8, 0.5, 0.4, 0.4)
    displacement_km: float = 60.0
    front_km: float = 400.0
    warm_km: tuple[float, float] = (2400.0, 1100.0)
    warm_meridional_km: tuple[float, float] = (900.0, 600.0)

    def sha256(self) -> str:
        """Hash of every number: results name the world they were computed in."""
        return hashlib.sha256(repr(asdict(self)).encode()).hexdigest()

    def at(self, name: str, latitude: Floats) -> Floats:
        """A tuple of `name`, linear in the absolute latitude."""
        return np.interp(np.abs(latitude), self.latitude, getattr(self, name))


@dataclass(frozen=True, kw_only=True)
class OceanModel:
    """How one model's ocean differs from the real one.

    Args:
        name: Of the model.
        heave: Factor on the heave.
        length: Factor on the lengths of heave and displacement.
        warm: Factor on the mixed-layer anomalies.
        bias: Standard deviation of its bias at the surface and in the thermocline, K.
        seed: Of the bias.
    """

    name: str
    heave: float = 1.0
    length: float = 1.0
    warm: float = 1.0
    bias: float = 0.0
    seed: int = 0


unbiased = OceanModel(name="unbiased")
MODELS = (
    OceanModel(name="A", heave=0.7, length=1.3, warm=1.1, bias=0.5, seed=1),
    OceanModel(name="B", heave=0.9, length=1.1, warm=0.8, bias=0.4, seed=2),
    OceanModel(name="C", heave=1.0, length=0.9, warm=1.0, bias=0.6, seed=3),
    OceanModel(name="D", heave=1.15, length=1.2, warm=1.2, bias=0.5, seed=4),
    OceanModel(name="E", heave=1.3, length=0.85, warm=0.9, bias=0.7, seed=5),
    OceanModel(name="F", heave=1.1, length=1.0, warm=0.9, bias=0.6, seed=6),
    OceanModel(name="G", heave=0.85, length=1.05, warm=1.15, bias=0.6, seed=7),
)
"""Seven, as many as the paper trains on; which of them are held out is the user's recipe."""


@dataclass(frozen=True, eq=False, kw_only=True)
class PerturbedClimatology:
    """States of one model's ocean, reproducible from (seed, month, number).

    Args:
        climatology: Global, monthly.
        grid: Same rows and columns as the climatology, any levels within its depth range.
        model: Whose ocean.
        statistics: Of the perturbations.

    Raises:
        InputError: If the grids do not fit.
    """

    climatology: Climatology
    grid: Grid
    model: OceanModel = unbiased
    statistics: OceanStatistics = field(default_factory=OceanStatistics)

    def __post_init__(self) -> None:
        """Check the grid against the climatology's."""
        own, atlas = self.grid, self.climatology.grid
        same = np.array_equal(own.latitude, atlas.latitude)
        if not (same and np.array_equal(own.longitude, atlas.longitude)):
            raise InputError(
                f"the grid has {own.shape[1:]} cells, the climatology {atlas.shape[1:]}: "
                "perturb the climatology on its own rows and columns."
            )
        if own.levels[-1] > atlas.levels[-1]:
            raise InputError(
                f"the level {own.levels[-1]:g} m is below the climatology's last, "
                f"{atlas.levels[-1]:g} m: leave it out."
            )

    def state(self, month: int, seed: int, number: int) -> Tensor:
        """Temperature in degC, float32, shape of the grid, finite everywhere (land filled).

        Args:
            month: 1 to 12.
            seed: Of the set of states.
            number: Of the state in the set.
        """
        key = hashlib.sha256(f"{self.model.name} {month} {seed} {number}".encode()).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(key[:7], "big"))
        moved = self._displaced(month, generator)
        warm = self._fields["warm"].draw(generator) * self._warm_spread * self.model.warm
        return moved + warm * self._mixed_layer[month - 1] + self.bias

    def _displaced(self, month: int, generator: torch.Generator) -> Tensor:
        """`C_m` read at the place every parcel came from."""
        heave = self._heave(generator)
        dx, dy = (self._fields["front"].draw(generator) for _ in range(2))
        km = self.statistics.displacement_km
        lat = torch.from_numpy(self.grid.latitude.astype(np.float32))[:, None]
        east = dx * km / (KM_PER_DEGREE * torch.cos(torch.deg2rad(lat)).clamp(min=0.2))
        north = dy * km / KM_PER_DEGREE
        depth = torch.from_numpy(self.grid.levels.astype(np.float32))[:, None, None] - heave
        return self._read(self._atlas[month - 1], depth, north, east)

    def _heave(self, generator: torch.Generator) -> Tensor:
        """Downward displacement of isotherms, m, shape of the grid."""
        numbers, lat = self.statistics, self.grid.latitude
        column = {
            name: torch.from_numpy(numbers.at(name, lat).astype(np.float32))[:, None]
            for name in ("heave_m", "broad_share", "second_mode")
        }
        share = column["broad_share"]

        def mode() -> Tensor:
            broad, eddy, log = (self._fields[n].draw(generator) for n in ("broad", "eddy", "log"))
            spread = numbers.eddy_log_spread
            eddy = eddy * torch.exp(spread * log - spread**2)
            return share.sqrt() * broad + (1.0 - share).sqrt() * eddy

        first, second = mode(), mode() * column["second_mode"]
        z = torch.from_numpy(self.grid.levels.astype(np.float32))[:, None, None]
        near_surface = 1.0 - torch.exp(-z / 40.0)
        turning = (z - 140.0) / torch.sqrt((z - 140.0) ** 2 + 80.0**2)
        amplitude = column["heave_m"] * self.model.heave
        return amplitude * near_surface * (first + turning * second)

    def _read(self, atlas: Tensor, depth: Tensor, north: Tensor, east: Tensor) -> Tensor:
        """Trilinear interpolation of one month, periodic in longitude."""
        rows, columns = self.grid.shape[1:]
        levels = torch.from_numpy(self.climatology.grid.levels.astype(np.float32))
        below = torch.searchsorted(levels, depth.contiguous()).clamp(1, levels.numel() - 1)
        top, bottom = levels[below - 1], levels[below]
        k = below - 1 + ((depth - top) / (bottom - top)).clamp(0.0, 1.0)
        step = 180.0 / rows
        i = torch.arange(rows)[:, None] - north / step
        j = torch.arange(columns)[None, :] + east / step
        j = j.remainder(columns) + 1.0  # one column is repeated at either side
        wrapped = torch.cat([atlas[..., -1:], atlas, atlas[..., :1], atlas[..., 1:2]], -1)
        wide = wrapped.shape[-1]
        place = torch.stack(
            [
                (2.0 * j / (wide - 1) - 1.0).expand_as(k),
                (2.0 * i / (rows - 1) - 1.0).expand_as(k),
                2.0 * k / (levels.numel() - 1) - 1.0,
            ],
            -1,
        )
        read = grid_sample(wrapped[None, None], place[None], padding_mode="border",
                           align_corners=True)  # fmt: skip
        return read[0, 0]

    @cached_property
    def bias(self) -> Tensor:
        """The model's own error, K, shape of the grid."""
        generator = torch.Generator().manual_seed(1_000_003 * self.model.seed + 17)
        z = torch.from_numpy(self.grid.levels.astype(np.float32))[:, None, None]
        shapes = (torch.exp(-z / 80.0), torch.exp(-(((z - 180.0) / 150.0) ** 2)),
                  0.3 * torch.exp(-z / 900.0))  # fmt: skip
        field = SmoothField(self.grid, 2500.0, 1200.0)
        return self.model.bias * torch.stack([s * field.draw(generator) for s in shapes]).sum(0)

    @cached_property
    def _fields(self) -> dict[str, SmoothField]:
        numbers, lat = self.statistics, np.abs(self.grid.latitude)
        away = np.clip(lat / numbers.latitude[3], 0.0, 1.0)

        def between(ends: tuple[float, float], factor: float) -> Floats:
            return np.asarray(factor * (ends[0] + (ends[1] - ends[0]) * away))

        length, km = self.model.length, numbers.broad_km
        return {
            "broad": SmoothField(self.grid, between(km[0], length), between(km[1], length)),
            "eddy": SmoothField(self.grid, numbers.eddy_km * length, numbers.eddy_km * length),
            "log": SmoothField(self.grid, 1500.0, 1000.0),
            "front": SmoothField(self.grid, numbers.front_km * length, numbers.front_km * length),
            "warm": SmoothField(
                self.grid,
                between(numbers.warm_km, length),
                between(numbers.warm_meridional_km, length),
            ),
        }

    @cached_property
    def _atlas(self) -> Tensor:
        """The months with land filled from the nearest ocean of the level, (12, nlev, ...)."""
        return torch.from_numpy(_filled(self.climatology.values))

    @cached_property
    def _mixed_layer(self) -> Tensor:
        """`M`: 1 in the mixed layer, 0 below, (12, *grid.shape); its base is 0.5 K colder."""
        z = self.climatology.grid.levels.astype(np.float32)
        atlas = self._atlas.numpy()
        colder = atlas < atlas[:, :1] - 0.5
        base = np.where(colder.any(1), z[colder.argmax(1)], z[-1]).clip(20.0, 300.0)
        levels = self.grid.levels.astype(np.float32)[:, None, None]
        shape = (levels - base[:, None]) / (5.0 + 0.2 * base[:, None])
        return torch.from_numpy((1.0 / (1.0 + np.exp(shape.clip(-30.0, 30.0)))).astype(np.float32))

    @cached_property
    def _warm_spread(self) -> Tensor:
        """Standard deviation of monthly sea-surface temperature anomalies, K, (nlat, nlon)."""
        observed = open_grid("sst_anomaly_1979_2013").sst_anomaly.std("time")
        wide = observed.pad(lon=1, mode="wrap").pad(lat=1, mode="edge")
        lon = np.concatenate([[-3.75], observed.lon.values, [360.0]])
        lat = np.concatenate([[90.0], observed.lat.values, [-90.0]])
        filled = wide.assign_coords(lon=lon, lat=lat)
        filled = filled.copy(data=_filled(filled.values[None, None])[0, 0])
        spread = filled.interp(lat=self.grid.latitude, lon=self.grid.longitude)
        return torch.from_numpy(np.clip(spread.values, 0.2, 1.5).astype(np.float32))


def _filled(values: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """NaN replaced by the nearest value of the level, or the level above where there is none."""
    out = np.array(values, dtype=np.float32)
    for month in out:
        for k, level in enumerate(month):
            absent = ~np.isfinite(level)
            if absent.all():
                level[:] = month[k - 1]
            elif absent.any():
                near = distance_transform_edt(absent, return_distances=False, return_indices=True)
                level[:] = level[tuple(near)]
    return out
