"""DPS, SDA and MMPS on latents: closed forms of a Gaussian prior, derivatives, rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.dynamics.lorenz import Components
from isopleth.inference.departures import departures
from isopleth.inference.dps import DPS, DPSSampler
from isopleth.inference.latent_readings import LatentReadings
from isopleth.inference.mmps import MMPS
from isopleth.inference.sda import SDA
from isopleth.inference.variational.readings import ByCase, Readings
from isopleth.observe import Observation
from isopleth.observe.nonlinear import wind_speed
from isopleth.priors.samplers import Ancestral
from isopleth.priors.schedules import karras

CASES, LATENT, SIZE = 2, 4, 6
Function = Callable[[Tensor], Tensor]
Prior = Callable[[Tensor, Tensor], Tensor]


def draw(*shape: int, seed: int) -> Tensor:
    stream = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=stream, dtype=torch.float64)


BACKGROUND, MODES, ROOT = draw(CASES, SIZE, seed=1), draw(LATENT, SIZE, seed=2), draw(4, 4, seed=3)
COVARIANCE = ROOT @ ROOT.T / 4 + 0.1 * torch.eye(4)


def flat(z: Tensor) -> Tensor:
    """EOFs around the background of each case."""
    return BACKGROUND.repeat(len(z) // CASES, 1) + z @ MODES


def bent(z: Tensor) -> Tensor:
    """A decoder that is not linear."""
    return flat(z + 0.5 * torch.tanh(z))


def gaussian(z: Tensor, sigma: Tensor) -> Tensor:
    """The denoiser of `N(0, COVARIANCE)`."""
    level = sigma.double().expand(len(z)).reshape(-1, 1, 1)
    gain = torch.linalg.solve(COVARIANCE + level.square() * torch.eye(4), COVARIANCE)
    return (gain.mT @ z[..., None])[..., 0]


def white(z: Tensor, sigma: Tensor) -> Tensor:
    """The denoiser of `N(0, I)`."""
    return z / (1.0 + sigma.double().reshape(-1, 1).square())


def component(*index: int, seed: int) -> Observation:
    variance = draw(len(index), seed=seed + 50).square() + 0.1
    return Observation(2.0 * draw(len(index), seed=seed), Components(index, SIZE), variance)


LINEAR = ByCase([[component(0, 2, 5, seed=4)], [component(1, seed=5), component(4, seed=6)]])
SPEED = Observation(
    torch.tensor([3.0, 1.0]).double(),
    wind_speed(Components((0, 2), SIZE), Components((1, 4), SIZE)),
    torch.tensor(0.2),
)
NONLINEAR = ByCase([[component(3, seed=7), SPEED], [SPEED]])


def readings(cases: ByCase = LINEAR, decode: Function = flat) -> LatentReadings:
    seen = Readings(cases, BACKGROUND)
    return LatentReadings(seen, decode, linear_decode=decode is flat)


def derivative(reader: LatentReadings, z: Tensor) -> Tensor:
    """`J` of every row, (R, n, 4), by reverse mode on the whole batch."""
    jacobian = torch.autograd.functional.jacobian(lambda at: reader(at).sum(0), z)
    return jacobian.transpose(0, 1)


def updated(prior: Prior, reader: LatentReadings, z: Tensor, sigma: Tensor, S: Tensor) -> Tensor:
    """`m + V J' (1 + J V J')^-1 (y - H(m))` with matrices, `V` that of `N(0, S)`."""
    m = prior(z, sigma)
    J = derivative(reader, m)
    s2 = sigma.double().expand(len(z)).square().reshape(-1, 1, 1)
    V = s2 * torch.linalg.solve(S + s2 * torch.eye(4), S)
    d = (reader.values.repeat(len(z) // CASES, 1) - reader(m))[..., None]
    inner = torch.eye(J.shape[1]) + J @ V @ J.mT
    return m + (V @ J.mT @ torch.linalg.solve(inner, d))[..., 0]


@pytest.mark.parametrize("level", [0.1, 1.0, 10.0])
def test_mmps_is_the_kalman_filter(level: float) -> None:
    z, sigma = (1.0 + level) * draw(6, LATENT, seed=8), torch.tensor(level)
    found = MMPS(gaussian, readings(), iterations=12)(z, sigma)
    expected = updated(gaussian, readings(), z, sigma, COVARIANCE)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert (found - gaussian(z, sigma)).abs().max() > 0.1 * level / (1.0 + level)


@pytest.mark.parametrize(("cases", "decode"), [(NONLINEAR, flat), (LINEAR, bent)])
def test_mmps_linearises_about_the_denoised_latent(cases: ByCase, decode: Function) -> None:
    reader, z, sigma = readings(cases, decode), draw(4, LATENT, seed=9), torch.tensor(0.8)
    assert not reader.linear
    found = MMPS(gaussian, reader, iterations=12)(z, sigma)
    expected = updated(gaussian, reader, z, sigma, COVARIANCE)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_mmps_draws_from_the_posterior() -> None:
    """Mean and covariance of 1500 members for each case, through a path of many steps."""
    members, stream = 1500, torch.Generator().manual_seed(10)

    def noise(shape: Sequence[int]) -> Tensor:
        return torch.randn(CASES * members, *shape, generator=stream, dtype=torch.float64)

    guided = MMPS(gaussian, readings(), iterations=3)
    z = Ancestral(guided, karras(150, 1e-2, 40.0))(noise, (LATENT,)).unflatten(0, (-1, CASES))
    G = derivative(readings(), torch.zeros(CASES, LATENT).double())
    for case in range(CASES):
        covariance = torch.linalg.inv(torch.linalg.inv(COVARIANCE) + G[case].T @ G[case])
        start = torch.zeros(CASES, LATENT).double()
        d = (readings().values - readings()(start))[case]
        mean, found = covariance @ G[case].T @ d, torch.cov(z[:, case].T)
        sd = covariance.diagonal().sqrt()
        assert ((z[:, case].mean(0) - mean).abs() / sd).max() < 0.1
        assert ((found - covariance) / torch.outer(sd, sd)).abs().max() < 0.12
        assert (sd / COVARIANCE.diagonal().sqrt()).min() < 0.85


def test_a_row_with_negative_curvature_stops_alone() -> None:
    """A denoiser whose products are no covariance where the first latent is positive."""

    def wrong(z: Tensor, sigma: Tensor) -> Tensor:
        return torch.where(z[:, :1] > 0.0, -z, gaussian(z, sigma))

    z, sigma = draw(4, LATENT, seed=11), torch.tensor(2.0)
    z[:, 0] = torch.tensor([1.0, -1.0, -1.0, 1.0])
    found = MMPS(wrong, readings(), iterations=12)(z, sigma)
    assert torch.equal(found[[0, 3]], -z[[0, 3]])
    exact = updated(gaussian, readings(), z, sigma, COVARIANCE)
    torch.testing.assert_close(found[1:3], exact[1:3], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("cases", "decode"), [(LINEAR, flat), (NONLINEAR, bent)])
def test_dps_is_the_gradient_of_the_misfit(cases: ByCase, decode: Function) -> None:
    """By finite differences through prior, decoder and operator, one row at a time."""
    reader, z, sigma = readings(cases, decode), draw(4, LATENT, seed=12), torch.tensor(0.6)
    found = DPS(gaussian, reader, zeta=0.3)(z, sigma)
    slope, h = torch.zeros_like(z), 1e-5
    for k in range(LATENT):
        at = h * torch.eye(LATENT).double()[k]
        up, down = (reader.misfit(gaussian(z + side * at, sigma)) for side in (1, -1))
        slope[:, k] = (up - down) / (2 * h)
    expected = gaussian(z, sigma) - 0.3 * 0.36 * slope
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-7)
    assert not found.requires_grad


def test_the_published_dps_moves_along_the_norm() -> None:
    """Of `R^-1/2 (y - H D(z0))`, each row's own, on the variance-preserving path."""
    reader, sigma, below = readings(NONLINEAR), torch.tensor(1.5), torch.tensor(0.7)
    plain = Ancestral(gaussian, karras(5, 0.1, 10.0))
    noise = lambda shape: draw(4, *shape, seed=14)  # noqa: E731
    z_vp = (draw(4, LATENT, seed=13) / (1 + sigma**2).sqrt()).requires_grad_()
    z = z_vp * (1 + sigma**2).sqrt()
    norm = (2.0 * reader.misfit(gaussian(z, sigma))).sqrt().sum()
    slope = torch.autograd.grad(norm, z_vp)[0]
    found = DPSSampler(plain, reader, zeta=0.4).step(z.detach(), sigma, below, noise)
    ahead = plain.step(z.detach(), sigma, below, noise)
    expected = (1 + below**2).sqrt() * (ahead / (1 + below**2).sqrt() - 0.4 * slope)
    torch.testing.assert_close(found, expected)


