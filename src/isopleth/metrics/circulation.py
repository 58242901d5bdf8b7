"""Energy of the circulation, by scale on the sphere."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from isopleth.core.errors import InputError
from isopleth.metrics.deterministic import Floats

__all__ = ["kinetic_energy_by_degree"]


def kinetic_energy_by_degree(power: ArrayLike, *, radius: float) -> Floats:
    """Kinetic energy of non-divergent flow at each degree of the spherical harmonics, m2 s-2.

        E_l = l (l + 1) / (2 a^2) * P_l

    where `P_l` is the share of the mean square streamfunction at degree l (`core.sphere.power`):
    the sum over l is the area mean of `(u^2 + v^2) / 2`.
    Reference: Boer and Shepherd (1983), J. Atmos. Sci. 40, 164, eq. 5.

    Args:
        power: `P_l` from degree 0 on, m4 s-2, shape (..., T + 1).
        radius: a, m.

    Raises:
        InputError: If the radius is not positive.

    >>> kinetic_energy_by_degree([5.0, 1.0, 1.0], radius=1.0).tolist()
    [0.0, 1.0, 3.0]
    """
    if not radius > 0.0:
        raise InputError(f"a radius of {radius} m is none: give that of the Earth, 6.371e6, say.")
    values = np.asarray(power, dtype=np.float64)
    degree = np.arange(values.shape[-1])
    return np.asarray(values * degree * (degree + 1) / (2.0 * radius**2))
