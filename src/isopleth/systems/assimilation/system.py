"""The composition: screen the reports, analyse, judge at withheld stations, write the analysis."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from torch import Tensor

from isopleth import __version__
from isopleth.core.analysis_fields import COORDINATES, named_fields
from isopleth.core.channels import Channels
from isopleth.core.errors import InputError
from isopleth.data.station_reports import Reports
from isopleth.inference.screening import Readable, Screening, located
from isopleth.systems.assimilation.diagnostics import (
    Departures,
    desroziers,
    innovations,
    withheld_scores,
)
from isopleth.systems.assimilation.inputs import Inputs
from isopleth.systems.assimilation.methods import Analysed, Method, Posed
from isopleth.systems.assimilation.recipe import Recipe, standard
from isopleth.systems.assimilation.statistics import Statistics, of_sample, stated
from isopleth.systems.assimilation.tuning import Choice, choose_radius, radii_for

__all__ = ["Assimilation", "Case", "Outcome"]

_WITHHELD_MIN = 5
"""Fewer places than this are not worth a score."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Case:
    """What is to be analysed.

    Args:
        inputs: As given.
        posed: With statistics.
        reports: All rows, screened.
    """

    inputs: Inputs
    posed: Posed
    reports: Reports


@dataclass(frozen=True, eq=False, kw_only=True)
class Outcome:
    """An analysis and what is known about it.

    Args:
        inputs: What it started from.
        reports: All rows of the table, each used or with its reason.
        departures: Of the used ones.
        analysed: Mean, spread and members.
        posed: With the statistics and the recipe that were used.
        background_deviation: `s_b`, shape (channel, lat, lon).
    """

    inputs: Inputs
    reports: Reports
    departures: Departures
    analysed: Analysed
    posed: Posed
    background_deviation: Tensor

    @property
    def statistics(self) -> Statistics | None:
        """Of the static covariance, where the method has one."""
        return self.posed.statistics

    def innovations(self) -> pd.DataFrame:
        """See `diagnostics.innovations`."""
        return innovations(self.departures, self.inputs.channels)

    def desroziers(self) -> pd.DataFrame:
        """See `diagnostics.desroziers`."""
        return desroziers(self.departures, self.inputs.channels)

    def stations(self) -> pd.DataFrame:
        """Every row of the observations: used or rejected and why, and what the fields say."""
        frame = self.reports.frame()
        at = np.flatnonzero(self.reports.usable)
        for name in ("background", "analysis"):
            column = np.full(len(frame), np.nan)
            column[at] = getattr(self.departures, name)
            frame[name] = column
        frame["status"] = np.where(self.reports.usable, "used", "rejected")
        frame["reason"] = self.reports.reason
        return frame