def direct(cases: ByCase) -> LatentReadings:
    """Readings of single latents: they share nothing where x0 is white."""
    return LatentReadings(Readings(cases, torch.zeros(1, 4).double()), lambda z: 3.0 * z)


@pytest.mark.parametrize("level", [0.1, 1.0, 10.0])
def test_sda_is_exact_for_independent_readings(level: float) -> None:
    def reading(*index: int, seed: int) -> Observation:
        return Observation(draw(len(index), seed=seed), Components(index, 4), torch.tensor(0.3))

    reader = direct(ByCase([[reading(0, 3, seed=4)], [reading(1, seed=5)]]))
    z, sigma = draw(4, LATENT, seed=15), torch.tensor(level)
    expected = updated(white, reader, z, sigma, torch.eye(4).double())
    torch.testing.assert_close(SDA(white, reader)(z, sigma), expected)
    other = SDA(white, reader, gamma=0.5)(z, sigma)
    assert (other - expected).abs().max() > 1e-2 * level / (1.0 + level)


def test_sda_with_one_latent_and_one_reading() -> None:
    """K = 1: the gamma form is the Kalman update, and the published one too with its own gamma."""
    reading = Observation(torch.tensor([2.0]).double(), Components((0,), 1), torch.tensor(0.5))
    reader = LatentReadings(Readings([reading], torch.zeros(1, 1).double()), lambda z: 3.0 * z)
    z, s2 = torch.tensor([[0.7]]).double(), 4.0
    sigma = torch.tensor(s2**0.5)
    m, V = z / (1.0 + s2), s2 / (1.0 + s2)
    exact = m + V * 3.0 / (0.5 + 9.0 * V) * (2.0 - 3.0 * m)
    torch.testing.assert_close(SDA(white, reader)(z, sigma), exact)
    gamma = 9.0 / 0.5 / (1.0 + s2)  # s^2 gamma = J V J' at this level alone
    published = SDA(white, reader, gamma, scalar=True)
    torch.testing.assert_close(published(z, sigma), exact)
    assert (published(z, 2.0 * sigma) - SDA(white, reader)(z, 2.0 * sigma)).abs() > 1e-3


