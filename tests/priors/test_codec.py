"""Codecs without training: identity, whitening, EOFs against their closed forms, and the floor."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.priors import eof_codec
from isopleth.priors.codec import Identity, Whitened, apart, floor
from isopleth.priors.eof_codec import EofCodec

SHAPE = (2, 3, 4)
AREA = torch.tensor([1.0, 2.0, 1.0], dtype=torch.float64)[:, None] / 16.0
WEIGHTS = AREA * torch.tensor([1.0, 0.25], dtype=torch.float64)[:, None, None]


def draw(*shape: int, seed: int = 0) -> Tensor:
    stream = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=stream, dtype=torch.float64)


def states(count: int = 300, seed: int = 0) -> Tensor:
    """Correlated, with a mean, and of decaying variance."""
    mix = torch.diag(0.7 ** torch.arange(24, dtype=torch.float64)) @ draw(24, 24, seed=9)
    return (draw(count, 24, seed=seed) @ mix + 3.0).unflatten(1, SHAPE)


def products(a: Tensor, b: Tensor) -> Tensor:
    return torch.einsum("...chw,chw->...", a * b, WEIGHTS)


def test_modes_are_orthonormal_and_latents_white() -> None:
    codec = EofCodec.fit(states(), WEIGHTS, 6)
    gram = products(codec.modes[:, None], codec.modes[None])
    torch.testing.assert_close(gram, torch.eye(6).double())
    z = codec.encode(states())
    torch.testing.assert_close(z.mean(0), torch.zeros(6).double(), atol=1e-9, rtol=0)
    torch.testing.assert_close(z.T @ z / len(z), torch.eye(6).double(), atol=1e-7, rtol=0)


def test_unscaled_latents_are_principal_components() -> None:
    codec = EofCodec.fit(states(), WEIGHTS, 6, white=False)
    x = states()
    component = products(x - x.mean(0), codec.modes[2])
    torch.testing.assert_close(codec.encode(x)[:, 2], component)
    torch.testing.assert_close(component.square().mean(), codec.variances[2])


def test_the_truncation_is_the_error_and_the_least_possible() -> None:
    x = states()
    codec = EofCodec.fit(x, WEIGHTS, 5)
    error = codec.decode(codec.encode(x)) - x
    lost, total = products(error, error).mean(), products(x - x.mean(0), x - x.mean(0)).mean()
    assert codec.truncation == pytest.approx(float(lost / total))
    values = torch.linalg.svdvals((x - x.mean(0)).mul(WEIGHTS.sqrt()).flatten(1)).square()
    assert codec.truncation == pytest.approx(float(values[5:].sum() / values.sum()), rel=1e-6)
    assert 0.001 < codec.truncation < 0.5


@pytest.mark.parametrize("white", [True, False])
def test_the_code_of_a_decoded_latent_is_that_latent(white: bool) -> None:
    codec = EofCodec.fit(states(), WEIGHTS, 7, white=white)
    z = draw(5, 7, seed=4)
    torch.testing.assert_close(codec.encode(codec.decode(z)), z)


def test_all_modes_lose_nothing_and_the_leading_ones_are_a_fit_of_their_own() -> None:
    whole, x = EofCodec.fit(states(), WEIGHTS, 24), states(4, seed=8)
    torch.testing.assert_close(whole.decode(whole.encode(x)), x)
    assert whole.truncation == pytest.approx(0.0, abs=1e-9)
    few, fitted = whole.leading(5), EofCodec.fit(states(), WEIGHTS, 5)
    torch.testing.assert_close(few.decode(few.encode(x)), fitted.decode(fitted.encode(x)))
    assert few.truncation == pytest.approx(fitted.truncation)


def test_an_eof_codec_is_a_module_whose_numbers_are_all_in_its_state() -> None:
    codec, other = EofCodec.fit(states(), WEIGHTS, 4), EofCodec.fit(states(seed=5), WEIGHTS, 4)
    other.load_state_dict(codec.state_dict())
    x = states(3, seed=6)
    torch.testing.assert_close(other.decode(other.encode(x)), codec.decode(codec.encode(x)))


def test_more_modes_than_directions_are_refused() -> None:
    flat = draw(50, 3) @ draw(3, 24, seed=1)
    with pytest.raises(InputError, match="the last of 4 modes has no variance"):
        EofCodec.fit(flat.unflatten(1, SHAPE), WEIGHTS, 4)
    assert EofCodec.fit(flat.unflatten(1, SHAPE), WEIGHTS, 3).truncation < 1e-9


@pytest.mark.parametrize("dense", [0, 2048])
def test_single_precision_does_not_lose_small_modes(
    dense: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Variances over seven decades; the last modes still take what is theirs."""
    monkeypatch.setattr(eof_codec, "_DENSE", dense)
    turn = torch.linalg.qr(draw(24, 24, seed=3)).Q
    size = 10.0 ** torch.linspace(0, -3.5, 24, dtype=torch.float64)
    x = (draw(3000, 24) * size @ turn).float().unflatten(1, SHAPE)
    codec = EofCodec.fit(x, torch.ones(1), 20)
    error = (codec.decode(codec.encode(x)) - x).square().sum((-3, -2, -1)).mean()
    assert float(error) == pytest.approx(float(size[20:].square().sum()), rel=0.1)


