"""Harmonics on any rows, against closed forms and the transform on Gaussian grids."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from isopleth.core.errors import InputError
from isopleth.core.gaussian_grid import GaussianGrid
from isopleth.core.grid import Grid
from isopleth.core.harmonics import Harmonics, area_weights
from isopleth.core.sphere import Sphere

T = 9
GAUSS = GaussianGrid(nlat=16, nlon=32)
CENTRES = Grid.regular(11.25, levels=[0.0])
GRIDS = {
    "gaussian": (GAUSS.latitude, GAUSS.longitude),
    "cell centres": (CENTRES.latitude, CENTRES.longitude),
    "poles": (np.linspace(90.0, -90.0, 13), np.arange(24) * 15.0),
}


@pytest.fixture(params=GRIDS, ids=list(GRIDS))
def harmonics(request: pytest.FixtureRequest) -> Harmonics:
    return Harmonics(*GRIDS[request.param], T)


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    stream = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=stream, dtype=torch.float64)


def test_analysis_finds_what_was_synthesised(harmonics: Harmonics) -> None:
    z = draw(2, 3, harmonics.size)
    g = harmonics.synthesis(z)
    assert g.shape == (2, 3, *harmonics.shape)
    assert torch.allclose(harmonics.analysis(g), z)


def test_the_adjoint(harmonics: Harmonics) -> None:
    z, g = draw(2, harmonics.size), draw(2, *harmonics.shape, seed=1)
    left = (harmonics.synthesis(z) * g).sum((-2, -1))
    assert torch.allclose(left, (z * harmonics.adjoint(g)).sum(-1))


@pytest.mark.parametrize("name", GRIDS)
def test_functions_are_those_of_the_books(name: str) -> None:
    harmonics = Harmonics(*GRIDS[name], T)
    pairs = zip(harmonics.degree.tolist(), harmonics.order.tolist(), strict=True)
    names = {pair: number for number, pair in enumerate(pairs)}
    lat, lon = (torch.from_numpy(np.radians(a)) for a in GRIDS[name])
    z = torch.zeros(harmonics.size).double()
    z[names[1, 0]] = 1.0
    assert torch.allclose(harmonics.synthesis(z)[:, 0], 3**0.5 * torch.sin(lat))
    z = torch.zeros(harmonics.size).double()
    z[names[2, 2]] = 1.0  # the later one of the pair: the sine
    expected = 15**0.5 / 2.0 * torch.cos(lat)[:, None] ** 2 * torch.sin(2.0 * lon)
    assert torch.allclose(harmonics.synthesis(z), expected, atol=1e-12)


def test_powers_agree_with_the_gaussian_transform() -> None:
    sphere = Sphere(T, GAUSS, torch.float64)
    z = draw(sphere.size)
    own = Harmonics(*GRIDS["gaussian"], T)
    assert torch.allclose(own.power(own.analysis(sphere.synthesis(z))), sphere.power(z))


def test_the_nearest_field_of_a_rough_one_has_little_left_to_find(harmonics: Harmonics) -> None:
    rough = draw(*harmonics.shape)
    smooth = harmonics.synthesis(harmonics.analysis(rough))
    assert float(harmonics.analysis(rough - smooth).abs().max()) < 1e-10
    assert 0.1 < float(smooth.var() / rough.var()) < 1.0


def test_weights_are_areas() -> None:
    weights = area_weights(CENTRES.latitude)
    assert weights.sum() == pytest.approx(1.0)
    assert np.allclose(weights, CENTRES.weights.sum(1))


def test_single_precision() -> None:
    own = Harmonics(*GRIDS["poles"], T)
    z = draw(own.size).float()
    assert own.synthesis(z).dtype == torch.float32
    assert torch.allclose(own.analysis(own.synthesis(z)), z, atol=1e-5)


def test_grids_that_are_no_globe() -> None:
    lat, lon = GRIDS["cell centres"]
    with pytest.raises(InputError, match="truncation 16 does not go with 16 rows"):
        Harmonics(lat, lon, 16)
    with pytest.raises(InputError, match="not ordered north to south"):
        Harmonics(lat[::-1], lon, 5)
    with pytest.raises(InputError, match="do not go evenly round the globe"):
        Harmonics(lat, lon[:20], 5)
    with pytest.raises(InputError, match="do not reach from pole to pole"):
        Harmonics(lat[:10], lon, 5)
