"""What every codec promises: there and back, in batches of any shape, differentiable."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from isopleth.core.errors import InputError
from isopleth.core.protocols import Codec
from isopleth.nets.autoencoder import ConvAutoencoder, ConvAutoencoderConfig
from isopleth.nets.autoencoder_vit import ViTAutoencoder, ViTAutoencoderConfig
from isopleth.priors.autoencoder import SHIPPED_CODECS, AutoencoderCodec, load_codec
from isopleth.priors.codec import Identity, Whitened
from isopleth.priors.eof_codec import EofCodec

STATE = (3, 32, 64)
CLIMATE = 1e7


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def smooth(*leading: int, seed: int = 0) -> Tensor:
    """A few planetary waves in m2 s-1, on every level alike but for their size."""
    lat = torch.linspace(1.5, -1.5, STATE[1])[:, None]
    lon = torch.arange(STATE[2]) * (2 * torch.pi / STATE[2])
    waves = [lat.cos() ** m * (m * lon + phase).cos() for m in (1, 2, 3) for phase in (0.0, 1.57)]
    size = draw(*leading, len(waves), seed=seed)
    field = torch.einsum("...k,kij->...ij", size, torch.stack(waves))
    return CLIMATE * torch.stack([field, 0.6 * field, 0.4 * field], -3)


def trained(net: nn.Module) -> AutoencoderCodec:
    """A small network after a short training on waves."""
    codec = AutoencoderCodec(net, torch.zeros(STATE), CLIMATE * torch.tensor([1.0, 0.6, 0.4]))
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    for step in range(120):
        x = smooth(8, seed=step + 1)
        loss = ((codec.decode(codec.encode(x)) - x) / CLIMATE).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return codec.requires_grad_(False).eval()


def conv() -> Codec:
    torch.manual_seed(0)
    config = ConvAutoencoderConfig(channels=3, latent_channels=4, widths=(8, 8), blocks=(1, 1))
    return trained(ConvAutoencoder(config))


def vit() -> Codec:
    torch.manual_seed(0)
    config = ViTAutoencoderConfig(channels=3, latent_channels=4, width=16, depth=1)
    return trained(ViTAutoencoder(config))


def eof(white: bool) -> Codec:
    return EofCodec.fit(smooth(64, seed=99), torch.ones(32, 64), 6, white=white)


BUILDS: dict[str, Callable[[], Codec]] = {
    "identity": Identity,
    "EOF": lambda: eof(white=False),
    "white EOF": lambda: eof(white=True),
    "conv": conv,
    "ViT": vit,
    "whitened conv": lambda: Whitened.fit(conv(), smooth(64, seed=99) + draw(64, *STATE)),
    **{name: lambda name=name: load_codec(name) for name in SHIPPED_CODECS},
}
NEAR = {"identity": 0.0, "EOF": 1e-8, "white EOF": 1e-8}


@pytest.fixture(scope="module", params=list(BUILDS))
def named(request: pytest.FixtureRequest) -> tuple[str, Codec]:
    return str(request.param), BUILDS[request.param]()


@pytest.fixture
def codec(named: tuple[str, Codec]) -> Codec:
    return named[1]


def test_it_is_a_codec(codec: Codec) -> None:
    assert isinstance(codec, Codec)


def test_a_state_comes_back_near_itself(named: tuple[str, Codec]) -> None:
    name, codec = named
    x = smooth(16, seed=50)
    back = codec.decode(codec.encode(x))
    assert back.shape == x.shape
    share = (back - x).square().mean() / x.square().mean()
    assert share <= NEAR.get(name, 0.1)


def test_leading_axes_are_kept_and_independent(codec: Codec) -> None:
    x = smooth(2, 3, seed=51)
    z = codec.encode(x)
    assert z.shape[:2] == (2, 3)
    back = codec.decode(z)
    assert back.shape == x.shape
    for i in range(2):
        for j in range(3):
            alone = codec.encode(x[i, j])
            assert alone.shape == z.shape[2:]
            close(z[i, j], alone)
            close(back[i, j], codec.decode(alone))


def test_the_gradient_is_the_limit_of_differences(codec: Codec) -> None:
    x, dx = smooth(2, seed=52), smooth(2, seed=53)
    z = codec.encode(x)
    dy = draw(2, *STATE, seed=54)
    for map_, at, direction, weight in (
        (codec.decode, z, codec.encode(x + dx) - z, dy),
        (codec.encode, x, dx, draw(*z.shape, seed=55)),
    ):
        asked = at.detach().requires_grad_()
        (gradient,) = torch.autograd.grad((map_(asked) * weight).sum(), asked)
        h = 0.03
        ahead, behind = map_(at + h * direction), map_(at - h * direction)
        central = (((ahead - behind) * weight).double().sum() / (2 * h)).item()
        slope = (gradient * direction).double().sum().item()
        size = (weight.norm() * (ahead - behind).norm() / (2 * h)).item()
        assert size > 0
        assert slope == pytest.approx(central, abs=5e-3 * size)


def test_decoding_does_not_depend_on_the_batch(codec: Codec) -> None:
    x = smooth(9, seed=56)
    close(codec.decode(codec.encode(x))[4:5], codec.decode(codec.encode(x[4:5])))


def test_another_grid_is_refused(named: tuple[str, Codec]) -> None:
    name, codec = named
    if name == "identity":
        pytest.skip("the identity has no grid")
    for shape in ((2, 3, 16, 32), (2, 2, 32, 64), (32, 64)):
        with pytest.raises(InputError, match=r"bring it to (its|their) grid"):
            codec.encode(torch.zeros(shape))
    z = codec.encode(smooth(2))
    with pytest.raises(InputError):
        codec.decode(z.repeat_interleave(2, -1))


def close(found: Tensor, expected: Tensor) -> None:
    """To single precision, whatever the unit."""
    scale = float(expected.abs().max())
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-5 * scale)
