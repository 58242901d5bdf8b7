"""What the stored states say about the climate: arrays with one entry a trajectory.

Every number of the result is a function of means over trajectories, so that its interval comes
from drawing trajectories with replacement.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from isopleth.metrics import band_pass, kinetic_energy_by_degree
from isopleth.studies.bootstrap import Interval
from qg3_climatology_runs import HOURS, Runs

Floats = NDArray[np.float64]
DAY = 24 // HOURS  # stored states in a day
BAND = 2.5 * DAY, 6.0 * DAY  # of the storm tracks' filter, stored states
HALF_WIDTH = 10 * DAY
EDGES = np.linspace(-5.0, 5.0, 81)  # of the histogram, standard deviations
_CHUNK = 40  # times brought to the grid at once


@dataclass(frozen=True, kw_only=True)
class Climate:
    """Statistics after the spin-up, members first; anomalies are from the mean of all members.

    Attributes:
        zonal: Mean eastward wind, m/s, (members, 3, nlat).
        u200: The same at 200 hPa, (members, nlat, nlon).
        square_u: Square of the anomaly of u, (members, 3, nlat, nlon); `square_v` that of v.
        square_psi: Square of the anomaly of the streamfunction, m4/s2, (members, 3, nlat, nlon).
        storms: Square of the band-passed streamfunction at 500 hPa, (members, nlat, nlon).
        energy: Kinetic energy by degree, m2/s2, (members, 3, T + 1); `eddy_energy` of anomalies.
        moments: First three moments of the anomaly of sign(f) psi at 500 hPa, in standard
            deviations, (members, 3, nlat, nlon).
        histogram: Area-weighted share of these anomalies between `EDGES`, between 20 and 80
            degrees, (members, 2 hemispheres, 80).
        departure: Mean square of the streamfunction about its climatological mean at every stored
            time from the start of the spin-up on, (members, times, 3).
        spread: Mean square about the mean of the members then, (times, 3).
        errors: Kind of twin -> mean square difference of the streamfunction at 500 hPa,
            (members, times).
        day: PV and streamfunction of the first member on the last day, each (3, nlat, nlon).
    """

    runs: Runs
    zonal: Floats
    u200: Floats
    square_u: Floats
    square_v: Floats
    square_psi: Floats
    storms: Floats
    energy: Floats
    eddy_energy: Floats
    moments: Floats
    histogram: Floats
    departure: Floats
    spread: Floats
    errors: dict[str, Floats]
    day: tuple[Floats, Floats]

    @property
    def latitude(self) -> Floats:
        """Degrees north, north to south."""
        return self.runs.plan.recipe.grid.latitude

    def mean(self, field: Floats) -> Floats:
        """Area mean of (..., nlat, nlon)."""
        return field.mean(-1) @ self.runs.plan.recipe.grid.weights


def climate(runs: Runs) -> Climate:
    """All statistics of a world."""
    world, sphere = runs.world, runs.world.sphere
    nature = torch.from_numpy(runs.nature())
    psi = world.invert(nature)
    kept = psi[-len(runs.kept()) :]
    mean = kept.mean((0, 1))
    anomaly = kept - mean
    ours = mean + anomaly.mean(0)
    u = -sphere.d_phi(ours / runs.plan.recipe.radius)
    winds = _winds(runs, anomaly[::DAY])
    middle = torch.cat([sphere.synthesis(part) for part in anomaly[:, :, 1].split(_CHUNK)])
    squares = torch.stack(
        [sphere.synthesis(part).square().sum(0) for part in anomaly.split(_CHUNK)]
    )
    moments, histogram = _shape(runs, middle)
    everyone = psi - psi.mean(1, keepdim=True)
    return Climate(
        runs=runs, zonal=_plain(u.mean(-1)), u200=_plain(u[:, 0]),
        square_u=winds[0], square_v=winds[1],
        square_psi=_plain(squares.sum(0) / len(anomaly)), storms=_storms(middle),
        energy=_energy(runs, kept), eddy_energy=_energy(runs, anomaly),
        moments=moments, histogram=histogram,
        departure=_plain((psi - mean).square().sum(-1).transpose(0, 1)),
        spread=_plain(everyone.square().sum(-1).sum(1) / max(psi.shape[1] - 1, 1)),
        errors={kind: _errors(runs, kind, psi) for kind in ("small", "grown")},
        day=(_plain(world.vorticity(nature[-1, 0])), _plain(world.streamfunction(nature[-1, 0]))),
    )  # fmt: skip


def interval(
    number: Callable[..., float | np.floating], *members: Floats, draws: int = 1000
) -> Interval:
    """A function of means over trajectories, with the central 95 % of draws of trajectories.

    Args:
        number: Takes the mean of each array over its first axis.
        members: Arrays with the trajectories first.
        draws: How many.
    """
    count = len(members[0])
    flat = [array.reshape(count, -1) for array in members]

    def of(weights: Floats) -> float:
        means = [weights @ array for array in flat]
        return float(
            number(*(m.reshape(a.shape[1:]) for m, a in zip(means, members, strict=True)))
        )

    times = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), size=draws)
    drawn = [of(weights / count) for weights in times]
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return Interval(of(np.full(count, 1 / count)), float(low), float(high))


def _winds(runs: Runs, anomaly: Tensor) -> tuple[Floats, Floats]:
    """Mean squares of both winds' anomalies."""
    sphere, radius = runs.world.sphere, runs.plan.recipe.radius
    parts = [sphere.gradient(part / radius) for part in anomaly.split(_CHUNK)]
    east, north = (sum(p[i].square().sum(0) for p in parts) / len(anomaly) for i in (1, 0))
    return _plain(east), _plain(north)


