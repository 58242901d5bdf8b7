"""The transformer: turns with the globe, tells latitudes apart, zero at first, learns."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace

import pytest
import torch
from torch import Tensor, nn

from isopleth.core.errors import InputError
from isopleth.nets.dit import DiT, DiTConfig, latitude_features, rotate

SMALL = DiTConfig(
    in_channels=3,
    out_channels=2,
    condition_channels=1,
    width=16,
    depth=2,
    heads=2,
    patch=2,
    embedding=8,
)


def awake(config: DiTConfig) -> DiT:
    """A network none of whose parameters is at the special values of the start."""
    torch.manual_seed(0)
    net = DiT(config).double()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return net


def inputs(lat: int, lon: int, batch: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(batch, 3, lat, lon, generator=generator, dtype=torch.float64)
    condition = torch.randn(1, 1, lat, lon, generator=generator, dtype=torch.float64)
    return x, torch.linspace(-1, 1, batch, dtype=torch.float64), condition


@pytest.mark.parametrize(("lon", "turn"), [(12, 2), (12, -4), (10, 2)])
def test_turning_the_globe_by_patches_turns_the_answer(lon: int, turn: int) -> None:
    net = awake(SMALL)
    x, noise, condition = inputs(5, lon)
    turned = net(x.roll(turn, -1), noise, condition.roll(turn, -1))
    torch.testing.assert_close(turned, net(x, noise, condition).roll(turn, -1), rtol=0, atol=1e-5)


def test_a_limited_area_has_edges() -> None:
    net = awake(replace(SMALL, periodic=False))
    x, noise, condition = inputs(6, 12)
    turned = net(x.roll(4, -1), noise, condition.roll(4, -1))
    assert not torch.allclose(turned, net(x, noise, condition).roll(4, -1), atol=1e-3)


def test_a_mirrored_ocean_is_another_ocean() -> None:
    """Without places, the answer at a patch would not depend on where the others lie."""
    net = awake(SMALL)
    x, noise, condition = inputs(2, 12)
    swapped = x.clone()
    swapped[..., 4:6], swapped[..., 8:10] = x[..., 8:10], x[..., 4:6]
    flat = torch.zeros_like(condition)
    difference = net(swapped, noise, flat)[..., :2] - net(x, noise, flat)[..., :2]
    assert difference.abs().max() > 1e-4


def test_the_same_water_everywhere_still_lies_at_its_latitude() -> None:
    x, noise, condition = (torch.ones_like(t) for t in inputs(6, 8))
    answer = awake(SMALL)(x, noise, condition)
    torch.testing.assert_close(answer[..., ::2], answer[..., :1].expand(-1, -1, -1, 4))
    assert answer[:, :, ::2].std(dim=-2).min() > 1e-3  # the same row of each patch


def test_odd_sizes_come_back_whole() -> None:
    x, noise, condition = inputs(7, 13)
    assert awake(SMALL)(x, noise, condition).shape == (2, 2, 7, 13)


def test_rows_of_the_batch_do_not_mix() -> None:
    net = awake(SMALL)
    x, noise, condition = inputs(4, 8, batch=3)
    together = net(x, noise, condition)
    alone = torch.cat([net(x[i : i + 1], noise[i : i + 1], condition) for i in range(3)])
    torch.testing.assert_close(together, alone)


def test_noise_and_condition_matter() -> None:
    net = awake(SMALL)
    x, noise, condition = inputs(4, 8)
    answer = net(x, noise, condition)
    assert (net(x, noise + 0.3, condition) - answer).abs().amax(dim=(1, 2, 3)).min() > 1e-3
    assert (net(x, noise, -condition) - answer).abs().amax(dim=(1, 2, 3)).min() > 1e-3


def test_products_of_rotated_vectors_know_differences_only() -> None:
    longitude = torch.tensor([0.3, 1.7, 1.7 + 2 * math.pi], dtype=torch.float64)
    q, k = torch.randn(2, 3, 8, dtype=torch.float64)

    def products(shift: float) -> Tensor:
        return rotate(q, longitude + shift) @ rotate(k, longitude + shift).mT

    torch.testing.assert_close(products(0.9), products(0.0))
    torch.testing.assert_close(rotate(q, longitude + 2 * math.pi), rotate(q, longitude))
    assert not torch.allclose(rotate(q[:1], longitude[:1]) @ rotate(k[:1], longitude[1:2]).mT,
                              q[:1] @ k[:1].mT, atol=1e-3)  # fmt: skip


def test_one_pair_rotates_by_the_angle() -> None:
    x = torch.tensor([[0.0, 1.0, 0.0, 0.0]], dtype=torch.float64)  # pairs are (0, 2) and (1, 3)
    turned = rotate(x, torch.tensor([math.pi / 2], dtype=torch.float64))
    torch.testing.assert_close(turned, torch.tensor([[0.0, 0, 0, 1]], dtype=torch.float64))


def test_latitudes_differ_and_do_not_depend_on_the_number_of_rows() -> None:
    coarse, fine = latitude_features(3, 24), latitude_features(9, 24)
    torch.testing.assert_close(coarse, fine[1::3])
    assert torch.cdist(fine, fine).add(10 * torch.eye(9)).min() > 0.5


def test_it_starts_at_zero_and_learns_a_blur() -> None:
    torch.manual_seed(0)
    net = DiT(replace(SMALL, in_channels=2, condition_channels=0, width=32))
    x, noise = torch.randn(8, 2, 4, 8), torch.zeros(8)
    target = (x.roll(1, -1) + x.roll(-1, -1)) / 2
    assert not net(x, noise).any()
    optimiser = torch.optim.Adam(net.parameters(), lr=5e-3)
    losses = []
    for _ in range(150):
        loss = nn.functional.mse_loss(net(x, noise), target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]


def test_a_config_survives_its_card() -> None:
    assert DiTConfig(**json.loads(json.dumps(asdict(SMALL)))) == SMALL


def test_wrong_channels_are_named() -> None:
    with pytest.raises(InputError, match="4 channels and 1 conditions"):
        DiT(SMALL)(torch.ones(1, 4, 4, 8), torch.zeros(1), torch.ones(1, 1, 4, 8))


@pytest.mark.parametrize("change", [{"width": 18}, {"depth": 0}, {"embedding": 1}])
def test_impossible_sizes_are_refused(change: dict[str, int]) -> None:
    with pytest.raises(InputError, match=r"multiple of 4|below 1"):
        replace(SMALL, **change)
