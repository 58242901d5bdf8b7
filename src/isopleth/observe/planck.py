"""Planck's law at one frequency, in photons a mode: brightness temperature there and back.

    B(T) = 2 h nu^3 / c^2 N(T),  N(T) = 1 / (exp(h nu / k T) - 1)

The factor before N cancels wherever radiances are averaged at one frequency and turned back into
a temperature, so only N is computed.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["BOLTZMANN", "COLDEST", "LIGHT", "PLANCK", "brightness_temperature", "photons"]

PLANCK = 6.62607015e-34
"""h, J s (exact, International System of Units 2019)."""

BOLTZMANN = 1.380649e-23
"""k, J/K (exact, SI 2019)."""

LIGHT = 299_792_458.0
"""c, m/s (exact)."""

COLDEST = 50.0
"""K; colder is read as this. No air is, and exp(h nu / k T) stays finite in float32."""


def photons(temperature: Tensor, frequency: Tensor) -> Tensor:
    """`N(T)`, photons a mode of a black body.

    Args:
        temperature: K, broadcastable to `frequency`; below 50 K it is taken as 50 K.
        frequency: Hz, positive.

    >>> nu = torch.tensor(20e12)
    >>> round(float(photons(torch.tensor(300.0), nu)), 5)
    0.04252
    """
    quantum = PLANCK / BOLTZMANN * frequency
    return 1.0 / torch.expm1(quantum / temperature.clamp(min=COLDEST))


def brightness_temperature(number: Tensor, frequency: Tensor) -> Tensor:
    """The black body, K, that gives so many photons a mode: `h nu / k / log(1 + 1 / N)`.

    Args:
        number: Positive, broadcastable to `frequency`.
        frequency: Hz, positive.

    >>> nu = torch.tensor(20e12, dtype=torch.float64)
    >>> t = torch.tensor(251.5, dtype=torch.float64)
    >>> round(float(brightness_temperature(photons(t, nu), nu)), 9)
    251.5
    """
    return PLANCK / BOLTZMANN * frequency / torch.log1p(1.0 / number)
