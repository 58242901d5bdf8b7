"""The user's side: weights, then a background and a table of observations, then the analysis."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from torch import Tensor

from isopleth import __version__
from isopleth.core.analysis_fields import COORDINATES, named_fields
from isopleth.core.errors import InputError
from isopleth.core.quantities import Quantity
from isopleth.data.states import MEMBER, State, read_states, times_of
from isopleth.data.station_reports import Reports, read_report_frame
from isopleth.inference.screening import Screening, located
from isopleth.priors.conditional import ConditionalDenoiser
from isopleth.systems.losda.observable import Observable, observable
from isopleth.systems.losda.situation import Analysed, Situation
from isopleth.systems.losda.standard import Standard
from isopleth.systems.losda.ways import OneAnalysis, Way
from isopleth.systems.losda.weights import found_card, read_whole

__all__ = ["LoSda", "load"]

_FARTHEST = 5.0
"""Root mean square distance of a background from the climate of the weights, in its standard
deviations; a state of that climate is at 1, one in other units or of another world far away."""


def load(place: Path | str | None = None) -> LoSda:
    """The system with weights, hash checked, from this machine.

    Args:
        place: A card, a folder with one, or the name of weights of the package; None for its
            default.

    Raises:
        DataMissingError: If there are no such weights.
        IntegrityError: If a file is damaged.
    """
    denoiser, standard, card = read_whole(found_card(place))
    return LoSda(denoiser=denoiser, standard=standard, card=card)


@dataclass(frozen=True, eq=False, kw_only=True)
class LoSda:
    """A prior of `x | x_b` and what its states are.

    Args:
        denoiser: The prior.
        standard: Of its states.
        card: Of its weights.
    """

    denoiser: ConditionalDenoiser
    standard: Standard
    card: Mapping[str, Any]

    @cached_property
    def whole(self) -> Observable:
        """A state with what can be observed of it."""
        return observable(self.standard)

    @property
    def wants_earlier(self) -> bool:
        """Whether the prior is told the forecast that was made a cycle before, too."""
        return bool(self.card["config"]["errors"]["extra"])

    @property
    def provenance(self) -> str:
        """The card's name, hash, measured figures and limits, as JSON."""
        kept = ("name", "sha256", "what", "metrics", "limits", "licence")
        return json.dumps({key: self.card[key] for key in kept})

    def state(self, found: State) -> State:
        """What the prior takes of a background, with winds where they follow from it.

        Args:
            found: All that a file holds at one time; members are averaged.

        Raises:
            InputError: If a variable, level or cell is missing, the grid is another, or the
                fields are far from the climate of the weights.
        """
        channels = self.standard.channels
        fields = {}
        for quantity in channels.quantities:
            field = self._field(found, quantity)
            fields[quantity] = field.mean(MEMBER) if MEMBER in field.dims else field
        x = channels.tensor(fields)
        a = self.standard.anomaly(x).square().mean((0, 2))
        area = self.standard.area.double()
        away = float(((a * area).sum() / area.sum()).sqrt())
        if away > _FARTHEST:
            raise InputError(
                f"{found.name} is {away:.3g} standard deviations away from the climate of the "
                f"weights {self.card['name']}: give a state of the same world, such as `isopleth "
                "forecast` writes, or train weights for yours."
            )
        whole = self.whole
        return State(whole.channels.fields(whole.of(x)), channels.vertical, found.time, found.name)

    def situation(self, background: Tensor, earlier: Tensor | None = None) -> Situation:
        """What the prior says of a background.

        Args:
            background: `x_b`, SI units, (channel, lat, lon); what follows from a state may stand
                behind it.
            earlier: The forecast for the same time that was made a cycle before, likewise.

        Raises:
            InputError: If the prior wants `earlier` and there is none, or the other way round.
        """
        if (earlier is not None) != self.wants_earlier:
            words = (
                "were trained with the forecast that was made a cycle earlier for the same time: "
                "give it too, with --earlier"
                if self.wants_earlier
                else "know the background alone: leave the earlier forecast out"
            )
            raise InputError(f"the weights {self.card['name']} {words}.")
        n = self.standard.channels.shape[0]
        older = None if earlier is None else earlier[:n]
        return Situation.of(self.denoiser, self.standard, self.whole, background[:n], older)

    def run(
        self,
        background: xr.Dataset,
        observations: pd.DataFrame | Reports,
        way: Way | None = None,
        *,
        earlier: xr.Dataset | None = None,
        screening: Screening | None = None,
        seed: int = 0,
    ) -> xr.Dataset:
        """The analysis of one time.

        Args:
            background: Of one time, as `isopleth forecast` writes it.
            observations: Rows as `isopleth assimilate` reads them.
            way: How; the fixed point by default, `Members` for an ensemble.
            earlier: For weights that want it: the forecast for the same time that was made a
                cycle before.
            screening: Of the observations.
            seed: Of what is drawn.

        Returns:
            NAME, NAME_background, NAME_increment, NAME_spread, NAME_background_spread and, of an
            ensemble, NAME_members; CF attributes, those of the weights among them.

        Raises:
            InputError: As `state` and `situation`, or if no observation can be used.
        """
        way = way or OneAnalysis()
        state = self._read(background, "the background")
        older = None if earlier is None else self._read(earlier, "the earlier forecast")
        x_b = self._tensor(state)
        situation = self.situation(x_b, None if older is None else self._tensor(older))
        reports = (
            observations if isinstance(observations, Reports) else read_report_frame(observations)
        )
        used = (screening or Screening())(
            reports, self.whole.channels, x_b, state.time,
            lambda read: situation.at(read.operator).numpy(),
        )  # fmt: skip
        found = situation.analysed(way, located(used, self.whole.channels).observation, seed=seed)
        data = self._fields(situation, found)
        count = int(used.usable.sum())
        attrs = self._attrs(way, count, len(used) - count, found.chi_square) | {"seed": seed}
        dataset = xr.Dataset({name: f.astype(np.float32) for name, f in data.items()}, attrs=attrs)
        for name, coordinate in COORDINATES.items():
            dataset[name].attrs = dict(coordinate)
        if state.time is None:
            return dataset
        told = {"standard_name": "time", "axis": "T"}
        return dataset.assign_coords(time=((), state.time, told))

    def _read(self, data: xr.Dataset, name: str) -> State:
        times = times_of(data)
        if times.size > 1:
            raise InputError(
                f"{name} has {times.size} times, from {times.min()!s:.16} to {times.max()!s:.16}: "
                "choose one of them first."
            )
        return self.state(read_states(data, times[0] if times.size else None, name))

    def _tensor(self, state: State) -> Tensor:
        return self.whole.channels.tensor(state.fields)

    def _field(self, found: State, quantity: Quantity) -> xr.DataArray:
        """The field of a quantity on the right levels and grid, or a sentence."""
        field = next(
            (f for q, f in found.fields.items() if q == quantity or quantity.goes_by(q.name)), None
        )
        if field is None:
            has = ", ".join(q.long_name for q in found.fields)
            raise self._unfit(found.name, has)
        grid, levels = self.standard.channels.grid, self.standard.channels.levels(quantity)
        rows, columns = field["lat"].values, field["lon"].values
        if not (_same(rows, grid.latitude) and _same(columns, grid.longitude)):
            where = f"{quantity.long_name} on {rows.size} x {columns.size} rows and columns from "
            raise self._unfit(
                found.name, f"{where}{rows[0]:.2f} N, {columns[0]:.2f} E to {rows[-1]:.2f} N, "
                f"{columns[-1]:.2f} E",
            )  # fmt: skip
        vertical = self.standard.channels.vertical
        if levels is None or vertical is None:
            return field
        has_levels = field[vertical.name].values if vertical.name in field.dims else np.empty(0)
        if not all(np.isclose(has_levels, level, rtol=1e-6).any() for level in levels):
            shown = ", ".join(f"{z:g}" for z in has_levels) or "no"
            raise self._unfit(found.name, f"{quantity.long_name} at {shown} {vertical.units}")
        return field

    def _unfit(self, name: str, has: str) -> InputError:
        return InputError(
            f"{name} has {has}; the weights {self.card['name']} need {self.standard.words}, as "
            "`isopleth forecast` writes it."
        )

    def _fields(self, situation: Situation, found: Analysed) -> dict[str, xr.DataArray]:
        channels, x_b = self.whole.channels, situation.background
        parts: list[tuple[str, str, Tensor | None]] = [
            ("", "", found.mean),
            ("_background", "background of ", x_b),
            ("_increment", "analysis less background of ", found.mean - x_b),
            ("_spread", "standard deviation of the analysis error of ", found.spread),
            (
                "_background_spread",
                "standard deviation of the background error of ",
                situation.deviation,
            ),
        ]
        data: dict[str, xr.DataArray] = {}
        for suffix, words, x in parts:
            if x is not None:
                data |= named_fields(channels, x, suffix, words)
        if found.members is not None:
            lead = "realization"
            data |= named_fields(channels, found.members, "_members", "members of ", lead)
        return data

    def _attrs(self, way: Way, used: int, rejected: int, chi_square: float) -> dict[str, Any]:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        names = ", ".join(q.long_name for q in self.whole.channels.quantities)
        return {
            "Conventions": "CF-1.11",
            "title": f"Analysis of {names} from {used} observations",
            "summary": way.words,
            "method": way.words,
            "history": f"{now} isopleth {__version__} losda, weights {self.card['name']}",
            "isopleth_version": __version__,
            "weights": self.provenance,
            "observations_used": used,
            "observations_rejected": rejected,
            "chi_square": chi_square,
        }


def _same(found: np.ndarray, wanted: np.ndarray) -> bool:
    return found.shape == wanted.shape and bool(np.abs(found - wanted).max() < 1e-3)
