"""DiffDA: interpolated increments and the soft mask in closed form, and the whole method."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.core.grid import EARTH_RADIUS, Grid
from isopleth.inference.diffda import DiffDA
from isopleth.inference.latent_repaint import LatentRePaint, replaced
from isopleth.priors.samplers import DDIM
from isopleth.priors.schedules import karras

GRID = Grid.regular(20.0, levels=[0.0, 1.0])
SHAPE = (2, *GRID.shape)


def state(seed: int) -> Tensor:
    stream = torch.Generator().manual_seed(seed)
    return torch.randn(*SHAPE, generator=stream, dtype=torch.float64)


def only(*cells: tuple[int, ...]) -> Tensor:
    seen = torch.zeros(SHAPE, dtype=torch.bool)
    for cell in cells:
        seen[cell] = True
    return seen


def test_one_increment_fades_with_distance() -> None:
    """`x_b + d exp(-r / L) / (1 + nu)`, on its own level and in its own case."""
    method, seen = DiffDA(grid=GRID, length=2e6, nugget=0.25), only((0, 1, 4, 7))
    background, cells = state(0), state(1)
    increment = method.known(background, cells, seen) - background
    d = float((cells - background)[0, 1, 4, 7])
    assert float(increment[0, 1, 4, 7]) == pytest.approx(d / 1.25)
    north = d / 1.25 * math.exp(-EARTH_RADIUS * math.radians(40.0) / 2e6)
    assert float(increment[0, 1, 2, 7]) == pytest.approx(north)
    assert bool((increment[1] == 0.0).all() and (increment[0, 0] == 0.0).all())
    turned = torch.roll(increment[0, 1], 9, -1)  # half the globe, so across the seam too
    there = method.known(background, torch.roll(cells, 9, -1), torch.roll(seen, 9, -1))
    shifted = (there - background)[0, 1] / float((there - background)[0, 1, 4, 16])
    torch.testing.assert_close(shifted, turned / float(turned[4, 16]))


def test_interpolation_meets_good_observations() -> None:
    seen = torch.rand(SHAPE, generator=torch.Generator().manual_seed(2)) < 0.2
    known = DiffDA(grid=GRID, nugget=1e-9).known(state(0), state(1), seen)
    torch.testing.assert_close(known[seen], state(1)[seen], atol=1e-6, rtol=0.0)
    unseen = torch.where(seen, state(1), torch.nan)
    assert torch.equal(DiffDA(grid=GRID, nugget=1e-9).known(state(0), unseen, seen), known)


def test_the_soft_mask() -> None:
    weight = DiffDA(grid=GRID, blur=1.5).weight(only((0, 0, 4, 0), (0, 0, 4, 2), (1, 1, 0, 5)))
    assert float(weight[0, 0, 4, 0]) == 1.0
    assert float(weight[0, 0, 6, 0]) == pytest.approx(math.exp(-4.0 / 4.5))
    across = (math.cos(math.radians(float(GRID.latitude[4]))) + 0.05) ** 2
    assert float(weight[0, 0, 4, 17]) == pytest.approx(math.exp(-across / 4.5))
    assert float(weight[0, 0, 4, 1]) == pytest.approx(math.exp(-across / 4.5))  # not their sum
    assert bool((weight[0, 1] == 0.0).all() and (weight[1, 0] == 0.0).all())
    near_pole = weight[1, 1, 0, [4, 6]]
    assert bool((near_pole > weight[0, 0, 4, 17]).all())


def test_it_is_repaint_with_these_in_place() -> None:
    method = DiffDA(grid=GRID, blur=0.5, resampling=2, jump=3)
    sampler = DDIM(lambda z, s: z / (1 + s**2), karras(9, 0.1, 10.0))
    seen, background, cells = only((0, 1, 4, 7)), state(0), state(1)
    found = method(
        sampler, background, cells, seen, encode=lambda x: x / 2.0, decode=lambda z: 2.0 * z
    )
    assert isinstance(found, LatentRePaint)
    assert torch.equal(found.known, method.known(background, cells, seen))
    assert torch.equal(found.weight, method.weight(seen))
    assert (found.resampling, found.jump, found.sampler) == (2, 3, sampler)
    assert torch.equal(found.decode(found.encode(cells)), cells)


def test_a_soft_mask_gets_more_from_lone_cells() -> None:
    """Of smooth fields, 4 members for 8 cases: nearer to the truth than by a hard mask."""
    lat, lon = np.meshgrid(np.radians(GRID.latitude), np.radians(GRID.longitude), indexing="ij")
    axes = np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)
    at = torch.from_numpy(np.stack(axes, -1)).reshape(-1, 3)
    lam, U = torch.linalg.eigh(torch.exp(-torch.cdist(at, at).square() / (2.0 * 0.4**2)))
    lam = lam.clamp_min(0.0)

    def prior(x: Tensor, sigma: Tensor) -> Tensor:
        return ((x.flatten(1) @ U * (lam / (lam + sigma.square()))) @ U.T).reshape(x.shape)

    stream = torch.Generator().manual_seed(7)
    white = torch.randn(8, len(lam), generator=stream, dtype=torch.float64)
    truth = (white * lam.sqrt() @ U.T).reshape(8, 1, *GRID.shape[1:])
    seen = torch.rand(truth.shape, generator=stream) < 0.06
    background = torch.zeros_like(truth)
    sampler = DDIM(prior, karras(20, 0.02, 20.0))
    codec: dict[str, Callable[[Tensor], Tensor]] = {"encode": lambda x: x, "decode": lambda z: z}

    def rmse(method: LatentRePaint) -> float:
        numbers = torch.Generator().manual_seed(8)
        members = method(
            lambda shape: torch.randn(32, *shape, generator=numbers, dtype=torch.float64),
            truth.shape[1:],
        )
        return float((members.unflatten(0, (4, 8)).mean(0) - truth).square().mean().sqrt())

    method = DiffDA(grid=GRID, blur=0.7, length=2e6, resampling=4, jump=5)
    soft = rmse(method(sampler, background, truth, seen, **codec))
    known = replaced(background, truth, seen)
    hard = LatentRePaint(sampler=sampler, known=known, weight=seen.double(), **codec)
    assert soft < 0.85 * float(truth.square().mean().sqrt())
    assert soft < 0.95 * rmse(hard)


def test_settings_and_shapes_are_checked() -> None:
    for name in ("blur", "length", "nugget", "resampling", "jump"):
        with pytest.raises(InputError, match=f"{name} is 0"):
            DiffDA(grid=GRID, **{name: 0})  # type: ignore[arg-type]
    method = DiffDA(grid=GRID)
    with pytest.raises(InputError, match="bring all to the grid"):
        method.known(state(0)[..., :9], state(1)[..., :9], only()[..., :9])
    with pytest.raises(InputError, match="bring all to the grid"):
        method.known(state(0), state(1)[:1], only())
    with pytest.raises(InputError, match="no finite value"):
        method.known(state(0), torch.full(SHAPE, torch.nan), only((0, 0, 0, 0)))
