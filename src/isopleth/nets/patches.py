"""Patches: squares of cells become channels on the way in and cells again on the way out."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from isopleth.core.errors import InputError
from isopleth.nets.globe import pad_to_multiple

__all__ = ["check_channels", "patches", "unpatched"]


def patches(x: Tensor, patch: int, *, periodic: bool = True) -> Tensor:
    """(B, C, lat, lon) to (B, C * patch^2, ceil(lat / patch), ceil(lon / patch)).

    A last patch that is not whole is filled with copies of the southern row and, round the
    circle, with the first columns.
    """
    return functional.pixel_unshuffle(pad_to_multiple(x, patch, periodic=periodic), patch)


def unpatched(h: Tensor, patch: int, like: Tensor) -> Tensor:
    """The inverse of `patches`, cut to the (lat, lon) of the field `like`."""
    return functional.pixel_shuffle(h, patch)[..., : like.shape[-2], : like.shape[-1]]


def check_channels(x: Tensor, condition: Tensor | None, expected: tuple[int, int]) -> None:
    """Compare the channels of `x` and of `condition` (None: 0) with the `expected` ones.

    Raises:
        InputError: they differ.
    """
    given = (x.shape[1], 0 if condition is None else condition.shape[1])
    if given != expected:
        raise InputError(
            f"{given[0]} channels and {given[1]} conditions came to a network built for "
            f"{expected[0]} and {expected[1]}: check the variables and the weights' card."
        )
