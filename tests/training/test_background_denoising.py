"""Denoising in latents: known minimum, weights by area, frozen latents, a gate with a bar."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from isopleth.core.errors import InputError
from isopleth.nets.unet import UNet, UNetConfig
from isopleth.priors.background_latent import ErrorLatents
from isopleth.priors.background_regression import BackgroundRegression
from isopleth.priors.conditional import ConditionalDenoiser
from isopleth.priors.eof_codec import EofCodec
from isopleth.training.background_denoising import BackgroundDenoising, LatentTest
from isopleth.training.objectives import DenoisingLoss, LogNormal, LogUniform

STATE, MODES = (1, 4, 8), 12
AREA = torch.tensor([0.4, 1.0, 1.0, 0.4])[:, None]


class Shrink(nn.Module):
    """D(z, sigma) = factor z / (1 + sigma^2): the best one for N(0, 1) latents at factor 1."""

    def __init__(self, factor: float | Tensor = 1.0) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.as_tensor(factor))

    def forward(self, z: Tensor, sigma: Tensor, *condition: Tensor) -> Tensor:
        return self.factor * z / (1 + sigma.reshape(-1, *(1 for _ in z.shape[1:])) ** 2)


class Silent(nn.Module):
    """A regression's network that says (x_b, s_0) but has a weight."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, known: Tensor, noise: Tensor, features: Tensor) -> Tensor:
        return self.weight * known.repeat(1, 2, 1, 1)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pairs(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """x = x_b + 0.5 (0.8 W x_b + 0.6 n), W a shift by one column: the background tells a part."""
    stream = generator(seed)
    known = torch.randn(count, *STATE, generator=stream)
    noise = torch.randn(count, *STATE, generator=stream)
    return known + 0.5 * (0.8 * known.roll(1, -1) + 0.6 * noise), known


def denoiser(net: nn.Module | None = None) -> ConditionalDenoiser:
    x, known = pairs(1000, 1)
    codec = EofCodec.fit((x - known) / 0.5, AREA, MODES)
    regression = BackgroundRegression(Silent(), torch.full(STATE, 0.5), torch.ones(1, 4, 8))
    latents = ErrorLatents(regression, codec, torch.zeros(STATE))
    channel, told = latents.channels
    sizes = UNetConfig(
        in_channels=2 * channel, out_channels=channel, condition_channels=told,
        widths=(16,), attention=(False,), embedding=8,
    )  # fmt: skip
    torch.manual_seed(0)
    return ConditionalDenoiser(net or UNet(sizes), latents)


@pytest.mark.parametrize("shape", [(7,), (3, 2, 2), (2, 3, 4, 5)])
def test_the_best_denoiser_of_white_latents_has_a_loss_of_one(shape: tuple[int, ...]) -> None:
    z = torch.randn(8000, *shape, generator=generator(1))
    loss = DenoisingLoss(Shrink(), torch.ones(shape, dtype=torch.bool))(z, generator())
    assert loss.item() == pytest.approx(1.0, abs=0.03)
    assert DenoisingLoss(Shrink(0.9), torch.ones(shape, dtype=torch.bool))(z, generator()) > loss


def test_latents_count_by_their_weight() -> None:
    mask, weights = torch.ones(3, dtype=torch.bool), torch.tensor([6.0, 1.0, 1.0])
    z = torch.randn(500, 3, generator=generator(1))
    each = [
        DenoisingLoss(Shrink(factor), mask, weights)(z, generator()).item()
        for factor in (torch.ones(3), torch.tensor([0.5, 1, 1]), torch.tensor([1, 1, 0.5]))
    ]
    assert each[0] < each[2] < each[1]


def test_a_batch_of_another_shape_is_refused() -> None:
    with pytest.raises(InputError, match=r"not one of \(3,\)"):
        DenoisingLoss(Shrink(), torch.ones(3, dtype=torch.bool))(torch.zeros(2, 4), generator())


def test_the_norm_is_that_of_the_field_by_area() -> None:
    model, (x, known) = denoiser(), pairs(64, 2)
    objective = BackgroundDenoising(model, LogUniform(0.5, 0.6))
    z = model.latents.given(known).encode(x)
    weight = objective.denoising.weights
    field = model.latents.field(z).square() * AREA
    share = field.sum((1, 2, 3)) / model.latents.weights.sum()
    torch.testing.assert_close((weight * z.square()).sum(1), share)


def test_untrained_it_loses_what_the_filter_loses() -> None:
    objective = BackgroundDenoising(denoiser(), LogUniform(0.5, 0.6))
    assert objective(pairs(4000, 2), generator()).item() == pytest.approx(1.0, abs=0.05)


def test_only_the_network_of_the_denoiser_is_trained() -> None:
    objective = BackgroundDenoising(denoiser())
    trained = [name for name, p in objective.named_parameters() if p.requires_grad]
    assert trained
    assert all(name.startswith("denoising.denoiser.net.") for name in trained)
    objective(pairs(4, 2), generator()).backward()
    assert objective.denoising.denoiser.latents.regression.net.weight.grad is None


def test_training_learns_what_the_background_tells() -> None:
    model = denoiser()
    objective = BackgroundDenoising(model, LogNormal(0.0, 1.0))
    optimiser = torch.optim.Adam([p for p in objective.parameters() if p.requires_grad], lr=5e-3)
    data, first = pairs(4096, 3), torch.Generator().manual_seed(5)
    for step in range(100):
        rows = torch.randint(4096, (32,), generator=first)
        optimiser.zero_grad()
        objective((data[0][rows], data[1][rows]), generator(step)).backward()
        optimiser.step()
    x, known = pairs(256, 4)
    given = model.latents.given(known)
    test = LatentTest(given.encode(x), given.condition, model.latents.weights, (0.3, 1.0, 10.0))
    found = test.ratio(model, Shrink())
    assert (found.value + 3 * found.standard_error)[1] < 0.9
    swapped = LatentTest(test.latents, test.condition.flip(0), test.weights, test.sigmas)
    assert swapped.ratio(model, Shrink()).value[1] > found.value[1] + 0.1, "it heard its case"


def test_the_gate_knows_the_error_of_the_filter() -> None:
    z = torch.randn(4000, 3, generator=generator(7))
    sigmas = (0.1, 1.0, 10.0)
    test = LatentTest(z, torch.zeros(4000, 1, 1, 1), torch.tensor([1.0, 2.0, 3.0]), sigmas)
    expected = torch.tensor([s**2 / (1 + s**2) for s in sigmas], dtype=torch.float64)
    torch.testing.assert_close(test.mean(Shrink()), expected, rtol=0.04, atol=0)
    assert test.variance().item() == pytest.approx(1.0, abs=0.05)
    same = test.ratio(Shrink(), Shrink())
    assert same.value.tolist() == [1.0, 1.0, 1.0]
    assert same.standard_error.tolist() == [0.0, 0.0, 0.0]
    assert test.ratio(Shrink(0.8), Shrink()).value.min() > 1.0


def test_errors_do_not_depend_on_the_batches() -> None:
    z, condition = torch.randn(10, 3), torch.zeros(10, 1, 1, 1)
    whole = LatentTest(z, condition, torch.ones(3), (1.0,), batch=10).errors(Shrink())
    parts = LatentTest(z, condition, torch.ones(3), (1.0,), batch=3).errors(Shrink())
    torch.testing.assert_close(whole, parts)


def test_no_latents_no_test() -> None:
    with pytest.raises(InputError, match="2 latents with 1 conditions"):
        LatentTest(torch.zeros(2, 3), torch.zeros(1, 1, 1, 1), torch.ones(3), (1.0,))
