"""QuasiGeostrophic: the three-level atmosphere of Marshall and Molteni, a world of known truth."""

from __future__ import annotations

import numpy.typing as npt
import torch
from torch import Tensor, nn

from isopleth.core.errors import InputError
from isopleth.core.sphere import Sphere
from isopleth.dynamics import qg3_operators
from isopleth.dynamics.advection import Advection
from isopleth.dynamics.qg3_recipe import QG3Recipe
from isopleth.dynamics.qg3_surface import Surface
from isopleth.dynamics.runge_kutta import runge_kutta

__all__ = ["QuasiGeostrophic"]


class QuasiGeostrophic(nn.Module):
    """Potential vorticity q at 200, 500 and 800 hPa, advected, forced and damped.

        q = (lap + C) psi + f~,   f~ = (f, f, f (1 + h / H0))
        dq/dt = -J(psi, q) + F - C psi / tau_R - [l (l + 1) / (T (T + 1))]^4 (q - f~) / tau_H
                - (0, 0, div(mu grad psi_3))

    with `C` of `qg3_operators.coupling` and mu of `qg3_operators.drag`. The state z holds the
    coefficients of q in the order of `self.sphere`, s^-1, shape (..., 3, (T + 1)^2). Fourth-order
    Runge-Kutta; everything is differentiable and members of a batch do not see one another.
    Reference: Marshall and Molteni (1993), J. Atmos. Sci. 50, 1792.

    Args:
        recipe: Every number.
        surface: Land and mountains on the recipe's grid.
        forcing: `F`, s^-2, shape (3, nlat, nlon).
        dtype: Of the computation; operators are made in double precision.

    Raises:
        InputError: If the surface or the forcing is on another grid, the forcing is not finite,
            or the grid too coarse for the truncation.

    >>> from isopleth.dynamics.qg3_recipe import T21
    >>> from isopleth.dynamics.qg3_surface import load_forcing, load_initial, load_surface
    >>> world = QuasiGeostrophic(T21, load_surface(T21.grid), load_forcing(T21.grid))
    >>> z = world.from_vorticity(torch.from_numpy(load_initial(T21.grid)).float())
    >>> world.step(z).shape, world.streamfunction(z).shape
    (torch.Size([3, 484]), torch.Size([3, 32, 64]))
    """

    _planetary: Tensor
    _inversion: Tensor
    _linear: Tensor
    _constant: Tensor
    _drag: Tensor

    def __init__(
        self,
        recipe: QG3Recipe,
        surface: Surface,
        forcing: npt.ArrayLike | Tensor,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        F = torch.as_tensor(forcing, dtype=torch.float64)
        _check(recipe, surface, F)
        self.recipe = recipe
        self.sphere = Sphere(recipe.truncation, recipe.grid, dtype)
        sphere = Sphere(recipe.truncation, recipe.grid, torch.float64)
        self._advection = Advection(sphere, recipe.radius**-2, dtype)
        C = qg3_operators.coupling(recipe)
        f = qg3_operators.planetary(recipe, surface, sphere).T
        inverse = qg3_operators.inversion(recipe, sphere)
        damping = qg3_operators.selective(recipe, sphere)[:, None, None]
        linear = -C @ inverse / recipe.thermal_seconds - damping * torch.eye(3).double()
        both = torch.cat([inverse, linear], dim=1)
        offset = -both @ f[..., None]
        offset[:, 3:, 0] += sphere.analysis(F).T
        tables = {
            "_planetary": f,
            "_inversion": inverse,
            "_linear": both,
            "_constant": offset,
            "_drag": -qg3_operators.drag(recipe, surface, sphere),
        }
        for name, table in tables.items():
            self.register_buffer(name, table.to(dtype).contiguous())

    @property
    def step_seconds(self) -> float:
        """Time that one step takes, s."""
        return self.recipe.step_seconds

    def step(self, z: Tensor) -> Tensor:
        """The state one step later, shape of z.

        Raises:
            InputError: If the last two axes are not (3, (T + 1)^2).
        """
        after = runge_kutta(self._tendency, self._columns(z), self.recipe.step_seconds)
        return after.permute(2, 1, 0).reshape(z.shape)

    def tendency(self, z: Tensor) -> Tensor:
        """`dz/dt`, s^-2, shape of z.

        Raises:
            InputError: If the last two axes are not (3, (T + 1)^2).
        """
        return self._tendency(self._columns(z)).permute(2, 1, 0).reshape(z.shape)

    def from_vorticity(self, q: Tensor) -> Tensor:
        """State with a potential vorticity on the grid, s^-1, (..., 3, nlat, nlon), truncated."""
        return self.sphere.analysis(q)

    def from_streamfunction(self, psi: Tensor) -> Tensor:
        """State with a streamfunction on the grid, m2 s-1, (..., 3, nlat, nlon), truncated."""
        coefficients = self.sphere.analysis(psi)
        C = qg3_operators.coupling(self.recipe).to(coefficients)
        laplacian = self.sphere.laplacian / self.recipe.radius**2
        return C @ coefficients + laplacian * coefficients + self._planetary.T

    def vorticity(self, z: Tensor) -> Tensor:
        """Potential vorticity on the grid, s^-1, (..., 3, nlat, nlon)."""
        return self.sphere.synthesis(z)

    def streamfunction(self, z: Tensor) -> Tensor:
        """Streamfunction on the grid, m2 s-1, (..., 3, nlat, nlon); mean 0 at the first level."""
        return self.sphere.synthesis(self.invert(z))

    def winds(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Eastward and northward wind on the grid, m s-1, each (..., 3, nlat, nlon).

        `u = -dpsi/dphi / a`, `v = dpsi/dlambda / (a cos(phi))`.
        """
        east, north = self.sphere.gradient(self.invert(z) / self.recipe.radius)
        return -north, east

    def invert(self, z: Tensor) -> Tensor:
        """Coefficients of the streamfunction, m2 s-1, shape of z."""
        anomaly = z - self._planetary.T
        return torch.einsum("kij,...jk->...ik", self._inversion, anomaly)

    def energy(self, z: Tensor) -> Tensor:
        """Kinetic and available potential energy, mean over the sphere, m2 s-2, shape (...).

        `-sum_k <psi_k (q_k - f~_k)> / 2`, which advection does not change.
        """
        return -0.5 * (self.invert(z) * (z - self._planetary.T)).sum((-2, -1))

    def enstrophy(self, z: Tensor) -> Tensor:
        """Potential enstrophy `<q_k^2> / 2` of each level, s^-2, shape (..., 3); as the energy."""
        return 0.5 * z.square().sum(-1)

    def _columns(self, z: Tensor) -> Tensor:
        """((T + 1)^2, 3, batch): members run along rows of the matrix products."""
        if z.shape[-2:] != (3, self.sphere.size):
            raise InputError(
                f"a state of shape {tuple(z.shape)} is not one of truncation "
                f"{self.recipe.truncation}: its last axes must be (3, {self.sphere.size})."
            )
        return z.reshape(-1, 3, self.sphere.size).permute(2, 1, 0).contiguous()

    def _tendency(self, q: Tensor) -> Tensor:
        psi, linear = torch.baddbmm(self._constant, self._linear, q).split([3, 3], 1)
        lowest = torch.addmm(linear[:, 2], self._drag, psi[:, 2])
        return self._advection(psi, q, torch.cat([linear[:, :2], lowest[:, None]], 1))


def _check(recipe: QG3Recipe, surface: Surface, forcing: Tensor) -> None:
    shape = recipe.grid.shape
    if surface.orography.shape != shape or forcing.shape != (3, *shape):
        raise InputError(
            f"the surface has shape {surface.orography.shape} and the forcing "
            f"{tuple(forcing.shape)}, but the recipe's grid is {shape}: give (nlat, nlon) and "
            "(3, nlat, nlon) on it."
        )
    if not bool(torch.isfinite(forcing).all()):
        raise InputError("the forcing has a value that is not finite: fill it first.")