def test_states_that_are_not_whole_are_refused() -> None:
    broken = states()
    broken[3, 0, 0, 0] = float("nan")
    with pytest.raises(InputError, match="not finite"):
        EofCodec.fit(broken, WEIGHTS, 3)
    with pytest.raises(InputError, match="not positive"):
        EofCodec.fit(states(), 0.0 * WEIGHTS, 3)


@pytest.mark.parametrize("modes", [0, 7])
def test_modes_that_are_not_there_are_refused(modes: int) -> None:
    with pytest.raises(InputError, match=f"{modes} of 6 modes"):
        EofCodec.fit(states(), WEIGHTS, 6).leading(modes)


def test_modes_of_another_grid_are_refused() -> None:
    with pytest.raises(InputError, match="take all from one fit"):
        EofCodec(draw(2, 3), draw(4, 2, 5), draw(4), torch.ones(1), left=0.0, total=1.0)


def test_whitened_latents_have_variance_one_and_decode_to_the_same() -> None:
    x = states()
    codec = Whitened.fit(Identity(), x, batch=64)
    z = codec.encode(x)
    torch.testing.assert_close(z.mean(0), torch.zeros(SHAPE).double(), atol=1e-9, rtol=0)
    torch.testing.assert_close(z.var(0), torch.ones(SHAPE).double())
    torch.testing.assert_close(codec.decode(z), x)


def test_a_latent_that_never_varies_cannot_be_whitened() -> None:
    x = states()
    x[:, 0, 0, 0] = 1.0
    with pytest.raises(InputError, match="drop numbers that never vary"):
        Whitened.fit(Identity(), x)
    with pytest.raises(InputError, match="1 states have no spread"):
        Whitened.fit(Identity(), x[:1])


class Offset(Identity):
    """An error of 2 in the first channel and 0 in the second."""

    def decode(self, z: Tensor) -> Tensor:
        return z + torch.tensor([2.0, 0.0])[:, None, None]


class NorthLost(Identity):
    """Forgets the northern row."""

    def decode(self, z: Tensor) -> Tensor:
        return torch.cat([torch.zeros_like(z[..., :1, :]), z[..., 1:, :]], -2)


def test_the_floor_is_a_weighted_mean_of_each_channel() -> None:
    x = states(7)
    expected = torch.tensor([4.0, 0.0]).double().expand(7, 2)
    torch.testing.assert_close(floor(Offset(), x, AREA, batch=3), expected)
    north = (x[:, :, 0].square().mean(-1)) * 0.25
    torch.testing.assert_close(floor(NorthLost(), x, AREA * 5.0), north)


def test_errors_that_two_states_share_do_not_set_them_apart() -> None:
    x, y = states(7), states(7, seed=1)
    assert apart(Offset(), x, y, AREA, batch=3).abs().max() < 1e-12
    torch.testing.assert_close(apart(NorthLost(), x, y, AREA), floor(NorthLost(), x - y, AREA))


def test_what_cannot_be_scored_is_refused() -> None:
    x = states(2)
    with pytest.raises(InputError, match="cannot be scored"):
        floor(Identity(), x[0], AREA)
    with pytest.raises(InputError, match="no cell has a positive weight"):
        floor(Identity(), x, 0.0 * AREA)
    with pytest.raises(InputError, match="are no pairs"):
        apart(Identity(), x, x[:1], AREA)
