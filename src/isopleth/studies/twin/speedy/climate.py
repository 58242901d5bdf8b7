"""Climate of the moist atmosphere: means, sizes and statics, from one nature run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
import zarr
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor

from isopleth.core.errors import DataMissingError, InputError
from isopleth.core.gaussian_grid import GaussianGrid
from isopleth.core.grid import Grid
from isopleth.core.sphere import Sphere
from isopleth.dynamics.rollout import Dynamics, Repeated
from isopleth.studies.results import replacing

__all__ = ["SpeedyClimate", "Store"]

Floats = NDArray[np.floating]

_COLUMNS = ("ua", "va", "ta", "hus")
_YEAR_HOURS = 365.2425 * 24.0
_HARMONICS = 2
"""Of the seasonal cycle that the deviations leave out, in runs of a year or more."""
_DRY = 5e-5
"""What is added to humidity before its logarithm, kg kg-1: dry air does not matter then."""
_MOIST = 0.5
"""Least sigma of the levels whose humidity is read as a logarithm."""
_THIN = 7
"""Winds and humidities of every so many-th state give the sizes of what is not linear."""
_TOLERANCE = 1e-3


class Store:
    """The states of a nature run that `isopleth prepare speedy` wrote, as fields of chosen levels.

    Args:
        path: Of the store.
        sigma: Levels to take.

    Raises:
        DataMissingError: If there is no such store.
        InputError: If it has not these levels, a state not every 6 hours, or no Gaussian grid.
    """

    def __init__(self, path: Path, sigma: tuple[float, ...]) -> None:
        if not (path / ".zmetadata").is_file():
            raise DataMissingError(
                f"{path} is no nature run: make it with `isopleth prepare speedy --every 6h "
                f"--levels sigma --out {path}`."
            )
        self.path = path
        self._group = zarr.open_group(path, mode="r", zarr_format=2, use_consolidated=True)
        if "sigma" not in self._group:
            raise InputError(f"{path} has no sigma levels: make it with --levels sigma.")
        levels = self._read("sigma")
        apart = np.abs(levels[:, None] - np.array(sigma))
        if float(apart.min(0).max()) > _TOLERANCE:
            raise InputError(
                f"{path} has the levels {levels.tolist()}, not all of {list(sigma)}: choose "
                "among those."
            )
        self._levels = apart.argmin(0)
        self.hours = self._read("time")
        if len(self.hours) < 2 or not np.allclose(np.diff(self.hours), 6.0):
            raise InputError(f"{path} has no state every 6 hours: make it with --every 6h.")
        latitude, longitude = self._read("lat"), self._read("lon")
        self.grid = GaussianGrid(nlat=len(latitude), nlon=len(longitude))
        if np.abs(self.grid.latitude - latitude).max() > _TOLERANCE:
            raise InputError(f"the rows of {path} are not those of a Gaussian grid: remake it.")

    def __len__(self) -> int:
        return len(self.hours)

    @property
    def identity(self) -> str:
        """What run it is."""
        return str(self._group.attrs["nature_run"])

    def static(self, name: str) -> Floats:
        """`land` or `orog`, (nlat, nlon)."""
        return self._read(name)

    def parts(self) -> Iterator[Floats]:
        """All states in order, some at a time, in their units, (n, channel, nlat, nlon)."""
        arrays = [self._array(name) for name in (*_COLUMNS, "ps")]
        size = arrays[-1].chunks[0]
        for start in range(0, len(self), size):
            now = slice(start, min(start + size, len(self)))
            columns = [np.asarray(a[now])[:, self._levels] for a in arrays[:-1]]
            yield np.concatenate([*columns, np.asarray(arrays[-1][now])[:, None]], 1)

    def _array(self, name: str) -> zarr.Array:
        array = self._group[name]
        assert isinstance(array, zarr.Array)
        return array

    def _read(self, name: str) -> Floats:
        return np.asarray(self._array(name)[...], np.float64)


@dataclass(frozen=True, eq=False, kw_only=True)
class SpeedyClimate:
    """The anomalies `x = (state - mean) / sd`: u, v, T and q of all levels, top first, then p_s.

    A standard deviation is the area mean of what remains in time when the seasonal cycle is taken
    out: 1 is the size of weather. The mean is that of the year, so that no date is needed to go
    back; seasons are part of the anomalies.

    Attributes:
        sigma: Of the levels, (n,).
        mean: In units, (channel, nlat, nlon).
        sd: Likewise, (channel,).
        change_sd: Of six hours' change, in sd, (channel,).
        land: Share of land, (nlat, nlon).
        orography: m, (nlat, nlon).
        speed_sd: Of the deviations of wind speed from their mean, m s-1, (n,).
        humidity_sd: Of the deviations of `log(q + 5e-5)` from their mean, (n,).
        model: Of six hours, in anomalies; a climate that only reads has none.
        truncation: Largest degree of the model.
    """

    sigma: Tensor
    mean: Tensor
    sd: Tensor
    change_sd: Tensor
    land: Tensor
    orography: Tensor
    speed_sd: Tensor
    humidity_sd: Tensor
    truncation: int
    model: Dynamics | None = None

    @classmethod
    def of(cls, store: Store, sigma: tuple[float, ...], truncation: int) -> SpeedyClimate:
        """From all states of a run.

        Raises:
            InputError: If a state is not finite, or a channel does not change.
        """
        sums = _Sums(store)
        for states in store.parts():
            sums.enter(states)
        deviation, change = sums.deviations()
        if not (np.isfinite(deviation).all() and (deviation > 0.0).all()):
            raise InputError(
                f"{store.path} has channels with standard deviations {deviation.tolist()}: each "
                "must change and be finite, so remake the run."
            )
        n = len(sigma)
        mean = torch.from_numpy(sums.mean).float()
        blank = cls(
            sigma=torch.tensor(sigma),
            mean=mean,
            sd=torch.from_numpy(deviation).float(),
            change_sd=torch.from_numpy(change / deviation).float(),
            land=torch.from_numpy(store.static("land")).float().clamp(0.0, 1.0),
            orography=torch.from_numpy(store.static("orog")).float(),
            speed_sd=torch.ones(n),
            humidity_sd=torch.ones(n),
            truncation=truncation,
        )
        kept = torch.cat([torch.from_numpy(s[::_THIN]).float() for s in store.parts()])
        speeds = torch.hypot(kept[:, :n], kept[:, n : 2 * n])
        logs = torch.log(_DRY + kept[:, 3 * n : 4 * n].clamp_min(0.0))
        sizes = [blank.size_of(field) for field in (speeds, logs)]
        return replace(blank, speed_sd=sizes[0], humidity_sd=sizes[1])

    @classmethod
    def read(cls, path: Path, truncation: int, model: Dynamics | None = None) -> SpeedyClimate:
        """What `write` wrote."""
        return cls(**load_file(path), truncation=truncation, model=model)

    def write(self, path: Path) -> None:
        """All but the model."""
        found = {f.name: getattr(self, f.name) for f in fields(self)}
        with replacing(path) as temporary:
            save_file(
                {k: v.contiguous() for k, v in found.items() if isinstance(v, Tensor)}, temporary
            )

    @property
    def levels(self) -> int:
        """Of u, v, T and q."""
        return len(self.sigma)

    @property
    def channels(self) -> int:
        """Of a state."""
        return len(self.mean)

    @property
    def dry(self) -> float:
        """What is added to humidity before its logarithm, kg kg-1."""
        return _DRY

    @property
    def moist(self) -> tuple[int, ...]:
        """Levels whose humidity is read as a logarithm: those below sigma = 0.5."""
        return tuple(int(k) for k in torch.nonzero(self.sigma > _MOIST).flatten())

    @cached_property
    def grid(self) -> Grid:
        """Where anomalies live; its levels are the channels."""
        grid = self.sphere.grid
        open_ = np.ones((self.channels, *grid.shape), dtype=np.bool_)
        return Grid(grid.latitude, grid.longitude, np.arange(float(self.channels)), open_)

    @cached_property
    def sphere(self) -> Sphere:
        """Harmonics and areas of the grid."""
        nlat, nlon = self.mean.shape[-2:]
        return Sphere(self.truncation, GaussianGrid(nlat=nlat, nlon=nlon))

    @property
    def static(self) -> Tensor:
        """sin(lat), land, orography in 2 km, and the mean of every channel in its own spread."""
        sine = torch.from_numpy(self.sphere.grid.sine).float()[:, None].expand_as(self.land)
        middle = self.mean.mean((-2, -1), keepdim=True)
        spread = (self.mean - middle).square().mean((-2, -1), keepdim=True).sqrt()
        means = (self.mean - middle) / spread.clamp_min(1e-12)
        return torch.cat([torch.stack([sine, self.land, self.orography / 2000.0]), means])

    def units(self, x: Tensor) -> Tensor:
        """States in their units, m s-1, K, kg kg-1 and Pa, of anomalies; same shape."""
        return self.mean.to(x) + self.sd.to(x)[:, None, None] * x

    def standardised(self, states: Tensor) -> Tensor:
        """Anomalies of states in their units; same shape."""
        return (states - self.mean) / self.sd[:, None, None]

    def size_of(self, field: Tensor) -> Tensor:
        """Area mean of the deviation from the mean in time, (n, channel, ...) to (channel,)."""
        area = self.sphere.weights[:, None] / self.sphere.grid.nlon
        variance = (field - field.mean(0)).square().mean(0)
        return (variance * area).sum((-2, -1)).sqrt().clamp_min(1e-12)

    def dynamics(self, hours: float) -> Dynamics:
        """The emulator, with a step of so many hours.

        Raises:
            InputError: If the climate has no model.
        """
        if self.model is None:
            raise InputError("this climate has no model yet: train the emulator first.")
        return Repeated(self.model, seconds=3600.0 * hours)


class _Sums:
    """Of states, of their products with the seasonal cycle, and of their changes; float64."""

    def __init__(self, store: Store) -> None:
        hours = store.hours
        count = _HARMONICS if hours[-1] - hours[0] >= _YEAR_HOURS - 24.0 else 0
        angle = 2.0 * np.pi * hours / _YEAR_HOURS
        waves = [f(k * angle) for k in range(1, count + 1) for f in (np.cos, np.sin)]
        self._cycle = np.stack([np.ones_like(angle), *waves], 1)
        self._area = store.grid.weights[:, None] / store.grid.nlon
        self._done, self._last = 0, None  # type: int, Floats | None
        self._cross = self._square = self._change = np.zeros(())

    def enter(self, states: Floats) -> None:
        """The next states, (n, channel, nlat, nlon)."""
        x = states.astype(np.float64)
        f = self._cycle[self._done : self._done + len(x)]
        self._cross = self._cross + np.einsum("nf,ncij->fcij", f, x)
        self._square = self._square + np.square(x).sum(0)
        whole = x if self._last is None else np.concatenate([self._last[None], x])
        self._change = self._change + np.square(np.diff(whole, axis=0)).sum(0)
        self._done, self._last = self._done + len(x), x[-1]

    @property
    def mean(self) -> Floats:
        """In time, (channel, nlat, nlon)."""
        return np.asarray(self._cross[0] / self._done)

    def deviations(self) -> tuple[Floats, Floats]:
        """From the seasonal cycle, and of six hours' change, each (channel,)."""
        F = self._cycle[: self._done]
        fitted = np.linalg.solve(F.T @ F, self._cross.reshape(F.shape[1], -1))
        explained = (fitted * self._cross.reshape(F.shape[1], -1)).sum(0)
        left = (self._square - explained.reshape(self._square.shape)) / self._done
        parts = left.clip(0.0), self._change / (self._done - 1)
        first, second = (np.sqrt((part * self._area).sum((-2, -1))) for part in parts)
        return np.asarray(first), np.asarray(second)
