"""The trajectories behind the climatology: stored in pieces, so that a stopped run goes on.

Everything is kept every twelve hours as coefficients of potential vorticity, from the start of the
spin-up on. The folder's name holds a digest of all that decides a number: the code below
`isopleth.dynamics` without its comments, the boundary fields, the plan.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from isopleth.dynamics import QG3Recipe, QuasiGeostrophic, load_world, nature_run, spun_up
from qg3_climatology_store import days_of_pieces, digest, save

Floats = NDArray[np.float32]
HOURS, PIECE = 12, 15.0  # between stored states; days in a file
NOISE, GROWN_FROM, GROWN_TO = 1e-3, 20.0, 0.1
"""Small errors, as a share of the climate's standard deviation of potential vorticity; grown ones
are those of day 20, made 10 % of the climate's of psi at 500 hPa."""

_NUMBERS = HOURS, PIECE, NOISE, GROWN_FROM, GROWN_TO


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is run: members, days, seed."""

    name: str
    recipe: QG3Recipe
    members: int
    spin_up: float
    kept: float
    small: float  # days of the twins with small errors
    grown: float  # days of the twins with grown ones
    seed: int = 0


@dataclass(frozen=True)
class Runs:
    """A world and its stored states.

    Attributes:
        plan: Of the runs.
        world: Which ran.
        folder: Where the states lie.
    """

    plan: Plan
    world: QuasiGeostrophic
    folder: Path

    @classmethod
    def of(cls, plan: Plan, build: Path) -> Runs:
        """Runs of a plan, below the folder `build`."""
        mark = digest(repr((plan, *_NUMBERS)), Path(__file__))[:12]
        return cls(plan, load_world(plan.recipe), build / f"{plan.name}_{mark}")

    def nature(self) -> Floats:
        """States from hour 12 of the spin-up to the end, (times, members, 3, (T + 1)^2)."""
        days = self.plan.spin_up + self.plan.kept
        return self._stored("nature", days, self._begin)

    def kept(self) -> Floats:
        """The states after the spin-up."""
        return self.nature()[index(self.plan.spin_up) + 1 :]

    def twin(self, kind: str) -> Floats:
        """States of the runs with errors, the start first: (times, members, 3, (T + 1)^2)."""
        start = self._small if kind == "small" else self._grown
        days = getattr(self.plan, kind)
        first = start()
        later = self._stored(kind, days, lambda: self._after(first, HOURS / 24.0))
        return np.concatenate([first.numpy()[None], later])

    def twin_start(self, kind: str) -> int:
        """Index into `nature` of the state that the twins' start is compared with."""
        return index(self.plan.spin_up + (0.0 if kind == "small" else GROWN_FROM))

    def _begin(self) -> Tensor:
        generator = torch.Generator().manual_seed(self.plan.seed)
        return spun_up(self.world, self.plan.members, generator, days=HOURS / 24.0)

    def _small(self) -> Tensor:
        """Noise with the variance of the climate at each level and degree, times `NOISE`."""
        control, sphere = self.nature()[self.twin_start("small")], self.world.sphere
        anomaly = torch.from_numpy(self.kept() - self.kept().mean((0, 1)))
        harmonics = 2 * torch.arange(sphere.truncation + 1) + 1
        variance = sphere.power(anomaly).mean((0, 1)) / harmonics
        generator = torch.Generator().manual_seed(self.plan.seed + 1000)
        noise = torch.randn(control.shape, generator=generator)
        return torch.from_numpy(control) + NOISE * variance.sqrt()[..., sphere.degree] * noise

    def _grown(self) -> Tensor:
        """Errors that have grown from noise point where the flow lets them: so do analyses'."""
        control = torch.from_numpy(self.nature()[self.twin_start("grown")])
        error = torch.from_numpy(self.twin("small")[round(GROWN_FROM * 24 / HOURS)]) - control
        psi = self.world.invert(torch.stack([control + error, control]))[:, :, 1]
        size = (psi[0] - psi[1]).square().sum(-1).sqrt()
        psi = self.world.invert(torch.from_numpy(self.kept()))[:, :, 1]
        climate = (psi - psi.mean((0, 1))).square().sum(-1).mean().sqrt()
        return control + (GROWN_TO * climate / size)[:, None, None] * error

    def _after(self, z: Tensor, days: float) -> Tensor:
        *_, last = nature_run(self.world, z, every_hours=HOURS, days=days)
        return last

    def _stored(self, name: str, days: float, first: Callable[[], Tensor]) -> Floats:
        """Pieces of a run, each made unless it is there, from the last state of the one before."""
        pieces: list[Floats] = []
        for part, length in enumerate(days_of_pieces(days, PIECE)):
            path = self.folder / f"{name}_{part:03d}.npy"
            if not path.is_file():
                save(path, self._piece(length, pieces[-1][-1] if pieces else None, first))
            pieces.append(np.load(path, allow_pickle=False))
        return np.concatenate(pieces)

    def _piece(self, length: float, last: Floats | None, first: Callable[[], Tensor]) -> Floats:
        begun, states = time.process_time(), []
        if last is None:
            states = [first()]
            length -= HOURS / 24.0
        z = states[0] if last is None else torch.from_numpy(last)
        if length > 0.0:
            states += nature_run(self.world, z, every_hours=HOURS, days=length)
        found = torch.stack(states).numpy()
        if not np.isfinite(found).all():
            raise SystemExit(f"{self.plan.name} has become infinite: shorten its step.")
        seconds = time.process_time() - begun
        print(f"{self.plan.name}: {len(found)} states, {seconds:.1f} s of CPU", flush=True)
        return found


def index(day: float) -> int:
    """Place in `nature` of the state of a day; the first one is that of hour 12."""
    return max(round(day * 24 / HOURS) - 1, 0)
