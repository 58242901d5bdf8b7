"""Initial: the streamfunction that a forecast starts from, and what the file says came later."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import xarray as xr
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.data.states import open_states, times_of
from isopleth.systems.forecast.fields import Kind, Maps, chosen_kind, read_maps
from isopleth.systems.forecast.models import Model
from isopleth.systems.forecast.settings import LEVELS, STEP_HOURS, ForecastSettings
from isopleth.systems.forecast.streamfunction import StreamfunctionFit

__all__ = ["Initial", "read_initial"]

Floats = npt.NDArray[np.float64]

_STRONGEST, _WEAKEST = 250.0, 0.2
"""No wind on a map of hundreds of kilometres is stronger, no atmosphere calmer, m s-1."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Initial:
    """What a forecast starts from.

    Args:
        psi: Streamfunction on the model's grid, m2 s-1, float64, (member, 3, nlat, nlon), mean 0
            on every level.
        time: Of it, UTC.
        later: Number of the step and mean of the members of what the file holds for then, each
            (3, nlat, nlon): the truth, as far as it is one.
        name: Of the file.
        notes: What was decided that a person should know.
    """

    psi: Tensor
    time: np.datetime64
    later: dict[int, Tensor]
    name: str
    notes: tuple[str, ...]


def read_initial(source: Path | xr.Dataset, model: Model, settings: ForecastSettings) -> Initial:
    """Read the start and all later times that a forecast will reach.

    Args:
        source: NetCDF, Zarr or GRIB file, or an opened data set.
        model: Whose grid and truncation are wanted.
        settings: Time of the start and length.

    Raises:
        DataMissingError: If there is no such file.
        InputError: If it cannot be used: variables, levels, units, grid, values or times.
    """
    if isinstance(source, xr.Dataset):
        name = str(source.attrs.get("title", "the data set"))
    else:
        name = source.name
    with _opened(source) as data:
        kind, names = chosen_kind(data, name)
        return _Reader(data[names], kind, model, name).initial(settings)


def _opened(source: Path | xr.Dataset) -> AbstractContextManager[xr.Dataset]:
    return nullcontext(source) if isinstance(source, xr.Dataset) else open_states(source)


class _Reader:
    """One file, one grid: the harmonics are made once."""

    def __init__(self, data: xr.Dataset, kind: Kind, model: Model, name: str) -> None:
        self._data, self._kind, self._model, self._name = data, kind, model, name
        self._fit: StreamfunctionFit | None = None

    def initial(self, settings: ForecastSettings) -> Initial:
        times = times_of(self._data)
        start = self._start(times, settings.time)
        maps = self._maps(start if times.size else None)
        psi = self._streamfunction(maps)
        self._check_winds(psi)
        later = dict(self._later(times, start, settings.steps))
        return Initial(
            psi=psi,
            time=start,
            later=later,
            name=self._name,
            notes=(*self._notes(maps), *_times_left_out(times, start, later)),
        )

    def _start(
        self, times: npt.NDArray[np.datetime64], wanted: np.datetime64 | None
    ) -> np.datetime64:
        if np.unique(times).size < times.size:
            raise InputError(f"{self._name} has a time twice: keep one of them.")
        if times.size == 0:
            if wanted is None:
                raise InputError(
                    f"{self._name} states no time: give the time of the start, as "
                    "2017-01-02T00:00."
                )
            return wanted.astype("datetime64[ns]")
        start = np.datetime64(times.min()) if wanted is None else wanted.astype("datetime64[ns]")
        if start not in times:
            shown = ", ".join(str(t)[:16] for t in np.sort(times)[:4])
            raise InputError(
                f"{self._name} has no fields for {str(start)[:16]}, but for {shown}"
                f"{' and later' if times.size > 4 else ''}: choose one of them."
            )
        return start

    def _maps(self, time: np.datetime64 | None) -> Maps:
        maps = read_maps(self._data, self._kind, time, LEVELS, self._name)
        if self._fit is None:
            truncation = self._model.truncation
            check_globe(maps.latitude, maps.longitude, truncation, self._name)
            grid = self._model.world.recipe.grid
            self._fit = StreamfunctionFit(maps.latitude, maps.longitude, grid, truncation)
        return maps

    def _streamfunction(self, maps: Maps) -> Tensor:
        assert self._fit is not None
        if self._kind.words == "winds":
            return torch.from_numpy(self._fit.from_winds(*maps.values))
        (field,) = maps.values
        if self._kind.words == "geopotential":
            return torch.from_numpy(self._fit.from_geopotential(field))
        return torch.from_numpy(self._fit.from_streamfunction(field))

    def _later(
        self, times: npt.NDArray[np.datetime64], start: np.datetime64, steps: int
    ) -> Iterator[tuple[int, Tensor]]:
        step = np.timedelta64(STEP_HOURS, "h")
        for number in range(1, steps + 1):
            time = start + number * step
            if time in times:
                yield number, self._streamfunction(self._maps(time)).mean(0)

    def _check_winds(self, psi: Tensor) -> None:
        u, v = self._model.winds(psi.float())
        for k, level in enumerate(LEVELS):
            speed = (u[:, k].square() + v[:, k].square()).sqrt()
            strongest, usual = float(speed.max()), float(self._model.mean(speed).mean())
            if strongest > _STRONGEST or usual < _WEAKEST:
                which = f"up to {strongest:.3g}" if strongest > _STRONGEST else f"of {usual:.2g}"
                raise InputError(
                    f"the {self._kind.words} of {self._name} mean winds {which} m s-1 at {level:g}"
                    " hPa, which no atmosphere has: look at the units."
                )

    def _notes(self, maps: Maps) -> Iterator[str]:
        assert self._fit is not None
        source = {
            "streamfunction": "streamfunction as given",
            "winds": "streamfunction of the winds' vorticity",
            "geopotential": "streamfunction in linear balance with the geopotential, regularised "
            "at the equator",
        }[self._kind.words]
        rows, columns = len(maps.latitude), len(maps.longitude)
        yield f"{source}; {rows} x {columns} grid, truncated to T{self._model.truncation}"
        yield from maps.notes
        if len(maps.values[0]) > 1:
            yield f"{len(maps.values[0])} members in the file"


