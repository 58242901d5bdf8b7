"""The composition: start, members, steps, and the forecast as a CF data set."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
import xarray as xr
from torch import Tensor

from isopleth import __version__
from isopleth.core.errors import InputError
from isopleth.systems.forecast.anomalies import ModelClimate, load_climate, perturbations
from isopleth.systems.forecast.initial import Initial, read_initial
from isopleth.systems.forecast.models import Model, load_model
from isopleth.systems.forecast.output import dataset_of
from isopleth.systems.forecast.runs import RunStore
from isopleth.systems.forecast.settings import LEVELS, STEP_HOURS, ForecastSettings
from isopleth.systems.forecast.verification import verified

__all__ = ["Forecast", "Outcome", "load"]

Floats = npt.NDArray[np.float32]
Progress = Callable[[str, float], None]

_BLOCK = 4
"""Steps between two writings: a day."""

_TOGETHER = 64
"""Members that are stepped in one batch: bounds the memory, and more are no faster."""

_STRONGEST = 400.0
"""A forecast with such winds has left the atmosphere, m s-1."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Outcome:
    """A forecast and what is known about it.

    Args:
        model: It was made with.
        settings: As asked.
        initial: As read.
        climate: Of the model.
        blocks: States in order, the start first, each (time, member, 3, nlat, nlon), m2 s-1.
    """

    model: Model
    settings: ForecastSettings
    initial: Initial
    climate: ModelClimate
    blocks: list[Floats]

    @property
    def members(self) -> int:
        """How many there are."""
        return int(self.blocks[0].shape[1])

    def state(self, number: int) -> Floats:
        """Members after so many steps, (member, 3, nlat, nlon), m2 s-1."""
        for block in self.blocks:
            if number < len(block):
                return np.asarray(block[number])
            number -= len(block)
        raise IndexError(number)

    def dataset(self) -> xr.Dataset:
        """The forecast as it is written, lazily: see `output.dataset_of`."""
        return dataset_of(self.model, self.settings, self.initial, self.blocks)

    @cached_property
    def scores(self) -> pd.DataFrame | None:
        """See `verification.verified`; None where the file holds no later time."""
        if not self.initial.later:
            return None
        states = {n: self.state(n) for n in (0, *self.initial.later)}
        weights = self.model.world.sphere.weights.double().numpy()[:, None]
        return verified(states, self.initial.later, self.climate.mean, weights)

    @cached_property
    def curves(self) -> xr.Dataset:
        """Kinetic energy and size of the anomaly of every member, and of the model's climate.

        `kinetic_energy` is `<u^2 + v^2> / 2`, m2 s-2; `anomaly` the root mean square of psi less
        the mean of the climate, m2 s-1; both (time, realization, pressure), and NAME_climate
        (state, pressure) of states of the climate; NAME_truth (time, pressure) where there is a
        truth, else absent.
        """
        own = [self._sizes(torch.from_numpy(np.array(block))) for block in self.blocks]
        kinds = {"": tuple(torch.cat(parts) for parts in zip(*own, strict=True))}
        kinds["_climate"] = self._sizes(self.climate.states)
        dims = {"": ("hours", "realization", "pressure"), "_climate": ("state", "pressure")}
        coords = {"hours": STEP_HOURS * np.arange(self.settings.steps + 1), "pressure": [*LEVELS]}
        later = dict(sorted(self.initial.later.items()))
        if later:
            kinds["_truth"] = self._sizes(torch.stack([*later.values()]))
            dims["_truth"] = ("later", "pressure")
            coords["later"] = STEP_HOURS * np.array([*later])
        data = {
            f"{name}{kind}": (dims[kind], values.numpy())
            for kind, pair in kinds.items()
            for name, values in zip(("kinetic_energy", "anomaly"), pair, strict=True)
        }
        return xr.Dataset(data, coords)

    def _sizes(self, psi: Tensor) -> tuple[Tensor, Tensor]:
        u, v = self.model.winds(psi.float())
        energy = 0.5 * self.model.mean(u.square() + v.square())
        anomaly = self.model.mean((psi.double() - self.climate.mean).square()).sqrt()
        return energy, anomaly


