from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.core.grid import Grid
from isopleth.observe.columns import ColumnOperator
from isopleth.observe.planck import brightness_temperature, photons
from isopleth.observe.radiance import (
    Channel,
    RadianceOperator,
    Sounder,
    WeightedColumns,
    weighting_functions,
)

PRESSURE = np.array([30.0, 100.0, 200.0, 350.0, 500.0, 700.0, 850.0, 950.0]) * 1e2
INFRARED = 2.0e13
CHANNELS = (
    Channel(frequency=53.6e9, peak=6e4),
    Channel(frequency=57.3e9, peak=1.5e4),
    Channel(frequency=183.3e9, peak=9e4, vapour=2.0),
    Channel(frequency=INFRARED, peak=4e4, vapour=0.1),
    Channel(frequency=2.7e13),
)
SOUNDER = Sounder(PRESSURE, CHANNELS)


def profile() -> tuple[Tensor, Tensor, Tensor]:
    """A mid-latitude column: temperature, humidity and surface temperature."""
    T = torch.tensor([[215.0, 210.0, 218.0, 238.0, 255.0, 272.0, 280.0, 285.0]])
    q = torch.tensor([[2e-6, 3e-6, 2e-5, 2e-4, 1e-3, 3e-3, 6e-3, 8e-3]])
    return T.double(), q.double(), torch.tensor([288.0]).double()


@pytest.mark.parametrize("kelvin", [150.0, 220.0, 300.0])
@pytest.mark.parametrize("moisture", [0.0, 1.0, 10.0])
def test_an_isothermal_column_reads_its_own_temperature(kelvin: float, moisture: float) -> None:
    T, q, surface = profile()
    y = SOUNDER(torch.full_like(T, kelvin), moisture * q, torch.full_like(surface, kelvin))
    torch.testing.assert_close(y, torch.full_like(y, kelvin), rtol=1e-12, atol=0)


def test_a_transparent_channel_reads_the_surface() -> None:
    y = SOUNDER(*profile())
    assert y[0, 4].item() == pytest.approx(288.0, rel=1e-12)
    assert (y[0, :4] < 287.0).all()


def test_an_opaque_channel_reads_the_top() -> None:
    T, q, surface = profile()
    blind = Sounder(PRESSURE, [Channel(frequency=INFRARED, peak=500.0)])
    assert blind(T, q, surface).item() == pytest.approx(215.0, abs=0.01)


def test_two_layers_by_hand() -> None:
    """One interface at sqrt(2e4 * 8e4) = 4e4 Pa, and 1e5 Pa below."""
    sounder = Sounder(
        [2e4, 8e4], [Channel(frequency=INFRARED, peak=5e4, vapour=0.3)], surface_pressure=1e5
    )
    T, q = (torch.tensor(v, dtype=torch.float64) for v in ([230.0, 270.0], [1e-4, 5e-3]))
    g, x = 9.80665, 6.62607015e-34 * INFRARED / 1.380649e-23
    water = [0.3 * 1e-4 * 4e4 / g, 0.3 * (1e-4 * 4e4 + 5e-3 * 6e4) / g]
    through = [math.exp(-(0.8**2) - water[0]), math.exp(-(2.0**2) - water[1])]
    planck = [1.0 / (math.exp(x / t) - 1.0) for t in (230.0, 270.0, 290.0)]
    total = planck[0] * (1.0 - through[0]) + planck[1] * (through[0] - through[1])
    total += planck[2] * through[1]
    y = sounder(T, q, torch.tensor(290.0).double())
    assert y.item() == pytest.approx(x / math.log(1.0 + 1.0 / total), rel=1e-12)


def test_the_gas_weighs_most_where_it_is_said_to() -> None:
    fine = np.geomspace(1e2, 1.0e5, 400)
    sounder = Sounder(fine, [Channel(frequency=INFRARED, peak=p) for p in (1e4, 4e4, 7e4)])
    through = sounder.transmittance(torch.zeros(400, dtype=torch.float64))
    weight = (through[:, :-1] - through[:, 1:])[:, 1:-1]
    peaks = fine[1:-1][weight.argmax(-1).numpy()]
    assert peaks == pytest.approx([1e4, 4e4, 7e4], rel=0.03)


