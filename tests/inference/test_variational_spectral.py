"""The control-variable transform: what it is fitted to, it has; what it has, an analysis shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.core.gaussian_grid import GaussianGrid
from isopleth.core.grid import Grid
from isopleth.core.harmonics import Harmonics, area_weights
from isopleth.inference.variational import (
    GaussNewton,
    Increment,
    MatrixCovariance,
    RootedCovariance,
    SpectralCovariance,
    SpectralFit,
    SpectralStatistics,
    StaticOI,
    ThreeDVar,
    draw,
    spectral_fit,
)
from isopleth.inference.variational.spectral import stretched
from isopleth.observe import MaskOperator, Observation

T = 7
GAUSS = GaussianGrid(nlat=12, nlon=24)
REGULAR = Grid.regular(15.0, levels=[0.0])
AXES = {
    "gaussian": (GAUSS.latitude, GAUSS.longitude),
    "regular": (REGULAR.latitude, REGULAR.longitude),
    "poles": (np.linspace(90.0, -90.0, 13), np.arange(24) * 15.0),
}
_THIRDS = 2.0 * torch.pi * torch.arange(3).double() / 3.0
MIX = torch.stack([torch.ones(3).double() / 2**0.5, _THIRDS.cos(), _THIRDS.sin()]) * (2 / 3) ** 0.5


def normal(*shape: int, seed: int = 0) -> Tensor:
    stream = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=stream, dtype=torch.float64)


def truth(name: str = "gaussian") -> SpectralCovariance:
    """Three channels whose mean has a longer scale than the rest; no balance; isotropic.

    In standard deviations all channels are alike, so that scaling keeps the modes.
    """
    harmonics = Harmonics(*AXES[name], T)
    degree = torch.arange(T + 1).double()
    p = torch.exp(-degree / torch.tensor([[2.0], [4.0], [4.0]]))
    p = p / ((2 * degree + 1) * p).sum(1, keepdim=True) * torch.tensor([[1.8], [0.6], [0.6]])
    return SpectralCovariance(
        SpectralStatistics(
            harmonics=harmonics,
            groups=((0, 1, 2),),
            deviation=torch.tensor([1.0, 5.0, 3.0])
            .double()[:, None, None]
            .expand(3, *harmonics.shape),
            modes=(MIX,),
            spectrum=(p,),
            regression=(None,),
        )
    )


def dense(covariance: RootedCovariance) -> Tensor:
    cells = int(np.prod(covariance.state_shape))
    units = torch.eye(cells, dtype=torch.float64).reshape(cells, *covariance.state_shape)
    return covariance.product(units).flatten(1)


ISOTROPIC = SpectralFit(groups=((0, 1, 2),), truncation=T, band=None)
BALANCED = SpectralFit(groups=((0, 1), (2,)), truncation=T)


def balanced_errors(count: int) -> tuple[Tensor, Tensor]:
    """Two channels of a streamfunction, and a third that follows `2 sin(phi)` of the first."""
    psi = draw(truth(), count, torch.Generator().manual_seed(4))[:, :2]
    sine = torch.from_numpy(GAUSS.sine)[:, None]
    other = draw(truth(), count, torch.Generator().manual_seed(5))[:, 2:]
    return torch.cat([psi, 2.0 * sine * psi[:, :1] + 0.1 * other], 1), sine[:, 0]


# --- the operator ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", AXES)
def test_adjoint_and_product(name: str) -> None:
    errors = draw(truth(name), 40, torch.Generator().manual_seed(1))
    fitted = replace(BALANCED, modes=2)(errors, *AXES[name])
    B = SpectralCovariance(fitted, amplitude=0.6, length=1.3)
    assert isinstance(B, RootedCovariance)
    v, x = normal(2, 3, *B.control_shape), normal(2, 3, *B.state_shape, seed=1)
    left = (B.sqrt(v) * x).flatten(2).sum(2)
    assert torch.allclose(left, (v * B.sqrt_adjoint(x)).flatten(2).sum(2))
    assert torch.allclose(B.sqrt(B.sqrt_adjoint(x)), B.product(x))
    assert torch.allclose(dense(B).diagonal(), B.variance.flatten())
    assert B.sqrt(v.float()).dtype == torch.float32


def legendre(degree: int, x: Tensor) -> Tensor:
    return torch.from_numpy(np.polynomial.Legendre.basis(degree)(x.numpy()))


@pytest.mark.parametrize("name", AXES)
def test_the_covariance_is_a_function_of_the_angle(name: str) -> None:
    B = truth(name)
    lat, lon = (np.radians(a) for a in AXES[name])
    row, column = 4, 5
    cosine = np.sin(lat[row]) * np.sin(lat)[:, None] + np.cos(lat[row]) * np.cos(lat)[
        :, None
    ] * np.cos(lon - lon[column])
    unit = torch.zeros(B.state_shape).double()
    unit[0, row, column] = 1.0
    p, x = B.statistics.spectrum[0], torch.from_numpy(cosine)
    C = [sum((2 * n + 1) * p[k, n] * legendre(n, x) for n in range(T + 1)) for k in range(3)]
    for channel, scale in enumerate((1.0, 5.0, 3.0)):
        expected = scale * sum(MIX[k, 0] * MIX[k, channel] * C[k] for k in range(3))
        assert torch.allclose(B.product(unit)[channel], torch.as_tensor(expected))


def test_draws_have_the_covariance() -> None:
    B = truth()
    found = draw(B, 4000, torch.Generator().manual_seed(0)).flatten(1)
    C = dense(B)
    assert float((torch.cov(found.T) - C).norm() / C.norm()) < 0.2
    assert torch.allclose(found.var(0), C.diagonal(), rtol=0.15)


# --- the fit ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", AXES)
def test_it_has_the_statistics_of_its_sample(name: str) -> None:
    """Exactly: channel covariances and power by degree, both averaged over the globe."""
    errors = draw(truth(name), 30, torch.Generator().manual_seed(1)) + 9.0
    found = ISOTROPIC(errors, *AXES[name])
    B = SpectralCovariance(found)
    e = (errors - errors.mean(0)) / 29**0.5
    area = torch.from_numpy(area_weights(AXES[name][0]))
    sample = torch.einsum("ncij,i,ndij->cd", e, area, e) / e.shape[-1]
    C = dense(B).reshape(*B.state_shape, *B.state_shape)
    here = torch.einsum("cijdij->cdij", C)
    assert torch.allclose(here, sample[..., None, None].expand_as(here), atol=1e-8)
    z = found.harmonics.analysis(e / found.deviation)
    for k, E in enumerate(found.modes[0]):
        power = found.harmonics.power(torch.einsum("c,ncz->nz", E, z)).sum(0)
        own = found.spectrum[0][k] * (2.0 * torch.arange(T + 1) + 1.0)
        assert torch.allclose(own / own.sum(), power / power.sum(), atol=1e-10)


@pytest.mark.parametrize("name", AXES)
def test_many_isotropic_samples_give_back_the_covariance(name: str) -> None:
    errors = draw(truth(name), 300, torch.Generator().manual_seed(1))
    B = dense(truth(name))
    found = dense(SpectralCovariance(ISOTROPIC(errors, *AXES[name])))
    raw = torch.cov(errors.flatten(1).T)
    apart = float((found - B).norm() / B.norm())
    assert apart < 0.06
    assert apart < 0.25 * float((raw - B).norm() / B.norm())


def test_balance_changes_sign_with_latitude() -> None:
    errors, sine = balanced_errors(400)
    found = BALANCED(errors, *AXES["gaussian"])
    fitted, sample = dense(SpectralCovariance(found)), torch.cov(errors.flatten(1).T)
    cells = int(np.prod(GAUSS.shape))

    def correlation(C: Tensor) -> Tensor:
        """Of the first and the third channel at every place, mean of a row."""
        own, other = C.diagonal()[:cells], C.diagonal()[2 * cells :]
        both = C[:cells, 2 * cells :].diagonal() / (own * other).sqrt()
        return both.reshape(GAUSS.shape).mean(1)

    assert torch.allclose(correlation(fitted), correlation(sample), atol=0.03)
    assert float(correlation(fitted)[0]) > 0.9
    assert float(correlation(fitted)[-1]) < -0.9
    without = dense(
        SpectralCovariance(replace(BALANCED, balance=False)(errors, *AXES["gaussian"]))
    )
    assert float(correlation(without).abs().max()) < 1e-12
    assert found.regression[0] is None
    assert found.regression[1] is not None
    assert found.regression[1].shape == (1, 2, 12)
    slope = (found.regression[1][0].T @ found.modes[0])[:, 0] / found.deviation[0, :, 0]
    assert torch.allclose(slope, 2.0 * sine, atol=0.1)


@pytest.mark.parametrize("fit", [ISOTROPIC, BALANCED, replace(ISOTROPIC, modes=2, cells=True)])
def test_the_diagonal_is_the_variance_of_the_sample(fit: SpectralFit) -> None:
    errors = draw(truth(), 50, torch.Generator().manual_seed(1))
    errors = errors * (1.0 + torch.from_numpy(GAUSS.sine)[:, None].square())
    variance = SpectralCovariance(fit(errors, *AXES["gaussian"])).variance
    sample = errors.var(0)
    if fit.cells:
        assert torch.allclose(variance, sample)
    elif fit.band is None:
        area = torch.from_numpy(area_weights(GAUSS.latitude))
        mean = torch.einsum("i,cij->c", area, sample) / GAUSS.nlon
        assert torch.allclose(variance, mean[:, None, None].expand_as(variance))
    else:
        ratio = variance / sample.mean(-1, keepdim=True)
        assert bool((ratio > 0.6).all() & (ratio < 1.6).all())
        assert float(variance[0, 0, 0]) > 1.5 * float(variance[0, 6, 0])


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    errors, _ = balanced_errors(40)
    whole = BALANCED(errors, *AXES["gaussian"])
    monkeypatch.setattr(spectral_fit, "_CHUNK", 7)
    parts = BALANCED(errors, *AXES["gaussian"])
    assert torch.allclose(dense(SpectralCovariance(parts)), dense(SpectralCovariance(whole)))


# --- tuning ----------------------------------------------------------------------------------


def half_width(B: SpectralCovariance) -> float:
    """Angle along the equator at which the first channel's correlation is a half, degrees."""
    unit = torch.zeros(B.state_shape).double()
    unit[0, 6, 0] = 1.0
    rho = B.product(unit)[0, 6] / B.product(unit)[0, 6, 0]
    return float(np.interp(-0.5, -rho[:12].numpy(), AXES["poles"][1][:12]))


