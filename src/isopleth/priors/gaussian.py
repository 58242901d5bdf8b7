"""EofGaussian: the prior whose denoiser, samples and posterior are known in closed form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from isopleth.core.errors import InputError
from isopleth.core.protocols import Observed
from isopleth.priors.eof import leading_modes
from isopleth.priors.noise_level import per_row
from isopleth.priors.posterior import LowRank, posterior

__all__ = ["EofGaussian", "Wiener"]

_CLASSES = 64
"""Most values of the trailing variance: each costs one k x k matrix."""

_TRAILING_FLOOR = 1e-4
"""Least share of a cell's variance that is trailing, so that a fit has an inverse."""

_FLOOR = 1e-6
"""The same as a share of the mean variance, for cells that never change."""


class Wiener(Protocol):
    """A Gaussian prior: its denoiser is a linear filter with a known error."""

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """`E[x0 | x0 + sigma n = x]`, shape of `x`, (B, level, lat, lon)."""
        ...

    def error_variance(self, sigma: Tensor) -> Tensor:
        """Variance of x0 given x, mean over the ocean cells; shape of `sigma`, () or (n,)."""
        ...


class EofGaussian(nn.Module):
    """`x ~ N(0, S)` with `S = V diag(lam) V' + diag(tau2)`: leading modes and what they leave.

        D(x, q) = S (S + q^2)^-1 x = tau2 / N x + q^2 / N U M^-1 U' N^-1 x
        N = tau2 + q^2,   U = V sqrt(lam),   M = I + U' N^-1 U

    (Woodbury), exact for any V. Where V is orthonormal and tau2 one number it is the filter of
    gain `(lam + tau2) / (lam + tau2 + q^2)` along the modes and `tau2 / N` elsewhere. A denoiser
    costs two products with V; the k x k matrix is made from one Gram matrix for each value of
    tau2, so a field with more than 64 of them is rounded to 64 classes of nearly equal ratio (this
    is then the prior, and everything here is exact for it).
    Reference: Hoteit, Pham and Blum (2002), J. Mar. Syst. 36, 101, for the posterior.

    Args:
        vectors: `V`, shape (k, level, lat, lon); land is ignored.
        variances: `lam`, >= 0, shape (k,).
        trailing: `tau2`, > 0 in the ocean: one number, or shape (level, lat, lon).
        mask: True = ocean, shape (level, lat, lon) or one that broadcasts to it.

    Raises:
        InputError: If shapes do not fit, a value is not finite in the ocean, or a variance
            negative or a trailing one 0.

    >>> one = torch.ones(1, 1, 1, 1)
    >>> prior = EofGaussian(one, torch.tensor([3.0]), torch.tensor(1.0), one[0] > 0)
    >>> prior(torch.tensor([[[[5.0]]]]), torch.tensor(1.0)).item()
    4.0
    """

    mask: Tensor
    vectors: Tensor
    variances: Tensor
    trailing: Tensor

    def __init__(self, vectors: Tensor, variances: Tensor, trailing: Tensor, mask: Tensor) -> None:
        super().__init__()
        shape = vectors.shape[1:]
        mask = _ocean(mask, vectors)
        if variances.shape != vectors.shape[:1] or trailing.shape not in ((), shape):
            raise InputError(
                f"there are {tuple(vectors.shape)} modes, {tuple(variances.shape)} variances and a"
                f" trailing variance of shape {tuple(trailing.shape)}: give one variance a mode, "
                "and one trailing variance or one a cell."
            )
        _check(vectors, variances, trailing.expand(shape)[mask], mask)
        self.register_buffer("mask", mask)
        self.register_buffer("vectors", torch.where(mask, vectors, 0.0))
        self.register_buffer("variances", variances)
        self.register_buffer("trailing", _classes(trailing, mask))
        self._known: tuple[Tensor, Tensor, Tensor] | None = None
        self.register_load_state_dict_post_hook(_forget)

    @classmethod
    def fit(
        cls,
        states: Tensor,
        mask: Tensor,
        modes: int,
        *,
        weights: Tensor | None = None,
        local: bool = False,
    ) -> EofGaussian:
        """The leading modes of states about 0, and the variance they leave.

        Args:
            states: Standardised anomalies, shape (n, level, lat, lon); land is ignored.
            mask: True = ocean, shape (level, lat, lon) or one that broadcasts to it.
            modes: `k`, at most the number of states and of ocean cells.
            weights: Of the cells, area times thickness say, broadcast to (level, lat, lon): the
                modes then carry the most weighted variance.
            local: A trailing variance for every cell, not their mean over the ocean.

        Raises:
            InputError: If `modes` is out of range or a state is not finite in the ocean.
        """
        ocean = _ocean(mask, states)
        X = states[:, ocean]
        cells = torch.ones_like(X[0]) if weights is None else weights.expand(ocean.shape)[ocean]
        V, lam = leading_modes(X, modes, cells.to(X).sqrt())
        total = X.square().mean(0)
        left = total - (lam[:, None] * V.square()).sum(0)
        left = left.maximum(_TRAILING_FLOOR * total).clamp_min(_FLOOR * float(total.mean()))
        vectors = states.new_zeros(modes, *ocean.shape)
        vectors[:, ocean] = V
        trailing = states.new_ones(ocean.shape)
        trailing[ocean] = left
        return cls(vectors, lam, trailing if local else left.mean(), ocean)

    @property
    def variance(self) -> Tensor:
        """`diag(S)`, 0 on land, shape (level, lat, lon)."""
        U = self.vectors * self.variances.sqrt().reshape(-1, 1, 1, 1)
        return torch.where(self.mask, U.square().sum(0) + self.trailing, 0.0)

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        """`E[x0 | x0 + sigma n = x]`, shape of `x`; `sigma` without axes or (B,)."""
        with torch.autocast(x.device.type, enabled=False):
            x, q2 = torch.where(self.mask, x, 0.0), per_row(sigma, x, field=True).square()
            N = self.trailing.to(x) + q2
            V = self.vectors.to(x.dtype).flatten(1)
            root = self.variances.sqrt().double()
            p = ((x / N).flatten(1) @ V.T).double() * root
            c = self._solve(q2.flatten(), p) * root
            modes = (c.to(x.dtype) @ V).reshape(x.shape)
            return (self.trailing.to(x) * x + q2 * modes) / N * self.mask

    def covariance_product(self, v: Tensor, sigma: Tensor) -> Tensor:
        """`V[x0 | x] v = sigma^2 D(v, sigma)`: the error covariance of the denoiser."""
        return per_row(sigma, v, field=True).square() * self(v, sigma)

    def error_variance(self, sigma: Tensor) -> Tensor:
        """Variance of x0 given x0 + sigma n, mean over the ocean cells; shape of `sigma`."""
        tau2, cells, gram = self._grams()
        q2 = sigma.to(tau2).square().reshape(-1, 1)
        N = tau2 + q2
        trailing = (cells * tau2 / N).sum(1)
        H = torch.einsum("sg,gkl->skl", q2 / N.square(), gram)
        modes = torch.cholesky_solve(H, self._factor(q2)).diagonal(dim1=1, dim2=2).sum(1)
        return (q2[:, 0] * (trailing + modes) / cells.sum()).to(sigma.dtype).reshape(sigma.shape)

    def sample(self, noise: Callable[[Sequence[int]], Tensor]) -> Tensor:
        """Draws of x, shape (members, level, lat, lon).

        Args:
            noise: From a shape to (members, *shape), as `MemberNoise`.
        """
        a = noise(self.variances.shape) * self.variances.sqrt()
        e = noise(self.mask.shape) * self.trailing.sqrt()
        return torch.where(self.mask, (a @ self.vectors.flatten(1)).reshape(e.shape) + e, 0.0)

    def posterior(self, observations: Sequence[Observed]) -> tuple[Tensor, Tensor]:
        """Mean and variance of x given observations, exact; each (level, lat, lon), 0 on land.

        Args:
            observations: With the sparse operators of `isopleth.observe`, in the units of x.

        Raises:
            InputError: If an operator has no sparse matrix.
        """
        U = self.vectors * self.variances.sqrt().reshape(-1, 1, 1, 1)
        trailing = self.trailing.expand(self.mask.shape)
        found = posterior(
            LowRank(
                _numbers(U[:, self.mask].T), _numbers(trailing[self.mask]), _numbers(self.mask)
            ),
            observations,
        )
        fields = torch.zeros(2, *self.mask.shape, dtype=self.vectors.dtype)
        fields[:, self.mask.cpu()] = torch.from_numpy(found).to(fields)
        mean, variance = fields.to(self.vectors.device)
        return mean, variance

    def _solve(self, q2: Tensor, p: Tensor) -> Tensor:
        """`M^-1 p` for rows p (B, k), one q2 for all or one each."""
        rows = p[None].mT if len(q2) == 1 else p[..., None]
        solved = torch.cholesky_solve(rows, self._factor(q2[:, None]))
        return solved[0].T if len(q2) == 1 else solved[..., 0]

    def _factor(self, q2: Tensor) -> Tensor:
        """Cholesky factor of `M = I + U' N^-1 U`, shape (s, k, k), for q2 (s, 1)."""
        tau2, _, gram = self._grams()
        M = torch.einsum("sg,gkl->skl", (tau2 + q2.to(tau2)).reciprocal(), gram)
        M.diagonal(dim1=1, dim2=2).add_(1.0)
        return torch.linalg.cholesky(M)

    def _grams(self) -> tuple[Tensor, Tensor, Tensor]:
        """Values of tau2 (g,), how many cells have them (g,), `U' U` over those (g, k, k)."""
        if self._known is None or self._known[0].device != self.vectors.device:
            trailing = self.trailing.expand(self.mask.shape)[self.mask].double()
            tau2, which, cells = trailing.unique(return_inverse=True, return_counts=True)
            V, root = self.vectors[:, self.mask], self.variances.double().sqrt()
            parts = [V[:, which == g].double() * root[:, None] for g in range(len(tau2))]
            self._known = tau2, cells, torch.stack([part @ part.T for part in parts])
        return self._known