def test_the_response_to_warming_is_positive_and_sums_to_what_a_black_body_gives() -> None:
    T, q, surface = profile()
    jacobian = torch.autograd.functional.jacobian(lambda t: SOUNDER(t, q, surface), T)
    assert (jacobian[0, :4] > 0.0).all()
    isothermal = torch.full_like(T, 250.0)
    by_air, by_ground = torch.autograd.functional.jacobian(
        lambda t, s: SOUNDER(t, q, s), (isothermal, torch.full_like(surface, 250.0))
    )
    total = by_air[0].sum((-1, -2)) + by_ground[0].sum(-1)
    torch.testing.assert_close(total, torch.ones(5, dtype=torch.float64))


def test_moisture_over_a_colder_sky_lowers_the_reading() -> None:
    """Temperature falls with height up to 200 hPa: more vapour means colder, steadily."""
    T, q, surface = profile()
    T = T.clone()
    T[0, :2] = 218.0
    factors = torch.tensor([0.0, 0.3, 1.0, 2.0, 5.0]).double()
    y = torch.stack([SOUNDER(T, factor * q, surface)[0] for factor in factors])
    assert (y[1:, 2:4] < y[:-1, 2:4]).all()
    torch.testing.assert_close(y[:, [0, 1, 4]], y[:1, [0, 1, 4]].expand(5, 3))


def test_negative_moisture_counts_as_none() -> None:
    T, q, surface = profile()
    torch.testing.assert_close(SOUNDER(T, -q, surface), SOUNDER(T, 0.0 * q, surface))


def test_linearisation_against_finite_differences() -> None:
    T, q, surface = profile()
    stream = torch.Generator().manual_seed(0)
    steps = tuple(
        size * torch.randn(x.shape, generator=stream, dtype=torch.float64)
        for x, size in ((T, 1.0), (q, 1e-4), (surface, 1.0))
    )
    state = (T, q, surface)
    _, tangent = torch.func.jvp(SOUNDER, state, steps)
    errors = []
    for h in (1e-2, 5e-3):
        up = SOUNDER(*(x + h * dx for x, dx in zip(state, steps, strict=True)))
        down = SOUNDER(*(x - h * dx for x, dx in zip(state, steps, strict=True)))
        errors.append(((up - down) / (2.0 * h) - tangent).abs().max().item())
    assert errors[0] < 1e-4 * tangent.abs().max().item()
    assert errors[0] / errors[1] == pytest.approx(4.0, rel=0.1)  # second order in h


@pytest.mark.parametrize("frequency", [23.8e9, 183.3e9, INFRARED, 8e13])
def test_planck_there_and_back(frequency: float) -> None:
    nu = torch.tensor(frequency).double()
    T = torch.linspace(60.0, 350.0, 59, dtype=torch.float64)
    torch.testing.assert_close(brightness_temperature(photons(T, nu), nu), T)
    single = brightness_temperature(photons(T.float(), nu.float()), nu.float())
    torch.testing.assert_close(single, T.float(), rtol=2e-6, atol=0)