def test_length_and_amplitude() -> None:
    B = truth("poles")
    wide, narrow = B.scaled(2.0, 1.5), B.scaled(2.0, 0.7)
    for other in (wide, narrow):
        assert torch.allclose(other.variance, 4.0 * B.variance, rtol=1e-6)
    assert half_width(narrow) < 0.93 * half_width(B)
    assert half_width(wide) > 1.1 * half_width(B)
    same = B.scaled(1.0)
    assert torch.equal(same.variance, B.variance)
    assert B.scaled(1.0, 1.5).scaled(3.0).length == 1.5


def test_stretching_a_gaussian_spectrum_gives_a_longer_one() -> None:
    degree = torch.arange(22).double()
    p, longer = torch.exp(-(degree**2) / 18.0)[None], torch.exp(-(degree**2) * 1.5**2 / 18.0)
    found = stretched(p, 1.5)[0]
    assert torch.allclose((found[1:] / found[1])[:9], (longer[1:] / longer[1])[:9], rtol=0.1)
    weight = 2.0 * degree + 1.0
    assert float((weight * found).sum()) == pytest.approx(float((weight * p[0]).sum()))
    assert float(found[0]) == float(p[0, 0])
    assert torch.allclose(stretched(p, 1.0), p)


# --- in an analysis --------------------------------------------------------------------------


