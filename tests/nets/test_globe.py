"""Padding and resampling: values by hand, turns of the globe, waves on odd circles."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from isopleth.nets.globe import pad_globe, pad_to_multiple, resample


def field(lat: int, lon: int, channels: int = 4) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randn(2, channels, lat, lon, generator=generator, dtype=torch.float64)


def test_padding_by_hand() -> None:
    x = torch.tensor([[1.0, 2, 3], [4, 5, 6]])[None, None]
    expected = [[2, 3, 1, 2, 3, 1], [2, 3, 1, 2, 3, 1], [5, 6, 4, 5, 6, 4]]
    assert pad_globe(x, (1, 0), (2, 1))[0, 0].tolist() == expected
    local = pad_globe(x, (0, 0), (2, 1), periodic=False)[0, 0].tolist()
    assert local == [[1, 1, 1, 2, 3, 3], [4, 4, 4, 5, 6, 6]]


def test_padding_to_a_multiple_by_hand() -> None:
    x = torch.tensor([[1.0, 2, 3], [4, 5, 6]])[None, None]
    expected = [[1, 2, 3, 1], [4, 5, 6, 4], [4, 5, 6, 4], [4, 5, 6, 4]]
    assert pad_to_multiple(x, 4)[0, 0].tolist() == expected
    torch.testing.assert_close(pad_to_multiple(x[..., :2], 2), x[..., :2])


def test_halving_an_even_circle_by_hand() -> None:
    pulse = torch.zeros(1, 1, 1, 8, dtype=torch.float64)
    pulse[..., 0] = 8
    assert resample(pulse, (1, 4))[0, 0, 0].tolist() == [3, 0, 0, 1]  # (1, 3, 3, 1) / 8


def test_doubling_by_hand() -> None:
    x = torch.tensor([0.0, 4, 8])[None, None, None].double()
    assert resample(x, (1, 6))[0, 0, 0].tolist() == [2, 1, 3, 5, 7, 6]
    local = resample(x, (1, 6), periodic=False)[0, 0, 0].tolist()
    assert local == [0, 1, 3, 5, 7, 8]
    column = resample(x.mT, (6, 1))[0, 0, :, 0].tolist()
    assert column == local


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize(
    ("size", "new"), [((9, 45), (5, 23)), ((5, 23), (9, 45)), ((1, 1), (3, 4))]
)
def test_a_constant_stays(size: tuple[int, int], new: tuple[int, int], periodic: bool) -> None:
    x = torch.full((1, 2, *size), 3.0, dtype=torch.float64)
    torch.testing.assert_close(
        resample(x, new, periodic=periodic), torch.full((1, 2, *new), 3.0, dtype=torch.float64)
    )


def wave(columns: int, phase: float) -> Tensor:
    angle = 2 * math.pi * (torch.arange(columns, dtype=torch.float64) + 0.5) / columns
    return torch.cos(angle - phase)[None, None, None]


@pytest.mark.parametrize(("size", "new"), [(45, 23), (23, 45), (46, 23), (17, 9)])
@pytest.mark.parametrize("phase", [0.0, 1.3])
def test_a_wave_keeps_its_phase_all_round_an_odd_circle(size: int, new: int, phase: float) -> None:
    """Linear interpolation errs by O(1 / size^2), in no column more: there is no seam."""
    exact, bound = wave(new, phase), 7 / min(size, 2 * new) ** 2
    answer = resample(wave(size, phase), (1, new))
    amplitude = (answer * exact).sum() / exact.square().sum()
    assert 0.9 < amplitude < 1
    assert (answer - amplitude * exact).abs().max() < bound
    seam = resample(wave(size, 1.3), (1, new), periodic=False) - amplitude * wave(new, 1.3)
    assert seam.abs().max() > bound


@pytest.mark.parametrize("size", [44, 45])
def test_halving_keeps_the_mean_of_the_circle(size: int) -> None:
    """Exactly so on an even circle; on an odd one within the 1/size that its cells differ by."""
    x = field(1, size)
    difference = (resample(x, (1, -(-size // 2))) - x.mean(-1, keepdim=True)).mean(-1).abs().max()
    assert difference < (1e-12 if size % 2 == 0 else 1 / size)


@pytest.mark.parametrize("turn", [2, 4])
def test_halving_and_doubling_an_even_circle_turn_with_it(turn: int) -> None:
    x = field(5, 12)

    def through(x: Tensor) -> Tensor:
        return resample(resample(x, (3, 6)), (5, 12))

    torch.testing.assert_close(through(x.roll(turn, -1)), through(x).roll(turn, -1))


def test_gradients_after_inference_mode() -> None:
    """Nothing that is remembered between calls may be an inference tensor."""
    with torch.inference_mode():
        resample(torch.ones(1, 1, 6, 10), (3, 7))
    x = torch.ones(1, 1, 6, 10, requires_grad=True)
    resample(x, (3, 7)).sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad.sum(), torch.tensor(21.0))
