"""Regression and latents given a background: what they say untrained, round trips, rows."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from isopleth.core.errors import InputError
from isopleth.priors.background_latent import (
    ErrorLatents,
    InUnits,
    StateLatents,
    rows_of,
)
from isopleth.priors.background_regression import BackgroundRegression
from isopleth.priors.codec import Identity, floor
from isopleth.priors.eof_codec import EofCodec

STATE = (2, 5, 6)
AREA = torch.tensor([0.3, 0.8, 1.0, 0.8, 0.3])


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


class Constant(nn.Module):
    """A network that says the same of every case, whatever it is asked."""

    def __init__(self, shift: float, stretch: float) -> None:
        super().__init__()
        self.values = nn.Parameter(torch.tensor([shift, shift, stretch, stretch]))
        self.asked: list[tuple[torch.Size, ...]] = []

    def forward(self, known: Tensor, noise: Tensor, features: Tensor) -> Tensor:
        self.asked.append((known.shape, noise.shape, features.shape))
        scaled = self.values[:, None, None] * known[:, :1].mean((-2, -1), keepdim=True)
        return scaled.expand(len(known), 4, *known.shape[2:])


def regression(shift: float = 0.0, stretch: float = 0.0, extra: int = 0) -> BackgroundRegression:
    spread = 0.1 + draw(*STATE, seed=1).abs()
    static = torch.linspace(-1, 1, 5)[None, :, None].expand(1, 5, 6)
    return BackgroundRegression(Constant(shift, stretch), spread, static, extra=extra)


def latents(modes: int = 60, extra: int = 0) -> ErrorLatents:
    errors = draw(400, *STATE, seed=2) + draw(400, 2, 1, 1, seed=3)
    codec = EofCodec.fit(errors, AREA[:, None], modes)
    left = (errors - codec.decode(codec.encode(errors))).square().mean(0)
    return ErrorLatents(regression(0.4, 0.8, extra), codec, left).double()


# --- the regression --------------------------------------------------------------------------


def test_untrained_it_says_the_background_and_the_climate_of_its_error() -> None:
    known = draw(3, *STATE, seed=4)
    estimate = regression()(known)
    assert torch.equal(estimate.mean, known)
    torch.testing.assert_close(
        estimate.spread, (0.1 + draw(*STATE, seed=1).abs()).expand_as(known)
    )


def test_the_network_speaks_in_units_of_the_climate() -> None:
    model, known = regression(0.5, 0.2), draw(3, *STATE, seed=4)
    size = known[:, :1].mean((-2, -1), keepdim=True)
    estimate, s0 = model(known), model.origin.exp()
    torch.testing.assert_close(estimate.mean, known + 0.5 * size * s0)
    torch.testing.assert_close(
        estimate.log_spread, model.origin + 3.0 * torch.tanh(0.2 * size / 3.0).expand_as(known)
    )
    wild = regression(0.0, 1e4)(known).spread / s0
    assert wild.max() < 20.1
    assert wild.min() > 0.049


def test_earlier_channels_are_known_but_no_background() -> None:
    model = regression(extra=3)
    known = draw(2, 5, 5, 6)
    assert torch.equal(model(known).mean, known[:, :2])
    assert model.net.asked == [((2, 5, 5, 6), (2,), (1, 3, 5, 6))]
    with pytest.raises(InputError, match=r"give \(case, 2 \+ 3, 5, 6\)"):
        model(draw(2, 2, 5, 6))


def test_what_no_regression_can_start_from() -> None:
    with pytest.raises(InputError, match="give the root mean square"):
        BackgroundRegression(Constant(0.0, 0.0), torch.zeros(STATE), torch.zeros(1, 5, 6))
    with pytest.raises(InputError, match="not on one grid"):
        BackgroundRegression(Constant(0.0, 0.0), torch.ones(STATE), torch.zeros(1, 4, 6))


# --- latents of errors -----------------------------------------------------------------------


def test_all_modes_bring_the_state_back_for_every_row_of_its_case() -> None:
    given = latents().given(draw(3, *STATE, seed=5))
    x = draw(12, *STATE, seed=6).double()
    z = given.encode(x)
    assert z.shape == (12, 60)
    torch.testing.assert_close(given.decode(z), x, rtol=0, atol=1e-4)


def test_row_r_has_the_background_of_case_r_mod_cases() -> None:
    known, z = draw(3, *STATE, seed=5), draw(6, 60, seed=7).double()
    model = latents()
    together = model.given(known).decode(z)
    for row in range(6):
        alone = model.given(known[row % 3][None]).decode(z[row : row + 1])
        torch.testing.assert_close(together[row : row + 1], alone)
    assert (model.given(known.roll(1, 0)).decode(z) - together).abs().max() > 0.1


def test_the_mean_of_the_estimate_is_where_latents_are_those_of_no_error() -> None:
    model, known = latents(), draw(3, *STATE, seed=5)
    given = model.given(known)
    estimate = model.regression(known)
    no_error = given.encode(estimate.mean)
    torch.testing.assert_close(model.field(no_error), (-model.codec.mean).expand(3, *STATE))
    assert given.linear
    nothing = torch.zeros(3, 60, dtype=torch.float64)
    torch.testing.assert_close(
        given.decode(nothing), estimate.mean + estimate.spread * model.codec.mean
    )


def test_decoding_is_affine_and_differentiable() -> None:
    given = latents(20).given(draw(2, *STATE, seed=5))
    a, b = draw(4, 20, seed=8).double(), draw(4, 20, seed=9).double()
    origin = given.decode(torch.zeros_like(a))
    both = given.decode(a + 2.0 * b) - origin
    torch.testing.assert_close(both, given.decode(a) - origin + 2.0 * (given.decode(b) - origin))
    assert torch.autograd.gradcheck(given.decode, (a.requires_grad_(),), fast_mode=True)


def test_few_modes_leave_the_truncation_and_say_where() -> None:
    model, known = latents(12), torch.zeros(400, *STATE)
    given = model.given(known)
    errors = (draw(400, *STATE, seed=2) + draw(400, 2, 1, 1, seed=3)).double()
    truth = given.estimate.mean + given.estimate.spread * errors
    left = (given.decode(given.encode(truth)) - truth).square().mean(0)
    torch.testing.assert_close(left, given.unresolved[0], rtol=1e-4, atol=1e-6)
    share = AREA.double()[:, None].expand(5, 6)
    expected = (given.unresolved[0] * share).sum((-2, -1)) / share.sum()
    measured = floor(given, truth, AREA[:, None], batch=400)
    torch.testing.assert_close(measured.mean(0), expected, rtol=1e-4, atol=1e-6)


def test_field_and_projection_are_inverse_and_the_weights_make_areas() -> None:
    model, z = latents(20), draw(4, 20, seed=8).double()
    torch.testing.assert_close(model.project(model.field(z)), z, rtol=0, atol=1e-5)
    torch.testing.assert_close(
        (model.weights * z.square()).sum(1),
        (AREA.double()[:, None] * model.field(z).square()).sum((-3, -2, -1)),
        rtol=1e-5, atol=1e-5,
    )  # fmt: skip
    outside = draw(4, *STATE, seed=9).double()
    again = model.field(model.project(outside))
    torch.testing.assert_close(model.field(model.project(again)), again, rtol=0, atol=1e-5)


def test_the_condition_tells_background_spread_and_shift() -> None:
    model, known = latents(extra=2), draw(3, 4, 5, 6, seed=5).double()
    given = model.given(known)
    condition = given.condition
    assert condition.shape[1] == model.channels[1] == 4 + 2 + 2 + 3
    s0 = model.regression.origin.exp()
    torch.testing.assert_close(condition[:, :4], known)
    torch.testing.assert_close(condition[:, 4:6].exp() * s0, given.estimate.spread)
    torch.testing.assert_close(known[:, :2] + condition[:, 6:8] * s0, given.estimate.mean)
    torch.testing.assert_close(condition[2, 8:], model.regression.features)


def test_rows_that_are_no_multiple_of_the_cases() -> None:
    given = latents(20).given(draw(3, *STATE))
    with pytest.raises(InputError, match="4 rows and backgrounds of 3 cases"):
        given.decode(torch.zeros(4, 20))
    with pytest.raises(InputError, match="5 rows and backgrounds of 2 cases"):
        rows_of(torch.zeros(2, 3), 5)


def test_modes_that_are_not_white_are_refused() -> None:
    codec = EofCodec.fit(draw(400, *STATE), AREA[:, None], 10, white=False)
    with pytest.raises(InputError, match="fit white modes"):
        ErrorLatents(regression(), codec, torch.zeros(STATE))


# --- latents of states -----------------------------------------------------------------------


class Pooled(nn.Module):
    """Latents (c, lat / 2, lon / 2) that are means of four cells."""

    def encode(self, x: Tensor) -> Tensor:
        return nn.functional.avg_pool2d(x, 2)

    def decode(self, z: Tensor) -> Tensor:
        return z.repeat_interleave(2, -1).repeat_interleave(2, -2)


def test_states_are_told_the_latents_of_background_and_earlier_states() -> None:
    model = StateLatents(Pooled(), torch.tensor([1.0, 3.0, 2.0, 2.0]), 2, (2, 2, 3), extra=2)
    known = draw(3, 4, 4, 6)
    given = model.given(known)
    assert model.channels == (2, 4)
    assert not given.linear
    torch.testing.assert_close(given.condition[:, :2], Pooled().encode(known[:, :2]))
    torch.testing.assert_close(given.condition[:, 2:], Pooled().encode(known[:, 2:]))
    torch.testing.assert_close(model.weights, torch.tensor([[2.0], [2.0]]))
    x = Pooled().decode(draw(6, 2, 2, 3))
    torch.testing.assert_close(given.decode(given.encode(x)), x)
    assert torch.equal(model.project(model.field(x)), x)


def test_what_no_states_can_be_told() -> None:
    with pytest.raises(InputError, match="whole states"):
        StateLatents(Pooled(), torch.ones(4), 2, (2, 2, 3), extra=1)
    with pytest.raises(InputError, match="latents that are fields"):
        StateLatents(Pooled(), torch.ones(4), 2, (12,))
    with pytest.raises(InputError, match=r"give \(case, 2 \+ 0"):
        StateLatents(Pooled(), torch.ones(4), 2, (2, 2, 3)).given(draw(1, 4, 4, 6))


def test_units_are_brought_to_the_codec_and_back() -> None:
    mean, spread = 100.0 * draw(*STATE, seed=1), torch.tensor([50.0, 3.0])[:, None, None]
    codec, x = InUnits(Identity(), mean, spread), draw(4, *STATE)
    torch.testing.assert_close(codec.encode(x), mean + spread * x)
    torch.testing.assert_close(codec.decode(codec.encode(x)), x, rtol=0, atol=1e-4)
    with pytest.raises(InputError, match="cannot scale"):
        InUnits(Identity(), mean, torch.zeros(()))