def test_what_is_affine_is_read_no_more_than_once() -> None:
    """And gives the same numbers as the general way."""
    reads: list[int] = []

    def watched(z: Tensor) -> Tensor:
        reads.append(len(z))
        return flat(z)

    seen, z = Readings(LINEAR, BACKGROUND), draw(6, LATENT, seed=25)
    fast, slow = (LatentReadings(seen, watched, linear_decode=flag) for flag in (True, False))
    methods = [MMPS(gaussian, reader, iterations=3) for reader in (fast, slow)]
    found, expected = (method(z, torch.tensor(1.0)) for method in methods)
    torch.testing.assert_close(found, expected)
    reads.clear()
    assert not torch.equal(methods[0](2.0 * z, torch.tensor(1.0)), found)
    assert not reads


@pytest.mark.parametrize(("cases", "decode"), [(LINEAR, flat), (NONLINEAR, bent)])
def test_push_and_pull(cases: ByCase, decode: Function) -> None:
    reader, z = readings(cases, decode), draw(4, LATENT, seed=16)
    near = departures(reader, probes=4).about(z)
    a, b, h = draw(4, LATENT, seed=17), draw(4, 3, seed=18), 1e-6
    slope = (reader(z + h * a) - reader(z - h * a)) / (2 * h)
    torch.testing.assert_close(near.push(a), slope, rtol=1e-6, atol=1e-6)
    adjoint = (near.pull(b) * a).sum(1)
    torch.testing.assert_close(adjoint, (near.push(a) * b).sum(1))
    torch.testing.assert_close(0.5 * near.residual.square().sum(1), reader.misfit(z))


