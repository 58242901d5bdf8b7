"""LatentSystem: what one case's observations say of a latent, along the directions they see."""

from __future__ import annotations

import torch
from torch import Tensor

from isopleth.core.errors import InputError

__all__ = ["LatentSystem"]

_BISECTIONS = 40
"""Halvings of an interval: to twelve digits of its length."""


class LatentSystem:
    """`d = G z + e`, `e ~ N(0, I)`: one case, linear or linearised, ready for any prior variance.

    With the singular values `G = U S V'` every question about a prior `N(z0, r2 I)` is one about
    m numbers, each seen through a direction of its own: the gains are `r2 S / (1 + r2 S^2)`, so
    that the factor is made once and each noise level of a sampler costs two products.
    Reference: Rodgers (2000), Inverse Methods for Atmospheric Sounding, sec. 2.4.

    Args:
        G: Derivative of what is read, whitened by the observation error, shape (n, k); rows of
            zeros stand for no value.
        d: `y - g(z1) + G z1`, whitened likewise, where z1 is the point of the linearisation;
            shape (n,).

    Raises:
        InputError: If shapes differ or a number is not finite.

    >>> system = LatentSystem(torch.tensor([[1.0, 0.0]]), torch.tensor([2.0]))
    >>> system.prox(torch.zeros(1, 2), 1.0).tolist()
    [[1.0, 0.0]]
    """

    def __init__(self, G: Tensor, d: Tensor) -> None:
        if G.ndim != 2 or d.shape != G.shape[:1]:
            raise InputError(
                f"a derivative of shape {tuple(G.shape)} and departures of {tuple(d.shape)} are "
                "no system: give (n, k) and (n,)."
            )
        if not bool(torch.isfinite(G).all() and torch.isfinite(d).all()):
            raise InputError(
                "what the latents predict, or its derivative, is not finite: look at the decoder "
                "and the operators' range."
            )
        U, S, Vh = torch.linalg.svd(G.double(), full_matrices=False)
        seen = torch.finfo(G.dtype).eps * S.sum() < S
        U, S, Vh = U[:, seen], S[seen], Vh[seen]
        self._seen = d.double() @ U
        self._beyond = (d.double() - U @ self._seen).square().sum()
        self._lam = S.square()
        self._rows = (S[:, None] * Vh).to(G)

    def prox(self, z0: Tensor, r2: Tensor | float) -> Tensor:
        """`argmin 1/2 |d - G z|^2 + 1/2 |z - z0|^2 / r2`, the posterior mean under `N(z0, r2 I)`.

        Args:
            z0: Shape (M, k).
            r2: Variance, >= 0: one, or one a row, shape (M,).

        Raises:
            InputError: If a latent has not k numbers or a variance is negative.
        """
        gain = _column(r2, self._lam)
        return z0 + self._back(gain / (1.0 + gain * self._lam) * self._departure(z0))

    def draw(self, z0: Tensor, r2: Tensor | float, noise: Tensor) -> Tensor:
        """A draw of that posterior from every row of standard normal `noise`, shape (M, k).

            z = prox(z0) + r (I - V [1 - (1 + r2 S^2)^-1/2] V') n

        The symmetric root of the covariance needs no perturbed observations, so that the numbers
        of a row do not depend on how many values other cases have. Raises as `prox`.
        """
        variance = _column(r2, self._lam)
        root = (1.0 + variance * self._lam).sqrt()
        known = variance / (root * (1.0 + root)) * self._forward(noise)
        return self.prox(z0, r2) + variance.sqrt().to(noise) * (noise - self._back(known))

    def chi2(self, z0: Tensor, r2: Tensor | float) -> Tensor:
        """`|d - G prox(z0, r2)|^2`, float64, (M,); it falls as r2 grows. Raises as `prox`."""
        return self._chi2(self._departure(z0).square(), _column(r2, self._lam))

    def discrepancy(self, z0: Tensor, r2: Tensor | float, target: Tensor | float) -> Tensor:
        """The largest variance up to `r2` for which `chi2` is not below `target`, shape (M,).

        0 where z0 itself fits better than that; target one number, or one a row. Raises as `prox`.
        Reference: Morozov (1966), Sov. Math. Dokl. 7, 414.
        """
        square = self._departure(z0).square()
        most = _column(r2, self._lam).expand(len(z0), 1)
        low, high = torch.zeros_like(most), most
        for _ in range(_BISECTIONS):
            middle = 0.5 * (low + high)
            far = (self._chi2(square, middle) >= target)[:, None]
            low, high = torch.where(far, middle, low), torch.where(far, high, middle)
        whole = self._chi2(square, most) >= target
        return torch.where(whole, most[:, 0], low[:, 0])

    def _chi2(self, square: Tensor, variance: Tensor) -> Tensor:
        return self._beyond + (square / (1.0 + variance * self._lam).square()).sum(1)

    def _departure(self, z0: Tensor) -> Tensor:
        return self._seen - self._forward(z0)

    def _forward(self, z: Tensor) -> Tensor:
        """`S V' z`, float64, (M, m)."""
        if z.ndim != 2 or z.shape[1] != self._rows.shape[1]:
            raise InputError(
                f"latents of shape {tuple(z.shape)} are not of this system: give "
                f"(rows, {self._rows.shape[1]})."
            )
        return (z @ self._rows.to(z).T).double()

    def _back(self, e: Tensor) -> Tensor:
        """`V S e` in the precision of the system, (M, k)."""
        return e.to(self._rows) @ self._rows


def _column(r2: Tensor | float, like: Tensor) -> Tensor:
    variance = torch.as_tensor(r2, dtype=torch.float64, device=like.device).reshape(-1, 1)
    if not bool((variance >= 0.0).all()):
        raise InputError(f"a prior variance is {float(variance.min()):g}: give 0 or more.")
    return variance