def one_cell(B: SpectralCovariance, row: int, column: int, value: float) -> Observation:
    grid = Grid(*AXES["gaussian"], np.arange(3) * 10.0, np.ones(B.state_shape, bool))
    where = np.zeros(B.state_shape, bool)
    where[1, row, column] = True
    at = MaskOperator(grid, where)
    return Observation(torch.tensor([value]).double(), at, torch.tensor(0.5).double())


def test_one_observation_shows_a_column_of_the_covariance() -> None:
    B = truth()
    result = ThreeDVar(Increment(B), GaussNewton(outer=1, tolerance=1e-11))(
        torch.zeros(B.state_shape).double(), [one_cell(B, 4, 7, 3.0)]
    )
    unit = torch.zeros(B.state_shape).double()
    unit[1, 4, 7] = 1.0
    column = B.product(unit)
    assert torch.allclose(result.state, column * 3.0 / (column[1, 4, 7] + 0.5), atol=1e-9)


@pytest.mark.parametrize(
    "make",
    [truth, lambda: SpectralCovariance(BALANCED(balanced_errors(40)[0], *AXES["gaussian"]))],
)
def test_it_is_oi_with_the_same_matrix(make: Callable[[], SpectralCovariance]) -> None:
    B = make()
    x = normal(2, *B.state_shape)
    seen = [one_cell(B, 4, 7, 3.0), one_cell(B, 4, 8, -1.0), one_cell(B, 9, 20, 2.0)]
    exact = StaticOI(covariance=MatrixCovariance(dense(B), B.state_shape))(x, seen)
    found = ThreeDVar(Increment(B), GaussNewton(outer=1, tolerance=1e-10))(x, seen)
    assert torch.allclose(found.state, exact.state, atol=1e-7)
    assert torch.allclose(found.cost, exact.cost)


