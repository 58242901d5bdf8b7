"""Anomalies: mean and states of the quasi-geostrophic world, for anomalies and perturbations."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from isopleth.core.sphere import Sphere
from isopleth.data.cards import open_asset
from isopleth.dynamics.qg3_recipe import T21

__all__ = ["ModelClimate", "load_climate", "perturbations"]

_ASSET = "qg3_climate"


@dataclass(frozen=True, eq=False)
class ModelClimate:
    """Streamfunctions of a long run of the world at T21, on a model's grid.

    Args:
        mean: m2 s-1, float64, shape (3, nlat, nlon).
        states: Independent ones, float64, shape (n, 3, nlat, nlon).
    """

    mean: Tensor
    states: Tensor


def load_climate(sphere: Sphere) -> ModelClimate:
    """The shipped climate, evaluated exactly on the grid of a sphere of degree 21 or more.

    >>> from isopleth.core.gaussian_grid import GaussianGrid
    >>> load_climate(Sphere(21, GaussianGrid(nlat=32, nlon=64))).states.shape
    torch.Size([32, 3, 32, 64])
    """
    own = Sphere(T21.truncation, T21.grid, torch.float64)
    target = Sphere(sphere.truncation, sphere.grid, torch.float64)
    keys = [_key(target, k) for k in range(target.size)]
    where = {key: k for k, key in enumerate(keys)}
    place = torch.tensor([where[_key(own, k)] for k in range(own.size)])

    def fields(z: np.ndarray) -> Tensor:
        whole = torch.zeros(*z.shape[:-1], target.size, dtype=torch.float64)
        whole[..., place] = torch.from_numpy(z.astype(np.float64))
        return target.synthesis(whole)

    with np.load(open_asset(_ASSET), allow_pickle=False) as file:
        return ModelClimate(fields(file["mean_T21"]), fields(file["states_T21"]))


def perturbations(
    climate: ModelClimate, sphere: Sphere, members: int, spread: float, seed: int
) -> Tensor:
    """Draws from the covariance of the climate, made small; their mean is 0.

        delta_n = s sum_i w_ni (psi_i - mean psi),   w_ni ~ N(0, 1)

    with s such that the expected square over the sphere at the middle level is `spread`^2. They
    have the scales and the vertical structure of weather systems, and know nothing of the flow.
    Reference: Magnusson et al. (2009), Tellus A 61, 194 (random field perturbations; there,
    differences of two analyses).

    Args:
        climate: On the grid of the sphere.
        sphere: For the area weights.
        members: At least 1; of one member nothing is perturbed.
        spread: Root mean square at 500 hPa, m2 s-1.
        seed: Of the draw.

    Returns:
        float64, shape (members, 3, nlat, nlon); the first are the same however many are drawn,
        but for their common mean.
    """
    anomalies = climate.states - climate.states.mean(0)
    area = sphere.weights.double()[:, None] / sphere.grid.nlon
    total = (anomalies[:, 1].square() * area).sum()
    generator = torch.Generator().manual_seed(seed)
    draws = [torch.randn(len(anomalies), generator=generator) for _ in range(members)]
    w = torch.stack(draws).double()
    w = w - w.mean(0)
    bigger = math.sqrt(members / (members - 1)) if members > 1 else 1.0
    return torch.tensordot(w, anomalies, 1) * (bigger * spread / total.sqrt())


def _key(sphere: Sphere, k: int) -> tuple[int, int, bool]:
    return int(sphere.degree[k]), int(sphere.order[k]), bool(sphere.is_sine[k])
