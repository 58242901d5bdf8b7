"""The vision transformer: closes round the globe, knows where it is, zero at first, learns."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.nets.vit import (
    GlobeTransformer,
    PatchHead,
    ViT,
    ViTBlock,
    ViTConfig,
    sphere_features,
)

SMALL = ViTConfig(
    in_channels=3, out_channels=2, condition_channels=1, width=16, depth=2, heads=2, patch=2
)


def awake(config: ViTConfig) -> ViT:
    """A network none of whose parameters is at the special values of the start."""
    torch.manual_seed(0)
    net = ViT(config).double()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return net


def inputs(lat: int, lon: int, batch: int = 2) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(batch, 3, lat, lon, generator=generator, dtype=torch.float64)
    return x, torch.randn(1, 1, lat, lon, generator=generator, dtype=torch.float64)


def test_positions_lie_on_circles_and_close_round_the_globe() -> None:
    features = sphere_features(4, 8).view(4, 8, 4)
    pairs = features.unflatten(-1, (2, 2)).square().sum(-1)
    torch.testing.assert_close(pairs, torch.ones(4, 8, 2))
    steps = (features.roll(-1, 1) - features).norm(dim=-1)  # the last column meets the first
    torch.testing.assert_close(steps, steps[:1, :1].expand(4, 8))
    assert bool((features[:, 0, 0].diff() < 0).all()), "north comes first"


def test_without_place_turning_the_globe_turns_the_answer() -> None:
    net = awake(SMALL)
    x, condition = inputs(6, 12)
    turned = net(x.roll(4, -1), condition.roll(4, -1)).roll(-4, -1)
    assert not torch.allclose(turned, net(x, condition), atol=1e-3), "longitude is known"
    with torch.no_grad():
        net.mix.place[0].weight[:, 2:] = 0.0  # cos(lon) and sin(lon)
    turned = net(x.roll(4, -1), condition.roll(4, -1)).roll(-4, -1)
    torch.testing.assert_close(turned, net(x, condition), rtol=0, atol=1e-5)


def test_blocks_start_as_the_identity_and_the_net_as_zero() -> None:
    tokens = torch.randn(2, 12, 16, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(ViTBlock(16, heads=2)(tokens, torch.zeros(12)), tokens)
    x, condition = inputs(6, 12)
    assert not ViT(SMALL)(x.float(), condition.float()).any()


def test_members_do_not_see_one_another() -> None:
    net = awake(SMALL)
    x, condition = inputs(6, 12, batch=3)
    torch.testing.assert_close(net(x, condition)[1:2], net(x[1:2], condition))


def test_every_token_reaches_every_other() -> None:
    net = awake(replace(SMALL, depth=1))
    x, condition = inputs(6, 12, batch=1)
    x.requires_grad_()
    (slope,) = torch.autograd.grad(net(x, condition)[0, 0, 0, 0], x)
    assert bool((slope.abs() > 0).all())


def test_a_grid_that_patches_do_not_divide_keeps_its_shape() -> None:
    net = awake(SMALL)
    assert net(*inputs(5, 13)).shape == (2, 2, 5, 13)
    head = PatchHead(16, 2, patch=4)
    assert head(torch.zeros(1, 2 * 4, 16), torch.zeros(1, 2, 7, 13)).shape == (1, 2, 7, 13)


def test_it_learns_to_shift_a_field() -> None:
    torch.manual_seed(0)
    net = ViT(ViTConfig(in_channels=1, out_channels=1, width=16, depth=1, heads=2, patch=2))
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    generator = torch.Generator().manual_seed(2)
    for _ in range(150):
        x = torch.randn(16, 1, 4, 8, generator=generator)
        loss = (net(x) - x.roll(2, -1)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.3, "the variance of the field is 1"


def test_a_card_brings_the_configuration_back() -> None:
    assert ViTConfig(**json.loads(json.dumps(asdict(SMALL)))) == SMALL


def test_sizes_that_cannot_be_are_refused() -> None:
    with pytest.raises(InputError, match="size below 1"):
        replace(SMALL, depth=0)
    with pytest.raises(InputError, match="multiple of 4"):
        replace(SMALL, width=18)
    with pytest.raises(InputError, match="3 channels and 0 conditions"):
        ViT(SMALL)(torch.zeros(1, 3, 4, 8))
    with pytest.raises(InputError, match="7 tokens do not fill 2 rows of 4"):
        GlobeTransformer(16, 1, 2)(torch.zeros(1, 7, 16), (2, 4))
