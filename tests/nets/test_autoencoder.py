"""Autoencoders of the globe: linear at first, round, rows apart, and able to learn."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from isopleth.core.errors import InputError
from isopleth.nets.autoencoder import ConvAutoencoder, ConvAutoencoderConfig, DiagonalGaussian
from isopleth.nets.autoencoder_vit import ViTAutoencoder, ViTAutoencoderConfig

CONV = ConvAutoencoderConfig(channels=2, latent_channels=5, widths=(8, 12), blocks=(1, 1))
VIT = ViTAutoencoderConfig(channels=2, latent_channels=5, width=16, depth=1)
Net = ConvAutoencoder | ViTAutoencoder
BUILDS: dict[str, Callable[[], Net]] = {
    "conv": lambda: ConvAutoencoder(CONV),
    "vit": lambda: ViTAutoencoder(VIT),
}


def draw(*shape: int, seed: int = 1) -> Tensor:
    stream = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=stream, dtype=torch.float64)


def fresh(name: str) -> Net:
    torch.manual_seed(0)
    return BUILDS[name]().double().eval()


def awake(name: str) -> Net:
    """A network none of whose parameters is at the special values of the start."""
    net = fresh(name)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return net


def roomy(name: str) -> Net:
    """Wide enough to hand on a patch."""
    torch.manual_seed(0)
    wide = {
        "conv": lambda: ConvAutoencoder(replace(CONV, widths=(9, 33))),
        "vit": lambda: ViTAutoencoder(replace(VIT, width=40)),
    }
    return wide[name]().double().eval()


@pytest.fixture(params=list(BUILDS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_divergence_is_that_of_two_gaussians() -> None:
    mean, log_variance = draw(3, 4), 0.3 * draw(3, 4, seed=2)
    q = torch.distributions.Normal(mean, torch.exp(0.5 * log_variance))
    p = torch.distributions.Normal(torch.zeros_like(mean), torch.ones_like(mean))
    expected = torch.distributions.kl_divergence(q, p).mean(1)
    torch.testing.assert_close(DiagonalGaussian(mean, log_variance).divergence(), expected)


def test_samples_have_the_mean_and_the_variance_and_come_from_the_generator() -> None:
    log_variance = torch.tensor([0.0, math.log(4.0)], dtype=torch.float64)
    mean = torch.tensor([1.0, -2.0], dtype=torch.float64)
    q = DiagonalGaussian(mean.expand(40_000, 2), log_variance.expand(40_000, 2))
    first = q.sample(torch.Generator().manual_seed(3))
    torch.testing.assert_close(first.mean(0), mean, atol=0.05, rtol=0)
    torch.testing.assert_close(first.var(0), log_variance.exp(), atol=0, rtol=0.05)
    assert torch.equal(first, q.sample(torch.Generator().manual_seed(3)))
    assert not torch.equal(first, q.sample(torch.Generator().manual_seed(4)))


def test_the_gradient_passes_through_a_sample() -> None:
    both = draw(2, 6, 1, 1).requires_grad_()
    DiagonalGaussian.of(both).sample(torch.Generator().manual_seed(0)).sum().backward()
    assert both.grad is not None
    torch.testing.assert_close(both.grad[:, :3], torch.ones(2, 3, 1, 1).double())
    assert (both.grad[:, 3:] != 0).all()


def test_a_hopeless_variance_is_kept_in_range() -> None:
    q = DiagonalGaussian.of(torch.full((1, 2, 1, 1), 1e4))
    assert torch.isfinite(q.divergence()).all()


def test_before_training_the_convolutions_are_an_affine_map() -> None:
    net = fresh("conv")
    x, y = draw(1, 2, 8, 16), draw(1, 2, 8, 16, seed=2)

    def both(field: Tensor) -> Tensor:
        return net.decode(net.encode(field))

    torch.testing.assert_close(both(0.3 * x + 0.7 * y), 0.3 * both(x) + 0.7 * both(y))
    bent = awake("conv")
    mixed = bent.encode(0.3 * x + 0.7 * y)
    assert not torch.allclose(mixed, 0.3 * bent.encode(x) + 0.7 * bent.encode(y), atol=1e-3)


def test_it_starts_as_principal_components_and_their_best_decoder(name: str) -> None:
    """Latents are white; what they leave out is uncorrelated with all that D looks at."""
    net = roomy(name)
    x = draw(400, 2, 8, 16) + 2.0 * draw(400, 1, 8, 16, seed=2)
    area = torch.tensor([1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0]).double()[:, None]
    net.start_from(x, area)
    rows = torch.tensor([1.0, 2.0]).double()[:, None]
    z = net.encode(x)
    white = torch.einsum("nkij,nlij,ia->kl", z, z, rows) / (400 * 3.0 * 4)
    torch.testing.assert_close(white, torch.eye(5).double())
    error = functional.pixel_unshuffle(net.decode(z) - x, 4)
    for turn in (-1, 0, 1):
        left = torch.einsum("ncij,nkij,ia->ck", error, z.roll(turn, -1), rows)
        assert left.abs().max() / (400 * 12) < 1e-6
    cells = functional.pixel_unshuffle(x, 4).transpose(0, 1)  # a row of patches has one area
    values = torch.linalg.svdvals((cells * rows.sqrt()).flatten(1)).square()
    least, patchwise = values[5:].sum(), (error.square() * rows).sum()
    assert 0.9 * least < patchwise < least  # white in space: neighbours tell next to nothing
    assert net.posterior(x).log_variance.unique().tolist() == [-9.0]


def test_neighbours_tell_what_a_patch_leaves_out(name: str) -> None:
    """Waves longer than a patch: the start reconstructs them far better than patches alone."""
    torch.manual_seed(0)
    net = roomy(name)
    lon = torch.arange(32) * (2 * torch.pi / 32)
    waves = torch.stack([(m * lon + p).cos() for m in range(1, 5) for p in (0.0, 1.5)]).double()
    x = torch.einsum("ncri,ij->ncrj", draw(300, 2, 2, 8), waves).repeat_interleave(4, -2)
    net.start_from(x, torch.ones(8, 1).double())
    z = net.encode(x)
    cells = functional.pixel_unshuffle(x, 4).transpose(0, 1).flatten(1)
    values = torch.linalg.svdvals(cells).square()
    error = (net.decode(z) - x).square().sum()
    assert error < 0.3 * values[5:].sum()


def test_a_start_that_does_not_fit_is_refused(name: str) -> None:
    area = torch.ones(8, 1).double()
    flat = draw(40, 1, 2, 4).repeat_interleave(4, -1).repeat_interleave(4, -2)
    with pytest.raises(InputError, match="fewer than 5 directions"):
        roomy(name).start_from(flat.expand(40, 2, 8, 16), area)
    with pytest.raises(InputError, match="do not start a network of 5 latent channels"):
        fresh(name).start_from(draw(40, 2, 8, 16), area)


def test_turning_the_globe_turns_the_latent() -> None:
    net = awake("conv")
    x = draw(2, 2, 8, 16)
    z = net.encode(x)
    torch.testing.assert_close(net.encode(x.roll(4, -1)), z.roll(1, -1))
    torch.testing.assert_close(net.decode(z.roll(1, -1)), net.decode(z).roll(4, -1))


def test_the_seam_is_no_edge(name: str) -> None:
    """A change in the first column reaches the last as it reaches the second."""
    net = awake(name)
    x = draw(1, 2, 8, 32)
    touched = x.clone()
    touched[..., 0] += 1.0
    change = (net.encode(touched) - net.encode(x)).abs().amax((0, 1, 2))
    assert change[-1] > 1e-6


def test_latitude_matters(name: str) -> None:
    x = torch.ones(1, 2, 16, 16, dtype=torch.float64)
    z = awake(name).encode(x)
    inner = z[..., 1:-1, :] if name == "vit" else z
    assert inner.std(-2).min() > 1e-4


def test_rows_of_a_batch_do_not_mix(name: str) -> None:
    net = awake(name)
    x = draw(3, 2, 8, 16)
    alone = torch.cat([net.encode(row[None]) for row in x])
    torch.testing.assert_close(net.encode(x), alone)
    torch.testing.assert_close(net.decode(alone)[1:2], net.decode(alone[1:2]))


@pytest.mark.parametrize(
    ("shape", "part"),
    [((1, 3, 8, 16), "encode"), ((1, 2, 6, 16), "encode"), ((2, 8, 16), "encode"),
     ((1, 4, 2, 4), "decode")],
)  # fmt: skip
def test_another_grid_is_refused(name: str, shape: tuple[int, ...], part: str) -> None:
    with pytest.raises(InputError, match="does not go through this autoencoder"):
        getattr(fresh(name), part)(draw(*shape))


@pytest.mark.parametrize(
    ("build", "match"),
    [
        (lambda: ConvAutoencoderConfig(channels=2, latent_channels=0), "size below 1"),
        (lambda: ConvAutoencoderConfig(channels=2, latent_channels=1, widths=(8,)), "halvings"),
        (lambda: ViTAutoencoderConfig(channels=2, latent_channels=1, depth=0), "size below 1"),
        (lambda: ViTAutoencoderConfig(channels=2, latent_channels=1, width=12), "multiple of 8"),
    ],
)
def test_a_configuration_that_builds_nothing_is_refused(
    build: Callable[[], object], match: str
) -> None:
    with pytest.raises(InputError, match=match):
        build()


def test_a_configuration_survives_its_card() -> None:
    assert ConvAutoencoderConfig(**json.loads(json.dumps(asdict(CONV)))) == CONV
    assert ViTAutoencoderConfig(**json.loads(json.dumps(asdict(VIT)))) == VIT


def test_it_learns_fields_with_as_many_degrees_of_freedom_as_latents(name: str) -> None:
    """Constant patches have 2 numbers a patch: 5 latents hold them, an untrained net does not."""
    net: nn.Module = fresh(name).train()
    coarse = draw(64, 2, 2, 4)
    x = coarse.repeat_interleave(4, -1).repeat_interleave(4, -2)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    losses = []
    for _ in range(150):
        loss = (net.decode(net.encode(x)) - x).square().mean()  # type: ignore[operator]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] > 0.5
    assert losses[-1] < 0.03
