"""Learned dynamics: a network steps the quasi-geostrophic world six hours at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from isopleth.core.errors import DataMissingError, InputError
from isopleth.core.gaussian_grid import GaussianGrid
from isopleth.core.sphere import legendre
from isopleth.core.weights import load_weights
from isopleth.dynamics.quasigeostrophic import QuasiGeostrophic
from isopleth.nets.unet import UNet, UNetConfig
from isopleth.nets.vit import ViT, ViTConfig

__all__ = ["EmulatedWorld", "Emulator", "load_emulator", "unet_emulator", "vit_emulator"]

CARDS = Path(__file__).parent / "cards"
"""Where the shipped weights lie."""

LEVELS = 3
_SIX_HOURS = 21_600.0
_TRUNCATION = 21
_TYPICAL = 50.0
"""`l (l + 1)` of a wave of degree 6 or 7: both halves of the input are then of order one."""


class Emulator(nn.Module):
    """`psi(t + 6 h) = psi(t) + s_r P net((psi(t) - mean) / s, static)`, m2 s-1.

    P truncates to the triangular truncation of the world and takes the mean out of the first
    level, where a streamfunction of that world has none: a rollout stays among the fields that
    the world can hold. Members of a batch do not see one another.

    Args:
        net: From standardised anomalies (B, 3, nlat, nlon) and `static` (1, K, nlat, nlon) to
            standardised changes (B, 3, nlat, nlon).
        mean: Of the climate, m2 s-1, shape (3, nlat, nlon), on a Gaussian grid.
        sd: s, standard deviation of each level, m2 s-1, shape (3,).
        residual_sd: s_r, the same of six hours' change, shape (3,).
        static: What does not change, of order one, shape (K, nlat, nlon).
        truncation: Largest degree T.

    Raises:
        InputError: If the shapes do not fit, or a standard deviation is not positive.

    >>> net = UNetStep(UNet(UNetConfig(in_channels=3, out_channels=3, widths=(8,),
    ...                                attention=(False,), condition_channels=1)))
    >>> emulator = Emulator(net, torch.zeros(3, 32, 64), torch.ones(3), torch.ones(3),
    ...                     torch.zeros(1, 32, 64))
    >>> emulator.step(torch.ones(5, 2, 3, 32, 64)).shape, emulator.step_seconds
    (torch.Size([5, 2, 3, 32, 64]), 21600.0)
    """

    mean: Tensor
    sd: Tensor
    residual_sd: Tensor
    static: Tensor
    _area: Tensor

    step_seconds: float = _SIX_HOURS

    def __init__(
        self,
        net: nn.Module,
        mean: Tensor,
        sd: Tensor,
        residual_sd: Tensor,
        static: Tensor,
        truncation: int = _TRUNCATION,
    ) -> None:
        super().__init__()
        _check(mean, sd, residual_sd, static)
        self.net = net
        for name, values in (("mean", mean), ("static", static)):
            self.register_buffer(name, values.float())
        for name, values in (("sd", sd), ("residual_sd", residual_sd)):
            self.register_buffer(name, values.float().reshape(LEVELS, 1, 1))
        self.truncation = truncation
        self.grid = GaussianGrid(nlat=mean.shape[-2], nlon=mean.shape[-1])
        area = torch.from_numpy(self.grid.weights / self.grid.nlon)
        self.truncated = SpectralFilter(np.ones(truncation + 1), self.grid)
        self.register_buffer("_area", area.float()[:, None], persistent=False)

    def step(self, psi: Tensor) -> Tensor:
        """The streamfunction six hours later, m2 s-1, (..., 3, nlat, nlon), shape of psi.

        Raises:
            InputError: If the last three axes are not those of the training.
        """
        if psi.shape[-3:] != self.mean.shape:
            raise InputError(
                f"a streamfunction of shape {tuple(psi.shape)} is not one of this emulator: its "
                f"last axes must be {tuple(self.mean.shape)} (level, lat, lon)."
            )
        return psi + (self.residual_sd * self.change(self.standardised(psi))).to(psi)

    forward = step

    def standardised(self, psi: Tensor) -> Tensor:
        """`(psi - mean) / s`, of order one, shape of psi, in the network's precision."""
        return ((psi - self.mean) / self.sd).to(self.mean)

    def change(self, anomaly: Tensor) -> Tensor:
        """`P net(anomaly, static)`: standardised change in six hours, shape of the anomaly."""
        x = anomaly.reshape(-1, *anomaly.shape[-3:])
        field = self.truncated(self.net(x, self.static[None]).to(x))
        first = (field[:, :1] * self._area).sum((-2, -1), keepdim=True)
        field = field - nn.functional.pad(first, (0, 0, 0, 0, 0, LEVELS - 1))
        return field.reshape(anomaly.shape)


