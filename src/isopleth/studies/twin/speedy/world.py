"""The frozen world of the moist atmosphere: made once, hashed, then only read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save, save_file
from torch import Tensor

import isopleth
from isopleth.core.errors import InputError, IntegrityError
from isopleth.dynamics.emulated_fields import FieldEmulator
from isopleth.inference.variational import SampleCovariance, SpectralCovariance
from isopleth.studies.provenance import code_digest, sha256_of
from isopleth.studies.results import replacing
from isopleth.studies.twin.background import BackgroundCycle, Moment
from isopleth.studies.twin.climate import area
from isopleth.studies.twin.frozen import Cases, Linear
from isopleth.studies.twin.recipe import NetworkRecipe
from isopleth.studies.twin.speedy.balance import Balanced, Winds, unpacked
from isopleth.studies.twin.speedy.climate import SpeedyClimate
from isopleth.studies.twin.speedy.making import LAST, Emulated, made
from isopleth.studies.twin.speedy.nature import Nature
from isopleth.studies.twin.speedy.network import SpeedyNetwork
from isopleth.studies.twin.speedy.recipe import SpeedyRecipe

__all__ = ["Sources", "SpeedyWorld"]

_WITHHELD = NetworkRecipe(name="withheld", percent=2.0, quantity="state", error=0.05)
_CLIMATE_SAMPLES = 500
_FOLDS = 5
"""Of the trajectories: a regression is judged on errors that it was not fitted to."""

_SOURCE = Path(isopleth.__file__).parent
_CODE = (
    *(f"studies/twin/speedy/{name}.py" for name in ("making", "nature", "balance", "climate")),
    *(f"studies/twin/{name}.py" for name in ("background", "climate", "network")),
    *(f"inference/variational/{name}.py" for name in ("spectral", "spectral_fit")),
    "dynamics/emulated_fields.py",
)
"""What decides a world besides its recipe, its nature runs and its emulator."""
_LATER = ("networks", "trials", "emulator", "learned")

Progress = Callable[[float], None]


@dataclass(frozen=True, eq=False)
class Sources:
    """What a world is made of.

    Args:
        nature: Truths of the training, validation and test runs, in this order.
        climate: Of the anomalies, without a model.
        emulator: The model of all forecasts.
    """

    nature: Nature
    climate: SpeedyClimate
    emulator: FieldEmulator

    @classmethod
    def of(
        cls, recipe: SpeedyRecipe, folder: Path, climate: SpeedyClimate, emulator: FieldEmulator
    ) -> Sources:
        """From the folder that `prepare` filled."""
        runs = (recipe.train_run, recipe.validation_run, *recipe.test_runs)
        return cls(Nature.of(runs, folder), climate, emulator)

    @property
    def known(self) -> dict[str, Any]:
        """What tells them from others."""
        state = {k: v.contiguous() for k, v in self.emulator.state_dict().items()}
        return {
            "nature": list(self.nature.sha256),
            "emulator": hashlib.sha256(save(state)).hexdigest(),
        }


class SpeedyWorld:
    """Covariances and cases, read from one file whose hash goes into the results.

    Args:
        recipe: What was made.
        sources: Of what.
        path: The file.
    """

    def __init__(self, recipe: SpeedyRecipe, sources: Sources, path: Path) -> None:
        self.recipe, self._path, self._nature = recipe, path, sources.nature
        self.climate = replace(sources.climate, model=sources.emulator)
        self.sha256 = sha256_of(path)
        try:
            self._tensors: Mapping[str, Tensor] = _Tensors(path)
        except Exception as error:
            raise IntegrityError(f"{path} is no world: {error}; remove it.") from error

    @classmethod
    def frozen(
        cls,
        recipe: SpeedyRecipe,
        sources: Sources,
        folder: Path,
        progress: Progress | None = None,
    ) -> SpeedyWorld:
        """The world of a recipe, made if it is not there.

        Args:
            recipe: Every number.
            sources: Nature runs, climate and emulator.
            folder: Where worlds lie, one file each, named after recipe, sources and code.
            progress: Gets the fraction made.

        Raises:
            InputError: If a nature run is too short.
            IntegrityError: If a file is there that is no world.
        """
        path = folder / f"speedy-{_key(recipe, sources)}.safetensors"
        if not path.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            climate = replace(sources.climate, model=sources.emulator)
            tensors = made(recipe, sources.nature, climate, progress or (lambda _: None))
            with replacing(path) as temporary:
                save_file(tensors, temporary)
        return cls(recipe, sources, path)

    @property
    def withheld(self) -> NetworkRecipe:
        """What is not assimilated, to score analyses with."""
        return _WITHHELD

    @property
    def climatological(self) -> SampleCovariance:
        """Covariance of states about the mean of the year, from the training run."""
        last = self._nature.first[1] - 1
        count = min(_CLIMATE_SAMPLES, last + 1)
        return SampleCovariance.fit(self._nature(torch.linspace(0, last, count).long()))

    @cached_property
    def errors(self) -> SampleCovariance:
        """Covariance of background errors, of as many rows as errors are kept."""
        return SampleCovariance.fit(self.sample)

    @property
    def sample(self) -> Tensor:
        """Background errors of the training trajectories, (n, channel, nlat, nlon)."""
        return self._tensors["error"].float()

    def modelled(self, amplitude: float, length: float) -> Balanced:
        """Of background errors: balanced, in streamfunction and potential; see `Balanced`."""
        return self._balanced("spectral", amplitude, length)

    @property
    def assumed(self) -> Balanced:
        """What the analyses of the cycle take for the covariance of background errors."""
        return self._balanced("assumed", 1.0, 1.0)

    @cached_property
    def cycle(self) -> BackgroundCycle:
        """The cycle that makes the backgrounds, to go on with."""
        flow = Emulated(self._nature, self.climate, self.recipe.cycle_hours)
        return BackgroundCycle(self.recipe, flow)

    def last(self, kind: str) -> Moment:
        """Where the trajectories of a kind end; "train" too."""
        recipe = self.recipe
        ends = recipe.train, recipe.train + recipe.validation
        rows = {
            "train": slice(0, ends[0]),
            "validation": slice(*ends),
            "test": slice(ends[1], recipe.trajectories),
        }[kind]
        parts = {name: self._tensors[f"last.{name}"][rows] for name in LAST}
        return Moment(number=sum(recipe.burn_in) + recipe.cycles, **parts)

    @torch.no_grad()
    def regression(self, ridge: float) -> Linear:
        """The linear estimate from EOFs of the background, with the covariance of its error.

            x = x_b + m_e + (b' A),   A = (diag(lambda) + ridge s I)^-1 C_be

        with b the principal components of the background, lambda their variances and s the mean
        variance of the errors in them. The covariance is that of the errors of trajectories that
        A was not fitted to, a fifth of them at a time.
        """
        e, b = self.sample.flatten(1), self._tensors["known.coefficients"]
        root = area(self.climate).sqrt().expand(self._shape).reshape(-1)
        modes, mean = self._tensors["known.modes"].flatten(1), self._tensors["known.mean"]
        noise = ((e * root.square()) @ modes.T).var(0).mean()
        fold = self._tensors["trajectory"] * _FOLDS // self.recipe.train
        left = torch.empty_like(e)
        for out in range(_FOLDS):
            fit = _Fit(e[fold != out], b[fold != out], ridge * noise)
            left[fold == out] = e[fold == out] - fit(b[fold == out])
        whole, shape = _Fit(e, b, ridge * noise), self._shape

        def estimate(x: Tensor) -> Tensor:
            known = ((x - mean).flatten(1) * root.square()) @ modes.T
            return x + whole(known).unflatten(1, shape)

        return estimate, SampleCovariance.fit(left.unflatten(1, shape))

    def cases(self, kind: str) -> Cases:
        """Of "validation" or "test"."""
        names = ("truth", "background", "older", "members")
        parts = {name: self._tensors[f"{kind}.{name}"].float() for name in names}
        trajectory = self._tensors[f"{kind}.trajectory"]
        dates = self._tensors[f"{kind}.date"].tolist()
        keys = tuple(f"{t}/{d}" for t, d in zip(trajectory.tolist(), dates, strict=True))
        return Cases(**parts, trajectory=trajectory, names=keys)

    def later(self, cases: Cases, days: Sequence[int]) -> Tensor:
        """Truths of the nature run so many days later, (n, day, *state).

        Raises:
            InputError: If the recipe keeps no truth of such a day.
        """
        known = self.recipe.forecast_days
        missing = [day for day in days if day not in known]
        if missing:
            raise InputError(
                f"no truth of day {missing[0]} is kept with the cases: take one of {known}."
            )
        return cases.truth[:, [1 + known.index(day) for day in days]]

    def network(self, recipe: NetworkRecipe) -> SpeedyNetwork:
        """Observations of this world's truths.

        Raises:
            InputError: If it reads what this world has not.
        """
        return SpeedyNetwork(recipe, self.climate)

    @property
    def _shape(self) -> tuple[int, ...]:
        return tuple(self.climate.mean.shape)

    def _balanced(self, name: str, amplitude: float, length: float) -> Balanced:
        statistics = unpacked(self._tensors, name, self.climate)
        inner = SpectralCovariance(statistics, amplitude=amplitude, length=length)
        return Balanced(inner, Winds(self.climate))


class _Fit:
    """A ridge regression of fields on a few numbers."""

    def __init__(self, e: Tensor, b: Tensor, ridge: Tensor) -> None:
        self._e, self._b = e.mean(0), b.mean(0)
        c = b - self._b
        square = (c.T @ c).double() / len(c)
        cross = (c.T @ (e - self._e)).double() / len(c)
        damped = square + ridge.double() * torch.eye(len(square), dtype=torch.float64)
        self._A = torch.linalg.solve(damped, cross).to(e)

    def __call__(self, b: Tensor) -> Tensor:
        return self._e + (b - self._b) @ self._A


class _Tensors(Mapping[str, Tensor]):
    """A file of tensors, each read when it is asked for."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with safe_open(path, "pt") as file:
            self._names = tuple(file.keys())

    def __getitem__(self, name: str) -> Tensor:
        if name not in self._names:
            raise KeyError(name)
        with safe_open(self._path, "pt") as file:
            found: Tensor = file.get_tensor(name)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _key(recipe: SpeedyRecipe, sources: Sources) -> str:
    """Of the recipe's part that decides the world, its sources, and the code that makes it."""
    told = {name: v for name, v in asdict(recipe).items() if name not in _LATER}
    told |= sources.known
    told["code"] = code_digest(*(_SOURCE / name for name in _CODE))
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:12]