def _storms(middle: Tensor) -> Floats:
    series = [member.numpy() for member in middle.unbind(1)]
    shortest, longest = BAND
    half = min(HALF_WIDTH, (len(middle) - 1) // 2)
    passed = (band_pass(s, shortest=shortest, longest=longest, half_width=half) for s in series)
    return np.stack([(p.astype(np.float64) ** 2).mean(0) for p in passed])


def _shape(runs: Runs, middle: Tensor) -> tuple[Floats, Floats]:
    """Moments and histograms of sign(f) psi, which is high where the geopotential is."""
    grid = runs.plan.recipe.grid
    sign = torch.from_numpy(np.sign(grid.latitude)).float()[:, None]
    scaled = sign * middle / middle.square().mean((0, 1)).sqrt()
    moments = torch.stack([(scaled**k).mean(0) for k in (1, 2, 3)], 1)
    found = np.zeros((middle.shape[1], 2, len(EDGES) - 1))
    for side, hemisphere in enumerate((1.0, -1.0)):
        row = (hemisphere * grid.latitude > 20.0) & (hemisphere * grid.latitude < 80.0)
        share = grid.weights / grid.weights[row].sum()
        for member, j in product(range(middle.shape[1]), np.flatnonzero(row)):
            values = scaled[:, member, j].numpy()
            found[member, side] += share[j] * np.histogram(values, EDGES, density=True)[0]
    return _plain(moments), found


def _energy(runs: Runs, psi: Tensor) -> Floats:
    power = runs.world.sphere.power(psi).mean(0)
    return kinetic_energy_by_degree(power.numpy(), radius=runs.plan.recipe.radius)


def _errors(runs: Runs, kind: str, psi: Tensor) -> Floats:
    twin = runs.world.invert(torch.from_numpy(runs.twin(kind)))
    start = runs.twin_start(kind)
    control = psi[start : start + len(twin)]
    return _plain((twin - control)[:, :, 1].square().sum(-1).T)


def _plain(values: Tensor) -> Floats:
    return values.double().numpy()
