"""The composition: a trained prior, guided by profiles, mapped on a grid with honest errors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.core.grid import Grid
from isopleth.data import Climatology, Profiles, analysis, load_climatology
from isopleth.data.boxes import days
from isopleth.data.preparation import Source, around, middle, on_levels, prepared
from isopleth.inference.interpolation import Points
from isopleth.inference.interpolation.predictive import ErrorModel, Predictive
from isopleth.priors import MemberNoise
from isopleth.systems.reconmost.calibration import Evidence, learned
from isopleth.systems.reconmost.observed import Casts, Ocean, error_of, nearby, read_at
from isopleth.systems.reconmost.prior import OceanDenoiser, Setting, conditions
from isopleth.systems.reconmost.sampling import Sampling, mmps
from isopleth.systems.reconmost.shipped import load_denoiser
from isopleth.systems.reconmost.states import ocean_grid

__all__ = ["FittedDiffusion", "OceanDiffusion", "load"]

Floats = NDArray[np.float64]
Progress = Callable[[str, float], None]

_STILL = 1e-3
"""Least deviation of members that is scaled up to the standard error, K."""


def load(
    recipe: Sampling = mmps, climatology: Climatology | None = None, weights: Path | None = None
) -> OceanDiffusion:
    """The system with the shipped weights, or those of a training of one's own.

    Args:
        recipe: How to sample.
        climatology: On the grid that the prior was trained on; the shipped one by default.
        weights: Of `isopleth train reconmost`, the card or the numbers; the shipped by default.

    Raises:
        DataMissingError: If there are no weights.
        IntegrityError: If they are damaged.
        InputError: If the climatology is another one.
    """
    denoiser, spread, grid = load_denoiser(weights)
    if climatology is None:
        climatology = replace(load_climatology(), linear_in_time=True)
    return OceanDiffusion(recipe, climatology, denoiser, Ocean(grid, spread))


@dataclass(frozen=True, eq=False)
class OceanDiffusion:
    """Settings: a recipe, the climatology anomalies are taken from, and the prior of them.

    Args:
        recipe: How to sample.
        climatology: On the prior's grid.
        denoiser: The prior of every season.
        ocean: Its grid, and the spread that its unit is.

    Raises:
        InputError: If the climatology is not of temperature, or is on another grid.
    """

    recipe: Sampling
    climatology: Climatology
    denoiser: OceanDenoiser
    ocean: Ocean

    def __post_init__(self) -> None:
        """Check that the prior knows this climatology."""
        if self.climatology.variable.name != "temperature":
            raise InputError(
                f"the prior was trained on temperature, not on {self.climatology.variable.name}: "
                "use --method kriging."
            )
        if ocean_grid(self.climatology, tuple(self.ocean.grid.levels)) != self.ocean.grid:
            raise InputError(
                "the prior was trained about the shipped climatology, and this one has another "
                "grid or ocean: leave the climatology out, or use --method kriging."
            )

    def run(
        self,
        observations: Source,
        *,
        month: str,
        grid: Grid | None = None,
        members: int | None = None,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> xr.Dataset:
        """Map one month.

        Args:
            observations: Profiles, a table, or files of any kind the readers know.
            month: `YYYY-MM`; the analysis stands at its middle.
            grid: Where to estimate, on levels of the prior; the prior's own grid by default.
            members: Draws to give out; the recipe's number by default.
            seed: Of the draws.
            progress: Called with the name of the step and the fraction done.

        Returns:
            The analysis: see :mod:`isopleth.data.analysis`.

        Raises:
            InputError: If the observations cannot be used; the sentence says why.
        """
        grid = grid or self.default_grid()
        profiles = self.window(self.prepare(observations, self.ocean.grid.levels), month)
        fitted = self.fit(profiles, month=month, progress=progress)
        return fitted.map(grid, middle(month), members=members, seed=seed, progress=progress)

    def default_grid(self) -> Grid:
        """The prior's own grid and ocean."""
        return self.ocean.grid

    def prepare(self, observations: Source, levels: Floats) -> Profiles:
        """Read, put on levels and check (range, duplicates, spikes, background)."""
        return prepared(observations, levels, self.climatology)

    def window(self, profiles: Profiles, month: str) -> Profiles:
        """The month's profiles and those within the recipe's window around it.

        Raises:
            InputError: If none lies in the month itself.
        """
        return around(profiles, month, self.recipe.window_days)

    def fit(
        self, profiles: Profiles, *, month: str | None = None, progress: Progress | None = None
    ) -> FittedDiffusion:
        """Learn the errors at the middle of a month from profiles, by leaving boxes out in turn.

        Args:
            profiles: Of the month and around it.
            month: `YYYY-MM`; the one with most profiles by default.
            progress: Called with the name of the step and the fraction done.

        Raises:
            InputError: If the profiles are of something else, too few, or on other levels.
        """
        if profiles.variable != "temperature":
            raise InputError(
                f"the prior was trained on temperature, not on {profiles.variable}: use --method "
                "kriging."
            )
        time = middle(_busiest(profiles) if month is None else month)
        casts = Casts.of(profiles, self.climatology, self.ocean, time, self.recipe)
        told = _named(progress, "learning the errors")

        def hidden(kept: Casts, points: Points, done: Callable[[float], None]) -> Evidence:
            recipe = replace(
                self.recipe, members=self.recipe.fold_members, guide=self.recipe.fold_guide
            )
            drawn = replace(self, recipe=recipe).draw(kept, time, range(recipe.members), 0, done)
            return self.evidence(drawn, kept, points)

        casts, errors, refused = learned(casts, hidden, self.recipe, told)
        return FittedDiffusion(
            system=self, casts=casts, time=time, errors=errors, profiles=profiles, refused=refused
        )

    def draw(
        self,
        casts: Casts,
        time: np.datetime64,
        members: Sequence[int],
        seed: int,
        progress: Callable[[float], None] | None = None,
    ) -> Tensor:
        """Anomalies given casts at a time, K, shape (members, level, lat, lon).

        Args:
            casts: At least one.
            time: Of the field.
            members: Their numbers; a member depends on its number and the seed only.
            seed: Of all of them.
            progress: Called with the fraction done.
        """
        grid, recipe = self.ocean.grid, self.recipe
        mean = np.nan_to_num(self.climatology.on(grid, time))
        month = int(time.astype("M8[M]").astype(int)) % 12 + 1
        setting = Setting(torch.from_numpy(mean).float(), month)
        prior = self.denoiser.at(conditions(setting, grid, self.ocean.spread)[None])
        sampler = recipe.guide(prior, casts)
        parts = []
        for start in range(0, len(members), recipe.batch):
            some = members[start : start + recipe.batch]

            def told(done: float, start: int = start, count: int = len(some)) -> None:
                if progress is not None:
                    progress((start + done * count) / len(members))

            parts.append(sampler(MemberNoise(seed, some), grid.shape, progress=told))
        return torch.cat(parts) * self.ocean.spread

    def evidence(self, drawn: Tensor, casts: Casts, points: Points) -> Evidence:
        """Mean and error variance of the field at points, from members given casts.

        The mean of M members lies off the mean of all by 1/M of their variance, which is added.
        Where members do not know their spread, a cell's own variance is divided by one and the
        number of casts nearby.
        """
        recipe = self.recipe
        values = read_at(self.ocean.grid, drawn, points.latitude, points.longitude)
        close = nearby(casts, points, recipe.reach_km)
        if recipe.guide.knows_spread:
            count = len(values)
            variance = values.var(axis=0, ddof=1) * (1.0 + 1.0 / count)
        else:
            spread = self.ocean.at(points.latitude, points.longitude)
            variance = spread**2 / (1.0 + close)
        return Evidence(values, variance, close)


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedDiffusion:
    """The system fitted to profiles: predicts at other profiles and maps on grids.

    Args:
        system: Whose it is.
        casts: What guides the prior.
        time: Of the field.
        errors: Learned from boxes that were left out.
        profiles: That the casts are of.
        refused: Values that no neighbour could explain.
    """

    system: OceanDiffusion
    casts: Casts
    time: np.datetime64
    errors: ErrorModel
    profiles: Profiles
    refused: int
    _known: dict[int, Tensor] = field(default_factory=dict, repr=False)

    @property
    def depth(self) -> Floats:
        """Levels that were observed, m: those whose errors are known."""
        return self.casts.depth

    def predict(self, profiles: Profiles) -> xr.Dataset:
        """Predictive distributions of other profiles, their observation error included.

        Raises:
            InputError: If the profiles lack a level of the analysis.
        """
        values = on_levels(profiles, self.depth)
        system = self.system
        points = Points(profiles.latitude, profiles.longitude, days(profiles.time))
        error = np.full((len(points), len(self.casts.value.T)), np.nan)
        error[:, self._seen] = values.error
        _, noise = error_of(points, error, system.ocean, self.time, system.recipe)
        evidence = system.evidence(self._members(0, None), self.casts, points)
        predictive = self._judged(points, evidence, noise)
        mean = system.climatology.at(
            profiles.time, profiles.latitude, profiles.longitude, self.depth
        )
        return analysis.predictions(values, predictive, mean)

    def map(
        self,
        grid: Grid,
        time: np.datetime64 | None = None,
        *,
        members: int | None = None,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> xr.Dataset:
        """The analysis on a grid; NaN on land and where the prior has no ocean.

        Args:
            grid: On levels of the prior.
            time: The middle of the month that was fitted, which is the only one possible.
            members: Draws to give out; the recipe's number by default.
            seed: Of the draws.
            progress: Called with the name of the step and the fraction done.

        Raises:
            InputError: If a level is not one of the prior's, or the time is another.
        """
        self._check(grid, self.time if time is None else time)
        system, fields = self.system, analysis.Fields(grid, self.depth, self.time)
        drawn = self._members(seed, progress)
        points = Points(*fields.positions, np.full(fields.count, float(days(self.time))))
        evidence = system.evidence(drawn, self.casts, points)
        _, noise = error_of(
            points, np.full((1, 1), np.nan), system.ocean, self.time, system.recipe
        )
        predictive = self._judged(points, evidence, noise)
        count = system.recipe.members if members is None else members
        parts = analysis.Parts(
            climatology=system.climatology.on(fields.grid, self.time),
            predictive=predictive,
            nearby=evidence.nearby[:, self._seen],
            prior=self._prior(points, noise),
            draws=self._deviations(evidence, predictive, points, count, seed),
        )
        return analysis.analysis(self._header(), fields, parts)

    @property
    def _seen(self) -> NDArray[np.bool_]:
        return np.isin(self.casts.ocean.grid.levels, self.depth)

    def _members(self, seed: int, progress: Progress | None) -> Tensor:
        """The recipe's members, drawn once for every seed; (M, level, lat, lon), K."""
        if seed not in self._known:
            system = self.system
            told = _named(progress, "drawing members")
            numbers = range(system.recipe.members)
            self._known[seed] = system.draw(self.casts, self.time, numbers, seed, told)
        return self._known[seed]

    def _judged(self, points: Points, evidence: Evidence, noise: Floats) -> Predictive:
        """The calibrated distribution on the observed levels, `(n, L)`."""
        seen = self._seen
        mean, variance = evidence.mean[:, seen], evidence.variance[:, seen]
        return self.errors(points, mean, variance, noise[:, seen])

    def _prior(self, points: Points, noise: Floats) -> Floats:
        """Standard deviation of the anomaly before any observation, `(n, L)`."""
        spread = self.system.ocean.at(points.latitude, points.longitude)[:, self._seen]
        nothing = np.zeros_like(spread)
        return self.errors(points, nothing, spread**2, noise[:, self._seen]).field_deviation

    def _deviations(
        self, evidence: Evidence, predictive: Predictive, points: Points, count: int, seed: int
    ) -> NDArray[np.float32]:
        """Members about the mean, scaled to the standard error, `(count, n, L)`."""
        system = self.system
        values = evidence.members[:count]
        if count > len(values):
            more = system.draw(self.casts, self.time, range(len(values), count), seed)
            there = points.latitude, points.longitude
            values = np.concatenate([values, read_at(system.ocean.grid, more, *there)])
        own = np.maximum(evidence.members.std(axis=0, ddof=1), _STILL)[:, self._seen]
        unit = predictive.field_deviation / own
        apart = values[..., self._seen] - evidence.mean[:, self._seen]
        return (apart * unit).astype(np.float32)

    def _header(self) -> analysis.Header:
        recipe = self.system.recipe
        return analysis.Header(
            method=recipe.guide.method,
            variable=self.profiles.variable,
            epoch=self.system.climatology.epoch,
            notes=self.profiles.notes,
            profiles=len(self.casts),
            refused=self.refused,
            recipe=asdict(recipe),
        )

    def _check(self, grid: Grid, time: np.datetime64) -> None:
        known = self.system.ocean.grid.levels
        other = grid.levels[~np.isin(grid.levels, known)]
        if other.size:
            raise InputError(
                f"the prior has no level at {other[0]:g} m: choose among "
                f"{', '.join(f'{level:g}' for level in known)} m."
            )
        if time != self.time:
            raise InputError(
                f"the prior was guided to {self.time.astype('M8[D]')}, not to "
                f"{time.astype('M8[D]')}: fit it to the month that is to be mapped."
            )


def _busiest(profiles: Profiles) -> str:
    months, counts = np.unique(profiles.time.astype("M8[M]"), return_counts=True)
    return str(months[counts.argmax()])


def _named(progress: Progress | None, step: str) -> Callable[[float], None] | None:
    return None if progress is None else lambda done: progress(step, done)
