"""LatentReadings: what was seen of every case, as a function of latents."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.inference.latent_system import LatentSystem
from isopleth.inference.variational.problem import Problem
from isopleth.inference.variational.readings import Reader
from isopleth.inference.variational.tangent import along

__all__ = ["LatentReadings", "LatentSystem"]

Decode = Callable[[Tensor], Any]
"""From latents (R, *latent) to what the readings take: states (R, *state), or a window's."""

_ROWS = 1024
"""Most latents that are decoded at once for a derivative."""


class LatentReadings:
    """`g(z) = R^-1/2 H(D(z))` of C cases, so that every error has variance 1.

    Row r of z belongs to case `r mod C`, members on the outer axis. A case with fewer values than
    another is padded with zeros, which count for nothing. Latents are read in the precision of
    the values, whatever their own.

    Attributes:
        values: `R^-1/2 y`, shape (C, n).
        counts: Values that count, shape (C,).
        linear: Whether g is affine: its systems are then made once and kept.

    Args:
        seen: `H`, `y` and `R` of states, such as `variational.readings.Readings`, or a window's.
        decode: `D`, differentiable; knows the background of each row's case.
        linear_decode: Whether D is affine, as for EOFs.
        alone: From the number of a case to its own D, for any number of rows. Without it one
            case is read by decoding it as every case: C times dearer, and needed only by
            `QuasiNewton` and a linearised `system`.

    Raises:
        InputError: If there is no case, or no value counts in any.

    >>> from isopleth.dynamics.lorenz import Components
    >>> from isopleth.inference.variational.readings import Readings
    >>> from isopleth.observe import Observation
    >>> seen = Observation(torch.tensor([3.0]), Components((1,), 2), torch.tensor(4.0))
    >>> readings = LatentReadings(Readings([seen], torch.zeros(1)), lambda z: 2.0 * z)
    >>> readings(torch.tensor([[0.0, 1.0]])).tolist(), readings.misfit(torch.zeros(1, 2)).tolist()
    ([[1.0]], [1.125])
    """

    def __init__(
        self,
        seen: Reader,
        decode: Decode,
        *,
        linear_decode: bool = False,
        alone: Callable[[int], Decode] | None = None,
    ) -> None:
        if not bool(seen.counts.any()):
            raise InputError(
                f"no value counts in any of {len(seen.counts)} cases: give observations that are "
                "finite and within reach of their operators."
            )
        self._reader, self._decode, self._alone = seen, decode, alone
        self._root = seen.precision.sqrt()
        self.values = self._root * seen.values
        self.counts = seen.counts
        self.linear = linear_decode and seen.linear
        self._systems: tuple[LatentSystem, ...] = ()

    def __call__(self, z: Tensor) -> Tensor:
        """`g(z)`, from (R, *latent) to (R, n); differentiable.

        Raises:
            InputError: If the rows are no multiple of the cases.
        """
        return self.per_row(self._root, len(z)) * self._reader(self._decode(z.to(self._root)))

    def misfit(self, z: Tensor) -> Tensor:
        """`1/2 |R^-1/2 (y - H D(z))|^2`, float64, shape (R,); raises as the call."""
        departure = self.per_row(self.values, len(z)) - self(z)
        return 0.5 * departure.square().double().sum(1)

    def per_row(self, cases: Tensor, rows: int) -> Tensor:
        """The value of each row's case, (C, ...) to (rows, ...).

        Raises:
            InputError: If the rows are no multiple of the cases.
        """
        if not rows or rows % len(cases):
            raise InputError(
                f"there are {rows} latents and observations of {len(cases)} cases: give every "
                "case as many rows, members on the outer axis."
            )
        return cases.repeat(rows // len(cases), *(1 for _ in cases.shape[1:]))

    def problem(self, z0: Tensor, r2: Tensor) -> Problem:
        """`J(v) = 1/2 |v|^2 + misfit(z0 + r v)`: the cost of a prior `N(z0, r2 I)`.

        Args:
            z0: Shape (R, *latent).
            r2: () or (R,).

        Raises:
            InputError: As the call.
        """
        r = r2.to(z0).sqrt().reshape(-1, 1)
        flat = z0.flatten(1)
        cases, rows = len(self.counts), len(z0)

        def forward(v: Tensor) -> Tensor:
            return self(torch.addcmul(flat, r, v).reshape(z0.shape))

        def single(row: int) -> Callable[[Tensor], Tensor]:
            read = self.case(row % cases)
            step, first = (r if len(r) == 1 else r[row : row + 1]), flat[row : row + 1]
            return lambda v: read(torch.addcmul(first, step, v).unflatten(1, z0.shape[1:]))

        return Problem(
            forward=forward,
            single=single,
            values=self.per_row(self.values, rows),
            precision=self.per_row((self._root > 0).to(self._root), rows),
            centre=torch.zeros_like(flat),
        )

    def case(self, case: int) -> Callable[[Tensor], Tensor]:
        """`g` of one case, from (k, *latent) to (k, n)."""
        cases = len(self.counts)
        if self._alone is not None:
            decode, read, root = self._alone(case), self._reader.case(case), self._root[case]
            return lambda z: root * read(decode(z.to(root)))
        return lambda z: self(z.repeat_interleave(cases, 0))[case::cases]

    def system(self, row: int, at: Tensor) -> LatentSystem:
        """Row r's case, linearised about `at`, shape `latent`; exact if `linear`."""
        case = row % len(self.counts)
        if self.linear:
            return self.systems(at.shape)[case]
        g, here = self.case(case), at[None]
        G = _derivative(g, here, _ROWS if self._alone else _ROWS // len(self.counts))[0]
        with torch.no_grad():
            return LatentSystem(G, self.values[case] - g(here)[0] + G @ here.flatten())

    def systems(self, latent: torch.Size) -> tuple[LatentSystem, ...]:
        """Those of all cases where g is affine, made at the first call.

        Raises:
            InputError: If it is not.
        """
        if not self.linear:
            raise InputError(
                "decoder or operators are not linear: ask for the system of one row about a point."
            )
        if not self._systems:
            origin = self.values.new_zeros(len(self.counts), *latent)
            with torch.no_grad():
                d = self.values - self(origin)
            G = _derivative(self, origin, _ROWS // len(origin))
            self._systems = tuple(LatentSystem(*case) for case in zip(G, d, strict=True))
        return self._systems


def _derivative(g: Callable[[Tensor], Tensor], at: Tensor, most: int) -> Tensor:
    """`dg/dz` of every row, (R, n, k): forward-mode, up to `most` columns of all rows at once."""
    rows, k = len(at), at[0].numel()
    columns = []
    for unit in torch.eye(k, dtype=at.dtype, device=at.device).split(max(1, most)):
        direction = unit.repeat_interleave(rows, 0).unflatten(1, at.shape[1:])
        here = at.repeat(len(unit), *(1 for _ in at.shape[1:]))
        columns.append(along(g, here, direction).unflatten(0, (len(unit), rows)))
    return torch.cat(columns).permute(1, 2, 0)