class SpectralFilter(nn.Module):
    """`sum_lm w_l g_lm Y_lm` of fields g on a Gaussian grid, (..., nlat, nlon); never in half.

    Args:
        factors: w_l of degree 0 to T, shape (T + 1,).
        grid: Of the fields.

    >>> grid = GaussianGrid(nlat=32, nlon=64)
    >>> mean = SpectralFilter(np.array([1.0, 0.0]), grid)
    >>> mean(torch.full((3, 32, 64), 2.0))[0, 0, 0].round(decimals=4)
    tensor(2.)
    """

    _rows: Tensor

    def __init__(self, factors: NDArray[np.float64], grid: GaussianGrid) -> None:
        super().__init__()
        P, _ = legendre(len(factors) - 1, grid.sine)
        rows = np.einsum("l,lmi,lmj,j->mij", factors, P, P, grid.weights)
        self.register_buffer("_rows", torch.from_numpy(rows).float(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Filtered fields, shape of x."""
        with torch.autocast(x.device.type, enabled=False):
            waves = torch.view_as_real(torch.fft.rfft(x.to(self._rows))[..., : len(self._rows)])
            kept = torch.einsum("mij,...jmc->...imc", self._rows, waves).contiguous()
            return torch.fft.irfft(torch.view_as_complex(kept), n=x.shape[-1])


class WithVorticity(nn.Module):
    """A network that also sees the Laplacian of the anomalies, `-l (l + 1) / 50` by degree.

    What the world advects is vorticity, and a streamfunction hides its small scales.

    Args:
        net: From 6 channels and the static fields to 3.
        truncation: Largest degree T.
        grid: Of the fields.
    """

    def __init__(self, net: nn.Module, truncation: int, grid: GaussianGrid) -> None:
        super().__init__()
        self.net = net
        degree = np.arange(truncation + 1.0)
        self.vorticity = SpectralFilter(-degree * (degree + 1.0) / _TYPICAL, grid)

    def forward(self, x: Tensor, static: Tensor) -> Tensor:
        """(B, 3, lat, lon) and (1, K, lat, lon) to (B, 3, lat, lon)."""
        change: Tensor = self.net(torch.cat([x, self.vorticity(x).to(x)], dim=1), static)
        return change


class UNetStep(nn.Module):
    """A `UNet` as a function of state and condition: nothing is noisy here."""

    def __init__(self, net: UNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor, static: Tensor) -> Tensor:
        """(B, 3, lat, lon) and (1, K, lat, lon) to (B, 3, lat, lon)."""
        change: Tensor = self.net(x, x.new_zeros(len(x)), static)
        return change


class EmulatedWorld:
    """A dynamics on the states of a world that an emulator steps in its place.

    `z -> q(emulator(psi(z)))`: 4D-Var and filters written for the potential vorticity z of
    `QuasiGeostrophic`, shape (..., 3, (T + 1)^2), take it as they take the world.

    Args:
        emulator: Of the streamfunction.
        world: Whose states they are.

    Raises:
        InputError: If they live on different grids.
    """

    def __init__(self, emulator: Emulator, world: QuasiGeostrophic) -> None:
        if emulator.mean.shape[-2:] != world.sphere.grid.shape:
            raise InputError(
                f"the emulator lives on {tuple(emulator.mean.shape[-2:])}, the world on "
                f"{world.sphere.grid.shape}: load the world that it was trained on."
            )
        self.emulator, self.world = emulator, world
        self.step_seconds = emulator.step_seconds

    def step(self, z: Tensor) -> Tensor:
        """The state six hours later, s^-1, shape of z."""
        return self.world.from_streamfunction(self.emulator.step(self.world.streamfunction(z)))


def unet_emulator(config: Mapping[str, Any]) -> Emulator:
    """An untrained emulator with a U-Net; its fields come with the weights.

    Args:
        config: "net", the fields of a `UNetConfig`, and "grid", (nlat, nlon).
    """
    return _blank(UNetStep(UNet(UNetConfig(**config["net"]))), config)


def vit_emulator(config: Mapping[str, Any]) -> Emulator:
    """An untrained emulator with a vision transformer; its fields come with the weights.

    Args:
        config: "net", the fields of a `ViTConfig`, and "grid", (nlat, nlon).
    """
    return _blank(ViT(ViTConfig(**config["net"])), config)


SHIPPED: Mapping[str, Callable[[Mapping[str, Any]], Emulator]] = {
    "qg3_unet": unet_emulator,
    "qg3_vit": vit_emulator,
}
"""Name of the shipped weights -> what builds their network."""


def load_emulator(name: str = "qg3_unet", folder: Path = CARDS) -> Emulator:
    """A trained emulator of the T21 world, in evaluation mode, without gradients of its weights.

    Args:
        name: "qg3_unet" or "qg3_vit".
        folder: Where weights and card lie; those of the package by default.

    Raises:
        DataMissingError: If there is no such emulator, or no file of it.
        IntegrityError: If a file is damaged.
    """
    if name not in SHIPPED:
        raise DataMissingError(
            f"there is no emulator {name!r}: choose one of {', '.join(SHIPPED)}."
        )
    return load_weights(Path(folder) / name, SHIPPED[name]).requires_grad_(False)


def _blank(net: nn.Module, config: Mapping[str, Any]) -> Emulator:
    grid = GaussianGrid(nlat=config["grid"][0], nlon=config["grid"][1])
    channels = config["net"]["condition_channels"]
    one, field = torch.ones(LEVELS), torch.zeros(LEVELS, *grid.shape)
    seeing = WithVorticity(net, _TRUNCATION, grid)
    return Emulator(seeing, field, one, one, torch.zeros(channels, *grid.shape), _TRUNCATION)


def _check(mean: Tensor, sd: Tensor, residual_sd: Tensor, static: Tensor) -> None:
    if mean.ndim != 3 or len(mean) != LEVELS or static.shape[1:] != mean.shape[1:]:
        raise InputError(
            f"the mean has shape {tuple(mean.shape)} and the static fields "
            f"{tuple(static.shape)}: give (3, nlat, nlon) and (K, nlat, nlon)."
        )
    scales = torch.stack([sd.reshape(-1), residual_sd.reshape(-1)])
    if scales.shape[1] != LEVELS or not bool((scales > 0.0).all()):
        raise InputError(f"the standard deviations are {scales.tolist()}: give 3 positive ones.")
