"""Standardise: anomalies in units of their spread, by level, blind to what the mask hides."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from isopleth.core.errors import InputError

__all__ = ["Standardise"]


@dataclass(frozen=True, eq=False)
class Standardise:
    """The map `z = (x - mean) / std` and its inverse.

    Args:
        mean: Shape (nlev,) for one number a level, or (nlev, nlat, nlon); in the unit of x.
        std: Standard deviation, same shape and unit, positive.

    Raises:
        InputError: If the shapes differ or a spread is not positive and finite.

    >>> scale = Standardise(torch.tensor([10.0, 4.0]), torch.tensor([2.0, 1.0]))
    >>> scale.forward(torch.full((2, 1, 1), 12.0)).flatten().tolist()
    [1.0, 8.0]
    """

    mean: Tensor
    std: Tensor

    def __post_init__(self) -> None:
        """Check the numbers and give (nlev,) its two axes of length one."""
        if self.mean.shape != self.std.shape or self.mean.ndim not in (1, 3):
            raise InputError(
                f"mean has shape {tuple(self.mean.shape)} and std {tuple(self.std.shape)}: "
                "give both one number a level, or both a field of (levels, rows, columns)."
            )
        bad = ~(torch.isfinite(self.mean) & torch.isfinite(self.std) & (self.std > 0))
        if bad.any():
            raise InputError(
                f"a standard deviation of {self.std[bad][0].item():g} about a mean of "
                f"{self.mean[bad][0].item():g} cannot scale: give positive, finite numbers."
            )
        for name in ("mean", "std"):
            value = getattr(self, name)
            object.__setattr__(self, name, value[:, None, None] if value.ndim == 1 else value)

    @classmethod
    def fit(cls, x: Tensor, mask: Tensor) -> Standardise:
        """Mean and population standard deviation of every level over the cells of the mask.

        A level without a value, or whose values are all the same, gets a spread of 1.

        Args:
            x: Shape `(..., nlev, nlat, nlon)`; values outside the mask are not looked at.
            mask: True = use, broadcastable to `x`.

        >>> x = torch.tensor([[[1.0, 3.0, float("nan")]]])
        >>> scale = Standardise.fit(x, ~torch.isnan(x))
        >>> scale.mean.item(), scale.std.item()
        (2.0, 1.0)
        """
        used = mask.expand(x.shape)
        others = [axis for axis in range(x.ndim) if axis != x.ndim - 3]
        value = torch.where(used, x, 0.0).double()
        count = used.sum(others).clamp(min=1)
        mean = value.sum(others) / count
        apart = torch.where(used, value - mean[:, None, None], 0.0)
        std = (apart.square().sum(others) / count).sqrt()
        tiny = torch.finfo(x.dtype).eps * mean.abs()
        std = torch.where(std > tiny, std, torch.ones_like(std))
        return cls(mean.to(x.dtype), std.to(x.dtype))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Standardised field, shape of `x`; 0 (the mean) outside the mask."""
        z = (x - self.mean.to(x)) / self.std.to(x)
        return z if mask is None else torch.where(mask, z, 0.0)

    def inverse(self, z: Tensor, mask: Tensor | None = None) -> Tensor:
        """Field in its own unit, shape of `z`; 0 outside the mask."""
        x = z * self.std.to(z) + self.mean.to(z)
        return x if mask is None else torch.where(mask, x, 0.0)