# --- bad input -------------------------------------------------------------------------------


def test_bad_input() -> None:
    errors, axes = draw(truth(), 5, torch.Generator().manual_seed(1)), AXES["gaussian"]
    hole, still = errors.clone(), errors.clone()
    hole[3, 0, 0, 0] = torch.nan
    still[:, 1] = 4.0
    with pytest.raises(InputError, match="1 of 5 errors are not finite, the first is number 3"):
        ISOTROPIC(hole, *axes)
    with pytest.raises(InputError, match="channel 1 does not change in the samples"):
        ISOTROPIC(still, *axes)
    with pytest.raises(InputError, match=r"\(1, 3, 12, 24\) do not go with a grid"):
        ISOTROPIC(errors[:1], *axes)
    with pytest.raises(InputError, match="do not go with a grid"):
        ISOTROPIC(errors[..., 1:], *axes)
    for groups in (((0, 1),), ((0, 1, 2), (2,)), ((0, 1), (3,)), ((0, 1, 2), ())):
        with pytest.raises(InputError, match="are no division of 3 channels"):
            replace(ISOTROPIC, groups=groups)(errors, *axes)
    with pytest.raises(InputError, match="modes is 0"):
        replace(ISOTROPIC, modes=0)
    with pytest.raises(InputError, match=r"band is -1\.0"):
        replace(ISOTROPIC, band=-1.0)
    with pytest.raises(InputError, match=r"length is 0\.0"):
        truth().scaled(1.0, 0.0)
    with pytest.raises(InputError, match=r"amplitude is nan"):
        truth().scaled(float("nan"))
    with pytest.raises(InputError, match="do not go with the 3 channels"):
        replace(truth().statistics, modes=(MIX[:, :2],))