def check_globe(latitude: Floats, longitude: Floats, truncation: int, name: str) -> None:
    """Refuse what is no whole globe, or too coarse.

    Args:
        latitude: Degrees north, north to south.
        longitude: Degrees east, increasing.
        truncation: That it must support.
        name: Of the file.

    Raises:
        InputError: If the grid is a region, uneven, too coarse, or has a row or column twice.
    """
    for words, axis in (("latitude", latitude), ("longitude", longitude)):
        if axis.size < 2:
            raise InputError(
                f"{name} has one {words}, {axis[0]:g}: give fields of the whole globe."
            )
        if np.abs(np.diff(axis)).min() < 1e-6:
            raise InputError(f"{name} has a {words} twice: keep one of them.")
    gaps = np.diff(longitude, append=longitude[0] + 360.0)
    rows = -np.diff(latitude)
    widest = 1.6 * np.median(rows)
    north, south = 90.0 - latitude[0], latitude[-1] + 90.0
    if gaps[-1] > 1.6 * gaps[:-1].max() or max(north, south) > widest:
        raise InputError(
            f"{name} covers {latitude[-1]:g} to {latitude[0]:g} degrees north and "
            f"{longitude[0]:g} to {longitude[-1]:g} east, a part of the globe: give all of it."
        )
    if not np.allclose(gaps, 360.0 / longitude.size, atol=1e-3) or rows.max() > widest:
        raise InputError(
            f"the rows or columns of {name} are not evenly spaced (columns {gaps.min():g} to "
            f"{gaps.max():g} degrees apart): interpolate to a regular grid first."
        )
    if latitude.size < truncation + 2 or longitude.size < 2 * truncation + 1:
        raise InputError(
            f"{name} has {latitude.size} rows and {longitude.size} columns, too coarse for "
            f"T{truncation}: give at least {truncation + 2} and {2 * truncation + 1}."
        )


def _times_left_out(
    times: npt.NDArray[np.datetime64], start: np.datetime64, later: dict[int, Tensor]
) -> list[str]:
    after = int((times > start).sum())
    if after and len(later) < after:
        return [
            (
                f"{after - len(later)} of {after} later times are beyond the forecast or not at a "
                f"whole number of {STEP_HOURS} hours, and are not used"
            )
        ]
    return []
