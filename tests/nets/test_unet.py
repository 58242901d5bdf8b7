"""The U-Net: equivariant round the globe, zero at first, rows of a batch apart, able to learn."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from isopleth.core.errors import InputError
from isopleth.nets.layers import zero_init
from isopleth.nets.unet import UNet, UNetConfig

SMALL = UNetConfig(
    in_channels=3,
    out_channels=2,
    condition_channels=1,
    widths=(16, 24),
    embedding=16,
    attention=(False, True),
)


def awake(config: UNetConfig, seed: int = 0) -> UNet:
    """A network none of whose parameters is at the special values of the start."""
    torch.manual_seed(seed)
    net = UNet(config).double().eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return net


def inputs(lat: int, lon: int, batch: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(batch, 3, lat, lon, generator=generator, dtype=torch.float64)
    condition = torch.randn(1, 1, lat, lon, generator=generator, dtype=torch.float64)
    return x, torch.linspace(-1, 1, batch, dtype=torch.float64), condition


@pytest.mark.parametrize("turn", [4, -8])
def test_turning_the_globe_turns_the_answer(turn: int) -> None:
    net = awake(SMALL)
    x, noise, condition = inputs(9, 16)
    turned = net(x.roll(turn, -1), noise, condition.roll(turn, -1))
    torch.testing.assert_close(turned, net(x, noise, condition).roll(turn, -1))


def test_a_limited_area_has_edges() -> None:
    net = awake(replace(SMALL, periodic=False))
    x, noise, condition = inputs(9, 16)
    turned = net(x.roll(4, -1), noise, condition.roll(4, -1))
    assert not torch.allclose(turned, net(x, noise, condition).roll(4, -1), atol=1e-3)


def test_an_odd_circle_has_no_seam() -> None:
    """Input without longitude: neither the padding nor the resampling may invent one."""
    net = awake(SMALL)
    x, noise, condition = inputs(7, 17)
    x, condition = (t[..., :1].expand(*t.shape[:-1], 17) for t in (x, condition))
    answer = net(x, noise, condition)
    assert answer.shape == (2, 2, 7, 17)
    for column in range(SMALL.patch):  # the columns of a patch have their own weights
        same = answer[..., column :: SMALL.patch]
        torch.testing.assert_close(same, same[..., :1].expand_as(same))
    assert answer.std(dim=-2).min() > 1e-3


def test_rows_of_the_batch_do_not_mix() -> None:
    net = awake(SMALL)
    x, noise, condition = inputs(7, 10, batch=3)
    together = net(x, noise, condition)
    alone = torch.cat([net(x[i : i + 1], noise[i : i + 1], condition) for i in range(3)])
    torch.testing.assert_close(together, alone)


def test_noise_and_condition_matter() -> None:
    net = awake(SMALL)
    x, noise, condition = inputs(6, 8)
    answer = net(x, noise, condition)
    assert (net(x, noise + 0.3, condition) - answer).abs().amax(dim=(1, 2, 3)).min() > 1e-3
    assert (net(x, noise, -condition) - answer).abs().amax(dim=(1, 2, 3)).min() > 1e-3
    repeated = net(x, noise, condition.expand(2, -1, -1, -1))
    torch.testing.assert_close(repeated, answer)


def test_fine_scales_pass_by_the_coarse_ones() -> None:
    net = awake(SMALL)
    x, noise, condition = inputs(6, 8)
    for layer in net.finer:
        zero_init(layer)
    difference = net(x, noise, condition) - net(-x, noise, condition)
    assert difference.abs().amax(dim=(1, 2, 3)).min() > 1e-2


def test_every_cell_is_seen_where_all_cells_are_mixed() -> None:
    net = awake(SMALL)
    x, noise, condition = inputs(12, 32)
    x.requires_grad_()
    net(x, noise, condition)[0, 0, 0, 0].backward()
    assert x.grad is not None
    assert (x.grad[0].abs().sum(dim=0) > 0).all()
    assert not x.grad[1].any()


def test_it_starts_at_zero_and_learns_a_blur() -> None:
    torch.manual_seed(0)
    net = UNet(replace(SMALL, in_channels=2, condition_channels=0))
    x, noise = torch.randn(8, 2, 6, 8), torch.zeros(8)
    target = (x.roll(1, -1) + x.roll(-1, -1)) / 2
    assert not net(x, noise).any()
    optimiser = torch.optim.Adam(net.parameters(), lr=3e-3)
    losses = []
    for _ in range(60):
        loss = nn.functional.mse_loss(net(x, noise), target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]


def test_bfloat16_stays_near() -> None:
    net = awake(SMALL).float()
    x, noise, condition = (t.float() for t in inputs(8, 12))
    exact = net(x, noise, condition)
    with torch.autocast("cpu", torch.bfloat16):
        rough = net(x, noise, condition)
    assert (rough - exact).norm() < 0.05 * exact.norm()


def test_a_config_survives_its_card() -> None:
    config = UNetConfig(in_channels=12, out_channels=12, condition_channels=6)
    assert UNetConfig(**json.loads(json.dumps(asdict(config)))) == config


def test_the_default_is_affordable() -> None:
    with torch.device("meta"):
        net = UNet(UNetConfig(in_channels=12, out_channels=12, condition_channels=6))
        x, noise, condition = torch.ones(1, 12, 90, 180), torch.ones(1), torch.ones(1, 6, 90, 180)
        with FlopCounterMode(display=False) as counter:
            net(x, noise, condition)
    assert counter.get_total_flops() < 3e9
    assert sum(p.numel() for p in net.parameters()) < 2.5e6


@pytest.mark.parametrize(("channels", "conditions"), [(2, 1), (3, 0), (3, 2)])
def test_wrong_channels_are_named(channels: int, conditions: int) -> None:
    x, condition = torch.ones(1, channels, 4, 8), torch.ones(1, conditions, 4, 8)
    with pytest.raises(InputError, match=f"{channels} channels and {conditions} conditions"):
        UNet(SMALL)(x, torch.zeros(1), condition if conditions else None)


@pytest.mark.parametrize(
    "change", [{"attention": (True,)}, {"blocks": 0}, {"widths": (16, 0)}, {"embedding": 1}]
)
def test_impossible_sizes_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(InputError, match=r"widths|below 1"):
        replace(SMALL, **change)  # type: ignore[arg-type]
