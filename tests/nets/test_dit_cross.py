"""Cross-attention: the condition is heard, turns with the globe, and may have another grid."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.nets.dit import DiT, DiTConfig

CROSS = DiTConfig(
    in_channels=3,
    out_channels=2,
    condition_channels=2,
    width=16,
    depth=2,
    heads=2,
    patch=2,
    embedding=8,
    cross=True,
)


def awake(config: DiTConfig = CROSS) -> DiT:
    """A network none of whose parameters is at the special values of the start."""
    torch.manual_seed(0)
    net = DiT(config).double()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return net


def inputs(batch: int = 2, grid: tuple[int, int] = (6, 8)) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(batch, 3, 6, 8, generator=generator, dtype=torch.float64)
    condition = torch.randn(batch, 2, *grid, generator=generator, dtype=torch.float64)
    return x, torch.linspace(-1, 1, batch, dtype=torch.float64), condition


def test_it_starts_at_zero_and_keeps_the_shape() -> None:
    torch.manual_seed(0)
    x, noise, condition = inputs()
    answer = DiT(CROSS).double()(x, noise, condition)
    assert answer.shape == (2, 2, 6, 8)
    assert not answer.any()


def test_the_condition_of_a_row_is_heard_by_that_row_only() -> None:
    net, (x, noise, condition) = awake(), inputs()
    other = condition.clone()
    other[1] += 1.0
    change = (net(x, noise, other) - net(x, noise, condition)).abs().amax((1, 2, 3))
    assert change[0] == 0.0
    assert change[1] > 1e-3


def test_closed_gates_do_not_hear_the_condition() -> None:
    """The signals of cross-attention stand behind those of the other two."""
    net, (x, noise, condition) = awake(), inputs()
    with torch.no_grad():
        for block in net.blocks:
            block.modulation.weight[-16:] = 0.0
            block.modulation.bias[-16:] = 0.0
    torch.testing.assert_close(net(x, noise, -condition), net(x, noise, condition))


@pytest.mark.parametrize("turn", [2, -4])
def test_turning_the_globe_by_patches_turns_the_answer(turn: int) -> None:
    net, (x, noise, condition) = awake(), inputs()
    turned = net(x.roll(turn, -1), noise, condition.roll(turn, -1))
    torch.testing.assert_close(turned, net(x, noise, condition).roll(turn, -1), rtol=0, atol=1e-5)
    held = net(x.roll(turn, -1), noise, condition)
    assert not torch.allclose(held, turned, atol=1e-3), "places of the condition count"


def test_a_condition_may_have_another_grid() -> None:
    net = awake()
    x, noise, condition = inputs(grid=(4, 12))
    answer = net(x, noise, condition)
    assert answer.shape == (2, 2, 6, 8)
    assert (net(x, noise, condition.flip(-2)) - answer).abs().max() > 1e-3


def test_one_condition_serves_all_rows() -> None:
    net, (x, noise, condition) = awake(), inputs()
    one = condition[:1]
    torch.testing.assert_close(net(x, noise, one), net(x, noise, one.expand(2, -1, -1, -1)))


def test_adding_is_what_it_was() -> None:
    plain = DiTConfig(in_channels=3, out_channels=2, condition_channels=2, width=16, depth=1)
    assert not plain.cross
    assert not any("look" in name for name in DiT(plain).state_dict())


def test_a_config_survives_its_card() -> None:
    assert DiTConfig(**json.loads(json.dumps(asdict(CROSS)))) == CROSS


def test_nothing_to_attend_to_is_refused() -> None:
    with pytest.raises(InputError, match="0 condition channels"):
        replace(CROSS, condition_channels=0)
    x, noise, _ = inputs()
    with pytest.raises(InputError, match="3 channels and 0 conditions"):
        awake()(x, noise)