@dataclass(frozen=True)
class Assimilation:
    """Settings: a method and a recipe."""

    method: Method
    recipe: Recipe = standard

    def __call__(self, inputs: Inputs, reports: Reports) -> Outcome:
        """Analyse with the recipe as it is.

        Args:
            inputs: Background and ensemble.
            reports: As read; matched, screened and used here.

        Raises:
            InputError: If the method needs an ensemble that is not there, nothing is known of a
                variable's error, or no observation can be used.
        """
        return self.analysed(self.prepared(inputs, reports))

    def prepared(self, inputs: Inputs, reports: Reports) -> Case:
        """Statistics and screened reports, without an analysis; raises as a call."""
        posed = self._posed(inputs)
        return Case(inputs=inputs, posed=posed, reports=self._screened(posed, inputs, reports))

    def analysed(self, case: Case) -> Outcome:
        """The analysis of a prepared case."""
        read = located(case.reports, case.inputs.channels)
        analysed = self.method(case.posed, read)
        return Outcome(
            inputs=case.inputs,
            reports=case.reports,
            departures=self._departures(case.posed, read, analysed.mean),
            analysed=analysed,
            posed=case.posed,
            background_deviation=self.method.background_deviation(case.posed),
        )

    def tuned(self, case: Case, *, share: float, seed: int) -> tuple[Case, Choice | None]:
        """The case with the localisation radius that fits hidden observations best.

        Places that `trial` will hide are not looked at: the score of the trial stays blind.

        Args:
            case: Prepared.
            share: Of the places, as `trial` gets it.
            seed: Likewise.

        Returns:
            The case, and the choice; None where the method has no radius or there are too few
            places.
        """
        if not self.method.localised:
            return case, None
        used = case.reports.take(np.flatnonzero(case.reports.usable))
        judged = _places(used, share, seed)
        rest = used if judged is None else used.take(np.flatnonzero(~judged))
        hidden = _places(rest, self.recipe.tuning_share, seed + 1)
        if hidden is None:
            return case, None
        channels, posed = case.inputs.channels, case.posed
        kept = located(rest.take(np.flatnonzero(~hidden)), channels)
        judge = located(rest.take(np.flatnonzero(hidden)), channels)

        def score(radius: float) -> float:
            mean = self.method(_with_radius(posed, radius), kept, errors=False).mean
            return _departure(judge, mean)

        choice = choose_radius(
            score,
            radii_for(channels.grid, self.recipe.radii_km),
            _departure(judge, posed.background),
            len(_distinct(judge.reports)),
        )
        return replace(case, posed=_with_radius(posed, choice.radius_km)), choice

    def trial(self, outcome: Outcome, *, share: float, seed: int) -> pd.DataFrame | None:
        """Scores of an analysis that did not see a share of the places, at those places.

        Args:
            outcome: Brings inputs, settings and screened reports.
            share: Of the places with used observations.
            seed: Of the draw.

        Returns:
            As `diagnostics.withheld_scores`; None where too few places would be withheld.
        """
        used = outcome.reports.take(np.flatnonzero(outcome.reports.usable))
        hidden = _places(used, share, seed)
        if hidden is None:
            return None
        posed, channels = outcome.posed, outcome.inputs.channels
        kept = located(used.take(np.flatnonzero(~hidden)), channels)
        judge = located(used.take(np.flatnonzero(hidden)), channels)
        mean = self.method(posed, kept, errors=False).mean
        return withheld_scores(self._departures(posed, judge, mean), channels)

    def _posed(self, inputs: Inputs) -> Posed:
        if self.method.needs_ensemble and inputs.members is None:
            raise InputError(
                "this method needs the members of an ensemble: give --ensemble, or use "
                "--method 3dvar, which takes stated error statistics."
            )
        self._check_named(inputs.channels)
        statistics = None
        if self.method.needs_statistics:
            statistics = (
                stated(inputs.channels, self.recipe)
                if inputs.sample is None
                else of_sample(inputs.channels, inputs.sample, self.recipe)
            )
        return Posed(
            channels=inputs.channels,
            background=inputs.background,
            members=inputs.members,
            statistics=statistics,
            recipe=self.recipe,
        )

    def _check_named(self, channels: Channels) -> None:
        """Deviations and lengths that would change nothing are a mistake."""
        for words, table in (("deviation", self.recipe.deviation), ("length", self.recipe.length)):
            for name in table:
                if not self.method.needs_statistics:
                    raise InputError(
                        f"the {words} of {name!r} is of no use to this method, which takes its "
                        "errors from elsewhere: leave it out, or use --method 3dvar."
                    )
                if not any(quantity.goes_by(name) for quantity in channels.quantities):
                    known = ", ".join(quantity.name for quantity in channels.quantities)
                    raise InputError(
                        f"the {words} of {name!r} belongs to no variable of the background: it "
                        f"has {known}."
                    )

    def _screened(self, posed: Posed, inputs: Inputs, reports: Reports) -> Reports:
        screening = Screening(window_hours=self.recipe.window_hours, gross=self.recipe.gross)
        return screening(
            reports,
            inputs.channels,
            inputs.background,
            inputs.time,
            lambda read: self.method.at(posed, read).numpy(),
        )

    def _departures(self, posed: Posed, read: Readable, mean: Tensor) -> Departures:
        return Departures(
            reports=read.reports,
            background=read.of(posed.background),
            analysis=read.of(mean),
            spread=self.method.at(posed, read).numpy(),
        )

    def dataset(self, outcome: Outcome, *, members: bool = False) -> xr.Dataset:
        """The analysis file: NAME, NAME_background, NAME_increment and their spreads.

        Args:
            outcome: To write.
            members: Whether the analysed members are in it as NAME_members.
        """
        channels, found = outcome.inputs.channels, outcome.analysed
        data: dict[str, xr.DataArray] = {}
        for suffix, words, x in (
            ("", "", found.mean),
            ("_background", "background of ", outcome.inputs.background),
            ("_increment", "analysis less background of ", found.mean - outcome.inputs.background),
            ("_spread", "standard deviation of the analysis error of ", found.spread),
            (
                "_background_spread",
                "standard deviation of the background error of ",
                outcome.background_deviation,
            ),
        ):
            if x is not None:
                data |= named_fields(channels, x, suffix, words)
        if members and found.members is not None:
            data |= named_fields(channels, found.members, "_members", "members of ", "realization")
        data = {name: field.astype(np.float32) for name, field in data.items()}
        dataset = xr.Dataset(data, attrs=self._attrs(outcome))
        for name, attrs in COORDINATES.items():
            dataset[name].attrs = attrs
        attrs = {"standard_name": "time", "axis": "T"}
        time = outcome.inputs.time
        if time is None:
            seen = outcome.departures.reports.time
            time = np.sort(seen[~np.isnat(seen)])[np.count_nonzero(~np.isnat(seen)) // 2]
            attrs["comment"] = "median time of the observations; the background states none"
        return dataset.assign_coords(time=((), time, attrs))

    def _attrs(self, outcome: Outcome) -> dict[str, str | int | float]:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        names = ", ".join(q.long_name for q in outcome.inputs.channels.quantities)
        used = int(outcome.reports.usable.sum())
        return {
            "Conventions": "CF-1.11",
            "title": f"Analysis of {names} from {used} observations",
            "summary": self.method.words,
            "method": self.method.words,
            "history": f"{now} isopleth {__version__} assimilate",
            "isopleth_version": __version__,
            "recipe": json.dumps({k: _plain(v) for k, v in asdict(outcome.posed.recipe).items()}),
            "observations_used": used,
            "observations_rejected": len(outcome.reports) - used,
            "chi_square": outcome.analysed.chi_square,
        }


def _places(used: Reports, share: float, seed: int) -> npt.NDArray[np.bool_] | None:
    """Which rows lie at the places that are hidden; None if too few."""
    each, which = np.unique(_rounded(used), axis=0, return_inverse=True)
    count = round(share * len(each))
    if count < _WITHHELD_MIN or len(each) - count < _WITHHELD_MIN:
        return None
    drawn = np.random.default_rng(seed).choice(len(each), count, replace=False)
    return np.asarray(np.isin(which.ravel(), drawn))


def _distinct(reports: Reports) -> npt.NDArray[np.float64]:
    return np.unique(_rounded(reports), axis=0)


def _rounded(reports: Reports) -> npt.NDArray[np.float64]:
    return np.stack([reports.latitude.round(3), reports.longitude.round(3)], 1)


def _with_radius(posed: Posed, radius: float) -> Posed:
    return replace(posed, recipe=replace(posed.recipe, radius_km=radius))


def _departure(judge: Readable, x: Tensor) -> float:
    """Root mean square of observed less x, in units of the observations' errors."""
    scaled = (judge.reports.value - judge.of(x)) / judge.reports.error
    return float(np.sqrt(np.mean(scaled**2)))


def _plain(value: object) -> object:
    return dict(value) if isinstance(value, Mapping) else value
