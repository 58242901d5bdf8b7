from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from isopleth.core.errors import InputError
from isopleth.core.grid import Grid
from isopleth.core.protocols import Observed
from isopleth.observe.observation import Observation
from isopleth.observe.point import PointOperator
from isopleth.observe.profile import ProfileOperator

GRID = Grid.regular(30.0, levels=[0.0, 100.0])
NAN = float("nan")


def three(values: list[float], variance: torch.Tensor) -> Observation:
    at = ProfileOperator(GRID, [0.0], [40.0], [0.0, 100.0, 200.0])
    return Observation(torch.tensor([values]).double(), at, variance)


def members() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(4, 2, *GRID.shape, generator=generator).double()


def test_the_likelihood_is_the_normal_density_of_the_values_that_count() -> None:
    variance = torch.tensor([[0.25, 4.0, 1.0]]).double()
    seen = three([1.0, -2.0, 3.0], variance)
    x = members()
    read = seen.operator(x)[..., 0, :2]
    density = stats.norm([1.0, -2.0], [0.5, 2.0]).logpdf(2 * np.array([1.0, -2.0]) - read.numpy())
    assert seen.valid.tolist() == [[True, True, False]]
    np.testing.assert_allclose(seen.log_likelihood(x), density.sum(-1))


def test_a_missing_value_counts_for_nothing() -> None:
    whole, part = three([1.0, NAN, NAN], torch.tensor(0.5)), members()
    alone = Observation(
        torch.tensor([1.0]).double(),
        PointOperator(GRID, [0.0], [40.0], level=0),
        torch.tensor(0.5),
    )
    torch.testing.assert_close(whole.log_likelihood(part), alone.log_likelihood(part))
    assert (whole.residual(part)[..., 1:] == 0).all()


def test_the_gradient_is_the_adjoint_of_the_weighted_residual() -> None:
    seen = three([1.0, NAN, 3.0], torch.tensor(0.5).double())
    x = members().requires_grad_()
    (gradient,) = torch.autograd.grad(seen.log_likelihood(x).sum(), x)
    expected = seen.operator.adjoint(seen.residual(x) / 0.5)  # type: ignore[attr-defined]
    torch.testing.assert_close(gradient, expected)


def test_it_is_observed_in_the_sense_of_the_protocol() -> None:
    seen = three([1.0, NAN, 3.0], torch.tensor(0.5))
    assert isinstance(seen, Observed)
    assert seen.variance.shape == seen.values.shape
    assert seen.time is None


@pytest.mark.parametrize(
    ("values", "variance", "sentence"),
    [
        (
            [1.0, 2.0],
            torch.tensor(1.0),
            r"values of shape \(1, 2\), but the operator gives \(1, 3\)",
        ),
        ([1.0, 2.0, 3.0], torch.ones(3), r"variance has shape \(3,\), the values \(1, 3\)"),
        ([1.0, 2.0, 3.0], torch.tensor(0.0), "variance is 0: give a positive number"),
        ([1.0, 2.0, 3.0], torch.tensor([[1.0, NAN, 1.0]]), "variance is nan"),
    ],
)
def test_what_does_not_fit_is_refused(
    values: list[float], variance: torch.Tensor, sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        three(values, variance)


def test_a_missing_value_needs_no_variance() -> None:
    seen = three([1.0, NAN, 3.0], torch.tensor([[1.0, NAN, 1.0]]))
    assert torch.isfinite(seen.log_likelihood(members())).all()
