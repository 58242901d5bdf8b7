"""The proximal step: exact and searched answers agree, draws have the posterior's moments."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.dynamics.lorenz import Components
from isopleth.inference.latent_proximal import Proximal
from isopleth.inference.latent_readings import LatentReadings
from isopleth.inference.variational import ByCase, GaussNewton, QuasiNewton
from isopleth.inference.variational.readings import Readings
from isopleth.observe import Observation
from isopleth.priors import MemberNoise

K, SIZE = 6, 8
AT = ((0, 2, 3, 5, 7), (1, 4), (6, 0, 1))
TIGHT = GaussNewton(outer=10, tolerance=1e-8)


def normal(*shape: int, seed: int) -> Tensor:
    stream = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=stream, dtype=torch.float64)


W, B = normal(K, SIZE, seed=0), normal(len(AT), SIZE, seed=1)


def readings(cases: Sequence[int], *, bend: float = 0.0, told: bool = True) -> LatentReadings:
    """Of these cases; `told` = that the decoder is affine, if it is."""
    seen = [
        [Observation(normal(len(AT[c]), seed=c), Components(AT[c], SIZE), torch.tensor(0.5))]
        for c in cases
    ]
    b = B[list(cases)]

    def decode(z: Tensor) -> Tensor:
        return b.repeat(len(z) // len(b), 1) + (z + bend * torch.tanh(z)) @ W

    return LatentReadings(Readings(ByCase(seen), b), decode, linear_decode=told and bend == 0.0)


ALL = range(len(AT))
Z0 = normal(6, K, seed=3)
R2 = torch.linspace(0.1, 2.0, 6).double()


@pytest.mark.parametrize("r2", [torch.tensor(0.7), R2])
@pytest.mark.parametrize("solver", [TIGHT, QuasiNewton(tolerance=1e-9)])
def test_search_and_formula_agree(r2: Tensor, solver: GaussNewton | QuasiNewton) -> None:
    exact = Proximal(seen=readings(ALL))(Z0, r2)
    searched = Proximal(seen=readings(ALL, told=False), solver=solver)(Z0, r2)
    assert torch.allclose(searched, exact, atol=1e-6)
    G = W[:, list(AT[1])].T / 0.5**0.5
    d = normal(2, seed=1) / 0.5**0.5 - B[1, list(AT[1])] / 0.5**0.5
    here = float(r2.expand(6)[4])
    expected = torch.linalg.solve(torch.eye(K) / here + G.T @ G, Z0[4] / here + G.T @ d)
    assert torch.allclose(exact[4], expected, atol=1e-9)


@pytest.mark.parametrize("bend", [0.0, 0.4])
def test_no_variance_no_move(bend: float) -> None:
    assert torch.equal(Proximal(seen=readings(ALL, bend=bend))(Z0, torch.tensor(0.0)), Z0)


def test_the_minimum_of_a_bent_decoder_has_no_slope() -> None:
    seen = readings(ALL, bend=0.4)
    z = Proximal(seen=seen, solver=TIGHT)(Z0, R2).requires_grad_()
    cost = seen.misfit(z).sum() + 0.5 * ((z - Z0).square().sum(1) / R2).sum()
    assert float(torch.autograd.grad(cost, z)[0].abs().max()) < 1e-6


@pytest.mark.parametrize("bend", [0.0, 0.4])
def test_morozov_does_not_fit_the_errors(bend: float) -> None:
    seen = readings(ALL, bend=bend)
    n = seen.per_row(seen.counts, 6).double()
    before = 2.0 * seen.misfit(Z0)
    free = 2.0 * seen.misfit(Proximal(seen=seen, solver=TIGHT)(Z0, R2))
    z = Proximal(seen=seen, solver=TIGHT, morozov=True)(Z0, R2)
    after = 2.0 * seen.misfit(z)
    assert bool((free < n).any())
    assert bool((before > n).any())
    stopped = (free < n) & (before > n)
    assert bool((after[before >= n] >= n[before >= n] * (1 - 1e-9)).all())
    assert torch.allclose(after[stopped], n[stopped], rtol=0.05 if bend else 1e-6)
    assert torch.equal(z[before < n], Z0[before < n])


def test_draws_of_a_linear_case_are_affine_in_the_noise() -> None:
    seen = readings([0])
    method, r2 = Proximal(seen=seen), torch.tensor(0.8)
    z0 = Z0[:1].expand(K, -1)
    root = method.draw(z0, r2, lambda _: torch.eye(K).double()) - method(z0, r2)
    G = W[:, list(AT[0])].T / 0.5**0.5
    expected = torch.linalg.inv(torch.eye(K) / 0.8 + G.T @ G)
    assert torch.allclose(root.T @ root, expected, atol=1e-9)


def test_draws_by_randomised_maximum_likelihood() -> None:
    """Where nobody was told that the case is linear, their moments are still the posterior's."""
    members = 6000
    seen = readings([1, 2], told=False)
    stream = torch.Generator().manual_seed(4)
    rows = 2 * members

    def noise(shape: Sequence[int]) -> Tensor:
        return torch.randn(rows, *shape, generator=stream, dtype=torch.float64)

    z0 = Z0[:2].repeat(members, 1)
    solver = GaussNewton(outer=1, tolerance=1e-8)
    drawn = Proximal(seen=seen, solver=solver).draw(z0, torch.tensor(0.8), noise)
    mean = Proximal(seen=readings([1, 2]))(Z0[:2], torch.tensor(0.8))
    for case, which in enumerate((1, 2)):
        found = drawn[case::2]
        G = W[:, list(AT[which])].T / 0.5**0.5
        expected = torch.linalg.inv(torch.eye(K) / 0.8 + G.T @ G)
        assert torch.allclose(found.mean(0), mean[case], atol=0.05)
        assert torch.allclose(found.T.cov(), expected, atol=0.05)


@pytest.mark.parametrize("bend", [0.0, 0.4])
@pytest.mark.parametrize("told", [True, False])
def test_rows_do_not_know_of_one_another(bend: float, told: bool) -> None:
    """Case 1 has fewer values than case 0: alone its rows are shorter."""
    seen, one = (readings(cases, bend=bend, told=told) for cases in (ALL, [1]))
    r2, mine = torch.tensor(0.7), [1, 4]
    for morozov in (True, False):
        both = [Proximal(seen=s, solver=TIGHT, morozov=morozov) for s in (seen, one)]
        assert torch.allclose(both[0](Z0, r2)[mine], both[1](Z0[mine], r2), atol=1e-6)
        streams = MemberNoise(0, range(6)), MemberNoise(0, mine)
        for _ in range(2):
            whole = both[0].draw(Z0, r2, streams[0])
            part = both[1].draw(Z0[mine], r2, streams[1])
            assert torch.allclose(whole[mine], part, atol=1e-6)


def test_bad_input() -> None:
    method = Proximal(seen=readings(ALL))
    r2 = torch.tensor(1.0)
    with pytest.raises(InputError, match="1 of 36 latent numbers are not finite"):
        method(torch.where(torch.arange(36).reshape(6, 6) == 7, torch.nan, Z0), r2)
    with pytest.raises(InputError, match="there are 4 latents and observations of 3 cases"):
        method(Z0[:4], r2)
    with pytest.raises(InputError, match=r"variances of shape \(2,\), the least 1"):
        method(Z0, torch.ones(2))
    with pytest.raises(InputError, match=r"the least -1, do not go with 6 latents"):
        method(Z0, -r2)
    with pytest.raises(InputError, match="the noise has 2 rows and there are 6 latents"):
        method.draw(Z0, r2, MemberNoise(0, range(2)))
