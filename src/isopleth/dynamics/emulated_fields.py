"""A learned step of standardised fields: any number of channels on a Gaussian grid."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from isopleth.core.errors import InputError
from isopleth.core.gaussian_grid import GaussianGrid
from isopleth.dynamics.learned import SpectralFilter, UNetStep
from isopleth.nets.unet import UNet, UNetConfig

__all__ = ["FieldEmulator", "field_emulator"]

_SIX_HOURS = 21_600.0


class FieldEmulator(nn.Module):
    """`x(t + dt) = x(t) + s_r P net(x(t), static)` for anomalies x in standard deviations.

    P truncates changes to degree T, so that steps in a row do not feed the smallest scales of the
    grid. Members of a batch do not see one another, and the network sees no date: a season is what
    it finds in the state. Untrained it forecasts no change.

    Args:
        net: From (B, C, nlat, nlon) and `static` (1, K, nlat, nlon) to changes of order one,
            (B, C, nlat, nlon).
        residual_sd: s_r, of a step's change, shape (C,).
        static: What does not change, of order one, shape (K, nlat, nlon), on a Gaussian grid.
        truncation: Largest degree T.
        seconds: dt.

    Raises:
        InputError: If the shapes do not fit, or a standard deviation is not positive.

    >>> config = UNetConfig(in_channels=2, out_channels=2, condition_channels=1, widths=(8,),
    ...                     attention=(False,))
    >>> emulator = FieldEmulator(UNetStep(UNet(config)), torch.ones(2), torch.zeros(1, 12, 24), 7)
    >>> emulator.step(torch.ones(5, 3, 2, 12, 24)).shape, emulator.step_seconds
    (torch.Size([5, 3, 2, 12, 24]), 21600.0)
    """

    residual_sd: Tensor
    static: Tensor

    def __init__(
        self,
        net: nn.Module,
        residual_sd: Tensor,
        static: Tensor,
        truncation: int,
        *,
        seconds: float = _SIX_HOURS,
    ) -> None:
        super().__init__()
        if static.ndim != 3 or residual_sd.ndim != 1 or not bool((residual_sd > 0.0).all()):
            raise InputError(
                f"static fields of shape {tuple(static.shape)} and standard deviations "
                f"{residual_sd.tolist()}: give (K, nlat, nlon), and one positive number a channel."
            )
        self.net, self.step_seconds = net, seconds
        self.register_buffer("residual_sd", residual_sd.float().reshape(-1, 1, 1))
        self.register_buffer("static", static.float())
        grid = GaussianGrid(nlat=static.shape[-2], nlon=static.shape[-1])
        self.truncated = SpectralFilter(np.ones(truncation + 1), grid)

    def step(self, x: Tensor) -> Tensor:
        """The anomalies a step later, (..., C, nlat, nlon), shape of x.

        Raises:
            InputError: If the last three axes are not those of the training.
        """
        shape = (len(self.residual_sd), *self.static.shape[1:])
        if tuple(x.shape[-3:]) != shape:
            raise InputError(
                f"fields of shape {tuple(x.shape)} are not those of this emulator: the last axes "
                f"must be {shape} (channel, lat, lon)."
            )
        rows = x.reshape(-1, *shape)
        change = self.truncated(self.net(rows, self.static[None]).to(rows))
        return x + (self.residual_sd * change).reshape(x.shape).to(x)

    forward = step


def field_emulator(config: Mapping[str, Any]) -> FieldEmulator:
    """An untrained emulator with a U-Net; its fields come with the weights.

    Args:
        config: "net", the fields of a `UNetConfig`; "grid", (nlat, nlon); "truncation".
    """
    net = UNetConfig(**config["net"])
    grid = tuple(config["grid"])
    static = torch.zeros(net.condition_channels, *grid)
    one = torch.ones(net.out_channels)
    return FieldEmulator(UNetStep(UNet(net)), one, static, config["truncation"])
