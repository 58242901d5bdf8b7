"""From sigma to pressure, against atmospheres whose profiles are known in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from isopleth.data.speedy.pressure import GAS_CONSTANT, GRAVITY, LAPSE, VAPOUR, on_pressure

SIGMA = np.array([0.025, 0.095, 0.2, 0.34, 0.51, 0.685, 0.835, 0.95])
LEVELS = np.array([50.0, 200.0, 500.0, 700.0, 850.0])
P_S = np.array([[1000e2, 980e2, 1013e2], [900e2, 1030e2, 995e2]])


def atmosphere(p: np.ndarray, humid: float = 0.0) -> dict[str, np.ndarray]:
    """Virtual temperature, wind and height as functions of s = ln(p / 1000 hPa), exactly.

    T_v = 290 + 25 s, so z = -R/g (290 s + 12.5 s^2) solves dz/ds = -R T_v / g.
    """
    s = np.log(p / 1e5)
    q = np.full_like(s, humid)
    return {
        "ua": 5.0 - 10.0 * s,
        "va": 2.0 * s,
        "hus": q,
        "ta": (290.0 + 25.0 * s) / (1.0 + VAPOUR * q),
        "zg": -GAS_CONSTANT / GRAVITY * (290.0 * s + 12.5 * s**2),
    }


@pytest.mark.parametrize("humid", [0.0, 0.01])
def test_profiles_linear_in_the_logarithm_of_pressure_are_exact(humid: float) -> None:
    fields = atmosphere(SIGMA[:, None, None] * P_S, humid)
    found = on_pressure({**fields, "ps": P_S}, SIGMA, LEVELS)
    inside = 100.0 * LEVELS[:, None, None] <= SIGMA[-1] * P_S
    wanted = atmosphere(100.0 * LEVELS[:, None, None] * np.ones_like(P_S), humid)
    assert inside.sum() >= 28
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name][inside], value[inside], rtol=3e-7, atol=1e-5)


def test_a_linear_height_would_be_wrong() -> None:
    """The term in T_v' is worth metres: without it the height between two levels is not z."""
    fields = atmosphere(SIGMA[:, None, None] * P_S)
    flat = {**fields, "ta": np.full_like(fields["ta"], 270.0), "ps": P_S}
    right = on_pressure({**fields, "ps": P_S}, SIGMA, LEVELS)["zg"]
    linear = on_pressure(flat, SIGMA, LEVELS)["zg"]
    assert np.abs(right - linear).max() > 10.0


def test_the_models_own_levels_come_back() -> None:
    rng = np.random.default_rng(0)
    fields = {n: rng.normal(size=(3, 8, 2, 2)) for n in ("ua", "va", "hus")}
    fields["ta"] = 250.0 + 10.0 * rng.normal(size=(3, 8, 2, 2))
    fields["zg"] = np.cumsum(rng.uniform(500.0, 2000.0, size=(3, 8, 2, 2)), axis=1)[:, ::-1]
    ps = np.full((3, 2, 2), 1e5)
    found = on_pressure({**fields, "ps": ps, "pr": ps}, SIGMA, SIGMA * 1000.0)
    for name, value in fields.items():
        np.testing.assert_allclose(found[name], value, rtol=2e-6, atol=2e-6)
    np.testing.assert_array_equal(found["pr"], ps)


def test_under_ground() -> None:
    """A polytrope with 6.5 K/km: T = T_n (p/p_n)^(R L/g), z falls by (T - T_n) / L."""
    p_n = SIGMA[-1] * 600e2
    fields = {n: np.ones((8, 1, 1)) * v for n, v in (("ua", 3.0), ("va", -1.0), ("hus", 2e-3))}
    fields["ta"] = np.linspace(220.0, 270.0, 8)[:, None, None]
    fields["zg"] = np.linspace(20e3, 4.5e3, 8)[:, None, None]
    found = on_pressure({**fields, "ps": np.full((1, 1), 600e2)}, SIGMA, np.array([850.0]))
    warm = 270.0 * (850e2 / p_n) ** (GAS_CONSTANT * LAPSE / GRAVITY)
    assert found["ta"].item() == pytest.approx(warm, rel=1e-6)
    assert found["zg"].item() == pytest.approx(4.5e3 - (warm - 270.0) / LAPSE, rel=1e-6)
    assert found["ua"].item() == 3.0
    assert found["hus"].item() == pytest.approx(2e-3)
