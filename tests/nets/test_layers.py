"""Layers: a convolution over the seam, blocks that start as nothing, attention by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from isopleth.nets.layers import (
    FourierEmbedding,
    PeriodicConv2d,
    ResidualBlock,
    SelfAttention,
    group_norm,
    zero_init,
)


def field(lat: int, lon: int, channels: int = 4) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randn(2, channels, lat, lon, generator=generator, dtype=torch.float64)


def shaken(layer: nn.Module) -> nn.Module:
    """In double precision, with nothing left at zero."""
    torch.manual_seed(0)
    for parameter in layer.double().parameters():
        nn.init.normal_(parameter, std=0.3)
    return layer


@pytest.mark.parametrize("lon", [8, 9])
@pytest.mark.parametrize("turn", [1, 3])
def test_convolution_turns_with_the_globe(lon: int, turn: int) -> None:
    conv = shaken(PeriodicConv2d(4, 3, kernel=5))
    x = field(6, lon)
    torch.testing.assert_close(conv(x.roll(turn, -1)), conv(x).roll(turn, -1))


def test_convolution_over_the_seam_by_hand() -> None:
    conv = PeriodicConv2d(1, 1).double()
    nn.init.zeros_(conv.bias)
    with torch.no_grad():
        conv.weight.copy_(torch.tensor([[0.0, 0, 0], [1, 0, 10], [0, 0, 0]])[None, None])
    x = torch.arange(5, dtype=torch.float64).expand(1, 1, 2, 5)
    assert conv(x)[0, 0, 1].tolist() == [14.0, 20.0, 31.0, 42.0, 3.0]  # west + 10 east


@pytest.mark.parametrize(("replicate", "expected"), [(True, [1.0, 1.0]), (False, [0.0, 1.0])])
def test_beyond_the_edge_rows(replicate: bool, expected: list[float]) -> None:
    conv = PeriodicConv2d(1, 1, replicate=replicate).double()
    nn.init.zeros_(conv.bias)
    with torch.no_grad():
        conv.weight.copy_(torch.tensor([[0.0, 1, 0], [0, 0, 0], [0, 0, 0]])[None, None])
    x = torch.ones(1, 1, 2, 4, dtype=torch.float64)
    assert conv(x)[0, 0, :, 0].tolist() == expected


@pytest.mark.parametrize("replicate", [True, False])
def test_a_limited_area_is_an_ordinary_convolution(replicate: bool) -> None:
    conv = shaken(PeriodicConv2d(4, 3, periodic=False, replicate=replicate))
    plain = nn.Conv2d(4, 3, 3, padding=1, padding_mode="replicate" if replicate else "zeros")
    plain.double().load_state_dict(conv.state_dict())
    torch.testing.assert_close(conv(field(5, 7)), plain(field(5, 7)))


def test_noise_levels_are_told_apart() -> None:
    torch.manual_seed(0)
    embed = FourierEmbedding(32)
    levels = torch.linspace(-1.2, 1.2, 200)
    features = torch.cat([(levels[:, None] * embed.frequencies).cos(),
                          (levels[:, None] * embed.frequencies).sin()], dim=1)  # fmt: skip
    gaps = torch.cdist(features, features) + 10 * torch.eye(200)
    assert gaps.min() > 0.1
    assert embed(levels).shape == (200, 32)
    assert (embed(levels[:1]) - embed(levels[1:2])).abs().max() > 1e-3
    assert "frequencies" not in embed.state_dict()


def test_an_embedding_of_odd_width_keeps_its_width() -> None:
    assert FourierEmbedding(7)(torch.zeros(2)).shape == (2, 7)


def test_blocks_start_as_identity() -> None:
    x, embedding = field(5, 6, 8), torch.ones(2, 4, dtype=torch.float64)
    assert ResidualBlock(8, 4).double()(x, embedding).equal(x)
    assert SelfAttention(8).double()(x).equal(x)


def test_noise_scales_and_shifts_by_the_formula() -> None:
    block = shaken(ResidualBlock(8, 4))
    x, embedding = field(5, 6, 8), torch.randn(2, 4, dtype=torch.float64)
    scale, shift = block.film(nn.functional.silu(embedding)).chunk(2, dim=1)
    h = block.norm_out(block.conv_in(nn.functional.silu(block.norm_in(x))))
    h = h * (1 + scale[:, :, None, None]) + shift[:, :, None, None]
    torch.testing.assert_close(block(x, embedding), x + block.conv_out(nn.functional.silu(h)))


def test_attention_by_hand() -> None:
    layer = shaken(SelfAttention(8, heads=2))
    x = field(2, 3, 8)
    tokens = layer.norm(x).flatten(2).mT
    q, k, v = layer.qkv(tokens).chunk(3, dim=-1)
    heads = []
    for part in (slice(0, 4), slice(4, 8)):
        scores = q[..., part] @ k[..., part].mT / 2  # sqrt(4)
        heads.append(scores.softmax(-1) @ v[..., part])
    expected = x + layer.out(torch.cat(heads, -1)).mT.reshape(x.shape)
    torch.testing.assert_close(layer(x), expected)


@pytest.mark.parametrize(("channels", "groups"), [(48, 16), (24, 8), (7, 1)])
def test_groups_divide_the_channels(channels: int, groups: int) -> None:
    assert group_norm(channels).num_groups == groups


def test_zeroed_layers_give_nothing() -> None:
    assert not zero_init(nn.Linear(3, 2))(torch.ones(1, 3)).any()
