"""Conjugate gradients: exact after n steps, row by row, stopping where they must."""

from __future__ import annotations

import torch
from torch import Tensor

from isopleth.core.conjugate_gradients import conjugate_gradients


def draw(*shape: int, seed: int) -> Tensor:
    stream = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=stream, dtype=torch.float64)


def systems(rows: int, size: int) -> tuple[Tensor, Tensor]:
    """Matrices (rows, size, size) and right sides (rows, size)."""
    root = draw(rows, size, size, seed=1)
    return root @ root.mT + 0.5 * torch.eye(size), draw(rows, size, seed=2)


def test_they_are_exact_after_n_steps_and_carry_a_linear_map() -> None:
    M, b = systems(1, 6)
    L = draw(6, 3, seed=3)
    z = torch.linalg.solve(M[0], b.T).T
    for diagonal in (None, M[0].diagonal()):
        found = conjugate_gradients(
            lambda u: (u @ M[0], u @ L), b, diagonal=diagonal, iterations=12
        )
        assert torch.allclose(found, z @ L)
    short = conjugate_gradients(lambda u: (u @ M[0], u), b, iterations=3)
    assert not torch.allclose(short, z)


def test_a_preconditioner_of_the_right_scale_makes_units_irrelevant() -> None:
    M, b = systems(1, 6)
    scale = torch.tensor([1.0, 1e3, 1.0, 1e-3, 1.0, 1e2], dtype=torch.float64)
    other = scale[:, None] * M[0] * scale
    plain = conjugate_gradients(lambda u: (u @ M[0], u), b, diagonal=M[0].diagonal(), iterations=3)
    scaled = conjugate_gradients(
        lambda u: (u @ other, u), b * scale, diagonal=other.diagonal(), iterations=3
    )
    assert torch.allclose(scaled * scale, plain)


def test_every_row_stops_at_its_own_target() -> None:
    M, b = systems(3, 6)
    exact = torch.linalg.solve(M, b)
    solved = conjugate_gradients(
        lambda u: (torch.einsum("rij,rj->ri", M, u), u),
        b,
        target=torch.tensor([0.0, 1e-3, 1e9]),
        iterations=60,
    )
    assert torch.allclose(solved[0], exact[0])
    left = (b - torch.einsum("rij,rj->ri", M, solved)).norm(dim=1)
    assert 0.0 < float(left[1]) <= 1e-3
    assert not solved[2].any()


def test_a_row_does_not_depend_on_the_others() -> None:
    M, b = systems(3, 6)
    together = conjugate_gradients(
        lambda u: (torch.einsum("rij,rj->ri", M, u), u), b, iterations=4
    )
    for row in range(3):
        alone = conjugate_gradients(
            lambda u, own=M[row]: (u @ own, u),  # type: ignore[misc]
            b[row : row + 1],
            iterations=4,
        )
        assert torch.allclose(together[row], alone[0])


def test_negative_curvature_and_products_that_are_not_finite_stop_their_row_only() -> None:
    M, b = systems(1, 6)
    signs = torch.tensor([[1.0], [-1.0], [torch.nan]], dtype=torch.float64)
    rows = b.expand(3, -1)
    found = conjugate_gradients(lambda u: (signs * (u @ M[0]), signs * u), rows, iterations=12)
    assert torch.allclose(found[0], torch.linalg.solve(M[0], b[0]))
    assert not found[1:].any()


def test_no_product_is_wasted() -> None:
    calls = []

    def product(u: Tensor) -> tuple[Tensor, Tensor]:
        calls.append(len(u))
        return 2.0 * u, u

    b = draw(2, 5, seed=4)
    assert torch.allclose(conjugate_gradients(product, b, iterations=9), b / 2.0)
    assert len(calls) == 1  # the first step is exact
    nothing = conjugate_gradients(product, torch.zeros(2, 5), iterations=9)
    assert nothing.shape == (2, 5)
    assert not nothing.any()
