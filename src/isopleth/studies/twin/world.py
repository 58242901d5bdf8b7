"""The frozen world of a twin experiment: made once, hashed, then only read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

import isopleth
from isopleth.core.errors import IntegrityError
from isopleth.dynamics.nature import load_world, nature_run, spun_up
from isopleth.dynamics.quasigeostrophic import QuasiGeostrophic
from isopleth.dynamics.rollout import final, rollout
from isopleth.inference.variational import (
    SampleCovariance,
    SpectralCovariance,
    SpectralFit,
    SpectralStatistics,
)
from isopleth.observe.nonlinear import speed
from isopleth.priors.eof import leading_modes
from isopleth.studies.provenance import code_digest
from isopleth.studies.results import replacing
from isopleth.studies.twin.background import BackgroundCycle, Moment, PerfectModel, batched
from isopleth.studies.twin.climate import Climate
from isopleth.studies.twin.frozen import Cases, Linear
from isopleth.studies.twin.linear import Moments
from isopleth.studies.twin.network import Network, stream
from isopleth.studies.twin.recipe import NetworkRecipe, TwinRecipe

__all__ = ["Cases", "TwinWorld"]

_START = 0.45
"""Amplitude of the climate's covariance in the first cycles."""

_LAST = ("truth", "background", "older")
_LAGGED_MODES = 1400
_SAMPLES = 1500
"""Background errors kept for the spectral statistics."""

_TRUNCATION = 20
"""Of the spectral statistics: a degree less than the world's, so that rows resolve it."""

_WITHHELD = NetworkRecipe(name="withheld", percent=10.0)

_SOURCE = Path(isopleth.__file__).parent
_CODE = (
    *(f"studies/twin/{name}.py" for name in ("world", "background", "climate", "network")),
    *(f"dynamics/{name}.py" for name in ("nature", "quasigeostrophic", "advection", "gridded")),
    *(f"dynamics/{name}.py" for name in ("qg3_operators", "qg3_surface", "runge_kutta")),
    "core/sphere.py",
)
"""What decides a world besides its recipe."""

Progress = Callable[[float], None]


class TwinWorld:
    """Climate, covariances and cases, read from one file whose hash goes into the results.

    Args:
        recipe: What was made.
        tensors: The content of the file.
        sha256: Of the file.
    """

    def __init__(self, recipe: TwinRecipe, tensors: dict[str, Tensor], sha256: str) -> None:
        self.recipe, self.sha256, self._tensors = recipe, sha256, tensors
        world = load_world(recipe.world)
        self.climate = Climate(world, tensors["mean"], tensors["sd"])

    @classmethod
    def frozen(
        cls, recipe: TwinRecipe, folder: Path, progress: Progress | None = None
    ) -> TwinWorld:
        """The world of a recipe, made if it is not there.

        Args:
            recipe: Every number.
            folder: Where worlds lie, one file each, named after recipe and code.
            progress: Gets the fraction made.

        Raises:
            IntegrityError: If a file is there that does not hold what its name says.
        """
        path = folder / f"world-{_key(recipe)}.safetensors"
        if not path.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            with replacing(path) as temporary:
                save_file(_made(recipe, progress or (lambda _: None)), temporary)
        try:
            tensors = load_file(path)
        except Exception as error:
            raise IntegrityError(f"{path} is no world: {error}; remove it.") from error
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return cls(recipe, tensors, digest)

    @property
    def climatological(self) -> SampleCovariance:
        """Covariance of states about the climate."""
        return self.climate.covariance(self._tensors["climate"])

    @property
    def assumed(self) -> SampleCovariance:
        """What the analyses of the cycle take for the covariance of background errors."""
        return self.climate.covariance(self._tensors["assumed"])

    @property
    def errors(self) -> SampleCovariance:
        """Covariance of background errors."""
        return self.climate.covariance(self._tensors["error"])

    @property
    def sample(self) -> Tensor:
        """Background errors, (n, 3, nlat, nlon)."""
        return self.climate.fields(self._tensors["sample"])

    @property
    def lagged(self) -> SampleCovariance:
        """Joint covariance of the errors of forecasts at the times of a window."""
        return SampleCovariance(self.climate.fields(self._tensors["lagged"]))

    @property
    def withheld(self) -> NetworkRecipe:
        """What is not assimilated, to score analyses with."""
        return _WITHHELD

    @cached_property
    def spectral(self) -> SpectralStatistics:
        """Vertical EOFs, horizontal spectra and a deviation by row and level."""
        grid = self.climate.grid
        fit = SpectralFit(groups=((0, 1, 2),), truncation=_TRUNCATION)
        return fit(self.sample, grid.latitude, grid.longitude)

    def modelled(self, amplitude: float, length: float) -> SpectralCovariance:
        """Of background errors: vertical EOFs x isotropic spectra x deviation."""
        return SpectralCovariance(self.spectral, amplitude=amplitude, length=length)

    @cached_property
    def cycle(self) -> BackgroundCycle:
        """The cycle that makes the backgrounds, to go on with."""
        return _cycle(self.recipe, self.climate)

    def regression(self, ridge: float) -> Linear:
        """The best linear estimate of the truth from a background; see `Moments.estimate`."""
        moments = Moments(
            error_mean=self._tensors["error_mean"],
            known_mean=self._tensors["background_mean"],
            error=self._tensors["error"],
            cross=self._tensors["cross"],
            known=self._tensors["background"],
        )
        return moments.estimate(self.climate, ridge)

    def cases(self, kind: str) -> Cases:
        """Of "validation" or "test"."""
        names = ("truth", "background", "older", "members")
        parts = {name: self._tensors[f"{kind}.{name}"] for name in names}
        trajectory = self._tensors[f"{kind}.trajectory"]
        dates = self._tensors[f"{kind}.date"].tolist()
        keys = tuple(f"{t}/{d}" for t, d in zip(trajectory.tolist(), dates, strict=True))
        return Cases(**parts, trajectory=trajectory, names=keys)

    def later(self, cases: Cases, days: Sequence[int]) -> None:
        """The model is perfect: what it makes of the truth."""

    def network(self, recipe: NetworkRecipe) -> Network:
        """Observations of this world's truths."""
        return Network(recipe, self.climate, self._tensors["wind_sd"], self._tensors["speed_sd"])

    def last(self, kind: str) -> Moment:
        """Where the trajectories of a kind end; "train" too."""
        recipe = self.recipe
        ends = recipe.train, recipe.train + recipe.validation
        rows = {
            "train": slice(0, ends[0]),
            "validation": slice(*ends),
            "test": slice(ends[1], recipe.trajectories),
        }[kind]
        parts = {name: self._tensors[f"last.{name}"][rows] for name in _LAST}
        return Moment(number=sum(recipe.burn_in) + recipe.cycles, **parts)


