"""Advection on the sphere: the Jacobian of two fields, from and to coefficients.

    J(a, b) = (da/dlambda db/dphi - da/dphi db/dlambda) / cos(phi)

Fields are split into parts even and odd in longitude: cosines make the one and sines the other, so
that half a circle of longitudes is enough and every Fourier transform costs half its products. A
product of two such pairs is `(a_e b_e + a_o b_o, a_e b_o + a_o b_e)`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from isopleth.core.errors import InputError
from isopleth.core.sphere import Sphere

__all__ = ["Advection"]


class Advection(nn.Module):
    """`onto - scale J(psi, q)` in coefficients of one truncation, without aliasing.

    The transform method: four derivatives on the grid, their product, one analysis, all by dense
    real products. Works on columns, shape ((T + 1)^2, n): one column a field.
    Reference: Orszag (1970), J. Atmos. Sci. 27, 890.

    Args:
        sphere: In double precision, with `nlon > 3 T` and `2 nlat > 3 T`.
        scale: Factor of the Jacobian; `1 / a^2` on a sphere of radius a.
        dtype: Of the matrices.

    Raises:
        InputError: If the grid aliases products of two fields.
    """

    legendre: Tensor
    legendre_slope: Tensor
    projection: Tensor
    even: Tensor
    odd: Tensor
    even_slope: Tensor
    odd_slope: Tensor
    even_projection: Tensor
    odd_projection: Tensor

    def __init__(self, sphere: Sphere, scale: float, dtype: torch.dtype) -> None:
        super().__init__()
        T, (nlat, nlon) = sphere.truncation, sphere.grid.shape
        if nlon <= 3 * T or 2 * nlat <= 3 * T:
            raise InputError(
                f"a grid of {nlat} rows and {nlon} columns aliases products at truncation {T}: "
                f"take more than {1.5 * T:g} rows and {3 * T} columns."
            )
        self._size, self._nlat = T + 1, nlat
        # Between the columns of the grid: no point of the half circle is its own mirror image.
        columns = np.arange(nlon // 2, dtype=np.float64) + 0.5
        waves, slopes = sphere.fourier(columns * (2.0 * np.pi / nlon))
        _, even, odd = waves.split([1, T + 1, T], 1)
        _, cosine_slope, sine_slope = slopes.split([1, T + 1, T], 1)
        rows = (2.0 / nlon * scale * sphere.weights / sphere.cosine).repeat(2)
        tables = {
            "legendre": sphere.values,
            "legendre_slope": sphere.slopes,
            "projection": (sphere.values * rows[:, None]).mT,
            "even": even,
            "odd": odd,
            "even_slope": sine_slope,
            "odd_slope": cosine_slope,
            # The first wave of the packing is empty: a row of zeros.
            "even_projection": nn.functional.pad(even.T, (0, 0, 1, 0)),
            "odd_projection": odd.T,
        }
        for name, table in tables.items():
            self.register_buffer(name, table.to(dtype).contiguous())

    def forward(self, psi: Tensor, q: Tensor, onto: Tensor) -> Tensor:
        """All of shape ((T + 1)^2, n), by column; so is what comes back."""
        n = self._size
        even, odd = _Jacobian.apply(*self._gradient(psi), *self._gradient(q))
        waves = torch.cat([self.even_projection @ even, self.odd_projection @ odd])
        rows = waves.view(n, 2 * self._nlat, -1)
        out = torch.baddbmm(onto.reshape(n, n, -1), self.projection, rows)
        return out.view(onto.shape)

    def _gradient(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """`d/dlambda` even and odd, `d/dphi` even and odd, each (points, nlat x n)."""
        n, blocks = self._size, z.reshape(self._size, self._size, -1)
        rows = torch.bmm(self.legendre, blocks).view(2 * n, -1)
        _, cosine, sine = rows.split([1, n, n - 1])
        west = self.even_slope @ sine, self.odd_slope @ cosine
        rows = torch.bmm(self.legendre_slope, blocks).view(2 * n, -1)
        _, cosine, sine = rows.split([1, n, n - 1])
        return *west, self.even @ cosine, self.odd @ sine


class _Jacobian(torch.autograd.Function):
    """`dpsi/dphi dq/dlambda - dpsi/dlambda dq/dphi` in even and odd parts, with its derivatives.

    Written out because autograd would make three times as many passes over the grid. Inputs are
    even and odd parts of `dpsi/dlambda`, `dpsi/dphi`, `dq/dlambda` and `dq/dphi`.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(*parts: Tensor) -> tuple[Tensor, Tensor]:
        return _determinant(parts[:4], parts[4:])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Any) -> None:
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, ...]:
        saved = ctx.saved_tensors  # a checkpoint lets them be asked for once only
        psi, q = saved[:4], saved[4:]
        minus = -grads[0], -grads[1]
        return (
            *_product(minus, q[2:]),
            *_product(grads, q[:2]),
            *_product(grads, psi[2:]),
            *_product(minus, psi[:2]),
        )

    @staticmethod
    def jvp(ctx: Any, *moved: Tensor) -> tuple[Tensor, Tensor]:
        saved = ctx.saved_tensors
        first = _determinant(moved[:4], saved[4:])
        second = _determinant(saved[:4], moved[4:])
        return first[0] + second[0], first[1] + second[1]


_Parts = tuple[Tensor, ...]


def _product(a: _Parts, b: _Parts) -> tuple[Tensor, Tensor]:
    """Even and odd part of the product of two fields."""
    even = (a[0] * b[0]).addcmul_(a[1], b[1])
    return even, (a[0] * b[1]).addcmul_(a[1], b[0])


def _determinant(psi: _Parts, q: _Parts) -> tuple[Tensor, Tensor]:
    """Even and odd part of `dpsi/dphi dq/dlambda - dpsi/dlambda dq/dphi`."""
    even, odd = _product(psi[2:], q[:2])
    even.addcmul_(psi[0], q[2], value=-1).addcmul_(psi[1], q[3], value=-1)
    odd.addcmul_(psi[0], q[3], value=-1).addcmul_(psi[1], q[2], value=-1)
    return even, odd