def test_the_spread_of_readings() -> None:
    reader, z = readings(), draw(6, LATENT, seed=19)
    exact = derivative(reader, z).square().sum(-1)
    torch.testing.assert_close(departures(reader, probes=4).spread(z), exact)
    assert bool((exact[1::2, 2] == 0.0).all())  # padding
    wide, values = draw(400, 5, seed=20), draw(5, seed=21)
    seen = Readings([Observation(values, Components(range(5), 5), torch.tensor(1.0))], z)
    reader = LatentReadings(seen, lambda z: z @ wide)
    spread = departures(reader, probes=64).spread(draw(1, 400, seed=1))
    share = spread / wide.square().sum(0)
    assert bool(((share - 1.0).abs() < 3.5 * (2 / 64) ** 0.5).all())
    assert (share - 1.0).abs().max() > 1e-3


METHODS: dict[str, Callable[[LatentReadings], Prior]] = {
    "dps": lambda reader: DPS(gaussian, reader, zeta=0.05),
    "sda": lambda reader: SDA(gaussian, reader),
    "scalar": lambda reader: SDA(gaussian, reader, scalar=True),
    "mmps": lambda reader: MMPS(gaussian, reader, iterations=2),
}


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize(("cases", "decode"), [(LINEAR, flat), (NONLINEAR, bent)])
def test_a_row_does_not_depend_on_its_batch(name: str, cases: ByCase, decode: Function) -> None:
    z = draw(6, LATENT, seed=22)
    sigma = torch.tensor([0.3, 0.3, 1.0, 1.0, 4.0, 4.0])
    together = METHODS[name](readings(cases, decode))(z, sigma)
    for member in range(3):
        rows = slice(CASES * member, CASES * (member + 1))
        alone = METHODS[name](readings(cases, decode))(z[rows], sigma[rows])
        torch.testing.assert_close(alone, together[rows])
    assert not together.requires_grad


@pytest.mark.parametrize("name", METHODS)
def test_a_case_does_not_depend_on_the_others(name: str) -> None:
    """Nor on the padding that a longer case brings."""
    z, sigma = draw(4, LATENT, seed=23), torch.tensor(1.0)
    together = METHODS[name](readings())(z, sigma)
    seen = Readings(ByCase(LINEAR.cases[1:]), BACKGROUND)
    reader = LatentReadings(seen, lambda z: BACKGROUND[1] + z @ MODES, linear_decode=True)
    torch.testing.assert_close(METHODS[name](reader)(z[1::2], sigma), together[1::2])


@pytest.mark.parametrize("name", METHODS)
def test_every_case_has_as_many_rows(name: str) -> None:
    with pytest.raises(InputError, match="3 latents and observations of 2 cases"):
        METHODS[name](readings())(draw(3, LATENT, seed=1), torch.tensor(1.0))


def test_latents_of_several_axes() -> None:
    """(c, h, w) as of an autoencoder: the same numbers in another shape."""
    reader = readings(NONLINEAR, lambda z: bent(z.flatten(1)))
    z, sigma = draw(4, LATENT, seed=24), torch.tensor(1.0)

    def shaped(prior: Prior) -> Prior:
        return lambda z, s: prior(z.flatten(1), s).reshape(z.shape)

    for method in (DPS, SDA, MMPS):
        plain = method(gaussian, readings(NONLINEAR, bent))(z, sigma)
        found = method(shaped(gaussian), reader)(z.reshape(4, 1, 2, 2), sigma)
        torch.testing.assert_close(found.flatten(1), plain)
