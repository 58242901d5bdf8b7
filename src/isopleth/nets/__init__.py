"""Nets: networks with no opinion on diffusion or oceans, on grids that close round the globe."""

from __future__ import annotations

from isopleth.nets.dit import DiT, DiTConfig
from isopleth.nets.improved_diffusion import ImprovedDiffusionConfig, ImprovedDiffusionUNet
from isopleth.nets.unet import UNet, UNetConfig

__all__ = [
    "DiT",
    "DiTConfig",
    "ImprovedDiffusionConfig",
    "ImprovedDiffusionUNet",
    "UNet",
    "UNetConfig",
]
