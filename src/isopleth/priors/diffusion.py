"""Diffusion priors: a network in the form `prior(x, sigma) = E[x0 | x0 + sigma n = x]`.

Each wraps a network `net(x (B, C, lat, lon), noise (B,)) -> (B, level, lat, lon)` and is again a
module, so that what is trained is what is asked. Land is 0 before and after.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from isopleth.core.errors import InputError
from isopleth.priors.gaussian import Wiener
from isopleth.priors.noise_level import per_row

__all__ = ["Edm", "EpsilonVp", "GaussianPreconditioned"]

_LOWEST = 1e-4
"""Below this noise level a network is told this one; what it says is multiplied by ~sigma."""


class Edm(nn.Module):
    """The preconditioned denoiser of Karras et al.

        D(x, sigma) = c_skip x + c_out F(c_in x, c_noise),   v = sigma^2 + sigma_data^2
        c_skip = sigma_data^2 / v,   c_out = sigma sigma_data / sqrt(v),   c_in = 1 / sqrt(v)
        c_noise = ln(sigma) / 4

    With F = 0 it is the exact denoiser of white noise of that variance.
    Reference: Karras, Aittala, Aila and Laine (2022), arXiv 2206.00364, table 1.

    Args:
        net: `F`, from (B, level, lat, lon) to the same.
        mask: True = ocean, shape (level, lat, lon) or one that broadcasts to it.
        sigma_data: Standard deviation of the data, > 0.

    Raises:
        InputError: If `sigma_data` is not positive.
    """

    mask: Tensor

    def __init__(self, net: nn.Module, mask: Tensor, sigma_data: float = 1.0) -> None:
        super().__init__()
        if not sigma_data > 0.0:
            raise InputError(f"sigma_data is {sigma_data}: give a positive number.")
        self.net = net
        self.sigma_data = sigma_data
        self.register_buffer("mask", mask.bool(), persistent=False)

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        """`D(x, sigma)`, shape of `x`; `sigma` without axes or (B,)."""
        x, level = torch.where(self.mask, x, 0.0), per_row(sigma, x, field=True)
        v = level.square() + self.sigma_data**2
        F = self.net(x / v.sqrt(), _c_noise(level, x)).to(x.dtype)
        D = self.sigma_data**2 / v * x + level * self.sigma_data / v.sqrt() * F
        return torch.where(self.mask, D, 0.0)

    def loss_weight(self, sigma: Tensor) -> Tensor:
        """`1 / c_out^2`, shape of `sigma`: the squared error of D with it is that of F."""
        return sigma.square().reciprocal() + 1.0 / self.sigma_data**2


class GaussianPreconditioned(nn.Module):
    """A network that corrects the Wiener filter of a Gaussian prior.

        D(x, sigma) = W x + c_out F([c_in x, W x], c_noise)
        W x = E[x0 | x] under the Gaussian,   c_out^2 = mean error variance of W x
        c_in = 1 / sqrt(1 + sigma^2),   c_noise = ln(sigma) / 4

    A network whose last layer is 0 is the Gaussian prior exactly, and what it has to learn has
    unit variance at every noise level: what no linear filter knows. `c_out` is the design of
    Karras et al. (2022), arXiv 2206.00364, sec. 5, with W in the place of `c_skip`.

    Args:
        net: `F`, from (B, 2 level, lat, lon) to (B, level, lat, lon).
        gaussian: `W`, in the same units as the data: unit variance or nearly so.
        mask: True = ocean, shape (level, lat, lon) or one that broadcasts to it.
    """

    mask: Tensor

    def __init__(self, net: nn.Module, gaussian: Wiener, mask: Tensor) -> None:
        super().__init__()
        self.net = net
        self.gaussian = gaussian
        self.register_buffer("mask", mask.bool(), persistent=False)

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        """`D(x, sigma)`, shape of `x`; `sigma` without axes or (B,)."""
        x, level = torch.where(self.mask, x, 0.0), per_row(sigma, x, field=True)
        W = self.gaussian(x, sigma)
        c_in = (1.0 + level.square()).rsqrt()
        F = self.net(torch.cat([c_in * x, W], dim=1), _c_noise(level, x)).to(x.dtype)
        c_out = self.gaussian.error_variance(level.flatten()).sqrt().reshape(level.shape)
        return torch.where(self.mask, W + c_out.to(x.dtype) * F, 0.0)

    def loss_weight(self, sigma: Tensor) -> Tensor:
        """`1 / c_out^2`, shape of `sigma`: a squared error becomes a ratio to the filter's."""
        return self.gaussian.error_variance(sigma).reciprocal()


class EpsilonVp(nn.Module):
    """A variance-preserving network that predicts the noise, asked in noise levels.

    Trained on `x_t = sqrt(abar_t) x0 + sqrt(1 - abar_t) eps`, it is asked at
    `sigma_t = sqrt((1 - abar_t) / abar_t)`:

        D(x, sigma) = x - sigma eps(x / sqrt(1 + sigma^2), t)

    Between two steps of the training `t` is linear in `ln sigma`; outside them it is the first or
    the last. Land is the network's business: it was trained on whole fields.
    Reference: Ho, Jain and Abbeel (2020), arXiv 2006.11239, eq. 4 and 9.

    Args:
        net: `eps`, from (B, level, lat, lon) and t (B,) in steps to (B, level, lat, lon).
        alpha_bar: `abar_t` of the training, decreasing within (0, 1), shape (T,).
        clamp: Lowest and highest value of D, if any.

    Raises:
        InputError: If `alpha_bar` does not decrease within (0, 1).
    """

    log_sigma: Tensor

    def __init__(
        self, net: nn.Module, alpha_bar: Tensor, clamp: tuple[float, float] | None = None
    ) -> None:
        super().__init__()
        inside = bool(((alpha_bar > 0.0) & (alpha_bar < 1.0)).all())
        if (
            alpha_bar.ndim != 1
            or len(alpha_bar) < 2
            or not inside
            or not bool((alpha_bar.diff() < 0.0).all())
        ):
            raise InputError(
                f"alpha_bar of shape {tuple(alpha_bar.shape)} does not decrease from 1 to 0: "
                "give the cumulative product of 1 - beta, every value between them."
            )
        self.net = net
        self.clamp = clamp
        sigma = ((1.0 - alpha_bar.double()) / alpha_bar.double()).sqrt()
        self.register_buffer("log_sigma", sigma.log(), persistent=False)

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        """`D(x, sigma)`, shape of `x`; `sigma` without axes or (B,)."""
        level = per_row(sigma, x, field=True)
        t = self.step(level.flatten()).to(x.dtype).expand(len(x))
        eps = self.net(x * (1.0 + level.square()).rsqrt(), t).to(x.dtype)
        D = x - level * eps
        return D if self.clamp is None else D.clamp(*self.clamp)

    def step(self, sigma: Tensor) -> Tensor:
        """The step `t`, counted from 0 and not whole in general, at noise levels (n,)."""
        table = self.log_sigma
        log = sigma.to(table).log().clamp(table[0], table[-1])
        right = torch.searchsorted(table, log).clamp(1, len(table) - 1)
        left = right - 1
        return left + (log - table[left]) / (table[right] - table[left])


def _c_noise(level: Tensor, x: Tensor) -> Tensor:
    """`ln(sigma) / 4`, shape (B,)."""
    return level.clamp_min(_LOWEST).log().div(4.0).flatten().expand(len(x))
