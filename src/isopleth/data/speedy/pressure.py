"""Fields on the model's sigma levels, p = sigma * p_s, brought to levels of pressure."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

__all__ = ["on_pressure"]

Floats = NDArray[np.floating]

GRAVITY = 9.81
"""Of the model, m s-2."""
GAS_CONSTANT = 2.0 / 7.0 * 1004.64
"""Of dry air in the model, J kg-1 K-1."""
VAPOUR = 461.51 / GAS_CONSTANT - 1.0
"""T_v = T (1 + VAPOUR q)."""
LAPSE = 6.5e-3
"""Of temperature below the lowest level, K m-1 (standard atmosphere)."""


def on_pressure(
    fields: Mapping[str, Floats], sigma: Floats, levels: Floats
) -> dict[str, NDArray[np.float32]]:
    """Wind, temperature, humidity and height at given pressures; other fields as they are.

    With s = ln p and two model levels a, b around it, u, v, T and q are linear in s. The height
    solves the hydrostatic equation dz/ds = -R T_v / g for a T_v that is linear in s, and meets the
    model's heights at both levels:

        z(s) = z_a + (z_b - z_a) (s - s_a) / (s_b - s_a) + R / (2 g) T_v' (s - s_a) (s_b - s)

    Below the lowest level (also under ground) wind and humidity are those of the lowest level,
    T = T_n (p / p_n)^(R L / g) with L = 6.5 K/km, and z = z_n - (T - T_n) / L.

    Args:
        fields: `ua`, `va`, `ta`, `hus`, `zg`, shape (..., level, lat, lon), top first; `ps` in Pa,
            (..., lat, lon); any others.
        sigma: Of the levels, (level,), increasing.
        levels: Pressures in hPa, (n,), within the model's reach.

    Returns:
        The same names, float32, with n levels.
    """
    s = (
        np.log(sigma)[:, None, None]
        + np.log(np.asarray(fields["ps"], np.float64))[..., None, :, :]
    )
    column = {name: np.asarray(fields[name], np.float64) for name in ("ua", "va", "ta", "hus")}
    virtual = column["ta"] * (1.0 + VAPOUR * column["hus"])
    result = {name: _empty(value, len(levels)) for name, value in column.items()}
    result["zg"] = _empty(column["ta"], len(levels))
    height = np.asarray(fields["zg"], np.float64)
    for k, level in enumerate(levels):
        here = np.log(100.0 * float(level))
        weight = _Between(s, here)
        for name, value in column.items():
            result[name][..., k, :, :] = weight.linear(value)
        result["zg"][..., k, :, :] = weight.linear(height) + weight.bend(virtual)
        _extrapolate(result, k, here - s[..., -1, :, :], height[..., -1, :, :])
    others = {n: np.asarray(v, np.float32) for n, v in fields.items() if n not in result}
    return {**others, **result}


class _Between:
    """The two levels around s, and the weights of a value there; the lowest one below it."""

    def __init__(self, s: Floats, here: float) -> None:
        below = np.clip((s < here).sum(axis=-3), 1, s.shape[-3] - 1)[..., None, :, :]
        self.index = below - 1, below
        a, b = (np.take_along_axis(s, i, axis=-3) for i in self.index)
        self.after, self.before, self.width = here - a, b - here, b - a
        self.share = np.minimum(self.after / self.width, 1.0)

    def linear(self, value: Floats) -> Floats:
        a, b = self._both(value)
        return np.asarray((a + (b - a) * self.share)[..., 0, :, :])

    def bend(self, virtual: Floats) -> Floats:
        a, b = self._both(virtual)
        product = self.after * np.maximum(self.before, 0.0)
        bent = GAS_CONSTANT / (2.0 * GRAVITY) * (b - a) / self.width * product
        return np.asarray(bent[..., 0, :, :])

    def _both(self, value: Floats) -> tuple[Floats, Floats]:
        a, b = (np.take_along_axis(value, i, axis=-3) for i in self.index)
        return a, b


def _extrapolate(
    result: Mapping[str, NDArray[np.float32]], k: int, deeper: Floats, height: Floats
) -> None:
    """Temperature and height where the level lies ln(p / p_n) = `deeper` > 0 below the lowest."""
    under = deeper > 0.0
    lowest = result["ta"][..., k, :, :]
    warmer = lowest * np.exp(GAS_CONSTANT * LAPSE / GRAVITY * np.where(under, deeper, 0.0))
    result["zg"][..., k, :, :] = np.where(
        under, height - (warmer - lowest) / LAPSE, result["zg"][..., k, :, :]
    )
    result["ta"][..., k, :, :] = warmer


def _empty(value: Floats, levels: int) -> NDArray[np.float32]:
    return np.empty((*value.shape[:-3], levels, *value.shape[-2:]), np.float32)
