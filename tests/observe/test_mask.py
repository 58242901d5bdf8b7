from __future__ import annotations

import numpy as np
import pytest
import torch

from isopleth.core.errors import InputError
from isopleth.core.grid import Grid
from isopleth.observe.mask import MaskOperator

GRID = Grid.regular(30.0, levels=[0.0, 50.0])


def test_the_seen_cells_in_order() -> None:
    seen = np.random.default_rng(0).random(GRID.shape) < 0.3
    at = MaskOperator(GRID, seen)
    x = torch.arange(float(GRID.size)).reshape(GRID.shape)
    assert torch.equal(at(x), x[torch.from_numpy(seen)])
    assert at.valid.all()
    kept = torch.where(torch.from_numpy(seen), x, 0.0)
    assert torch.equal(at.adjoint(at(x)), kept)


def test_one_map_for_all_levels_and_nothing_seen() -> None:
    seen = np.zeros(GRID.shape[1:], dtype=bool)
    assert MaskOperator(GRID, seen)(torch.ones(GRID.shape)).shape == (0,)
    seen[2, 3] = True
    assert MaskOperator(GRID, seen)(torch.ones(GRID.shape)).tolist() == [1.0, 1.0]


def test_land_cannot_be_seen_and_the_shape_must_fit() -> None:
    ocean = np.ones(GRID.shape, dtype=bool)
    ocean[:, 0, :2] = False
    with pytest.raises(InputError, match="4 observed cells are land"):
        MaskOperator(GRID.with_mask(ocean), np.ones(GRID.shape, dtype=bool))
    with pytest.raises(InputError, match=r"have shape \(3,\), but the grid has \(2, 6, 12\)"):
        MaskOperator(GRID, [True, False, True])
