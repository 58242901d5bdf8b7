"""A background covariance for winds on the sphere: modelled in streamfunction and potential."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from isopleth.core.harmonics import Harmonics
from isopleth.core.protocols import LinearOperator
from isopleth.inference.variational import SpectralCovariance, SpectralFit, SpectralStatistics
from isopleth.studies.twin.speedy.climate import SpeedyClimate

__all__ = ["Balanced", "Winds", "fitted", "packed", "unpacked"]

_CHUNK = 64
"""Observations, or samples, that are worked on at once."""


@dataclass(frozen=True, eq=False)
class Winds:
    """Anomalies (u, v, T, q, p_s) from and to (psi, chi, T, q, p_s); the others stay as they are.

        u = (-d psi / d phi + d chi / (cos(phi) d lambda)) / s_u
        v = (d psi / (cos(phi) d lambda) + d chi / d phi) / s_v

    psi and chi are streamfunction and potential over the radius of the Earth, m s-1. Vector
    harmonics of degree l are orthogonal with norm `l (l + 1)`, so both follow from a wind by
    quadrature, exactly up to the truncation.
    Reference: Parrish and Derber (1992), Mon. Weather Rev. 120, 1747, for why: errors of psi and
    chi are nearly independent and isotropic, those of u and v are not.

    Args:
        climate: Grid and sizes.
    """

    climate: SpeedyClimate

    def to_winds(self, w: Tensor) -> Tensor:
        """From (..., channel, nlat, nlon) to the same shape."""
        n, sphere = self.climate.levels, self.climate.sphere
        psi, chi = (sphere.analysis(part) for part in (w[..., :n, :, :], w[..., n : 2 * n, :, :]))
        (psi_e, psi_n), (chi_e, chi_n) = sphere.gradient(psi), sphere.gradient(chi)
        sd = self._sd(w)
        winds = torch.cat([chi_e - psi_n, psi_e + chi_n], -3) / sd
        return torch.cat([winds, w[..., 2 * n :, :, :]], -3)

    def from_winds(self, x: Tensor) -> Tensor:
        """From (..., channel, nlat, nlon) to the same shape; truncated winds."""
        n, sphere = self.climate.levels, self.climate.sphere
        u, v = (x[..., : 2 * n, :, :] * self._sd(x)).split(n, -3)
        parts = [sphere.synthesis(self._project(*pair)) for pair in ((v, -u), (u, v))]
        return torch.cat([*parts, x[..., 2 * n :, :, :]], -3)

    def adjoint(self, x: Tensor) -> Tensor:
        """Transpose of `to_winds`, no weights."""
        pull = torch.func.vjp(self.to_winds, torch.zeros_like(x))[1]
        found: Tensor = pull(x.contiguous())[0]
        return found

    def _project(self, east: Tensor, north: Tensor) -> Tensor:
        """Coefficients of the potential whose gradient is nearest."""
        sphere = self.climate.sphere
        area = sphere.weights[:, None] / sphere.grid.nlon
        zero = east.new_zeros(*east.shape[:-2], sphere.size)
        pull = torch.func.vjp(sphere.gradient, zero)[1]
        z: Tensor = pull((east * area, north * area))[0]
        return -sphere.inverse_laplacian * z

    def _sd(self, like: Tensor) -> Tensor:
        return self.climate.sd[: 2 * self.climate.levels, None, None].to(like)


@dataclass(frozen=True, eq=False)
class Balanced:
    """`B = L B_w L'`: a control-variable transform in (psi, chi, T, q, p_s), seen as winds.

    Args:
        inner: `B_w`, with balance from psi.
        winds: L.
    """

    inner: SpectralCovariance
    winds: Winds

    @property
    def state_shape(self) -> tuple[int, ...]:
        """(channel, lat, lon)."""
        return self.inner.state_shape

    @property
    def control_shape(self) -> tuple[int, ...]:
        """That of `B_w`."""
        return self.inner.control_shape

    def sqrt(self, v: Tensor) -> Tensor:
        """`L U v`, from (..., *control) to (..., *state)."""
        return self.winds.to_winds(self.inner.sqrt(v).to(self.winds.climate.mean)).to(v)

    def sqrt_adjoint(self, x: Tensor) -> Tensor:
        """`U' L' x`, from (..., *state) to (..., *control)."""
        return self.inner.sqrt_adjoint(self.winds.adjoint(x))

    def product(self, x: Tensor) -> Tensor:
        """`B x`, shape of x."""
        return self.sqrt(self.sqrt_adjoint(x))

    def cross(self, H: LinearOperator, like: Tensor) -> _Crossed:
        """What H sees of B: one adjoint an observation."""
        return _Crossed(self, H, like)


class _Crossed:
    """`H B H' = S S'` with `S = H L U`, and `B H' z` as a product."""

    def __init__(self, B: Balanced, H: LinearOperator, like: Tensor) -> None:
        self._B, self._H, self._like = B, H, like
        one = torch.eye(int(H.valid.sum())).to(like)
        parts = [B.sqrt_adjoint(H.adjoint(rows)).flatten(1) for rows in one.split(_CHUNK)]
        S = torch.cat(parts)
        self.HBH = S @ S.T

    def increment(self, z: Tensor) -> Tensor:
        """From (r, n) to (r, *state)."""
        return self._B.product(self._H.adjoint(z.to(self._like)))


@torch.no_grad()
def fitted(errors: Tensor, climate: SpeedyClimate) -> SpectralStatistics:
    """Of `B_w` from background errors in anomalies, (n, channel, nlat, nlon).

    Vertical modes of psi, chi, (T, p_s) and q apart; balance is the regression on those of psi.
    """
    n, grid, winds = climate.levels, climate.sphere.grid, Winds(climate)
    mass = (*range(2 * n, 3 * n), 4 * n)
    groups = (tuple(range(n)), tuple(range(n, 2 * n)), mass, tuple(range(3 * n, 4 * n)))
    fit = SpectralFit(groups=groups, truncation=climate.truncation)
    w = torch.cat([winds.from_winds(part.float()) for part in errors.split(_CHUNK)])
    return fit(w, grid.latitude, grid.longitude)


def packed(statistics: SpectralStatistics, name: str) -> dict[str, Tensor]:
    """As tensors with names that begin with the given one."""
    found = {"deviation": statistics.deviation}
    for kind in ("modes", "spectrum", "regression"):
        for group, part in enumerate(getattr(statistics, kind)):
            if part is not None:
                found[f"{kind}.{group}"] = part
    return {f"{name}.{key}": value.contiguous() for key, value in found.items()}


def unpacked(
    tensors: Mapping[str, Tensor], name: str, climate: SpeedyClimate
) -> SpectralStatistics:
    """What `packed` made, from all tensors that there are."""
    n, grid = climate.levels, climate.sphere.grid
    mass = (*range(2 * n, 3 * n), 4 * n)
    groups = (tuple(range(n)), tuple(range(n, 2 * n)), mass, tuple(range(3 * n, 4 * n)))

    def parts(kind: str) -> list[Tensor | None]:
        return [tensors.get(f"{name}.{kind}.{group}") for group in range(len(groups))]

    return SpectralStatistics(
        harmonics=Harmonics(grid.latitude, grid.longitude, climate.truncation),
        groups=groups,
        deviation=tensors[f"{name}.deviation"],
        modes=tuple(part for part in parts("modes") if part is not None),
        spectrum=tuple(part for part in parts("spectrum") if part is not None),
        regression=tuple(parts("regression")),
    )
