"""Result: an analysis, and what the person who asked for it has to know about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Result", "side_by_side"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Result:
    """One analysis a case; `batch` are the leading axes of the background.

    Attributes:
        state: `x_a`, shape `(*batch, *state)`; at the window's start if there is one.
        observed: Number of values that counted, shape `batch`; 0 = the background came back.
        first_cost: `J` at the background, float64, shape `batch`.
        cost: `J` at the analysis, shape `batch`; about half of `observed` if all is consistent.
        converged: Shape `batch`.
        fell_back: Whether the search ended above an earlier iterate, which is then given.
        history: Best cost so far by step of the solver, shape `(steps + 1, *batch)`.
        control: Control variable, shape `(*batch, m)`; None for a direct solution.
        variance: Of the analysis error, shape of `state`, where it was asked for.
    """

    state: Tensor
    observed: Tensor
    first_cost: Tensor
    cost: Tensor
    converged: Tensor
    fell_back: Tensor
    history: Tensor
    control: Tensor | None = None
    variance: Tensor | None = None

    def remarks(self) -> list[str]:
        """A sentence for everything that did not go as it should; empty if all did."""
        cases = self.observed.numel()
        unseen = int((self.observed == 0).sum())
        late = int((~self.converged & ~self.fell_back).sum())
        fell = int(self.fell_back.sum())
        told = []
        if unseen:
            told.append(
                f"{unseen} of {cases} cases have no observation within reach: their analysis is "
                "the background."
            )
        if fell:
            told.append(
                f"{fell} of {cases} cases diverged: they are given at their lowest cost, "
                "not at a minimum."
            )
        if late:
            told.append(
                f"{late} of {cases} cases had not converged when the iterations were used up: "
                "allow more, or a larger tolerance."
            )
        return told


def side_by_side(histories: Sequence[Tensor]) -> Tensor:
    """Histories `(steps + 1, 1)` of single rows as one, `(most steps + 1, R)`.

    One that ended early keeps its last cost.

    >>> side_by_side([torch.tensor([[5.0], [2.0], [1.0]]), torch.tensor([[4.0], [3.0]])]).tolist()
    [[5.0, 4.0], [2.0, 3.0], [1.0, 3.0]]
    """
    longest = max(len(history) for history in histories)
    padded = [torch.cat([h, h[-1:].expand(longest - len(h), 1)]) for h in histories]
    return torch.cat(padded, 1)