def _key(recipe: TwinRecipe) -> str:
    """Of the recipe's part that decides the world, and of the code that makes it."""
    later = ("cycling_", "tuning_", "trials", "networks", "cycled")
    told = {name: v for name, v in asdict(recipe).items() if not name.startswith(later)}
    told["code"] = code_digest(*(_SOURCE / name for name in _CODE))
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:12]


@torch.no_grad()
def _made(recipe: TwinRecipe, progress: Progress) -> dict[str, Tensor]:
    world = load_world(recipe.world)
    truth = _starts(recipe, world)
    progress(0.2)
    run = nature_run(world, truth[: recipe.train], every_hours=48.0, days=recipe.climate_days)
    history = torch.cat(list(run))
    climate = Climate.of(world, history)
    states = climate.coefficients(climate.anomalies(history))
    clim = states.T @ states / len(states)
    some = climate.anomalies(history[:: len(history) // 256])
    wind = climate.dynamics(6.0).wind_anomalies(some)
    speeds = speed(*climate.dynamics(6.0).winds(some).split(3, 1))
    progress(0.3)
    book = _Book(recipe, climate)
    first = _first_backgrounds(climate, truth, clim)
    start = Moment(number=0, truth=truth, background=first, older=first)
    start, assumed = _burnt_in(recipe, climate, clim, start)
    B = climate.covariance(assumed)
    progress(0.5)
    numbers = range(start.number, start.number + recipe.cycles)
    dates = tuple(numbers[-1 - k * recipe.cycles // recipe.dates] for k in range(recipe.dates))
    for moment in _cycle(recipe, climate).run(B, start, recipe.cycles, dates):
        book.enter(moment)
        progress(0.5 + 0.5 * (moment.number - start.number) / recipe.cycles)
    made = book.closed() | {
        "mean": climate.mean,
        "sd": climate.sd,
        "wind_sd": wind.square().mean((0, 2, 3)).sqrt(),
        "speed_sd": (speeds - speeds.mean(0)).square().mean((0, 2, 3)).sqrt(),
        "climate": clim,
        "assumed": assumed,
    }
    return {name: values.contiguous() for name, values in made.items()}


def _starts(recipe: TwinRecipe, world: QuasiGeostrophic) -> Tensor:
    """Spun up apart for every seed, so that the test's seeds share nothing."""
    groups = [("train", recipe.train), ("validation", recipe.validation)]
    groups += [(f"test {seed}", recipe.test) for seed in recipe.seeds]
    parts = [spun_up(world, count, stream("start", name), 0.5) for name, count in groups]
    days = recipe.spin_up_days - 0.5
    steps = round(days * 86_400.0 / world.step_seconds)
    return batched(lambda z: final(world.step, z, steps), torch.cat(parts))


def _cycle(recipe: TwinRecipe, climate: Climate) -> BackgroundCycle:
    return BackgroundCycle(recipe, PerfectModel(climate, recipe.cycle_hours))


def _first_backgrounds(climate: Climate, truth: Tensor, clim: Tensor) -> Tensor:
    noise = torch.randn(len(truth), len(clim), generator=stream("first"))
    size = (_START**2 * clim.diagonal()).clamp_min(0.0).sqrt()
    return climate.anomalies(truth) + climate.fields(noise * size)


def _burnt_in(
    recipe: TwinRecipe, climate: Climate, clim: Tensor, last: Moment
) -> tuple[Moment, Tensor]:
    """The cycle with its own covariance, estimated anew after every stage, and the last of those.

    A sample of n errors counts n / (n + rank) beside the climate's correlations of its size.
    """
    C = _START**2 * clim
    for length in recipe.burn_in:
        errors, start = [], last
        for moment in _cycle(recipe, climate).run(climate.covariance(C), start, length):
            last = moment
            if moment.number - start.number >= length // 2:
                error = climate.anomalies(moment.truth) - moment.background
                errors.append(climate.coefficients(error[: recipe.train]))
        e = torch.cat(errors)
        sample = e.T @ e / len(e)
        share = len(e) / (len(e) + len(clim))
        sized = clim * (sample.trace() / clim.trace())
        C = share * sample + (1.0 - share) * sized
    return last, C


class _Book:
    """What is kept of the final cycles."""

    def __init__(self, recipe: TwinRecipe, climate: Climate) -> None:
        self._recipe, self._climate = recipe, climate
        self._six = climate.dynamics(float(recipe.window_hours[1] - recipe.window_hours[0]))
        self._errors: list[Tensor] = []
        self._backgrounds: list[Tensor] = []
        self._lagged: list[Tensor] = []
        self._cases: dict[str, list[Tensor]] = {}
        self._last: Moment | None = None

    def enter(self, moment: Moment) -> None:
        """Errors of the training trajectories; cases where there are members."""
        train = self._recipe.train
        truth = self._climate.anomalies(moment.truth)
        pairs = truth[:train], moment.background[:train]
        paths = [torch.stack([x, *self._path(x)], 1) for x in pairs]
        error = self._climate.coefficients(paths[0] - paths[1])
        self._errors.append(error[:, 0])
        self._backgrounds.append(self._climate.coefficients(pairs[1]))
        self._lagged.append(error)
        self._last = moment
        if moment.members is None:
            return
        window = torch.stack([truth[train:], *self._path(truth[train:])], 1)
        end = self._recipe.validation
        for kind, rows in (("validation", slice(0, end)), ("test", slice(end, None))):
            number = torch.arange(len(truth) - train)[rows] + train
            kept = {
                "truth": window[rows],
                "background": moment.background[train:][rows],
                "older": moment.older[train:][rows],
                "members": moment.members[rows],
                "trajectory": number,
                "date": torch.full_like(number, moment.number),
            }
            for name, values in kept.items():
                self._cases.setdefault(f"{kind}.{name}", []).append(values)

    def closed(self) -> dict[str, Tensor]:
        """Everything as tensors."""
        assert self._last is not None
        e, b = torch.cat(self._errors), torch.cat(self._backgrounds)
        em, bm = e.mean(0), b.mean(0)
        ec, bc = e - em, b - bm
        n = len(e) - 1
        lagged = torch.cat(self._lagged)
        flat = (lagged - lagged.mean(0)).flatten(1).double()  # or small modes fade
        modes = min(_LAGGED_MODES, len(flat) - 1)
        V, lam = leading_modes(flat, modes, torch.ones_like(flat[0]))
        rows = (V * (lam * len(flat) / n).sqrt()[:, None]).float()
        return {
            "error": ec.T @ ec / n,
            "cross": ec.T @ bc / n,
            "background": bc.T @ bc / n,
            "error_mean": em,
            "background_mean": bm,
            "lagged": rows.unflatten(1, lagged.shape[1:]).contiguous(),
            "sample": e[-_SAMPLES:].contiguous(),
            **{f"last.{name}": getattr(self._last, name) for name in _LAST},
            **{name: torch.cat(parts).contiguous() for name, parts in self._cases.items()},
        }

    def _path(self, x: Tensor) -> Iterator[Tensor]:
        count = len(self._recipe.window_hours) - 1
        return rollout(lambda y: batched(self._six.step, y), x, count)