def test_the_long_waves_are_linear_in_temperature() -> None:
    """Rayleigh and Jeans: N goes to k T / h nu."""
    nu = torch.tensor(1e9).double()
    T = torch.tensor([200.0, 300.0]).double()
    expected = 1.380649e-23 * T / (6.62607015e-34 * nu)
    torch.testing.assert_close(photons(T, nu), expected, rtol=2e-4, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_senseless_state_gives_finite_readings_and_gradients(dtype: torch.dtype) -> None:
    T = torch.zeros(1, 8, dtype=dtype, requires_grad=True)
    q = torch.full((1, 8), 1.0, dtype=dtype, requires_grad=True)
    y = SOUNDER(T, q, torch.zeros(1, dtype=dtype))
    gradients = torch.autograd.grad(y.sum(), (T, q))
    assert all(torch.isfinite(g).all() for g in (y, *gradients))


# --- weighting functions ---------------------------------------------------------------------


def test_weights_sum_to_one_and_peak_where_said() -> None:
    fine = np.geomspace(1e3, 1e5, 300)
    weight = weighting_functions(fine, [5e3, 2e4, 6e4], [0.3, 0.4, 0.5])
    np.testing.assert_allclose(weight.sum(axis=1), 1.0)
    assert fine[weight.argmax(axis=1)] == pytest.approx([5e3, 2e4, 6e4], rel=0.02)
    height = np.log(fine)
    mean = weight[0] @ height
    assert np.sqrt(weight[0] @ (height - mean) ** 2) == pytest.approx(0.3, rel=0.01)
    np.testing.assert_allclose(weighting_functions(fine[::-1], [5e3], 0.3)[0, ::-1], weight[0])


def test_unequal_levels_are_weighed_by_their_thickness() -> None:
    """The mean of a temperature linear in ln p over a window inside the levels is its middle."""
    rng = np.random.default_rng(0)
    levels = np.sort(np.exp(rng.uniform(np.log(1e3), np.log(1e5), 200)))
    weight = weighting_functions(levels, [1e4], 0.3)
    assert weight[0] @ np.log(levels) == pytest.approx(np.log(1e4), abs=0.02)


GRID = Grid.regular(30.0, levels=np.arange(17.0))
AIR, WATER = tuple(range(8)), tuple(range(8, 16))
LAT, LON = [0.0, 50.0, -70.0], [10.0, 200.0, 359.0]


def test_linear_radiances_are_the_weighted_column() -> None:
    weight = weighting_functions(PRESSURE, [2e4, 6e4], 0.4)
    column = ColumnOperator(GRID, LAT, LON, AIR)
    x = torch.randn(GRID.shape, generator=torch.Generator().manual_seed(0)).double()
    y = WeightedColumns(column, weight)(x)
    torch.testing.assert_close(y, column(x) @ torch.from_numpy(weight).T)
    flat = WeightedColumns(column, weight)(torch.full(GRID.shape, 250.0).double())
    torch.testing.assert_close(flat, torch.full((3, 2), 250.0).double())


def test_a_hidden_level_hides_the_channels_that_need_it() -> None:
    opened = np.ones(GRID.shape, dtype=bool)
    opened[7, :, :6] = False
    column = ColumnOperator(GRID.with_mask(opened), [0.0, 0.0], [90.0, 270.0], AIR)
    weight = np.zeros((2, 8))
    weight[0, :4], weight[1, 4:] = 0.25, 0.25
    radiance = WeightedColumns(column, weight)
    assert radiance.valid.tolist() == [[True, False], [True, True]]
    assert radiance(torch.ones(GRID.shape))[0].tolist() == [1.0, 0.0]


def test_the_sounder_reads_columns_of_the_field() -> None:
    T, q, surface = profile()
    state = torch.cat([T[0], q[0], surface])[:, None, None].expand(GRID.shape)
    air, water = (ColumnOperator(GRID, LAT, LON, part) for part in (AIR, WATER))
    skin = ColumnOperator(GRID, LAT, LON, (16,))
    operator = RadianceOperator(SOUNDER, air, water, skin)
    assert operator.valid.shape == (3, 5)
    torch.testing.assert_close(operator(state), SOUNDER(T, q, surface).expand(3, 5))


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: weighting_functions([1e4, 0.0], [1e4], 0.3), "no profile"),
        (lambda: weighting_functions([1e4, 3e4, 2e4], [1e4], 0.3), "no profile"),
        (lambda: weighting_functions([1e4], [1e4], 0.3), "at least two"),
        (lambda: weighting_functions(PRESSURE, [1e4], -0.3), "must all be positive"),
        (lambda: weighting_functions(PRESSURE, [1.0], 0.3), "channel 0 peaks at 1, where no"),
        (lambda: Channel(frequency=0.0), "absorbs nothing real"),
        (lambda: Channel(frequency=1e9, vapour=-1.0), "absorbs nothing real"),
        (lambda: Sounder(PRESSURE[::-1], CHANNELS), "top first"),
        (lambda: Sounder(PRESSURE, CHANNELS, surface_pressure=9e4), "all above the surface"),
        (lambda: Sounder(PRESSURE, []), "no channel"),
        (lambda: SOUNDER(torch.ones(3), torch.ones(3), torch.ones(())), "sounder of 8 levels"),
        (lambda: WeightedColumns(ColumnOperator(GRID, LAT, LON, AIR), [[1.0]]), "do not fit"),
        (
            lambda: RadianceOperator(SOUNDER, *(ColumnOperator(GRID, LAT, LON, AIR),) * 3),
            r"read as \(3, 8\), \(3, 8\) and \(3, 8\)",
        ),
    ],
)
def test_what_makes_no_sense_is_named(build: object, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        build()  # type: ignore[operator]
