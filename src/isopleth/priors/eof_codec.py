"""EOFs as a codec: the linear one that loses least variance for its number of latents."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from isopleth.core.errors import InputError
from isopleth.priors.eof import leading_modes

__all__ = ["EofCodec"]

_NEGLIGIBLE = 1e-10
"""Share of the first variance below which a mode is rounding error in single precision."""

_DENSE = 2048
"""Numbers in a state up to which their whole covariance is decomposed."""


class EofCodec(nn.Module):
    """`z_k = <v_k, x - m> / s_k`, `x = m + sum_k s_k z_k v_k`; `<a, b> = sum_i w_i a_i b_i`.

    The v_k are orthonormal and lead the covariance of the states, so no other linear map to as
    many numbers has a smaller mean of `<e, e>`, `e = D(E(x)) - x`. With `s_k = sqrt(lambda_k)`
    latents of the climate are white; with 1 they are principal components.
    Reference: Lorenz (1956), Empirical Orthogonal Functions and Statistical Weather Prediction.

    Args:
        mean: m, shape `state`.
        modes: v, shape (k, *state).
        variances: `lambda`, shape (k,), in the square of the state's unit times the weights'.
        weights: w, broadcastable to `state`: area / climatological variance, say.
        left: Mean of `<e, e>` over the states of the fit.
        total: Mean of `<x - m, x - m>` over them.
        white: Whether `s_k = sqrt(lambda_k)`; else 1.

    Raises:
        InputError: If the shapes do not fit one another.

    >>> states = torch.randn(200, 1, 4, 8, generator=torch.Generator().manual_seed(0))
    >>> codec = EofCodec.fit(states, torch.ones(4, 8), modes=32)
    >>> bool(torch.allclose(codec.decode(codec.encode(states)), states, atol=1e-4))
    True
    """

    mean: Tensor
    modes: Tensor
    variances: Tensor
    weights: Tensor
    spread: Tensor

    def __init__(
        self,
        mean: Tensor,
        modes: Tensor,
        variances: Tensor,
        weights: Tensor,
        *,
        left: float,
        total: float,
        white: bool = True,
    ) -> None:
        super().__init__()
        if modes.shape[1:] != mean.shape or variances.shape != modes.shape[:1]:
            raise InputError(
                f"modes of shape {tuple(modes.shape)} with {variances.numel()} variances do not "
                f"go with states of shape {tuple(mean.shape)}: take all from one fit."
            )
        self.left, self.total, self.white = left, total, white
        spread = variances.sqrt() if white else torch.ones_like(variances)
        self.register_buffer("mean", mean)
        self.register_buffer("modes", modes)
        self.register_buffer("variances", variances)
        self.register_buffer("weights", weights.expand(mean.shape).to(mean).contiguous())
        self.register_buffer("spread", spread)

    @classmethod
    def fit(
        cls, states: Tensor, weights: Tensor, modes: int, *, white: bool = True, seed: int = 0
    ) -> EofCodec:
        """The leading modes of states about their mean.

        Args:
            states: Shape (n, *state).
            weights: Positive, broadcastable to `state`.
            modes: k, at most n - 1 and the number of directions in which the states vary.
            white: Whether latents are scaled to variance 1.
            seed: Of the random subspace, see `eof.leading_modes`.

        Raises:
            InputError: If a state is not finite, a weight not positive or k too large.
        """
        mean = states.mean(0)
        whole = weights.to(mean).expand(mean.shape)
        X = (states - mean).flatten(1)
        V, variances = _modes(X, modes, whole.reshape(-1).double().sqrt(), seed)
        if not bool(variances[-1] > _NEGLIGIBLE * variances[0]):
            raise InputError(
                f"the last of {modes} modes has no variance: the states vary in fewer "
                "directions, ask for no more modes than those."
            )
        total = float((X.square() @ whole.reshape(-1).to(X)).double().mean())
        kept = float(variances.double().sum())
        left = max(total - kept, 0.0)
        fitted = V.unflatten(-1, mean.shape)
        return cls(mean, fitted, variances, whole, left=left, total=total, white=white)

    @property
    def truncation(self) -> float:
        """Share of the variance of the fit's states that the modes leave out, in [0, 1]."""
        return self.left / self.total

    def leading(self, modes: int) -> EofCodec:
        """The codec of the first `modes` modes.

        Raises:
            InputError: If there are not so many.
        """
        if not 1 <= modes <= len(self.modes):
            raise InputError(
                f"{modes} of {len(self.modes)} modes: ask for 1 or more, not for more."
            )
        lost = float(self.variances[modes:].double().sum())
        parts = self.mean, self.modes[:modes], self.variances[:modes], self.weights
        return EofCodec(*parts, left=self.left + lost, total=self.total, white=self.white)

    def encode(self, x: Tensor) -> Tensor:
        """From (..., *state) to (..., k).

        Raises:
            InputError: If the last axes are not those of a state.
        """
        axes = self.mean.ndim
        if x.shape[-axes:] != self.mean.shape:
            raise InputError(
                f"a field of shape {tuple(x.shape)} is no state of these modes, "
                f"{tuple(self.mean.shape)}: bring it to their grid."
            )
        anomaly = ((x - self.mean) * self.weights).flatten(-axes)
        return anomaly @ self.modes.flatten(1).mT / self.spread

    def decode(self, z: Tensor) -> Tensor:
        """From (..., k) to (..., *state).

        Raises:
            InputError: If the last axis is not k.
        """
        if z.shape[-1:] != self.spread.shape:
            raise InputError(
                f"a latent of shape {tuple(z.shape)} does not end in {len(self.spread)}: give one "
                "number for each mode."
            )
        anomaly = (z * self.spread) @ self.modes.flatten(1)
        return self.mean + anomaly.unflatten(-1, self.mean.shape)


def _modes(X: Tensor, modes: int, root: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """As `leading_modes`, in double precision: there the smallest of many modes are kept apart."""
    n, cells = X.shape
    W = X.double()
    sound = bool(torch.isfinite(W).all() and (root > 0.0).all()) and 1 <= modes <= cells
    if not sound or cells > min(n, _DENSE):
        V, variances = leading_modes(W, modes, root, seed=seed)
        return V.to(X), variances.to(X)
    values, vectors = torch.linalg.eigh((W * root).mT @ (W * root) / n)
    V = vectors.flip(1)[:, :modes].mT / root
    return V.to(X), values.flip(0)[:modes].clamp_min(0.0).to(X)
