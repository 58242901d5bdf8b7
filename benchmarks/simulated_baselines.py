"""Baselines of the simulated benchmark: settings in a recipe, the case in the call.

Fields of a recipe are plain numbers, so that the search over them can be logged.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from isopleth.core.covariance import SpaceTimeCovariance
from isopleth.inference.analog import Analog
from isopleth.inference.interpolation.inverse_distance import InverseDistance
from isopleth.inference.interpolation.kriging import LocalKriging
from isopleth.inference.interpolation.optimal_interpolation import OptimalInterpolation
from simulated_cases import Case
from simulated_enoi import GlobalEnOI
from simulated_learned import Answer, Learned


@dataclass(frozen=True, kw_only=True)
class Background:
    """No analysis: z = 0, with the variance of the training states."""

    def __call__(self, learned: Learned, case: Case, asked: Tensor) -> Answer:
        """The climatology."""
        return Answer(torch.zeros_like(case.truth), learned.variance[asked])


@dataclass(frozen=True, kw_only=True)
class Idw:
    """Inverse distances, level by level."""

    power: float = 2.0
    neighbours: int = 20
    reach_km: float = 1500.0
    smoothing_km: float = 50.0

    def __call__(self, learned: Learned, case: Case, asked: Tensor) -> Answer:
        """Without an opinion on its error."""
        run = InverseDistance(**vars(self), time_km_per_day=0.0)
        return Answer(learned.field(run(learned.samples(case), learned.points).mean))


@dataclass(frozen=True, kw_only=True)
class Oi:
    """Two-dimensional optimal interpolation, level by level, one length."""

    length_km: float = 600.0
    nugget: float = 0.05
    neighbours: int = 30

    def __call__(self, learned: Learned, case: Case, asked: Tensor) -> Answer:
        """With its own variance times that of z."""
        run = OptimalInterpolation(**vars(self), days=None)
        found = run(learned.samples(case), learned.points)
        share = learned.field(found.variance).flatten()[asked]
        return Answer(learned.field(found.mean), share * learned.variance[asked])


@dataclass(frozen=True, kw_only=True)
class Kriging:
    """Local kriging with two anisotropic scales, stretched towards the equator."""

    zonal_km: float = 400.0
    meridional_km: float = 300.0
    broad_zonal_km: float = 3000.0
    broad_meridional_km: float = 1200.0
    broad_share: float = 1.0
    nugget: float = 0.02
    equatorial_zonal: float = 2.0
    neighbours: int = 40

    def __call__(self, learned: Learned, case: Case, asked: Tensor) -> Answer:
        """With its own variance as a part of that of the signal, times that of z."""
        numbers = {name: value for name, value in vars(self).items() if name != "neighbours"}
        scales = SpaceTimeCovariance(**numbers, smoothness=1.5)
        run = LocalKriging(scales=scales, neighbours=self.neighbours)
        found = run(learned.samples(case), learned.points)
        share = learned.field(found.variance).flatten()[asked] / (1.0 + self.broad_share)
        return Answer(learned.field(found.mean), share * learned.variance[asked])


@dataclass(frozen=True, kw_only=True)
class Enoi:
    """Ensemble optimal interpolation, exact, localised."""

    members: int = 5000
    radius_km: float = 6000.0
    observation_variance: float = 0.01

    def __call__(self, learned: Learned, case: Case, asked: Tensor) -> Answer:
        """With its own variance."""
        run = GlobalEnOI(
            learned.world.grid, learned.ensemble[: self.members], self.radius_km,
            self.observation_variance,
        )  # fmt: skip
        found = run(case.values, case.seen, asked)
        return Answer(found.mean, found.variance)


@dataclass(frozen=True, kw_only=True)
class EofOi:
    """Optimal interpolation in the space of the leading EOFs, without localisation."""

    modes: int = 200
    observation_variance: float = 0.01

    def __call__(self, learned: Learned, case: Case, asked: Tensor) -> Answer:
        """The exact posterior of a Gaussian with these EOFs and white noise in every cell."""
        eofs, cells = learned.eofs, case.seen.flatten().nonzero()[:, 0]
        V, lam = eofs.vectors[: self.modes], eofs.variance[: self.modes]
        rest = eofs.rest(self.modes)
        H, R = V[:, cells].T, rest[cells] + self.observation_variance
        C = torch.linalg.inv((torch.diag(1.0 / lam) + H.T @ (H / R[:, None])).double()).float()
        y = case.truth.flatten()[cells]
        mean = V.T @ (C @ (H.T @ (y / R)))
        mean[cells] += rest[cells] / R * (y - mean[cells])
        spread = ((V[:, asked].T @ C) * V[:, asked].T).sum(1) + rest[asked]
        return Answer(mean.reshape(case.truth.shape), spread)


@dataclass(frozen=True, kw_only=True)
class Dineof:
    """DINEOF with a complete training stack: its fixed point, which is least squares.

    With one incomplete map among many complete ones the EOFs hardly depend on that map, and
    filling it again and again converges to the fit of the EOFs to what is seen. Their number is
    chosen in every case by hiding a share of the seen cells.
    """

    share: float = 0.03
    most: int = 300

    def __call__(self, learned: Learned, case: Case, asked: Tensor) -> Answer:
        """With the variance that the EOFs leave out, scaled to the misfit of the hidden cells."""
        generator = torch.Generator().manual_seed(case.seed)
        cells = case.seen.flatten().nonzero()[:, 0]
        hidden = torch.rand(len(cells), generator=generator) < max(self.share, 30 / len(cells))
        H, y = learned.eofs.vectors[:, cells].T, case.truth.flatten()[cells]
        tried = [k for k in (1, 2, 4, 8, 16, 32, 64, 128, 256) if k <= min(self.most, H.shape[1])]
        misfit = {0: float(y[hidden].square().mean())}
        for k in tried:
            if 2 * k < int((~hidden).sum()):
                a = torch.linalg.lstsq(H[~hidden, :k], y[~hidden]).solution
                misfit[k] = float((y - H[:, :k] @ a)[hidden].square().mean())
        best = min(misfit, key=misfit.__getitem__)
        a = torch.linalg.lstsq(H[:, :best], y).solution if best else y.new_zeros(0)
        mean = learned.eofs.vectors[:best].T @ a
        rest = learned.eofs.rest(best)
        factor = misfit[best] / float(rest[cells].mean())
        return Answer(mean.reshape(case.truth.shape), factor * rest[asked])


@dataclass(frozen=True, kw_only=True)
class Nearest:
    """Analogs among the training states, around every column."""

    neighbours: int = 30
    radius_km: float = 800.0
    sharpness: float = 0.5

    def __call__(self, learned: Learned, case: Case, asked: Tensor) -> Answer:
        """With the variance of the analogs about their mean."""
        run = Analog(grid=learned.world.grid, members=learned.ensemble, **vars(self))
        found = run(case.values, case.seen)
        return Answer(found.mean, found.variance.flatten()[asked])


@dataclass(frozen=True, kw_only=True)
class Dincae:
    """The U-Net regression: nothing to set after training."""

    def __call__(self, learned: Learned, case: Case, asked: Tensor) -> Answer:
        """Mean and variance of the network."""
        assert learned.regression is not None
        told = (case.values[None], case.seen[None].float(), learned.condition(case))
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            found = learned.regression(*told)
        return Answer(found.mean[0], found.variance[0].flatten()[asked])
