"""Linear operators of the quasi-geostrophic world, made once and in double precision."""

from __future__ import annotations

import torch
from torch import Tensor

from isopleth.core.sphere import Sphere
from isopleth.dynamics.qg3_recipe import QG3Recipe
from isopleth.dynamics.qg3_surface import Surface

__all__ = ["coupling", "drag", "inversion", "planetary", "selective"]

_CHUNK = 256
"""Harmonics taken to the grid at a time: bounds the memory of `drag`."""


def coupling(recipe: QG3Recipe) -> Tensor:
    """`C`, m^-2, shape (3, 3): what the levels' streamfunctions add to the vorticity.

    `C = [[-r1, r1, 0], [r1, -r1 - r2, r2], [0, r2, -r2]]`, `r_i = R_i^-2`.
    """
    upper, lower = recipe.rossby_radius_upper**-2, recipe.rossby_radius_lower**-2
    rows = [[-upper, upper, 0.0], [upper, -upper - lower, lower], [0.0, lower, -lower]]
    return torch.tensor(rows, dtype=torch.float64)


def inversion(recipe: QG3Recipe, sphere: Sphere) -> Tensor:
    """`(C - l (l + 1) / a^2)^-1`, m^2, shape ((T + 1)^2, 3, 3): streamfunction from vorticity.

    At l = 0 `C` is singular, as only differences of streamfunctions matter: the uppermost one is
    0 there and the lower two levels are solved for.
    """
    C = coupling(recipe)
    laplacian = sphere.laplacian.double() / recipe.radius**2
    whole = C + laplacian[:, None, None] * torch.eye(3, dtype=torch.float64)
    mean = sphere.degree == 0
    inverse = torch.linalg.inv(torch.where(mean[:, None, None], torch.eye(3).double(), whole))
    gauge = torch.zeros(3, 3, dtype=torch.float64)
    gauge[1:, 1:] = torch.linalg.inv(C[1:, 1:])
    return torch.where(mean[:, None, None], gauge, inverse)


def selective(recipe: QG3Recipe, sphere: Sphere) -> Tensor:
    """`[l (l + 1) / (T (T + 1))]^4 / tau_H`, s^-1, shape ((T + 1)^2,)."""
    largest = sphere.truncation * (sphere.truncation + 1)
    return (-sphere.laplacian / largest) ** 4 / recipe.selective_seconds


def planetary(recipe: QG3Recipe, surface: Surface, sphere: Sphere) -> Tensor:
    """`(f, f, f (1 + h / H0))`, `f = 2 Omega sin(phi)`, s^-1, shape (3, (T + 1)^2)."""
    sine = torch.from_numpy(sphere.grid.sine)[:, None].expand(sphere.grid.shape)
    f = 2.0 * recipe.rotation * sine
    mountain = torch.tensor(surface.orography) / recipe.depth
    return sphere.analysis(torch.stack([f, f, f * (1.0 + mountain)]))


def drag(recipe: QG3Recipe, surface: Surface, sphere: Sphere) -> Tensor:
    """`psi -> div(mu grad psi)`, m^-2 s^-1, as a matrix of shape ((T + 1)^2, (T + 1)^2).

        mu = [1 + w_land land + w_mountain (1 - exp(-max(0, h) / h_E))] / tau_E
        div(mu grad psi) = mu lap psi + grad mu . grad psi

    products on the grid, `grad mu` from the truncated coefficients of mu, the sum truncated.
    """
    height = torch.tensor(surface.orography).clamp_min(0.0) / recipe.ekman_height
    strength = 1.0 + recipe.ekman_land * torch.tensor(surface.land)
    strength = strength + recipe.ekman_mountain * (1.0 - torch.exp(-height))
    mu = strength / recipe.ekman_seconds
    mu_east, mu_north = sphere.gradient(sphere.analysis(mu))
    columns = []
    for z in torch.eye(sphere.size, dtype=torch.float64).split(_CHUNK):
        east, north = sphere.gradient(z)
        field = mu * sphere.synthesis(sphere.laplacian * z) + mu_east * east + mu_north * north
        columns.append(sphere.analysis(field))
    return torch.cat(columns).T / recipe.radius**2
