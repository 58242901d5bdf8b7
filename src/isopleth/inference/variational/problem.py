"""Problem: the cost that every variational method here minimises, whatever is inside `G`.

    J(v) = 1/2 |v - c|^2 + 1/2 (y - G(v))' R^-1 (y - G(v))

with `v` the control variable, in which the background error is white (`v ~ N(c, I)`). 3D-Var has
`G = H(x_b + U v)`, 4D-Var puts the model between, latent forms a decoder, weak constraints append
model errors to `v`. Rows are independent cases.
Reference: Courtier (1997), Q. J. R. Meteorol. Soc. 123, 2449; Bannister (2017), Q. J. R.
Meteorol. Soc. 143, 607.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.inference.variational.tangent import along

__all__ = ["Linearised", "Minimum", "Problem", "Solver"]

Forward = Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False, kw_only=True)
class Problem:
    """One cost a row.

    Args:
        forward: `G`, from (R, m) to (R, n), differentiable, rows independent.
        single: `G` of row r alone, from (1, m) to (1, n).
        values: `y`, shape (R or 1, n).
        precision: Diagonal of `R^-1`, same shape; 0 where a row has no such value.
        centre: `c`, shape (R, m).
        simplified: G with a cheaper model, for the quadratic costs of the outer loops: one a loop,
            the last for all that follow; () = G itself.
    """

    forward: Forward
    single: Callable[[int], Forward]
    values: Tensor
    precision: Tensor
    centre: Tensor
    simplified: tuple[Forward, ...] = ()

    def cost(self, v: Tensor) -> Tensor:
        """`J`, float64, shape (R,)."""
        misfit = self.precision * (self.values - self.forward(v)).square()
        return 0.5 * ((v - self.centre).square().double().sum(1) + misfit.double().sum(1))

    def gradient(self, v: Tensor) -> tuple[Tensor, Tensor]:
        """`J` (R,) and `dJ/dv`, shape of v."""
        with torch.enable_grad():
            at = v.detach().requires_grad_()
            cost = self.cost(at)
            (slope,) = torch.autograd.grad(cost.sum(), at)
        return cost.detach(), slope

    def linearised(self, v: Tensor, loop: int = 0) -> Linearised:
        """`G` near v, with the derivatives of the simpler one of this outer loop if there are."""
        inner = self.simplified[min(loop, len(self.simplified) - 1)] if self.simplified else None
        return Linearised(self, v, inner)

    def case(self, row: int) -> Problem:
        """Row r as a problem of its own."""
        alone = self.single(row)
        pick = slice(row, row + 1)
        shared = len(self.values) == 1
        return Problem(
            forward=alone,
            single=lambda _: alone,
            values=self.values if shared else self.values[pick],
            precision=self.precision if len(self.precision) == 1 else self.precision[pick],
            centre=self.centre[pick],
        )

    def perturbed(self, generator: torch.Generator, *, background: bool) -> Problem:
        """Every row with its own draws of `y + N(0, R)` and, if asked, of `c + N(0, I)`."""
        rows = len(self.centre)
        y, precision = (t.expand(rows, -1) for t in (self.values, self.precision))
        error = torch.where(precision > 0, precision, 1.0).rsqrt() * _normal(y, generator)
        values = torch.where(precision > 0, y + error, y)
        centre = self.centre + _normal(self.centre, generator) if background else self.centre
        return replace(self, values=values, precision=precision, centre=centre)


@dataclass(frozen=True, eq=False)
class Linearised:
    """`G(v + dv) = G(v) + G' dv + ...`, with the derivative as products.

    `push` is a forward-mode derivative and needs no memory; `pull` keeps the graph of one forward
    run, in which checkpoints are respected. With `inner` both are the derivatives of that simpler
    function, while what is predicted is `G(v)`.

    Raises:
        InputError: If `G` is not differentiable.
    """

    problem: Problem
    at: Tensor
    inner: Forward | None = None
    predicted: Tensor = field(init=False)
    _graph: tuple[Tensor, Tensor] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Run `G` once and keep the graph."""
        with torch.enable_grad():
            v = self.at.detach().requires_grad_()
            g = self._derived(v)
        if g.grad_fn is None:
            raise InputError(
                "what is predicted does not depend on the state through torch: give "
                "differentiable operators and dynamics."
            )
        exact = g.detach() if self.inner is None else self.problem.forward(self.at)
        object.__setattr__(self, "predicted", exact)
        object.__setattr__(self, "_graph", (v, g))

    def push(self, dv: Tensor) -> Tensor:
        """`G' dv`, from (R, m) to (R, n)."""
        return along(self._derived, self.at, dv)

    def pull(self, u: Tensor) -> Tensor:
        """`G'^T u`, from (R, n) to (R, m)."""
        v, g = self._graph
        return torch.autograd.grad(g, v, u, retain_graph=True)[0]

    @property
    def _derived(self) -> Forward:
        return self.inner or self.problem.forward

    def gradient(self) -> Tensor:
        """`dJ/dv` here."""
        p = self.problem
        return self.at - p.centre - self.pull(p.precision * (p.values - self.predicted))

    def hessian(self, dv: Tensor) -> Tensor:
        """`(I + G'^T R^-1 G') dv`: that of the quadratic cost with `G` linearised."""
        return dv + self.pull(self.problem.precision * self.push(dv))


@dataclass(frozen=True, eq=False, kw_only=True)
class Minimum:
    """Where a solver ended.

    Attributes:
        control: The best `v` seen, shape (R, m).
        history: Best cost so far, by step of the solver, float64, shape (steps + 1, R).
        converged: Whether the gradient fell as far as was asked, shape (R,).
        fell_back: Whether the last step was no improvement, so that an earlier iterate is given.
    """

    control: Tensor
    history: Tensor
    converged: Tensor
    fell_back: Tensor


Solver = Callable[[Problem], Minimum]


def _normal(like: Tensor, generator: torch.Generator) -> Tensor:
    z = torch.randn(like.shape, generator=generator, device=generator.device, dtype=torch.float64)
    return z.to(like)
