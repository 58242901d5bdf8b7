"""The ocean prior: a denoiser of standardised anomalies that knows the season and the place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from isopleth.core.grid import Grid
from isopleth.nets.unet import UNet, UNetConfig
from isopleth.priors.diffusion import Edm

__all__ = ["OceanDenoiser", "Setting", "conditions"]


@dataclass(frozen=True, eq=False)
class Setting:
    """Where a state lives.

    Args:
        climatology: Mean of the season, degC, shape (level, lat, lon), finite in the ocean.
        month: 1 to 12; a fraction stands between two months.
    """

    climatology: Tensor
    month: float


def conditions(setting: Setting, grid: Grid, spread: Tensor) -> Tensor:
    """What the network is told beside the noisy state, float32, shape (3 level + 3, lat, lon).

    The climatology in standard deviations of its level, `ln spread`, the ocean mask, the sine of
    the latitude, and the sine and cosine of the season. Land is 0.
    """
    mask = torch.tensor(grid.mask)
    count = mask.sum((1, 2), keepdim=True).clamp(min=1)
    value = torch.where(mask, setting.climatology.float(), 0.0)
    mean = value.sum((1, 2), keepdim=True) / count
    apart = torch.where(mask, value - mean, 0.0)
    deviation = (apart.square().sum((1, 2), keepdim=True) / count).sqrt().clamp(min=0.1)
    season = 2.0 * np.pi * (setting.month - 0.5) / 12.0
    sine = torch.from_numpy(np.sin(np.radians(grid.latitude)).astype(np.float32))[:, None]
    rest = [sine.expand(grid.shape[1:])]
    rest += [torch.full(grid.shape[1:], float(f(season))) for f in (np.sin, np.cos)]
    return torch.cat(
        [apart / deviation, torch.where(mask, spread.log(), 0.0), mask.float(), torch.stack(rest)]
    )


class OceanDenoiser(nn.Module):
    """A U-Net in the form of Karras et al. for every season; `at` makes the prior of one.

    Args:
        config: Of the U-Net.
        mask: True = ocean, shape (level, lat, lon).
        table: Conditions of the twelve months, shape (12, K, lat, lon), for training.
    """

    mask: Tensor
    table: Tensor

    def __init__(self, config: UNetConfig, mask: Tensor, table: Tensor) -> None:
        super().__init__()
        self.net = UNet(config)
        self.register_buffer("mask", mask.bool(), persistent=False)
        self.register_buffer("table", table, persistent=False)

    def forward(self, x: Tensor, sigma: Tensor, month: Tensor) -> Tensor:
        """Denoised states (B, level, lat, lon) of the months (B,), 1 to 12."""
        return self.at(self.table[month.long() - 1], autocast=False)(x, sigma)

    def at(self, condition: Tensor, *, autocast: bool = True) -> Edm:
        """The prior under a condition: `prior(x, sigma)`, (B, level, lat, lon) to the same.

        Args:
            condition: What :func:`conditions` gives, with an axis of length B or 1 before it.
            autocast: Whether the network itself computes in bfloat16.
        """
        return Edm(_Conditioned(self.net, condition, autocast), self.mask)


class _Conditioned(nn.Module):
    """`net(x, noise)` with its condition inside."""

    def __init__(self, net: UNet, condition: Tensor, autocast: bool) -> None:
        super().__init__()
        self.net, self.condition, self.autocast = net, condition, autocast

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        if not self.autocast:
            return self.net(x, noise, self.condition)
        with torch.autocast(x.device.type, torch.bfloat16):
            return self.net(x, noise, self.condition).float()
