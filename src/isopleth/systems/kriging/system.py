"""The composition: fit to profiles, predict at others, map on a grid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from isopleth.core.grid import Grid
from isopleth.data import Climatology, Profiles, analysis, load_climatology
from isopleth.data.bathymetry import ocean_mask
from isopleth.data.boxes import days
from isopleth.data.preparation import Source, around, middle, on_levels, prepared
from isopleth.inference.interpolation import Points
from isopleth.inference.interpolation.kriging import LocalKriging, Scales
from isopleth.inference.interpolation.predictive import ErrorModel, Predictive, fit_error_model
from isopleth.inference.interpolation.scattered import Estimate, Samples
from isopleth.inference.interpolation.simulation import prepare_simulator
from isopleth.inference.interpolation.vertical import (
    VerticalRegression,
    complete,
    depth_correlation,
)
from isopleth.systems.kriging.anomaly import Anomalies
from isopleth.systems.kriging.recipe import Recipe, standard

__all__ = ["FittedKriging", "OceanKriging", "load", "middle"]

Floats = NDArray[np.float64]
Progress = Callable[[str, float], None]
DEFAULT_RESOLUTION = 1.0
METHOD = analysis.Method(
    name="local space-time kriging",
    summary="Local space-time kriging of anomalies from a climatology, with its errors scaled by "
    "leave-one-box-out residuals.",
    references="Kuusela and Stein 2018, doi 10.1098/rspa.2018.0400; Bretherton et al. 1976, "
    "doi 10.1016/0011-7471(76)90001-2; Guinness 2018, doi 10.1080/00401706.2018.1437476",
    short="kriging",
)


def load(recipe: Recipe = standard, climatology: Climatology | None = None) -> OceanKriging:
    """The system with the shipped climatology, or the user's own.

    The shipped one is interpolated in time: near the surface the season moves by kelvins within
    a month, and a step from month to month would be taken for a signal.
    """
    if climatology is None:
        climatology = replace(load_climatology(), linear_in_time=True)
    return OceanKriging(recipe, climatology)


@dataclass(frozen=True)
class OceanKriging:
    """Settings: a recipe and the climatology anomalies are taken from."""

    recipe: Recipe
    climatology: Climatology

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
            month: ``YYYY-MM``; the analysis stands at its middle.
            grid: Where to estimate; 1 degree on the climatology's levels by default.
            members: Draws; the recipe's number by default.
            seed: Of the draws.
            progress: Called with the name of the step and the fraction done.

        Returns:
            The analysis: see :mod:`isopleth.data.analysis`.

        Raises:
            InputError: If the observations cannot be used; the sentence says why.
        """
        grid = grid or self.default_grid()
        profiles = self.prepare(observations, grid.levels)
        fitted = self.fit(self.window(profiles, month), progress=progress)
        return fitted.map(grid, middle(month), members=members, seed=seed, progress=progress)

    def default_grid(self) -> Grid:
        """The global 1-degree ocean on the levels of the climatology."""
        levels = self.climatology.grid.levels
        open_grid = Grid.regular(DEFAULT_RESOLUTION, levels=levels)
        return open_grid.with_mask(
            ocean_mask(open_grid.latitude, open_grid.longitude, open_grid.levels)
        )

    def prepare(self, observations: Source, levels: Floats) -> Profiles:
        """Read, put on levels and check (range, duplicates, spikes, background)."""
        return prepared(observations, levels, self.climatology)

    def window(self, profiles: Profiles, month: str) -> Profiles:
        """The month's profiles and those within the recipe's window around it.

        Raises:
            InputError: If none lies in the month itself.
        """
        return around(profiles, month, self.recipe.window_days)

    def fit(self, profiles: Profiles, *, progress: Progress | None = None) -> FittedKriging:
        """Learn scales, errors and vertical structure from profiles, by leaving boxes out."""
        recipe = self.recipe
        anomalies = Anomalies.of(
            profiles,
            self.climatology,
            box_deg=recipe.box_deg,
            box_days=recipe.box_days,
            fewest=recipe.fewest_values,
        )
        share = 1.0 + recipe.covariance.broad_share + recipe.covariance.nugget
        variance = np.maximum(np.nanvar(anomalies.value, axis=0), 1e-6) / share
        samples = anomalies.samples(variance)
        scales: Scales = recipe.covariance
        if recipe.local_fit is not None:
            scales = recipe.local_fit(
                recipe.covariance, samples, progress=_named(progress, "fitting local scales")
            )
        kriging = LocalKriging(scales=scales, neighbours=recipe.neighbours)
        learning = _named(progress, "learning the errors")
        validation = _validate(kriging, samples, recipe, learning)
        kept = validation.refuse(samples, recipe)
        if np.isfinite(kept.value).sum() < np.isfinite(samples.value).sum():
            # A gross error spoils the predictions of its neighbours: learn again without it, and
            # judge what was refused by neighbours that are clean.
            validation = _validate(kriging, kept, recipe, learning)
            kept = validation.refuse(samples, recipe)
        samples = kept
        regression = VerticalRegression(
            points=validation.points,
            residual=validation.standardised,
            guess=depth_correlation(anomalies.depth),
            guess_pairs=recipe.guess_pairs,
        )
        completed = samples
        if recipe.complete_levels:
            completed = _completed(kriging, samples, regression)
        return FittedKriging(
            system=self,
            depth=anomalies.depth,
            signal_variance=variance,
            kriging=kriging,
            samples=completed,
            observed=samples,
            errors=validation.model,
            vertical=regression,
            profiles=profiles,
            refused=int(np.isfinite(anomalies.value).sum() - np.isfinite(samples.value).sum()),
        )


