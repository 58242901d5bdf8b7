"""Energy of flows whose energy is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from isopleth.core.errors import InputError
from isopleth.core.gaussian_grid import GaussianGrid
from isopleth.core.sphere import Sphere
from isopleth.metrics import kinetic_energy_by_degree

RADIUS = 6.371e6


def test_sum_over_degrees_is_the_mean_over_the_sphere() -> None:
    sphere = Sphere(9, GaussianGrid(nlat=16, nlon=32), torch.float64)
    generator = torch.Generator().manual_seed(0)
    psi = 1e7 * torch.randn(2, sphere.size, generator=generator, dtype=torch.float64)
    east, north = sphere.gradient(psi / RADIUS)
    density = 0.5 * (east.square() + north.square()).mean(-1) @ sphere.weights
    found = kinetic_energy_by_degree(sphere.power(psi).numpy(), radius=RADIUS)
    assert found.shape == (2, 10)
    np.testing.assert_allclose(found.sum(-1), density.numpy(), rtol=1e-12)


def test_solid_rotation_has_all_its_energy_at_degree_one() -> None:
    # psi = -U a sin(phi): u = U cos(phi), whose mean square is 2 U^2 / 3.
    power = np.zeros(5)
    power[1] = (30.0 * RADIUS) ** 2 / 3.0
    found = kinetic_energy_by_degree(power, radius=RADIUS)
    np.testing.assert_allclose(found, [0.0, 300.0, 0.0, 0.0, 0.0])


def test_bad_input() -> None:
    with pytest.raises(InputError, match=r"a radius of 0\.0 m"):
        kinetic_energy_by_degree([1.0], radius=0.0)
