"""Correlation shapes: values of the literature, limits and positive definiteness."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import gamma, kv

from isopleth.core.errors import InputError
from isopleth.inference.interpolation.scattered import Points
from isopleth.inference.interpolation.shapes import (
    Exponential,
    GaspariCohn,
    Gaussian,
    Matern,
    Shape,
)

SHAPES = [
    Exponential(),
    Gaussian(),
    GaspariCohn(),
    *(Matern(nu) for nu in (0.5, 0.8, 1.5, 2.5, 4)),
]
R = np.linspace(0.0, 5.0, 400)


@pytest.mark.parametrize("shape", SHAPES, ids=repr)
def test_one_at_zero_and_falling(shape: Shape) -> None:
    rho = shape(R)
    assert rho[0] == 1.0
    assert (np.diff(rho) <= 1e-15).all()
    assert (rho >= 0.0).all()
    assert shape(np.ones((2, 3))).shape == (2, 3)


@pytest.mark.parametrize("shape", SHAPES, ids=repr)
def test_positive_definite_on_the_sphere_with_chords(shape: Shape) -> None:
    rng = np.random.default_rng(0)
    place = Points(rng.uniform(-90, 90, 150), rng.uniform(0, 360, 150), np.zeros(150)).unit_vectors
    distance = np.linalg.norm(place[:, None] - place, axis=2)
    for length in (0.1, 0.5, 2.0):
        assert np.linalg.eigvalsh(shape(distance / length)).min() > -1e-12


@pytest.mark.parametrize("nu", [0.5, 1.5, 2.5])
def test_closed_forms_are_the_bessel_function(nu: float) -> None:
    s = np.sqrt(2 * nu) * R[1:]
    np.testing.assert_allclose(Matern(nu)(R[1:]), 2 ** (1 - nu) / gamma(nu) * s**nu * kv(nu, s))


def test_rough_to_smooth() -> None:
    np.testing.assert_allclose(Matern(0.5)(R), Exponential()(R))
    np.testing.assert_allclose(Matern(10.0)(R), np.exp(-(R**2) / 2), atol=0.03)
    assert Matern(0.8)(np.array([1e-14, 1e-300])).tolist() == [1.0, 1.0]


def test_gaspari_and_cohn_meet_smoothly_and_end() -> None:
    step = 1e-4
    rho = GaspariCohn()(np.arange(0.0, 1.2, step))
    assert np.abs(np.diff(rho, 2)).max() < 20.0 * step**2
    assert (rho[10_000:] == 0.0).all()
    assert GaspariCohn()(np.array(0.5)) == pytest.approx(5 / 24)


@pytest.mark.parametrize("nu", [0.0, 11.0, float("nan")])
def test_smoothness_out_of_range(nu: float) -> None:
    with pytest.raises(InputError, match=f"nu is {nu}"):
        Matern(nu)
