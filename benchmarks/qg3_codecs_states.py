"""Nature runs for the codecs of QG3, pairs of a state and its 48-hour forecast, and scores."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from isopleth.core.protocols import Codec
from isopleth.dynamics import T21, QuasiGeostrophic, final, load_world, nature_run, spun_up
from isopleth.priors.codec import apart, floor
from isopleth.priors.eof_codec import EofCodec
from isopleth.studies.results import replacing

ROOT = Path(__file__).resolve().parent.parent
WORK = Path(os.environ.get("ISOPLETH_CODECS", ROOT / "build" / "qg3_codecs"))
ANALYSIS_ERROR = 0.122
"""Root-mean-square error, in climatological sd, from which 48-hour forecasts start."""

_FORECAST_HOURS, _CYCLES = 48, 4


@dataclass(frozen=True)
class Run:
    """Members that were spun up with one seed, and states of theirs for some days."""

    seed: int
    members: int
    days: int
    every_hours: int = 24

    @property
    def path(self) -> Path:
        """Where the states are kept."""
        return WORK / f"run_{self.seed}_{self.members}_{self.days}d_{self.every_hours}h.npy"

    def coefficients(self, world: QuasiGeostrophic) -> Tensor:
        """Of the streamfunction, shape (times * members, 3, 484), m2 s-1; kept on disk."""
        if not self.path.is_file():
            z = spun_up(world, self.members, torch.Generator().manual_seed(self.seed))
            run = nature_run(world, z, every_hours=self.every_hours, days=self.days)
            states = torch.stack([world.invert(state) for state in run])
            with replacing(self.path) as temporary, temporary.open("wb") as file:
                np.save(file, states.flatten(0, 1).numpy())
        return torch.from_numpy(np.load(self.path))


TRAINING = Run(seed=4002, members=64, days=40)
"""Of the networks."""
CLIMATE = Run(seed=101, members=64, days=240)
"""Of the EOFs, and of the variances that errors are measured by."""
VALIDATION = Run(seed=102, members=32, days=20, every_hours=120)
TEST = Run(seed=103, members=96, days=2)
SMOKE_CLIMATE, SMOKE_TEST = Run(seed=101, members=8, days=30), Run(seed=103, members=4, days=2)


@dataclass(frozen=True, eq=False)
class Climate:
    """Mean field and spread of each level, m2 s-1.

    Args:
        mean: Shape (3, 32, 64).
        spread: Root of the area-mean variance about the mean field, shape (3,).
        area: Share of every cell, shape (32, 64).
    """

    mean: Tensor
    spread: Tensor
    area: Tensor

    @classmethod
    def of(cls, world: QuasiGeostrophic, coefficients: Tensor) -> Climate:
        """Exact: harmonics are orthonormal in the area mean."""
        mean = coefficients.mean(0)
        spread = (coefficients - mean).square().sum(-1).mean(0).sqrt()
        rows = torch.from_numpy(T21.grid.weights).float()[:, None] / T21.grid.nlon
        return cls(world.sphere.synthesis(mean), spread, rows.expand(T21.grid.shape).contiguous())


def pairs(world: QuasiGeostrophic, run: Run, climate: Climate) -> tuple[Tensor, Tensor]:
    """Streamfunctions of states and of forecasts for them, each (members, 3, 32, 64).

    Errors are bred (Toth and Kalnay 1993, BAMS 74, 2317): the difference of two states of the
    climate is brought to the size of an analysis error and run for 48 hours, four times.
    """
    psi = run.coefficients(world)[-run.members :]
    z = world.from_streamfunction(world.sphere.synthesis(psi))
    apart = psi.roll(1, 0) - psi
    steps = round(_FORECAST_HOURS * 3600 / world.step_seconds)
    with torch.no_grad():
        for _ in range(_CYCLES):
            size = (apart / climate.spread[:, None]).square().sum(-1).mean(-1).sqrt()
            apart = apart * (ANALYSIS_ERROR / size)[:, None, None]
            start = world.sphere.synthesis(world.invert(z) + apart)
            ahead = final(world.step, world.from_streamfunction(start), steps)
            z = final(world.step, z, steps)
            apart = world.invert(ahead) - world.invert(z)
    return world.streamfunction(z), world.streamfunction(ahead)


def eofs(planet: QuasiGeostrophic, run: Tensor, climate: Climate, modes: int) -> EofCodec:
    """EOFs on the grid; found among coefficients, which are 4 times fewer and orthonormal."""
    weights = (1.0 / (3.0 * climate.spread.square()))[:, None]
    found = EofCodec.fit(run, weights, modes)
    fields = planet.sphere.synthesis(found.modes)
    share = climate.area / (3.0 * climate.spread.square())[:, None, None]
    numbers = found.variances, share
    return EofCodec(climate.mean, fields, *numbers, left=found.left, total=found.total)


DEGREES = {"degrees 1-5": (1, 5), "degrees 6-10": (6, 10), "degrees 11-15": (11, 15),
           "degrees 16-21": (16, 21)}  # fmt: skip
STATE, ERROR = "state", "error of a 48-h forecast"


@dataclass(frozen=True, eq=False)
class Cases:
    """What is scored, m2 s-1, and the climate it is measured by."""

    planet: QuasiGeostrophic
    climate: Climate
    truth: Tensor
    forecast: Tensor

    def error(self) -> np.ndarray:
        """Mean square error of the forecasts, share of climate variance, (cases, levels)."""
        squares = ((self.forecast - self.truth).square() * self.climate.area).sum((-2, -1))
        return (squares / self.climate.spread.square()).double().numpy()

    def scores(self, codec: Codec) -> dict[str, np.ndarray]:
        """Errors of a codec for states and for differences, as above, and pairs of powers."""
        variance, area = self.climate.spread.square(), self.climate.area
        found = {
            STATE: floor(codec, self.truth, area) / variance,
            ERROR: apart(codec, self.truth, self.forecast, area) / variance,
        }
        answer = codec.decode(codec.encode(self.truth))
        for name, between in DEGREES.items():
            found[name] = torch.stack([self.power(x, *between) for x in (answer, self.truth)], 1)
        return {name: scores.double().numpy() for name, scores in found.items()}

    def power(self, x: Tensor, low: int, high: int) -> Tensor:
        """Of the standardised anomalies between two degrees, summed over levels, (cases,)."""
        anomaly = (x - self.climate.mean) / self.climate.spread[:, None, None]
        degree = self.planet.sphere.degree
        inside = (degree >= low) & (degree <= high)
        return (self.planet.sphere.analysis(anomaly).square() * inside).sum((-2, -1))


def world() -> QuasiGeostrophic:
    """T21 in single precision on one thread."""
    torch.set_num_threads(1)
    WORK.mkdir(parents=True, exist_ok=True)
    return load_world()
