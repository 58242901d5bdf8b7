"""The published network: its size, its names, its odd grids, and its parts by their formulas."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from isopleth.core.errors import InputError
from isopleth.nets.improved_diffusion import (
    ImprovedDiffusionConfig,
    ImprovedDiffusionUNet,
    timestep_embedding,
)

SMALL = ImprovedDiffusionConfig(
    in_channels=3, out_channels=3, channels=32, multipliers=(1, 2, 2), blocks=1
)


@pytest.fixture(scope="module")
def published() -> ImprovedDiffusionUNet:
    with torch.device("meta"):
        return ImprovedDiffusionUNet()


def awake(config: ImprovedDiffusionConfig) -> ImprovedDiffusionUNet:
    torch.manual_seed(0)
    net = ImprovedDiffusionUNet(config).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return net


def test_it_has_the_published_number_of_parameters(published: ImprovedDiffusionUNet) -> None:
    assert round(sum(p.numel() for p in published.parameters()) / 1e6, 1) == 159.8


def test_it_costs_the_published_number_of_operations(published: ImprovedDiffusionUNet) -> None:
    with FlopCounterMode(display=False) as counter:
        published(torch.ones(1, 42, 192, 384, device="meta"), torch.ones(1, device="meta"))
    assert counter.get_total_flops() / 1e12 == pytest.approx(1.134, abs=5e-4)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("time_embed.0.weight", (512, 128)),
        ("time_embed.2.bias", (512,)),
        ("input_blocks.0.0.weight", (128, 42, 3, 3)),
        ("input_blocks.1.0.in_layers.0.weight", (128,)),
        ("input_blocks.1.0.in_layers.2.weight", (128, 128, 3, 3)),
        ("input_blocks.1.0.emb_layers.1.weight", (256, 512)),
        ("input_blocks.1.0.out_layers.0.bias", (128,)),
        ("input_blocks.1.0.out_layers.3.weight", (128, 128, 3, 3)),
        ("input_blocks.4.0.op.weight", (128, 128, 3, 3)),
        ("input_blocks.5.0.skip_connection.weight", (256, 128, 1, 1)),
        ("input_blocks.23.0.out_layers.3.weight", (512, 512, 3, 3)),
        ("middle_block.0.in_layers.2.weight", (512, 512, 3, 3)),
        ("middle_block.1.norm.weight", (512,)),
        ("middle_block.1.qkv.weight", (1536, 512, 1)),
        ("middle_block.1.proj_out.bias", (512,)),
        ("middle_block.2.emb_layers.1.bias", (1024,)),
        ("output_blocks.0.0.in_layers.2.weight", (512, 1024, 3, 3)),
        ("output_blocks.3.1.conv.weight", (512, 512, 3, 3)),
        ("output_blocks.8.0.in_layers.0.weight", (768,)),
        ("output_blocks.23.0.skip_connection.weight", (128, 256, 1, 1)),
        ("out.0.weight", (128,)),
        ("out.2.weight", (42, 128, 3, 3)),
    ],
)
def test_published_names_and_shapes(
    published: ImprovedDiffusionUNet, name: str, shape: tuple[int, ...]
) -> None:
    assert published.state_dict()[name].shape == shape


def test_nothing_else_is_stored(published: ImprovedDiffusionUNet) -> None:
    roots = {name.split(".")[0] for name in published.state_dict()}
    assert roots == {"time_embed", "input_blocks", "middle_block", "output_blocks", "out"}
    assert (len(published.input_blocks), len(published.output_blocks)) == (24, 24)
    assert sum(".qkv.weight" in name for name in published.state_dict()) == 1


def test_attention_elsewhere_takes_the_published_place() -> None:
    with torch.device("meta"):
        names = ImprovedDiffusionUNet(replace(SMALL, attention=(2,))).state_dict()
    mixing = {name.removesuffix(".qkv.weight") for name in names if name.endswith("qkv.weight")}
    assert mixing == {
        "input_blocks.3.1",
        "middle_block.1",
        "output_blocks.2.1",
        "output_blocks.3.1",
    }
    assert "output_blocks.3.2.conv.weight" in names


@pytest.mark.parametrize("size", [(173, 360), (7, 9), (8, 12), (5, 10)])
def test_odd_grids_come_back_whole(size: tuple[int, int]) -> None:
    with torch.device("meta" if size[0] > 100 else "cpu"):
        net = ImprovedDiffusionUNet(SMALL)
        assert net(torch.ones(1, 3, *size), torch.ones(1)).shape == (1, 3, *size)


@torch.no_grad()
def test_an_odd_grid_is_the_even_one_with_zeros_cut_off() -> None:
    net, x, noise = awake(SMALL), torch.randn(1, 3, 7, 9), torch.tensor([10.0])
    even = nn.functional.pad(x, (0, 1, 0, 1))
    torch.testing.assert_close(net(x, noise), net(even, noise)[..., :7, :9])


@pytest.mark.parametrize("size", [(7, 9), (8, 12)])
def test_every_cell_counts_and_batch_rows_stay_apart(size: tuple[int, int]) -> None:
    net = awake(SMALL)
    x = torch.randn(2, 3, *size, requires_grad=True)
    net(x, torch.tensor([10.0, 900.0]))[0, 0, -1, -1].backward()
    assert x.grad is not None
    assert (x.grad[0].abs().sum(dim=0) > 0).all()
    assert not x.grad[1].any()


def test_it_starts_at_zero_and_takes_a_step() -> None:
    torch.manual_seed(0)
    net = ImprovedDiffusionUNet(SMALL)
    x, noise = torch.randn(2, 3, 7, 9), torch.tensor([3.0, 500.0])
    assert not net(x, noise).any()
    optimiser = torch.optim.Adam(net.parameters(), lr=2e-3)
    losses = []
    for _ in range(12):
        loss = nn.functional.mse_loss(net(x, noise), x)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_the_step_of_diffusion_matters() -> None:
    net, x = awake(SMALL), torch.randn(1, 3, 8, 8)
    with torch.no_grad():
        assert (net(x, torch.tensor([10.0])) - net(x, torch.tensor([500.0]))).abs().max() > 1e-3


def test_timestep_embedding_by_hand() -> None:
    expected = [math.cos(3), math.cos(0.03), math.sin(3), math.sin(0.03)]
    torch.testing.assert_close(
        timestep_embedding(torch.tensor([3.0]), 4)[0], torch.tensor(expected), rtol=1e-5, atol=1e-6
    )


def test_attention_reads_the_published_order_of_heads() -> None:
    """Rows of qkv: for each head its queries, its keys, its values (not all queries first)."""
    layer = awake(SMALL).middle_block[1]
    x = torch.randn(2, 64, 3, 5)
    with torch.no_grad():
        rows = layer.qkv(layer.norm(x).flatten(2)).chunk(4, dim=1)
        heads = [_one_head(*row.chunk(3, dim=1)) for row in rows]
        expected = x + layer.proj_out(torch.cat(heads, dim=1)).reshape(x.shape)
        torch.testing.assert_close(layer(x), expected, rtol=1e-4, atol=1e-5)


def test_residual_block_by_its_formula() -> None:
    block = awake(SMALL).input_blocks[3][0]  # the first of the second scale: 32 to 64 channels
    x, signal = torch.randn(2, 32, 4, 6), torch.randn(2, 128)
    act = nn.functional.silu
    with torch.no_grad():
        h = block.in_layers[2](act(block.in_layers[0](x)))
        scale, shift = block.emb_layers[1](act(signal))[:, :, None, None].split(64, dim=1)
        h = act(block.out_layers[0](h) * (1 + scale) + shift)
        expected = block.skip_connection(x) + block.out_layers[3](h)
        torch.testing.assert_close(block(x, signal), expected, rtol=1e-4, atol=1e-5)


def _one_head(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    weights = (q.mT @ k / math.sqrt(q.shape[1])).softmax(dim=-1)
    return v @ weights.mT


def test_a_config_survives_its_card() -> None:
    assert ImprovedDiffusionConfig(**json.loads(json.dumps(asdict(SMALL)))) == SMALL


def test_impossible_sizes_are_refused() -> None:
    with pytest.raises(InputError, match="channels 48 is not a multiple of 32"):
        replace(SMALL, channels=48)
    with pytest.raises(InputError, match="4 channels"):
        ImprovedDiffusionUNet(SMALL)(torch.ones(1, 4, 8, 8), torch.ones(1))
