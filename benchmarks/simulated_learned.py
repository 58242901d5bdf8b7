"""What the methods of the simulated benchmark learn from the training oceans, made once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from isopleth.inference.interpolation import Points, Samples
from isopleth.inference.regression import Regression
from isopleth.priors.eof import leading_modes
from isopleth.priors.gaussian import EofGaussian
from isopleth.systems.reconmost.prior import Setting, conditions
from simulated_cases import Case, World

Prior = Callable[[Tensor, Tensor], Tensor]
MODES = 600
CHUNK = 200  # states read at once


@dataclass(frozen=True)
class Answer:
    """What a method says of one case, in z.

    Attributes:
        mean: (level, lat, lon).
        variance: Of the error at the cells asked for, (k,), or None.
        members: At the cells asked for, (m, k), or None.
        sample: One member of the whole field, for its spectrum, or None.
    """

    mean: Tensor
    variance: Tensor | None = None
    members: Tensor | None = None
    sample: Tensor | None = None


@dataclass(frozen=True)
class Eofs:
    """`x ~ N(0, V' diag(variance) V + diag(rest))`: V (k, cells), variance (k,).

    `total` is the variance of every cell, (cells,), 1 on land.
    """

    vectors: Tensor
    variance: Tensor
    total: Tensor

    def rest(self, modes: int) -> Tensor:
        """Variance of every cell that the first modes leave out, at least 1e-4, (cells,)."""
        V = self.vectors[:modes]
        return (self.total - (V.square() * self.variance[:modes, None]).sum(0)).clamp(min=1e-4)


@dataclass(eq=False)
class Learned:
    """The training ensemble and what follows from it.

    Args:
        world: Of the cases.
        folder: Keeps what takes long.
        size: Number of training states that the ensemble methods hold.
        fitted: Number of training states behind the EOFs.
        priors: From a case to the denoiser of its season, by name.
        regression: The trained network, or None.
        versions: What names the weights behind a prior, or behind `regression`.
    """

    world: World
    folder: Path
    size: int = 5000
    fitted: int = 4000
    priors: dict[str, Callable[[Case], Prior]] = field(default_factory=dict)
    regression: Regression | None = None
    versions: dict[str, str] = field(default_factory=dict)

    def condition(self, case: Case) -> Tensor:
        """What a network is told of the season and the place, (1, K, lat, lon)."""
        setting = Setting(case.background, case.month)
        return conditions(setting, self.world.grid, self.world.spread)[None]

    @cached_property
    def ensemble(self) -> Tensor:
        """Training states z, (size, level, lat, lon)."""
        return self.world.states(0, self.size)

    @property
    def variance(self) -> Tensor:
        """Of z about 0 in the training states, (level * lat * lon,)."""
        return self.eofs.total

    @cached_property
    def eofs(self) -> Eofs:
        """Leading modes of the training states about the climatology, weighted by area."""
        path = self.folder / f"eofs_{self.world.key}_{self.fitted}_{MODES}.safetensors"
        if not path.exists():
            self._fit(path)
        return Eofs(**load_file(path))

    def gaussian(self, modes: int) -> EofGaussian:
        """The analytic prior with the first modes, and what they leave in every cell."""
        shape = self.world.grid.shape
        return EofGaussian(
            self.eofs.vectors[:modes].reshape(-1, *shape), self.eofs.variance[:modes],
            self.eofs.rest(modes).reshape(shape), self.world.mask,
        )  # fmt: skip

    def _fit(self, path: Path) -> None:
        ocean = self.world.mask
        X = torch.empty(self.fitted, int(ocean.sum()))
        for start in range(0, self.fitted, CHUNK):
            stop = min(start + CHUNK, self.fitted)
            X[start:stop] = self.world.states(start, stop)[:, ocean]
        area = torch.from_numpy(self.world.grid.weights).float().expand(ocean.shape)[ocean]
        V, lam = leading_modes(X, MODES, (area / area.mean()).sqrt())
        vectors = torch.zeros(MODES, ocean.numel())
        vectors[:, ocean.flatten()] = V
        total = torch.ones(ocean.numel())
        total[ocean.flatten()] = X.square().mean(0)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        save_file({"vectors": vectors, "variance": lam, "total": total}, partial)
        partial.rename(path)

    @cached_property
    def points(self) -> Points:
        """The ocean's columns."""
        _, lat, lon = self.world.grid.ocean_points()
        return Points(lat, lon, np.zeros(lat.size))

    def samples(self, case: Case) -> Samples:
        """The seen columns of a case; NaN where a level was not seen."""
        flat = self.world.grid.ocean_points()[0]
        value = torch.where(case.seen, case.truth, torch.nan).flatten(1)[:, flat].T.numpy()
        rows = np.flatnonzero(np.isfinite(value).any(axis=1))
        return Samples(self.points.select(rows), value[rows])

    def field(self, columns: np.ndarray) -> Tensor:
        """From (columns, level) to (level, lat, lon), 0 on land."""
        grid = self.world.grid
        whole = torch.zeros(grid.levels.size, grid.mask[0].size)
        whole[:, grid.ocean_points()[0]] = torch.from_numpy(columns.T).float()
        return torch.where(self.world.mask, whole.reshape(grid.shape), 0.0)
