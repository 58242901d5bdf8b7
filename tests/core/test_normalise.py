from __future__ import annotations

import pytest
import torch

from isopleth.core.errors import InputError
from isopleth.core.normalise import Standardise


def field() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    scale = torch.tensor([5.0, 1.0, 0.1])[:, None, None]
    x = 10.0 + scale * torch.randn(7, 3, 8, 9, generator=generator)
    return x, torch.rand(3, 8, 9, generator=generator) < 0.8


def test_fit_gives_each_level_no_mean_and_unit_spread() -> None:
    x, mask = field()
    scale = Standardise.fit(x, mask)
    z = scale.forward(x, mask)
    for level in range(3):
        seen = z[:, level][mask[level].expand(7, 8, 9)]
        assert seen.mean().abs() < 1e-4
        assert seen.std(correction=0).item() == pytest.approx(1.0, abs=1e-4)
    assert (z[~mask.expand(x.shape)] == 0).all()


@pytest.mark.parametrize("under", [float("nan"), 1e20, 0.0])
def test_values_under_the_mask_change_nothing(under: float) -> None:
    x, mask = field()
    before = Standardise.fit(x, mask)
    covered = torch.where(mask, x, under)
    after = Standardise.fit(covered, mask)
    assert torch.equal(after.mean, before.mean)
    assert torch.equal(after.std, before.std)
    assert torch.equal(after.forward(covered, mask), before.forward(x, mask))


def test_inverse_undoes_forward() -> None:
    x, mask = field()
    scale = Standardise.fit(x, mask)
    torch.testing.assert_close(scale.inverse(scale.forward(x)), x)
    back = scale.inverse(scale.forward(x, mask), mask)
    torch.testing.assert_close(back, torch.where(mask, x, 0.0))


def test_a_field_of_means_scales_cell_by_cell() -> None:
    mean = torch.arange(8.0).reshape(2, 2, 2)
    scale = Standardise(mean, torch.full_like(mean, 2.0))
    assert torch.equal(scale.forward(mean + 2.0), torch.ones_like(mean))


def test_a_level_without_spread_or_value_keeps_its_unit() -> None:
    x = torch.full((2, 3, 3), 1.1)
    mask = torch.ones_like(x, dtype=torch.bool)
    mask[1] = False
    scale = Standardise.fit(x, mask)
    assert scale.std.flatten().tolist() == [1.0, 1.0]
    assert scale.mean.flatten().tolist() == pytest.approx([1.1, 0.0])


@pytest.mark.parametrize("std", [0.0, -1.0, float("nan"), float("inf")])
def test_a_spread_that_cannot_scale_is_named(std: float) -> None:
    with pytest.raises(InputError, match=f"standard deviation of {std:g}"):
        Standardise(torch.zeros(1), torch.tensor([std]))


@pytest.mark.parametrize("shape", [(2,), (1, 1)])
def test_shapes_must_fit(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="one number a level"):
        Standardise(torch.zeros(1), torch.ones(shape))
    with pytest.raises(InputError, match="one number a level"):
        Standardise(torch.zeros(1, 1), torch.ones(1, 1))