def _forget(prior: nn.Module, _: object) -> None:
    prior._known = None  # type: ignore[assignment]


def _numbers(x: Tensor) -> NDArray[Any]:
    return x.detach().cpu().numpy()


def _ocean(mask: Tensor, fields: Tensor) -> Tensor:
    """The mask of fields (n, level, lat, lon), shape (level, lat, lon)."""
    try:
        ocean = mask.bool().expand(fields.shape[1:]).clone()
    except RuntimeError:
        ocean = torch.zeros(())
    if fields.ndim != 4 or not ocean.any():
        raise InputError(
            f"a mask of shape {tuple(mask.shape)} and fields of {tuple(fields.shape)}: give "
            "(n, level, lat, lon) and a mask of its last three axes with ocean in it."
        )
    return ocean


def _check(V: Tensor, lam: Tensor, tau2: Tensor, ocean: Tensor) -> None:
    finite = all(bool(torch.isfinite(part).all()) for part in (V[:, ocean], lam, tau2))
    if not finite or bool((lam < 0.0).any()) or not bool((tau2 > 0.0).all()):
        raise InputError(
            f"the smallest variance of a mode is {float(lam.min()):g} and of the trailing part "
            f"{float(tau2.min()):g}: give finite modes, variances of at least 0 and a positive "
            "trailing one."
        )


def _classes(trailing: Tensor, ocean: Tensor) -> Tensor:
    """At most 64 values in the ocean, the mean of each class kept; 1 on land."""
    if trailing.ndim == 0:
        return trailing.clone()
    values, field = trailing[ocean], torch.ones_like(trailing)
    if len(values.unique()) > _CLASSES:
        log = values.double().log()
        share = (log - log.min()) / (log.max() - log.min())
        which = (share * _CLASSES).long().clamp_max(_CLASSES - 1)
        total = torch.zeros(_CLASSES, dtype=log.dtype, device=log.device)
        total = total.index_add(0, which, values.double())
        values = (total / which.bincount(minlength=_CLASSES))[which].to(values)
    field[ocean] = values
    return field