@dataclass(frozen=True, eq=False)
class Forecast:
    """Settings: the model."""

    model: Model

    def run(
        self,
        source: str | Path | xr.Dataset,
        *,
        days: float = 10.0,
        members: int | None = None,
        spread: float = 5e5,
        seed: int = 0,
        time: str | None = None,
    ) -> xr.Dataset:
        """Forecast from a file and give the forecast as a data set, loaded.

        Args:
            source: NetCDF, Zarr or GRIB file, or an opened data set.
            days: See `ForecastSettings`, as all others.
            members: How many.
            spread: Of perturbed starts.
            seed: Of the perturbations.
            time: Of the start, as 2017-01-02T00:00.

        Raises:
            IsoplethError: If something given cannot be used.
        """
        when = None if time is None else np.datetime64(time.removesuffix("Z"), "ns")
        settings = ForecastSettings(
            days=days, members=members, spread=spread, seed=seed, time=when
        )
        place = source if isinstance(source, xr.Dataset) else Path(source)
        return self(read_initial(place, self.model, settings), settings).dataset().load()

    def __call__(
        self,
        initial: Initial,
        settings: ForecastSettings,
        *,
        folder: Path | None = None,
        progress: Progress | None = None,
    ) -> Outcome:
        """Step to the end.

        Args:
            initial: As read.
            settings: Length and members.
            folder: Where finished days are kept, and a run that was stopped goes on from; None
                keeps them in memory.
            progress: Told ("forecast", share) after every day.

        Raises:
            InputError: If more members are asked for than there are, or the forecast diverges.
        """
        climate = load_climate(self.model.world.sphere)
        start = self._members(initial, settings, climate).float()
        store = None if folder is None else RunStore(folder, self._about(start))
        blocks: list[Floats] = [] if store is None else store.blocks()
        done, last = sum(map(len, blocks)), start
        if blocks:
            last = torch.from_numpy(np.array(blocks[-1][-1]))
        if progress is not None:
            progress("forecast", min(done / settings.steps, 1.0))
        while done < settings.steps:
            block = self._stepped(last, min(_BLOCK, settings.steps - done))
            done += len(block)
            self._check(block, done)
            last = block[-1]
            if store is None:
                blocks.append(block.numpy())
            else:
                store.append(block.numpy())
            if progress is not None:
                progress("forecast", done / settings.steps)
        if store is not None:
            blocks = store.blocks()
        return Outcome(
            model=self.model,
            settings=settings,
            initial=initial,
            climate=climate,
            blocks=_first([start[None].numpy(), *blocks], settings.steps + 1),
        )

    def _members(
        self, initial: Initial, settings: ForecastSettings, climate: ModelClimate
    ) -> Tensor:
        own, wanted = len(initial.psi), settings.members
        if own > 1:
            if wanted is not None and wanted > own:
                raise InputError(
                    f"{initial.name} has {own} members, {wanted} are asked for: ask for at most "
                    f"{own}, or give a file of one state, which is then perturbed."
                )
            return initial.psi[:wanted]
        if wanted is None or wanted == 1:
            return initial.psi
        sphere = self.model.world.sphere
        return initial.psi + perturbations(climate, sphere, wanted, settings.spread, settings.seed)

    def _stepped(self, psi: Tensor, steps: int) -> Tensor:
        """(steps, member, 3, nlat, nlon)."""
        with torch.no_grad():
            parts = []
            for x in psi.split(_TOGETHER):
                found = []
                for _ in range(steps):
                    x = self.model.dynamics.step(x)
                    found.append(x)
                parts.append(torch.stack(found))
            return torch.cat(parts, 1)

    def _check(self, block: Tensor, done: int) -> None:
        u, v = self.model.winds(block[-1])
        fastest = float((u.square() + v.square()).max().sqrt())
        if not fastest < _STRONGEST:  # NaN too
            raise InputError(
                f"the forecast has winds of {fastest:.3g} m s-1 after {done * STEP_HOURS / 24:g} "
                "days and is no atmosphere any more: give fewer days, or another model."
            )

    def _about(self, start: Tensor) -> dict[str, object]:
        return {
            "isopleth": __version__,
            "model": self.model.words,
            "weights": _digest(self.model.dynamics),
            "start": hashlib.sha256(start.numpy().tobytes()).hexdigest(),
        }


def load(model: str = "qg3", truncation: int = 21) -> Forecast:
    """A forecast system by the name of its model: "qg3", "unet" or "vit".

    Raises:
        InputError: If there is no such model.

    >>> load("qg3").model.truncation
    21
    """
    return Forecast(load_model(model, truncation))


def _first(blocks: list[Floats], count: int) -> list[Floats]:
    found, left = [], count
    for block in blocks:
        if left > 0:
            found.append(block[:left])
            left -= len(found[-1])
    return found


def _digest(dynamics: object) -> str:
    """Of the numbers of a learned dynamics; of another one nothing."""
    if not isinstance(dynamics, torch.nn.Module):
        return ""
    total = hashlib.sha256()
    for name, values in dynamics.state_dict().items():
        total.update(name.encode() + values.detach().cpu().float().numpy().tobytes())
    return total.hexdigest()
