from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.core.grid import EARTH_RADIUS, Grid
from isopleth.core.region import Region
from isopleth.observe.average import Beam, FootprintOperator
from isopleth.observe.columns import ColumnOperator

FINE = Grid.regular(1.0, levels=[0.0])
COARSE = Grid.regular(10.0, levels=[0.0, 1.0, 2.0])
DIAMETERS = np.sqrt(8.0 * np.log(2.0))


def field(grid: Grid, seed: int = 0) -> Tensor:
    stream = torch.Generator().manual_seed(seed)
    return torch.randn(grid.shape, generator=stream, dtype=torch.float64)


def places(count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    lat = np.degrees(np.arcsin(rng.uniform(-1.0, 1.0, count)))
    lat[:2] = 90.0, -90.0
    return lat, rng.uniform(-180.0, 360.0, count)


@pytest.mark.parametrize("degree", [2, 6, 12])
def test_a_round_beam_damps_a_harmonic_as_diffusion_does(degree: int) -> None:
    """The mean of P_l(sin lat) under a small Gaussian is `exp(-l (l + 1) s^2 / 2)` times it."""
    lat = np.radians(FINE.latitude)
    polynomial = np.polynomial.legendre.Legendre.basis(degree)
    x = torch.from_numpy(np.broadcast_to(polynomial(np.sin(lat))[:, None], FINE.shape[1:]).copy())
    sigma = np.radians(4.0)
    at = np.array([-60.0, -20.0, 0.0, 35.0, 80.0, 90.0])
    beam = Beam.circular(DIAMETERS * sigma * EARTH_RADIUS)
    mean = FootprintOperator(FINE, at, np.full(6, 40.0), beam)(x[None])[:, 0]
    expected = polynomial(np.sin(np.radians(at))) * np.exp(-0.5 * degree * (degree + 1) * sigma**2)
    np.testing.assert_allclose(mean.numpy(), expected, atol=4e-3)


@pytest.mark.parametrize("azimuth", [0.0, 90.0, 270.0])
def test_an_ellipse_damps_along_its_axes(azimuth: float) -> None:
    """A wave along the equator sees the deviation of the axis that points east."""
    number, across, along = 12, np.radians(6.0), np.radians(2.0)
    wave = np.cos(number * np.radians(FINE.longitude))
    x = torch.from_numpy(np.broadcast_to(wave, FINE.shape).copy())
    size = DIAMETERS * EARTH_RADIUS
    beam = Beam(size * across, size * along, azimuth)
    crest = FootprintOperator(FINE, [0.0], [0.0], beam)(x).item()
    sigma = along if azimuth == 0.0 else across
    assert crest == pytest.approx(np.exp(-0.5 * (number * sigma) ** 2), abs=0.01)


def test_azimuth_is_clockwise_from_north() -> None:
    """A thin beam along a crest that runs north-east sees the crest; one across it, nothing."""
    lat, lon = np.radians(np.meshgrid(FINE.latitude, FINE.longitude, indexing="ij"))
    x = torch.from_numpy(np.cos(30.0 * (np.sin(lon) - np.sin(lat))))[None]
    for azimuth, damped in ((45.0, False), (135.0, True)):
        beam = Beam(DIAMETERS * 4e5, DIAMETERS * 2e4, azimuth)
        crest = FootprintOperator(FINE, [0.0], [0.0], beam)(x).item()
        assert (crest < 0.1) if damped else (crest > 0.9)


def test_a_beam_much_smaller_than_a_cell_is_a_point() -> None:
    lat, lon = (axis[2:] for axis in places(60))  # at a pole a bilinear field is not continuous
    x = field(COARSE)
    narrow = FootprintOperator(COARSE, lat, lon, Beam.circular(10.0))(x)
    torch.testing.assert_close(narrow, ColumnOperator(COARSE, lat, lon)(x), rtol=0, atol=1e-3)


def test_a_beam_much_larger_than_the_cells_is_nearly_their_mean() -> None:
    x = field(FINE)
    lat, lon = places(20)
    means = FootprintOperator(FINE, lat, lon, Beam.circular(3e6))(x)
    assert means.abs().max() < 0.1


def test_the_earth_can_be_turned() -> None:
    lat, lon = places(30)
    x, beam = field(COARSE), Beam(2e6, 8e5, np.linspace(0.0, 360.0, 30))
    still = FootprintOperator(COARSE, lat, lon, beam)(x)
    turned = FootprintOperator(COARSE, lat, lon + 70.0, beam)(x.roll(7, dims=-1))
    torch.testing.assert_close(turned, still)


def test_each_row_is_its_own_footprint() -> None:
    lat, lon = places(12)
    across, azimuth = np.linspace(5e5, 2e6, 12), np.linspace(0.0, 170.0, 12)
    x = field(COARSE)
    whole = FootprintOperator(COARSE, lat, lon, Beam(across, 8e5, azimuth), (2, 0))(x)
    for row in (0, 7, 11):
        part = Beam(across[row], 8e5, azimuth[row])
        alone = FootprintOperator(COARSE, lat[[row]], lon[[row]], part, (2, 0))(x)
        torch.testing.assert_close(alone[0], whole[row])


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    lat, lon = places(25)
    beam = Beam(np.linspace(5e5, 2e6, 25), 8e5, 30.0)
    whole = FootprintOperator(COARSE, lat, lon, beam)(field(COARSE))
    monkeypatch.setattr("isopleth.observe.average._CHUNK", 1)
    parts = FootprintOperator(COARSE, lat, lon, beam)(field(COARSE))
    assert torch.equal(parts, whole)


def test_masked_cells_are_left_out_until_half_is_gone() -> None:
    east = np.broadcast_to(COARSE.longitude < 180.0, COARSE.shape[1:])
    masks = np.stack([east, np.ones_like(east), east])
    grid = COARSE.with_mask(masks)
    lon = np.array([90.0, 170.0, 190.0])
    mean = FootprintOperator(grid, np.zeros(3), lon, Beam.circular(3e6))
    assert mean.valid.tolist() == [[True] * 3, [True] * 3, [False, True, False]]
    x = torch.where(torch.from_numpy(masks), 4.0, torch.nan).double()
    torch.testing.assert_close(mean(x)[:2], torch.full((2, 3), 4.0).double())
    assert mean(x)[2].tolist() == pytest.approx([0.0, 4.0, 0.0])


def test_a_beam_over_the_edge_of_a_region() -> None:
    grid = Grid.regular(5.0, levels=[0.0], region=Region.parse("20N:60N,30W:30E"))
    inside, outside = [40.0, 59.0, 62.0, 40.0], [0.0, 0.0, 0.0, 120.0]
    mean = FootprintOperator(grid, inside, outside, Beam.circular(1e6))
    assert mean.valid[:, 0].tolist() == [True, True, False, False]
    torch.testing.assert_close(mean(torch.ones(grid.shape))[:2, 0], torch.ones(2))


def test_the_matrix_names_every_cell_once() -> None:
    lat, lon = places(9)
    mean = FootprintOperator(COARSE, lat, lon, Beam.circular(1.5e6))
    matrix = mean.matrix()
    torch.testing.assert_close(
        (matrix @ field(COARSE).flatten()).reshape(9, 3), mean(field(COARSE))
    )
    assert len(set(zip(mean._row.tolist(), mean._cell.tolist(), strict=True))) == len(mean._row)


def test_a_field_of_another_grid_is_refused() -> None:
    mean = FootprintOperator(COARSE, [0.0], [0.0], Beam.circular(1e5), (1,))
    with pytest.raises(InputError, match=r"\(1, 3, 3\) does not end in the grid's \(3, 18, 36\)"):
        mean(torch.ones(1, 3, 3))
    with pytest.raises(InputError, match=r"\(5,\) do not end in the observations' \(1, 1\)"):
        mean.adjoint(torch.ones(5))


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: Beam.circular(0.0), "a beam has 0 for a diameter"),
        (lambda: Beam.circular(-5.0), "a beam has -5 for"),
        (lambda: Beam(1e5, 1e5, np.nan), "a beam has nan"),
        (lambda: Beam([1e5, 1e5], [1e5] * 3, 0.0), "one a footprint"),
        (
            lambda: FootprintOperator(COARSE, [0.0], [0.0], Beam.circular([1e5, 1e5])),
            "2 beams for 1 footprints",
        ),
        (
            lambda: FootprintOperator(COARSE, [0.0], [0.0], Beam.circular(1e5), (3,)),
            "channel 3 does not exist",
        ),
        (lambda: FootprintOperator(COARSE, [], [], Beam.circular(1e5)), "there are 0 footprints"),
        (lambda: FootprintOperator(COARSE, [91.0], [0.0], Beam.circular(1e5)), "latitude 91"),
    ],
)
def test_what_makes_no_sense_is_named(build: object, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        build()  # type: ignore[operator]
