"""Truncated: large scales move as in the coarse world, small ones stay."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.dynamics import T21, QuasiGeostrophic, Surface
from isopleth.dynamics.truncated import Truncated

FINE = T21
COARSE = replace(T21, truncation=10, nlat=16, nlon=32)


def made(recipe: object) -> QuasiGeostrophic:
    grid = recipe.grid  # type: ignore[attr-defined]
    nothing = torch.zeros(3, *grid.shape)
    return QuasiGeostrophic(recipe, Surface.flat(grid), nothing, torch.float64)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def worlds() -> tuple[QuasiGeostrophic, QuasiGeostrophic]:
    return made(FINE), made(COARSE)


@pytest.fixture(scope="module")
def z(worlds: tuple[QuasiGeostrophic, QuasiGeostrophic]) -> Tensor:
    stream = torch.Generator().manual_seed(0)
    return 1e-5 * torch.randn(2, 3, worlds[0].sphere.size, generator=stream, dtype=torch.float64)


def test_small_scales_stay(worlds: tuple[QuasiGeostrophic, QuasiGeostrophic], z: Tensor) -> None:
    fine, coarse = worlds
    after = Truncated(fine, coarse).step(z)
    small = fine.sphere.degree > 10
    assert torch.equal(after[..., small], z[..., small])
    assert not torch.allclose(after[..., ~small], z[..., ~small])


def test_large_scales_move_as_in_the_coarse_world(
    worlds: tuple[QuasiGeostrophic, QuasiGeostrophic], z: Tensor
) -> None:
    fine, coarse = worlds
    after = fine.vorticity(Truncated(fine, coarse).step(z) - z)
    first = torch.zeros(2, 3, coarse.sphere.size, dtype=torch.float64)
    for n in range(11):
        for m in range(n + 1):
            for sine in (False, True)[: 1 + (m > 0)]:
                at, there = (s.sphere.index(n, m, sine=sine) for s in (coarse, fine))
                first[..., at] = z[..., there]
    moved = coarse.step(first) - first
    # The same field on two grids has the same spectrum.
    assert torch.allclose(
        fine.sphere.power(fine.sphere.analysis(after))[..., :11], coarse.sphere.power(moved)
    )


def test_a_coarse_world_that_is_not_coarser_is_refused(
    worlds: tuple[QuasiGeostrophic, QuasiGeostrophic],
) -> None:
    with pytest.raises(InputError, match="not coarser"):
        Truncated(worlds[1], worlds[0])
