from __future__ import annotations

import pytest
import torch

from isopleth.core.errors import InputError
from isopleth.core.grid import Grid
from isopleth.core.region import Region
from isopleth.observe.networks import RandomPoints
from isopleth.observe.nonlinear import wind_speed
from isopleth.observe.point import PointOperator
from isopleth.observe.simulated import observed

GRID = Grid.regular(5.0, levels=[0.0, 1.0])
AT = RandomPoints(4000)(GRID, torch.Generator().manual_seed(9)).operator(GRID)
TRUTH = torch.randn(GRID.shape, generator=torch.Generator().manual_seed(8), dtype=torch.float64)


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_errors_have_the_variance_said() -> None:
    seen = observed(AT, TRUTH, 0.09, stream())
    error = (seen.values - AT(TRUTH)) / 0.3
    assert error.mean().abs() < 0.05
    assert error.var().item() == pytest.approx(1.0, abs=0.07)
    assert (seen.variance == 0.09).all()
    # Twice the negative log-likelihood of the truth is chi-square with 8000 degrees of freedom.
    chi = seen.residual(TRUTH).square().div(seen.variance).sum().item()
    assert chi == pytest.approx(8000.0, abs=4 * 126.5)


def test_each_value_has_its_own_variance() -> None:
    variance = torch.linspace(0.01, 4.0, 8000, dtype=torch.float64)
    seen = observed(AT, TRUTH, variance, stream())
    scaled = (seen.values - AT(TRUTH)) / variance.sqrt()
    assert scaled[:800].var().item() == pytest.approx(1.0, abs=0.2)
    assert scaled[-800:].var().item() == pytest.approx(1.0, abs=0.2)


def test_the_generator_decides() -> None:
    one, again, other = (observed(AT, TRUTH, 1.0, stream(seed)).values for seed in (0, 0, 1))
    assert torch.equal(one, again)
    assert (one != other).all()


def test_what_the_grid_cannot_see_is_missing_and_shifts_no_error() -> None:
    region = Grid.regular(5.0, levels=[0.0], region=Region.parse("20N:60N,30W:30E"))
    truth = torch.zeros(region.shape, dtype=torch.float64)
    inside = PointOperator(region, [40.0, 30.0, 50.0], [0.0, 10.0, 20.0])
    partly = PointOperator(region, [40.0, -30.0, 50.0], [0.0, 10.0, 20.0])
    whole, part = (observed(at, truth, 1.0, stream()) for at in (inside, partly))
    assert part.valid.tolist() == [True, False, True]
    assert torch.isnan(part.values[1])
    assert torch.equal(part.values[[0, 2]], whole.values[[0, 2]])


def test_nonlinear_readings_get_errors_too() -> None:
    u, v = (PointOperator(GRID, [0.0, 10.0], [0.0, 10.0], level=level) for level in (0, 1))
    seen = observed(wind_speed(u, v), TRUTH.float(), 0.25, stream())
    assert seen.values.dtype == torch.float32
    assert torch.isfinite(seen.log_likelihood(TRUTH.float()))


@pytest.mark.parametrize(
    ("variance", "sentence"),
    [
        (-1.0, "variance is -1"),
        (0.0, "variance is 0"),
        (float("nan"), "variance is nan"),
        (float("inf"), "variance is inf"),
        (torch.ones(3), r"the variance has shape \(3,\), the readings \(8000,\)"),
    ],
)
def test_a_variance_must_be_one(variance: float | torch.Tensor, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        observed(AT, TRUTH, variance, stream())


def test_cases_are_drawn_one_by_one() -> None:
    with pytest.raises(InputError, match="draw every case by itself"):
        observed(AT, TRUTH.expand(2, *GRID.shape), 1.0, stream())
