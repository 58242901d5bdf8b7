"""What was seen of latents, through an affine and a bent decoder that know each row's case."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.dynamics.lorenz import Components
from isopleth.inference.latent_readings import LatentReadings
from isopleth.inference.variational.readings import ByCase, Readings, Window
from isopleth.observe import Observation

C, K, SIZE = 3, 6, 8
AT = ((0, 2, 3, 5, 7), (1, 4), (6,))


def normal(*shape: int, seed: int) -> Tensor:
    stream = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=stream, dtype=torch.float64)


W, B = normal(K, SIZE, seed=0), normal(C, SIZE, seed=1)
"""Of the decoder: a matrix, and each case's background."""

CASES = [
    [Observation(normal(len(at), seed=case), Components(at, SIZE), torch.tensor(0.25 + case))]
    for case, at in enumerate(AT)
]


def straight(z: Tensor) -> Tensor:
    return B.repeat(len(z) // C, 1) + z.flatten(1) @ W


def bent(z: Tensor) -> Tensor:
    return straight(z + 0.3 * torch.tanh(z))


def alone(case: int) -> Callable[[Tensor], Tensor]:
    return lambda z: B[case] + (z + 0.3 * torch.tanh(z)).flatten(1) @ W


SEEN = Readings(ByCase(CASES), B)
LINEAR = LatentReadings(SEEN, straight, linear_decode=True)
BENT = LatentReadings(SEEN, bent)
Z = normal(2 * C, 2, 3, seed=5)


def test_every_row_is_read_as_its_case() -> None:
    x = straight(Z)
    found, misfit = LINEAR(Z), LINEAR.misfit(Z)
    for row in range(2 * C):
        case = row % C
        at, sd = list(AT[case]), (0.25 + case) ** 0.5
        assert torch.allclose(found[row, : len(at)], x[row, at] / sd)
        assert bool((found[row, len(at) :] == 0).all())
        seen = CASES[case][0]
        departure = (seen.values - x[row, at]) / sd
        assert torch.allclose(misfit[row], 0.5 * departure.square().sum())
    assert LINEAR.counts.tolist() == [5, 2, 1]
    assert LINEAR.values.shape == (C, 5)


def test_missing_values_and_a_case_without_any() -> None:
    values = CASES[0][0].values.clone()
    values[1:4] = torch.nan
    cases = [[Observation(values, Components(AT[0], SIZE), torch.tensor(0.25))], CASES[1], []]
    seen = LatentReadings(Readings(ByCase(cases), B), straight, linear_decode=True)
    assert seen.counts.tolist() == [2, 2, 0]
    assert bool(torch.isfinite(seen(Z)).all())
    assert seen.misfit(Z)[[2, 5]].tolist() == [0.0, 0.0]
    z0 = Z[:C].flatten(1)
    assert torch.equal(seen.systems(Z.shape[1:])[2].prox(z0, 1.0), z0)


def test_systems_of_an_affine_decoder_are_exact_and_made_once() -> None:
    systems = LINEAR.systems(Z.shape[1:])
    for row in range(2 * C):
        case = row % C
        G = W[:, list(AT[case])].T / (0.25 + case) ** 0.5
        d = LINEAR.values[case, : len(G)] - B[case, list(AT[case])] / (0.25 + case) ** 0.5
        z0 = Z[row].flatten()
        expected = torch.linalg.solve(torch.eye(K) / 0.3 + G.T @ G, z0 / 0.3 + G.T @ d)
        assert torch.allclose(systems[case].prox(z0[None], 0.3)[0], expected, atol=1e-10)
        assert LINEAR.system(row, Z[row]) is systems[case]


@pytest.mark.parametrize("seen", [BENT, LatentReadings(SEEN, bent, alone=alone)])
def test_a_linearised_system(seen: LatentReadings) -> None:
    for row in (1, 3):
        case = row % C

        def g(z: Tensor, case: int = case) -> Tensor:
            return BENT(z.expand(C, 2, 3))[case]

        G = torch.autograd.functional.jacobian(g, Z[row]).flatten(1)
        d = BENT.values[case] - g(Z[row]) + G @ Z[row].flatten()
        z0 = normal(2, K, seed=6)
        expected = torch.linalg.solve(torch.eye(K) + G.T @ G, (z0 + d @ G).T).T
        assert torch.allclose(seen.system(row, Z[row]).prox(z0, 1.0), expected, atol=1e-10)


@pytest.mark.parametrize("r2", [torch.tensor(0.3), torch.linspace(0.1, 1.0, 2 * C)])
def test_the_cost_of_a_prior(r2: Tensor) -> None:
    problem = BENT.problem(Z, r2)
    v = normal(2 * C, K, seed=7)
    z = Z + (r2.sqrt().double().reshape(-1, 1) * v).reshape(Z.shape)
    cost, slope = problem.gradient(v)
    assert torch.allclose(cost, 0.5 * v.square().sum(1) + BENT.misfit(z))
    for row in range(2 * C):
        one, one_slope = problem.case(row).gradient(v[row : row + 1])
        assert torch.allclose(one[0], cost[row])
        assert torch.allclose(one_slope[0], slope[row])


def test_a_window() -> None:
    """The decoder gives one state a step."""
    window = Window({0: ByCase(CASES), 2: CASES[0]}, B)
    seen = LatentReadings(window, lambda z: [straight(z), 2.0 * straight(z)], linear_decode=True)
    assert seen.counts.tolist() == [10, 7, 6]
    assert seen.linear
    assert torch.allclose(seen(Z)[:, :5], LINEAR(Z))
    expected = 2.0 * straight(Z)[:, list(AT[0])] / 0.5
    assert torch.allclose(seen(Z)[:, 5:], expected)
    z = seen.systems(Z.shape[1:])[1].prox(Z[1:2].flatten(1), 0.5)
    alike = seen.problem(Z[:C], torch.tensor(0.5))
    v = ((z - Z[1].flatten()) / 0.5**0.5).expand(C, -1)
    assert float(alike.gradient(v)[1][1].norm()) < 1e-9


def test_bad_input() -> None:
    nothing = Observation(torch.full((1,), torch.nan), Components((0,), SIZE), torch.tensor(1.0))
    with pytest.raises(InputError, match="no value counts in any of 1 cases"):
        LatentReadings(Readings([nothing], B), straight)
    with pytest.raises(InputError, match="there are 4 latents and observations of 3 cases"):
        LatentReadings(SEEN, lambda z: z)(Z[:4].flatten(1))
    with pytest.raises(InputError, match="not linear: ask for the system of one row"):
        BENT.systems(Z.shape[1:])
