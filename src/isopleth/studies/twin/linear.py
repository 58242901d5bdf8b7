"""Moments: the best linear estimate of the truth from what is known, and its error."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.inference.variational import SampleCovariance
from isopleth.studies.results import replacing
from isopleth.studies.twin.climate import Climate

__all__ = ["Moments"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Moments:
    """Means and covariances of errors `e = truth - background` and of what is known, b.

    All in spectral coefficients; several fields of what is known stand behind one another, the
    background first.

    Attributes:
        error_mean: Shape (m,).
        known_mean: Shape (p,), p = m times the fields known.
        error: `C_ee`, (m, m).
        cross: `C_eb`, (m, p).
        known: `C_bb`, (p, p).
    """

    error_mean: Tensor
    known_mean: Tensor
    error: Tensor
    cross: Tensor
    known: Tensor

    @classmethod
    def of(cls, climate: Climate, batches: Iterable[tuple[Tensor, Tensor]]) -> Moments:
        """Over batches of truths (n, 3, nlat, nlon) and what is known of them, (n, 3 k, ...).

        Raises:
            InputError: If there are fewer than 2 pairs.
        """
        sums: list[Tensor] = []
        count = 0
        for truth, known in batches:
            b = _coefficients(climate, known)
            e = _coefficients(climate, truth - known[:, : truth.shape[1]])
            parts = e.sum(0), b.sum(0), e.T @ e, e.T @ b, b.T @ b
            doubles = [part.double() for part in parts]
            sums = [a + b for a, b in zip(sums, doubles, strict=True)] if sums else doubles
            count += len(truth)
        if count < 2:
            raise InputError(f"{count} pairs have no covariance: give at least 2, better 10,000.")
        em, bm = sums[0] / count, sums[1] / count
        ee, eb, bb = (part / count for part in sums[2:])
        return cls(
            error_mean=em,
            known_mean=bm,
            error=ee - torch.outer(em, em),
            cross=eb - torch.outer(em, bm),
            known=bb - torch.outer(bm, bm),
        )

    def estimate(
        self, climate: Climate, ridge: float
    ) -> tuple[Callable[[Tensor], Tensor], SampleCovariance]:
        """The linear estimate given what is known, and the covariance of its error.

            x = x_b + W (b - mean b) + mean e,   W = C_eb (C_bb + ridge mean(diag C_ee) I)^-1

        ridge keeps directions in which what is known varies less than backgrounds err.
        """
        Cee, Ceb, Cbb = (part.double() for part in (self.error, self.cross, self.known))
        shift = torch.eye(len(Cbb)).double() * Cee.diagonal().mean()
        W = torch.linalg.solve(Cbb + ridge * shift, Ceb.T).T
        rest = Cee - W @ Ceb.T - Ceb @ W.T + W @ Cbb @ W.T
        matrix, mean, bias = W.float(), self.known_mean.float(), self.error_mean.float()
        levels = len(climate.sd)

        def estimate(known: Tensor) -> Tensor:
            departure = _coefficients(climate, known) - mean
            return known[:, :levels] + climate.fields(bias + departure @ matrix.T)

        return estimate, climate.covariance(0.5 * (rest + rest.T))

    def write(self, path: Path) -> None:
        """As safetensors."""
        tensors = {f.name: getattr(self, f.name).contiguous() for f in fields(self)}
        with replacing(path) as temporary:
            save_file(tensors, temporary)

    @classmethod
    def read(cls, path: Path) -> Moments:
        """As they were written."""
        return cls(**load_file(path))


def _coefficients(climate: Climate, x: Tensor) -> Tensor:
    """Of (n, 3 k, nlat, nlon), (n, k m), field by field."""
    levels = len(climate.sd)
    return torch.cat([climate.coefficients(part) for part in x.split(levels, 1)], 1)
