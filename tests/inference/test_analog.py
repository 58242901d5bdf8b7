"""Analogs: exact copies, halves of oceans, and what must not matter."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from isopleth.core.errors import InputError
from isopleth.core.grid import Grid
from isopleth.inference.analog import Analog

LAND = np.ones((2, 9, 18), bool)
LAND[:, 4, 5:8] = False
GRID = Grid.regular(20.0, levels=[0.0, 100.0], mask=LAND)
MASK = torch.as_tensor(GRID.mask.copy())


def members(count: int = 12) -> torch.Tensor:
    return torch.randn(count, *GRID.shape, generator=torch.Generator().manual_seed(0)) * MASK


def some(fraction: float = 0.3) -> torch.Tensor:
    return (torch.rand(GRID.shape, generator=torch.Generator().manual_seed(1)) < fraction) & MASK


@pytest.mark.parametrize("radius_km", [1000.0, math.inf])
def test_a_stored_state_is_recognised(radius_km: float) -> None:
    library = members()
    method = Analog(grid=GRID, members=library, radius_km=radius_km, neighbours=5)
    found = method(library[7], some())
    torch.testing.assert_close(found.mean, library[7], atol=1e-5, rtol=0)
    assert found.variance.max() < 1e-4


def test_each_half_of_a_patchwork_finds_its_own_analog() -> None:
    library = members()
    patchwork = torch.where(torch.arange(18) < 9, library[2], library[5])
    method = Analog(grid=GRID, members=library, radius_km=800.0, neighbours=1)
    found = method(patchwork, MASK)
    inner = [2, 3, 4, 5, 11, 12, 13, 14]  # away from both seams
    torch.testing.assert_close(found.mean[..., 3:6, inner], patchwork[..., 3:6, inner])
    whole = Analog(grid=GRID, members=library, radius_km=math.inf, neighbours=1)
    assert not torch.equal(whole(patchwork, MASK).mean[..., inner], patchwork[..., inner])


def test_weights_by_hand() -> None:
    library = torch.tensor([1.0, 2.0, 9.0])[:, None, None, None] * MASK
    method = Analog(grid=GRID, members=library, radius_km=math.inf, neighbours=2, sharpness=1.5)
    found = method(torch.zeros(GRID.shape), some())
    # Misfits 1 and 4: weights 1 and exp(-2), relative to exp(-2/3).
    share = math.exp(-4 / 1.5) / (math.exp(-1 / 1.5) + math.exp(-4 / 1.5))
    torch.testing.assert_close(found.mean[MASK], torch.full_like(found.mean[MASK], 1 + share))
    variance = share * (1 - share)
    torch.testing.assert_close(
        found.variance[MASK], torch.full_like(found.variance[MASK], variance)
    )


def test_land_and_hidden_values_do_not_matter() -> None:
    library, seen = members(), some()
    values = torch.randn(GRID.shape, generator=torch.Generator().manual_seed(3))
    method = Analog(grid=GRID, members=library)
    found = method(values, seen)
    dirty = Analog(grid=GRID, members=torch.where(MASK, library, math.nan))
    again = dirty(torch.where(seen, values, math.nan), seen)
    torch.testing.assert_close(again.mean, found.mean)
    assert (found.mean[~MASK] == 0).all()


def test_turning_the_globe_turns_the_answer() -> None:
    grid = Grid.regular(20.0, levels=[0.0, 100.0])
    library = torch.randn(12, *grid.shape, generator=torch.Generator().manual_seed(0))
    values, seen = torch.randn(grid.shape), torch.rand(grid.shape) < 0.3
    found = Analog(grid=grid, members=library)(values, seen)
    turned = Analog(grid=grid, members=library.roll(5, -1))(values.roll(5, -1), seen.roll(5, -1))
    torch.testing.assert_close(turned.mean, found.mean.roll(5, -1), atol=1e-4, rtol=1e-4)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match="on a grid"):
        Analog(grid=GRID, members=members()[..., :-1])
    with pytest.raises(InputError, match="sharpness is 0"):
        Analog(grid=GRID, members=members(), sharpness=0.0)
    method = Analog(grid=GRID, members=members())
    with pytest.raises(InputError, match="no ocean cell is seen"):
        method(torch.zeros(GRID.shape), ~MASK)
    with pytest.raises(InputError, match="do not lie"):
        method(torch.zeros(2, 9, 9), some())
