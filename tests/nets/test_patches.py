"""Patches: in and out gives the same field, whole or not, and wrong channels are named."""

from __future__ import annotations

import pytest
import torch

from isopleth.core.errors import InputError
from isopleth.nets.patches import check_channels, patches, unpatched


@pytest.mark.parametrize("size", [(4, 8), (5, 7), (6, 9)])
@pytest.mark.parametrize("patch", [1, 2, 3])
def test_in_and_out_gives_the_field(size: tuple[int, int], patch: int) -> None:
    x = torch.randn(2, 3, *size)
    h = patches(x, patch)
    assert h.shape == (2, 3 * patch**2, -(-size[0] // patch), -(-size[1] // patch))
    assert unpatched(h, patch, x).equal(x)


def test_the_last_patch_is_filled_from_round_the_circle() -> None:
    x = torch.arange(3.0).expand(1, 1, 2, 3)
    assert patches(x, 2)[0, :, 0, 1].tolist() == [2, 0, 2, 0]
    assert patches(x, 2, periodic=False)[0, :, 0, 1].tolist() == [2, 2, 2, 2]


def test_channels_are_checked() -> None:
    x, condition = torch.ones(1, 3, 2, 2), torch.ones(1, 2, 2, 2)
    check_channels(x, condition, (3, 2))
    check_channels(x, None, (3, 0))
    with pytest.raises(InputError, match=r"3 channels and 2 conditions .* 3 and 0"):
        check_channels(x, condition, (3, 0))
