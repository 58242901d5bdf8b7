"""The methods of `reconstruct` by their names: the only place where a word selects one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from isopleth.core.grid import Grid
from isopleth.data import Climatology, Profiles
from isopleth.systems import kriging, reconmost

__all__ = ["METHODS", "Fitted", "Method", "Ready", "System"]

Progress = Callable[[str, float], None]


class Fitted(Protocol):
    """A system that has learned from profiles."""

    @property
    def depth(self) -> NDArray[np.float64]:
        """Levels that were observed, m."""
        ...

    def predict(self, profiles: Profiles) -> xr.Dataset:
        """Predictive distributions at profiles."""
        ...

    def map(
        self,
        grid: Grid,
        time: np.datetime64,
        *,
        members: int | None = None,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> xr.Dataset:
        """The analysis on a grid."""
        ...


class System(Protocol):
    """Settings that are ready for the profiles of a month."""

    @property
    def climatology(self) -> Climatology:
        """What anomalies are taken from."""
        ...

    def window(self, profiles: Profiles, month: str) -> Profiles:
        """The profiles that are used."""
        ...

    def fit(self, profiles: Profiles, *, progress: Progress | None = None) -> Fitted:
        """Learn from profiles."""
        ...


class Ready(Protocol):
    """A method with its climatology and weights."""

    @property
    def own_grid(self) -> Grid | None:
        """The only levels, and the usual cells, of a method that has its own."""
        ...

    def of(self, month: str) -> System:
        """The system of a month, `YYYY-MM`."""
        ...


class Method(Protocol):
    """What a name stands for."""

    @property
    def learned(self) -> bool:
        """Whether it brings a prior that was trained, on temperature about one climatology."""
        ...

    @property
    def window_days(self) -> float:
        """Profiles up to this many days before and after the month are used."""
        ...

    def windowed(self, days: float) -> Method:
        """The same with another window."""
        ...

    def ready(self, climatology: Climatology, weights: Path | None) -> Ready:
        """The method with what it needs."""
        ...


@dataclass(frozen=True)
class _Kriging:
    recipe: kriging.Recipe
    learned: bool = False

    @property
    def window_days(self) -> float:
        return self.recipe.window_days

    def windowed(self, days: float) -> _Kriging:
        return _Kriging(replace(self.recipe, window_days=days))

    def ready(self, climatology: Climatology, weights: Path | None) -> _ReadyKriging:
        return _ReadyKriging(kriging.load(self.recipe, climatology))


@dataclass(frozen=True)
class _ReadyKriging:
    system: kriging.OceanKriging
    own_grid: Grid | None = None

    def of(self, month: str) -> System:
        return self.system


@dataclass(frozen=True)
class _Diffusion:
    recipe: reconmost.Sampling
    learned: bool = True

    @property
    def window_days(self) -> float:
        return self.recipe.window_days

    def windowed(self, days: float) -> _Diffusion:
        return _Diffusion(replace(self.recipe, window_days=days))

    def ready(self, climatology: Climatology, weights: Path | None) -> _ReadyDiffusion:
        return _ReadyDiffusion(reconmost.load(self.recipe, climatology, weights))


@dataclass(frozen=True)
class _ReadyDiffusion:
    system: reconmost.OceanDiffusion

    @property
    def own_grid(self) -> Grid:
        return self.system.default_grid()

    def of(self, month: str) -> System:
        return _DiffusionOfMonth(self.system, month)


@dataclass(frozen=True)
class _DiffusionOfMonth:
    """The prior is asked in one season, which kriging need not know to be fitted."""

    system: reconmost.OceanDiffusion
    month: str

    @property
    def climatology(self) -> Climatology:
        return self.system.climatology

    def window(self, profiles: Profiles, month: str) -> Profiles:
        return self.system.window(profiles, month)

    def fit(self, profiles: Profiles, *, progress: Progress | None = None) -> Fitted:
        return self.system.fit(profiles, month=self.month, progress=progress)


METHODS: dict[str, Method] = {
    "kriging": _Kriging(kriging.standard),
    "isotropic": _Kriging(kriging.isotropic),
    "smoke": _Kriging(kriging.smoke),
    "reconmost": _Diffusion(reconmost.published),
    "mmps": _Diffusion(reconmost.mmps),
}
"""Name on the command line -> method."""
