"""Latent RePaint: seen cells are fused in the space of states, between the steps in a latent's.

    z' = step(z),   a = (z_k + s' n) / c,   b = z' / c,   c = sqrt(1 + s'^2)
    z' <- c E(w D(a) + (1 - w) D(b)),   z_k = E(known)

`known` is a whole state, since a codec takes no part of one: the background with the observed
cells replaced. Published runs encode the truth there, which tells the method what it is asked;
here nothing but the background and the observations is in reach. `w` is 1 where seen and 0
elsewhere, or between them (`diffda`). D and E see the variance-preserving z / c, of the size of
the latents they were trained with.
A trap: where D is no rotation, noise that is white in latents is correlated between cells, and
cells put back with noise of their own break that. More resampling then does not lead to the
posterior; whitened EOFs are such a D.
Reference: the baseline of Align-DA (2025), arXiv:2505.22008; Lugmayr et al. (2022),
arXiv:2201.09865.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.core.protocols import LinearOperator, Observed
from isopleth.inference.jumps import Jumps
from isopleth.inference.variational.readings import ByCase
from isopleth.observe.counted import counted
from isopleth.priors.samplers import Noise, Step, Wrapped

__all__ = ["LatentRePaint", "cells_of", "replaced"]

Map = Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False, kw_only=True)
class LatentRePaint(Wrapped):
    """A sampler of latents conditioned on cells of states: `(noise, latent) -> (R, *latent)`.

    Row r belongs to case `r mod C`. Seen cells come out as the codec can say them, whatever their
    errors; what few modes or a smooth decoder cannot show of lone cells is lost between them. A
    multistep sampler takes its first-order step.

    Args:
        sampler: Of the prior of latents.
        known: Shape (C, *state): finite everywhere, right where the weight is.
        weight: w, in [0, 1], shape of `known`.
        encode: E, from (R, *state) to (R, *latent); it may know the cases' backgrounds.
        decode: D, back.
        resampling: How often each step is taken, 1 = no resampling.
        jump: Steps that are taken again together.

    Raises:
        InputError: If `resampling` or `jump` is not positive, shapes differ, `known` is not finite
            or a weight out of [0, 1].
    """

    known: Tensor
    weight: Tensor
    encode: Map
    decode: Map
    resampling: int = 1
    jump: int = 1
    _latent: Tensor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the values, and encode what is known."""
        self._jumps()
        if self.known.shape != self.weight.shape:
            raise InputError(
                f"known states have shape {tuple(self.known.shape)} and weights "
                f"{tuple(self.weight.shape)}: give one weight for every cell of every case."
            )
        if not torch.isfinite(self.known).all():
            raise InputError("a known state is not finite: fill what was not seen from x_b.")
        if not bool(((self.weight >= 0) & (self.weight <= 1)).all()):
            raise InputError(
                f"weights from {float(self.weight.min()):g} to {float(self.weight.max()):g} are "
                "no shares: give numbers from 0 to 1."
            )
        with torch.no_grad():
            object.__setattr__(self, "_latent", self.encode(self.known))
        super().__post_init__()

    def step(self, x: Tensor, sigma: Tensor, sigma_next: Tensor, noise: Noise) -> Tensor:
        """The sampler's step, once, and the fusion."""
        z = self.sampler.step(x, sigma, sigma_next, noise)
        times, left = divmod(len(z), len(self._latent))
        if left:
            raise InputError(
                f"there are {len(z)} latents and {len(self._latent)} known states: give the same "
                "number of members for every case."
            )
        seen = self._latent.to(z).repeat(times, *[1] * (z.ndim - 1))
        if sigma_next > 0.0:
            seen = seen + sigma_next * noise(z.shape[1:])
        scale = (1.0 + sigma_next.square()).sqrt()
        w = self.weight.to(z).repeat(times, *[1] * (self.weight.ndim - 1))
        fused = torch.lerp(self.decode(z / scale), self.decode(seen / scale), w)
        return scale * self.encode(fused)

    def begin(self) -> Step:
        """The steps of one run, each taken `resampling` times."""
        return self._jumps().over(self.step, self.sigmas)

    def _jumps(self) -> Jumps:
        return Jumps(self.jump, self.resampling)


def replaced(background: Tensor, cells: Tensor, seen: Tensor) -> Tensor:
    """`known` of plain RePaint: the background, with the seen cells as they were read.

    Args:
        background: `x_b`, shape (C, *state).
        cells: `y` where seen, anything elsewhere; same shape.
        seen: True = observed, same shape.

    Raises:
        InputError: If shapes differ or a seen value is missing.
    """
    if not background.shape == cells.shape == seen.shape:
        raise InputError(
            f"backgrounds, cells and flags have shapes {tuple(background.shape)}, "
            f"{tuple(cells.shape)} and {tuple(seen.shape)}: give three of one shape."
        )
    if not torch.isfinite(cells[seen]).all():
        raise InputError("a seen cell has no finite value: take it out of `seen`.")
    return torch.where(seen, cells, background)


def cells_of(observations: ByCase, state: torch.Size, like: Tensor) -> tuple[Tensor, Tensor]:
    """Observations that are readings of single cells, as cells of a state.

    Args:
        observations: C cases.
        state: Shape of one state, (level, lat, lon).
        like: Brings precision and device.

    Returns:
        `y` with 0 where not seen and which cells are seen, both (C, *state).

    Raises:
        InputError: If an operator reads anything but single cells, each once.
    """
    y = like.new_zeros(len(observations.cases), *state)
    seen = torch.zeros_like(y, dtype=torch.bool)
    for row, case in enumerate(observations.cases):
        for observation in case:
            values, flags = _cells(observation, like)
            if bool((flags & seen[row]).any()):
                raise InputError("a cell is observed twice: give the mean of its values, once.")
            y[row] = y[row] + values
            seen[row] = seen[row] | flags
    return y, seen


def _cells(observation: Observed, like: Tensor) -> tuple[Tensor, Tensor]:
    """One observation, (*state) twice."""
    A, at = observation.operator, counted(observation)
    values = observation.values.to(like)

    def put(v: Tensor) -> Tensor:
        assert isinstance(A, LinearOperator)
        flat = values.new_zeros(values.numel()).index_copy(0, at.to(v.device), v)
        return A.adjoint(flat.reshape(values.shape))

    number = torch.arange(1, len(at) + 1).to(like)
    # A A' is the identity and A' puts every number into a cell of its own
    single = isinstance(A, LinearOperator) and bool(
        torch.equal(A(put(number)).flatten()[at], number)
        and torch.equal(put(number).flatten().sort().values[-len(at) :], number)
    )
    if not single:
        raise InputError(
            f"{type(A).__name__} does not read single cells: leave it out, or guide by DPS, SDA "
            "or MMPS."
        )
    return put(values.flatten()[at]), put(torch.ones_like(number)) > 0.5