@dataclass(frozen=True, kw_only=True)
class FittedKriging:
    """The system fitted to profiles: predicts at other profiles and maps on grids."""

    system: OceanKriging
    depth: Floats
    signal_variance: Floats
    kriging: LocalKriging
    samples: Samples
    observed: Samples
    errors: ErrorModel
    vertical: VerticalRegression
    profiles: Profiles
    refused: int

    def predict(self, profiles: Profiles) -> xr.Dataset:
        """Predictive distributions of other profiles, their observation error included."""
        values = on_levels(profiles, self.depth)
        latitude, longitude = profiles.latitude, profiles.longitude
        points = Points(latitude, longitude, days(profiles.time))
        predictive, _ = self._at(points, _measured(values.error, self.signal_variance))
        mean = self.system.climatology.at(profiles.time, latitude, longitude, self.depth)
        return analysis.predictions(values, predictive, mean)

    def fill(self, profiles: Profiles) -> xr.Dataset:
        """Predictive distributions at the missing levels of profiles, given their other levels.

        At the levels a profile did measure, its own value stands with a deviation of zero.
        """
        values = on_levels(profiles, self.depth)
        points = Points(profiles.latitude, profiles.longitude, days(profiles.time))
        predictive, estimate = self._at(points, _measured(values.error, self.signal_variance))
        mean = self.system.climatology.at(
            profiles.time, profiles.latitude, profiles.longitude, self.depth
        )
        unit = np.sqrt(estimate.variance + self._nugget(points))
        residual = (values.value - mean - estimate.mean) / unit
        found = self.vertical.conditional(points, residual)
        narrowed = np.sqrt(found.ratio)
        conditional = replace(
            predictive,
            location=predictive.location + found.mean * unit,
            scale=predictive.scale * narrowed,
            field_deviation=predictive.field_deviation * narrowed,
        )
        return analysis.predictions(values, conditional, mean)

    def map(
        self,
        grid: Grid,
        time: np.datetime64,
        *,
        members: int | None = None,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> xr.Dataset:
        """The analysis on a grid at one time; NaN on land and outside the climatology."""
        fields = analysis.Fields(grid, self.depth, time)
        points = Points(*fields.positions, np.full(fields.count, float(days(time))))
        predictive, estimate = self._at(points, 0.0, progress=_named(progress, "kriging the grid"))
        count = self.system.recipe.members if members is None else members
        parts = analysis.Parts(
            climatology=self.system.climatology.on(fields.grid, time),
            predictive=predictive,
            nearby=_counted(estimate),
            prior=self._prior(points),
            draws=self._members(points, predictive, estimate, count, seed, progress),
        )
        return analysis.analysis(self._header(), fields, parts)

    def _header(self) -> analysis.Header:
        return analysis.Header(
            method=METHOD,
            variable=self.profiles.variable,
            epoch=self.system.climatology.epoch,
            notes=self.profiles.notes,
            profiles=len(self.observed),
            refused=self.refused,
            recipe=asdict(self.system.recipe),
        )

    def _at(
        self,
        points: Points,
        measured: Floats | float,
        *,
        progress: Callable[[float], None] | None = None,
    ) -> tuple[Predictive, Estimate]:
        estimate = self.kriging(self.samples, points, progress=progress)
        noise = self._nugget(points) + measured
        predictive = self.errors(points, estimate.mean, estimate.variance, noise)
        return predictive, estimate

    def _nugget(self, points: Points) -> Floats:
        local = self.kriging.scales.at(points.latitude, points.longitude)
        return np.repeat(local.column("nugget")[:, None], len(self.depth), axis=1)

    def _prior(self, points: Points) -> Floats:
        """Standard deviation of the anomaly before any observation, ``(n, L)``."""
        local = self.kriging.scales.at(points.latitude, points.longitude)
        variance = np.repeat(local.signal_variance[:, None], len(self.depth), axis=1)
        nothing = np.zeros_like(variance)
        return self.errors(points, nothing, variance, self._nugget(points)).field_deviation

    def _members(
        self,
        points: Points,
        predictive: Predictive,
        estimate: Estimate,
        count: int,
        seed: int,
        progress: Progress | None,
    ) -> NDArray[np.float32]:
        """Deviations from the mean, ``(count, n, L)`` float32."""
        if count == 0:
            return np.empty((0, len(points), len(self.depth)), np.float32)
        simulator = prepare_simulator(
            self.kriging.scales,
            self.samples,
            points,
            neighbours=self.system.recipe.member_neighbours,
            progress=_named(progress, "preparing members"),
        )
        covariance = self.vertical.covariance()
        spread = np.sqrt(np.diag(covariance))
        factor = np.linalg.cholesky(covariance / np.outer(spread, spread))
        quietest = np.sqrt(np.maximum(estimate.variance.min(axis=1), 1e-12))
        unit = (predictive.field_deviation / quietest[:, None]).astype(np.float32)
        draws = np.empty((count, *unit.shape), np.float32)
        for member in range(count):
            draws[member] = simulator.draw(factor, seed=seed, member=member) * unit
        return draws


@dataclass(frozen=True)
class _Validation:
    """Leave-one-box-out predictions of (a subset of) the samples, and the errors they teach."""

    rows: NDArray[np.int64]
    points: Points
    mean: Floats
    standardised: Floats
    scale: Floats
    model: ErrorModel

    def refuse(self, samples: Samples, recipe: Recipe) -> Samples:
        """Blank the values that no neighbour can explain (the buddy check)."""
        value = samples.value.copy()
        error = np.abs(value[self.rows] - self.mean)
        far = (error > recipe.buddy_deviations * self.scale) & (error > recipe.buddy_floor)
        value[self.rows] = np.where(far, np.nan, value[self.rows])
        return Samples(samples.points, value, samples.noise)


def _validate(
    kriging: LocalKriging,
    samples: Samples,
    recipe: Recipe,
    progress: Callable[[float], None] | None,
) -> _Validation:
    rows = np.arange(len(samples))
    if len(rows) > recipe.most_validated:
        chosen = np.random.default_rng(0).choice(rows, recipe.most_validated, replace=False)
        seen = np.isfinite(samples.value)  # no level may be left without a residual
        scarce = [np.flatnonzero(level)[: recipe.fewest_values] for level in seen.T]
        rows = np.unique(np.concatenate([chosen, *scarce]))
    part = samples.select(rows)
    prediction = kriging(samples, part.points, progress=progress)
    residual = part.value - prediction.mean
    local = kriging.scales.at(part.points.latitude, part.points.longitude)
    noise = part.noise + local.column("nugget")[:, None]
    model = fit_error_model(
        part.points, residual, prediction.variance, noise, counts=recipe.error_counts
    )
    scale = model(part.points, prediction.mean, prediction.variance, noise).scale
    standardised = residual / np.sqrt(prediction.variance + noise)
    return _Validation(rows, part.points, prediction.mean, standardised, scale, model)


def _completed(kriging: LocalKriging, samples: Samples, regression: VerticalRegression) -> Samples:
    seen = np.isfinite(samples.value)
    rows = np.flatnonzero(seen.any(axis=1) & ~seen.all(axis=1))
    if rows.size == 0:
        return samples
    part = samples.select(rows)
    prediction = kriging(samples, part.points)
    local = kriging.scales.at(part.points.latitude, part.points.longitude)
    filled = complete(part, regression, prediction, local.column("nugget"))
    value, noise = samples.value.copy(), samples.noise.copy()
    value[rows], noise[rows] = filled.value, filled.noise
    return Samples(samples.points, value, noise)


def _counted(estimate: Estimate) -> Floats:
    assert estimate.nearby is not None  # kriging always counts them
    return estimate.nearby


def _measured(error: Floats, signal_variance: Floats) -> Floats:
    return np.where(np.isfinite(error), error, 0.0) ** 2 / signal_variance


def _named(progress: Progress | None, step: str) -> Callable[[float], None] | None:
    return None if progress is None else lambda done: progress(step, done)
