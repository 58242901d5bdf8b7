"""How the frozen world of the moist atmosphere is made: starts, burn-in, and what is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.core.grid import Grid
from isopleth.inference.variational import SpectralCovariance, SpectralStatistics
from isopleth.priors.eof import leading_modes
from isopleth.studies.twin.background import BackgroundCycle, Moment, batched
from isopleth.studies.twin.climate import area
from isopleth.studies.twin.speedy.balance import Balanced, Winds, fitted, packed
from isopleth.studies.twin.speedy.climate import SpeedyClimate
from isopleth.studies.twin.speedy.nature import Nature
from isopleth.studies.twin.speedy.recipe import STEP_HOURS, SpeedyRecipe

__all__ = ["LAST", "Emulated", "made", "starts"]

LAST = ("truth", "background", "older")
_DAY = 24 // STEP_HOURS
_HALF = torch.float16
"""Of what there is much of; truths have no more digits in the nature run either."""

Progress = Callable[[float], None]


@dataclass(frozen=True, eq=False)
class Emulated:
    """Truths that a nature run holds, by number, and forecasts that an emulator makes.

    Args:
        nature: The truths.
        climate: Brings the emulator.
        hours: Of a cycle.
    """

    nature: Nature
    climate: SpeedyClimate
    hours: int

    @property
    def grid(self) -> Grid:
        """Of the anomalies."""
        return self.climate.grid

    def anomalies(self, truth: Tensor) -> Tensor:
        """Of the states of these numbers, (n,)."""
        return self.nature(truth)

    def advance(self, truth: Tensor) -> Tensor:
        """Their numbers a cycle later."""
        return self.nature.later(truth, self.hours // STEP_HOURS)

    def forecast(self, x: Tensor) -> Tensor:
        """Anomalies a cycle later."""
        return batched(self.climate.dynamics(self.hours).step, x)


def starts(recipe: SpeedyRecipe, nature: Nature) -> Tensor:
    """Number of the first truth of every trajectory, evenly apart in their runs, (n,).

    Raises:
        InputError: If a run is too short for one.
    """
    cycles, lead = sum(recipe.burn_in) + recipe.cycles, max(recipe.forecast_days) * _DAY
    counts = (recipe.train, recipe.validation, *[recipe.test] * len(recipe.test_runs))
    found = []
    for run, count in enumerate(counts):
        more = recipe.pair_cycles if run < 2 else 0
        span = recipe.steps * (cycles + more) + lead + 1
        first, last = nature.first[run] + _DAY, nature.first[run + 1] - 1 - span
        if last < first:
            raise InputError(
                f"a trajectory takes {span + _DAY} states and run {recipe.runs[run + 1].name} has "
                f"{len(nature.states[run])}: make it longer."
            )
        found.append(torch.linspace(first, last, count).long())
    return torch.cat(found)


@torch.no_grad()
def made(
    recipe: SpeedyRecipe, nature: Nature, climate: SpeedyClimate, progress: Progress
) -> dict[str, Tensor]:
    """Everything a frozen world holds.

    The first backgrounds are the truths of a day before: errors that hang together like weather.
    From them on the cycle's own errors give its covariance, anew after every stage of the burn-in.
    """
    cycle = BackgroundCycle(recipe, Emulated(nature, climate, recipe.cycle_hours))
    number = starts(recipe, nature)
    before = nature(number - _DAY)
    now = Moment(number=0, truth=number, background=before, older=before)
    rows = slice(0, recipe.train)
    assumed = fitted(nature(number[rows]) - before[rows], climate)
    total, done = sum(recipe.burn_in) + recipe.cycles, 0
    for length in recipe.burn_in:
        errors = []
        for now in cycle.run(_balanced(assumed, climate), now, length):  # noqa: B020
            if now.number - done > length // 2:
                errors.append(nature(now.truth[rows]) - now.background[rows])
            progress(now.number / total)
        assumed, done = fitted(torch.cat(errors), climate), done + length
    book, numbers = _Book(recipe, nature), range(done, total)
    dates = tuple(numbers[-1 - k * recipe.cycles // recipe.dates] for k in range(recipe.dates))
    for moment in cycle.run(_balanced(assumed, climate), now, recipe.cycles, dates):
        book.enter(moment)
        progress(moment.number / total)
    return {**book.closed(climate), **packed(assumed, "assumed")}


def _balanced(statistics: SpectralStatistics, climate: SpeedyClimate) -> Balanced:
    return Balanced(SpectralCovariance(statistics), Winds(climate))


class _Book:
    """What is kept of the final cycles."""

    def __init__(self, recipe: SpeedyRecipe, nature: Nature) -> None:
        self._recipe, self._nature = recipe, nature
        self._errors: list[Tensor] = []
        self._backgrounds: list[Tensor] = []
        self._of: list[Tensor] = []
        self._cases: dict[str, list[Tensor]] = {}
        self._last: Moment | None = None

    def enter(self, moment: Moment) -> None:
        """Errors of the training trajectories; cases where there are members."""
        recipe, train = self._recipe, self._recipe.train
        background = moment.background[:train]
        self._errors.append((self._nature(moment.truth[:train]) - background).to(_HALF))
        self._backgrounds.append(background.to(_HALF))
        self._of.append(torch.arange(train))
        self._last = moment
        if moment.members is None:
            return
        steps = torch.tensor([0, *(_DAY * day for day in recipe.forecast_days)])
        number = moment.truth[train:, None] + steps
        truth = self._nature(number.flatten()).to(_HALF).unflatten(0, number.shape)
        ends = slice(0, recipe.validation), slice(recipe.validation, None)
        for kind, rows in zip(("validation", "test"), ends, strict=True):
            trajectory = torch.arange(train, recipe.trajectories)[rows]
            kept = {
                "truth": truth[rows],
                "background": moment.background[train:][rows],
                "older": moment.older[train:][rows],
                "members": moment.members[rows].to(_HALF),
                "trajectory": trajectory,
                "date": torch.full_like(trajectory, moment.number),
            }
            for name, values in kept.items():
                self._cases.setdefault(f"{kind}.{name}", []).append(values)

    def closed(self, climate: SpeedyClimate) -> dict[str, Tensor]:
        """Everything as tensors."""
        assert self._last is not None
        chosen = torch.linspace(0, sum(map(len, self._of)) - 1, self._recipe.samples).long()
        error, background, of = (
            torch.cat(parts)[chosen] for parts in (self._errors, self._backgrounds, self._of)
        )
        # Modes of what is known, so that a regression on it does not meet 100,000 numbers.
        b = background.float()
        root = area(climate).sqrt().expand(b.shape[1:]).reshape(-1)
        mean = b.mean(0)
        modes, variances = leading_modes((b - mean).flatten(1), self._recipe.predictors, root)
        known = ((b - mean).flatten(1) * root.square()) @ modes.T
        found = {
            "error": error,
            "trajectory": of,
            "known.mean": mean,
            "known.modes": modes.unflatten(1, mean.shape).contiguous(),
            "known.variances": variances,
            "known.coefficients": known,
            **packed(fitted(error, climate), "spectral"),
            **{f"last.{name}": getattr(self._last, name) for name in LAST},
            **{name: torch.cat(parts) for name, parts in self._cases.items()},
        }
        return {name: values.contiguous() for name, values in found.items()}
