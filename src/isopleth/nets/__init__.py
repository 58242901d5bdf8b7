"""Nets: networks with no opinion on diffusion or oceans, on grids that close round the globe."""

from __future__ import annotations

from isopleth.nets.autoencoder import ConvAutoencoder, ConvAutoencoderConfig, DiagonalGaussian
from isopleth.nets.autoencoder_vit import ViTAutoencoder, ViTAutoencoderConfig
from isopleth.nets.dit import DiT, DiTConfig
from isopleth.nets.improved_diffusion import ImprovedDiffusionConfig, ImprovedDiffusionUNet
from isopleth.nets.unet import UNet, UNetConfig
from isopleth.nets.vit import ViT, ViTConfig

__all__ = [
    "ConvAutoencoder",
    "ConvAutoencoderConfig",
    "DiT",
    "DiTConfig",
    "DiagonalGaussian",
    "ImprovedDiffusionConfig",
    "ImprovedDiffusionUNet",
    "UNet",
    "UNetConfig",
    "ViT",
    "ViTAutoencoder",
    "ViTAutoencoderConfig",
    "ViTConfig",
]
