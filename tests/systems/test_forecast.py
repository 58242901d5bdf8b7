from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.core.gaussian_grid import GaussianGrid
from isopleth.core.harmonics import Harmonics
from isopleth.core.sphere import Sphere
from isopleth.dynamics import T21, Repeated, load_world
from isopleth.systems.forecast.anomalies import load_climate, perturbations
from isopleth.systems.forecast.demo import NOTE
from isopleth.systems.forecast.demo import prepare as prepare_demo
from isopleth.systems.forecast.initial import read_initial
from isopleth.systems.forecast.models import Model, OnStreamfunction, load_model
from isopleth.systems.forecast.settings import ForecastSettings
from isopleth.systems.forecast.streamfunction import ROTATION, StreamfunctionFit, fitted_degree
from isopleth.systems.forecast.system import Forecast, load
from isopleth.systems.forecast.verification import verified

GRID = T21.grid
RADIUS = T21.radius
LAT, LON = np.linspace(90.0, -90.0, 37), np.arange(72) * 5.0
SHIFTED = np.linspace(87.5, -87.5, 36), 2.5 + np.arange(72) * 5.0
AREA = np.array(GRID.weights)[:, None] / GRID.nlon
TIME = np.datetime64("2017-01-02T00", "ns")


@pytest.fixture(scope="module")
def qg3() -> Model:
    return load_model("qg3")


@pytest.fixture(scope="module")
def psi(qg3: Model) -> Tensor:
    """Two states of the climate of the model, mean 0, float64, shape (2, 3, 32, 64)."""
    return load_climate(qg3.world.sphere).states[:2]


class Still:
    """A dynamics that adds its number at every step: no work, and what it did can be seen."""

    step_seconds = 21_600.0

    def __init__(self, added: float = 0.0) -> None:
        self.added, self.calls = added, 0

    def step(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x + self.added


def still(qg3: Model, added: float = 0.0) -> Forecast:
    return Forecast(
        Model(name="still", words="persistence", dynamics=Still(added), world=qg3.world)
    )


def on(rows: np.ndarray, columns: np.ndarray, psi: Tensor) -> np.ndarray:
    """psi of the Gaussian grid on other rows and columns, exactly."""
    own = Harmonics(GRID.latitude, GRID.longitude, 21)
    return Harmonics(rows, columns, 21).synthesis(own.analysis(psi)).numpy()


def winds_on(rows: np.ndarray, columns: np.ndarray, psi: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Winds of psi there, by differences of a tenth of a degree: an independent way."""
    d = 0.1
    inner = np.clip(rows, -89.8, 89.8)

    def at(lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
        return on(np.asarray(lat), lon, psi)

    step = 2.0 * np.radians(d) * RADIUS
    u = -(at(inner + d, columns) - at(inner - d, columns)) / step
    v = at(inner, columns + d) - at(inner, columns - d)
    return u, v / (step * np.cos(np.radians(inner))[:, None])


def relative(found: np.ndarray, true: np.ndarray) -> float:
    return float(np.sqrt(((found - true) ** 2).mean() / (true**2).mean()))


# --- from fields to streamfunction ------------------------------------------------------------


@pytest.mark.parametrize(("rows", "columns"), [(LAT, LON), SHIFTED])
def test_a_streamfunction_comes_back_from_any_grid(
    psi: Tensor, rows: np.ndarray, columns: np.ndarray
) -> None:
    fit = StreamfunctionFit(rows, columns, GRID, 21)
    assert relative(fit.from_streamfunction(on(rows, columns, psi)), psi.numpy()) < 1e-10


def test_winds_of_the_world_give_its_streamfunction(qg3: Model, psi: Tensor) -> None:
    world = load_world(T21).double()
    sphere = Sphere(21, GRID, torch.float64)
    east, north = sphere.gradient(sphere.analysis(psi) / RADIUS)
    found = StreamfunctionFit(GRID.latitude, GRID.longitude, GRID, 21).from_winds(
        -north.numpy(), east.numpy()
    )
    assert relative(found, psi.numpy()) < 1e-9
    assert world.recipe.radius == RADIUS


@pytest.mark.parametrize(("rows", "columns"), [(LAT, LON), SHIFTED])
def test_winds_on_another_grid_give_it_too(
    psi: Tensor, rows: np.ndarray, columns: np.ndarray
) -> None:
    found = StreamfunctionFit(rows, columns, GRID, 21).from_winds(*winds_on(rows, columns, psi))
    assert relative(found, psi.numpy()) < 1e-4


def test_divergent_winds_have_no_streamfunction(psi: Tensor) -> None:
    """The gradient of chi is seen as such, not as rotation."""
    u, v = winds_on(*SHIFTED, psi)
    found = StreamfunctionFit(*SHIFTED, GRID, 21).from_winds(v, -u)
    assert np.abs(found).max() < 1e-4 * float(psi.abs().max())


def balanced_geopotential(psi: Tensor) -> np.ndarray:
    """`lap^-1 div(f grad psi)` on a 2.5-degree grid: products on a fine grid, not spectral."""
    fine = GaussianGrid(nlat=64, nlon=128)
    low, high = Sphere(21, GRID, torch.float64), Sphere(31, fine, torch.float64)
    where = {(int(d), int(m), bool(s)): k for k, (d, m, s) in enumerate(_keys(high))}
    place = torch.tensor([where[int(d), int(m), bool(s)] for d, m, s in _keys(low)])
    z = torch.zeros(*psi.shape[:-2], high.size, dtype=torch.float64)
    z[..., place] = low.analysis(psi)
    f = 2.0 * ROTATION * torch.from_numpy(fine.sine)[:, None]
    beta = 2.0 * ROTATION * torch.from_numpy(np.cos(np.radians(fine.latitude)))[:, None]
    # div(f grad psi) = f lap psi + df/dphi dpsi/dphi on the unit sphere
    product = f * high.synthesis(high.laplacian * z) + beta * high.d_phi(z)
    Phi = high.inverse_laplacian * high.analysis(product)
    own = Harmonics(fine.latitude, fine.longitude, 31)
    lat, lon = np.linspace(90.0, -90.0, 73), np.arange(144) * 2.5
    return Harmonics(lat, lon, 31).synthesis(own.analysis(high.synthesis(Phi))).numpy()


def _keys(sphere: Sphere) -> list[tuple[Tensor, ...]]:
    return list(zip(sphere.degree, sphere.order, sphere.is_sine, strict=True))


def test_balance_is_inverted_outside_the_tropics(psi: Tensor) -> None:
    Phi = balanced_geopotential(psi)
    lat, lon = np.linspace(90.0, -90.0, 73), np.arange(144) * 2.5
    found = StreamfunctionFit(lat, lon, GRID, 21).from_geopotential(Phi)
    outside = np.abs(GRID.latitude) > 40.0
    assert relative(found[..., outside, :], psi.numpy()[..., outside, :]) < 0.02
    exact = StreamfunctionFit(lat, lon, GRID, 21, regularisation=1e-6).from_geopotential(Phi)
    assert relative(exact, psi.numpy()) < 0.01


def test_the_regularisation_bounds_the_noise_at_the_equator(psi: Tensor) -> None:
    lat, lon = np.linspace(90.0, -90.0, 73), np.arange(144) * 2.5
    noise = 50.0 * np.random.default_rng(0).standard_normal((73, 144))
    tropics = np.abs(GRID.latitude) < 20.0

    def error(r: float) -> float:
        found = StreamfunctionFit(lat, lon, GRID, 21, regularisation=r).from_geopotential(noise)
        return float(np.sqrt((found[tropics] ** 2).mean()))

    assert error(0.05) < 0.5 * error(1e-6)


def test_the_degree_that_is_fitted_follows_the_grid() -> None:
    assert fitted_degree(32, 64, 21) == 21
    assert fitted_degree(181, 360, 42) == 84


# --- models and members -----------------------------------------------------------------------


def test_the_streamfunction_carries_the_whole_state(qg3: Model, psi: Tensor) -> None:
    world = qg3.world
    z = world.from_streamfunction(psi.float())
    both = Repeated(world, seconds=43_200.0).step(z)
    step = OnStreamfunction(world).step
    found = step(step(psi.float()))
    true = world.streamfunction(both)
    assert float((found - true).abs().max()) < 1e-4 * float(true.abs().max())


def test_winds_and_vorticity_of_solid_rotation(qg3: Model) -> None:
    psi = -20.0 * RADIUS * torch.from_numpy(GRID.sine).float()[:, None].expand(3, 32, 64)
    u, v = qg3.winds(psi)
    cosine = torch.from_numpy(np.cos(np.radians(GRID.latitude))).float()[:, None]
    assert float((u - 20.0 * cosine).abs().max()) < 1e-3
    assert float(v.abs().max()) < 1e-3
    true = 40.0 / RADIUS * torch.from_numpy(GRID.sine).float()[:, None]
    assert float((qg3.relative_vorticity(psi) - true).abs().max()) < 3e-9


def test_perturbations_have_the_size_that_is_asked_for(qg3: Model) -> None:
    climate, sphere = load_climate(qg3.world.sphere), qg3.world.sphere
    delta = perturbations(climate, sphere, 200, 5e5, seed=1)
    assert float(delta.mean(0).abs().max()) < 1.0
    middle = (delta[:, 1].square() * torch.from_numpy(AREA)).sum((-2, -1)).mean().sqrt()
    assert float(middle) == pytest.approx(5e5, rel=0.1)
    assert float(perturbations(climate, sphere, 1, 5e5, seed=1).abs().max()) == 0.0


def test_climate_is_the_same_on_a_finer_sphere(qg3: Model) -> None:
    fine = load_climate(Sphere(42, GaussianGrid(nlat=64, nlon=128))).mean
    coarse = load_climate(qg3.world.sphere).mean
    found = on(GRID.latitude, GRID.longitude, coarse)
    finer = Harmonics(*_axes(64, 128), 21).analysis(fine)
    assert relative(Harmonics(*_axes(32, 64), 21).synthesis(finer).numpy(), found) < 1e-10


def _axes(nlat: int, nlon: int) -> tuple[np.ndarray, np.ndarray]:
    grid = GaussianGrid(nlat=nlat, nlon=nlon)
    return grid.latitude, grid.longitude


# --- files ------------------------------------------------------------------------------------


def file_of(psi: Tensor, *, levels: tuple[float, ...] = (200.0, 500.0, 800.0)) -> xr.Dataset:
    """Winds of psi (3, 32, 64) on a 5-degree grid at one time."""
    u, v = winds_on(LAT, LON, psi)
    coords = {
        "time": [TIME],
        "level": ("level", list(levels), {"units": "hPa"}),
        "lat": ("lat", LAT, {"units": "degrees_north"}),
        "lon": ("lon", LON, {"units": "degrees_east"}),
    }
    dims = ("time", "level", "lat", "lon")
    data = {
        "u": (dims, u[None], {"units": "m s-1", "standard_name": "eastward_wind"}),
        "v": (dims, v[None], {"units": "m s-1", "standard_name": "northward_wind"}),
    }
    return xr.Dataset(data, coords)


SHORT = ForecastSettings(days=0.5)


def test_winds_of_a_file_are_read_whatever_its_order(
    qg3: Model, psi: Tensor, tmp_path: Path
) -> None:
    file = file_of(psi[0])
    turned = file.isel(level=[2, 0, 1], lat=slice(None, None, -1)).roll(lon=36, roll_coords=True)
    turned = turned.assign_coords(lon=(turned["lon"] + 180.0) % 360.0 - 180.0)
    turned.to_netcdf(tmp_path / "turned.nc")
    a = read_initial(file, qg3, SHORT)
    b = read_initial(tmp_path / "turned.nc", qg3, SHORT)
    assert relative(a.psi.numpy()[0], psi[0].numpy()) < 1e-4
    assert relative(b.psi.numpy(), a.psi.numpy()) < 1e-9
    assert b.time == TIME


def test_levels_between_others_are_linear_in_log_p(qg3: Model, psi: Tensor) -> None:
    file = file_of(psi[0], levels=(150.0, 500.0, 850.0))
    found = read_initial(
        xr.concat([file, 0.0 * file.sel(level=[250.0, 700.0], method="nearest").assign_coords(
            level=("level", [250.0, 700.0], {"units": "hPa"}))], "level"),
        qg3, SHORT,
    )  # fmt: skip
    share = np.log(250.0 / 200.0) / np.log(250.0 / 150.0)
    assert relative(found.psi.numpy()[0, 0], share * psi[0, 0].numpy()) < 1e-4
    share = np.log(800.0 / 700.0) / np.log(850.0 / 700.0)
    assert relative(found.psi.numpy()[0, 2], share * psi[0, 2].numpy()) < 1e-4
    assert any("200 hPa lies between 150 and 250 hPa" in note for note in found.notes)


def test_geopotential_and_height_mean_the_same(qg3: Model, psi: Tensor) -> None:
    Phi = balanced_geopotential(psi[0])
    coords = {
        "time": TIME,
        "level": ("level", [200.0, 500.0, 800.0], {"units": "hPa"}),
        "lat": np.linspace(90.0, -90.0, 73),
        "lon": np.arange(144) * 2.5,
    }
    base = np.array([115_000.0, 55_000.0, 19_000.0])[:, None, None]
    file = xr.Dataset({"z": (("level", "lat", "lon"), Phi + base, {"units": "m2 s-2"})}, coords)
    height = (file / 9.80665).rename(z="gh")
    height["gh"].attrs = {"units": "m", "standard_name": "geopotential_height"}
    a, b = read_initial(file, qg3, SHORT), read_initial(height, qg3, SHORT)
    assert relative(a.psi.numpy(), b.psi.numpy()) < 1e-9
    outside = np.abs(GRID.latitude) > 40.0
    assert relative(a.psi.numpy()[0][:, outside], psi[0].numpy()[:, outside]) < 0.02


def bad(change: str, file: xr.Dataset) -> xr.Dataset:
    changes = {
        "levels": lambda d: d.isel(level=[1, 2]),
        "twice": lambda d: d.isel(level=[0, 1, 1, 2]),
        "unit": lambda d: d.assign(u=d["u"].assign_attrs(units="K")),
        "no unit": lambda d: d.assign(u=d["u"].assign_attrs(units="")),
        "size": lambda d: d.assign(u=(50.0 * d["u"]).assign_attrs(d["u"].attrs)),
        "calm": lambda d: d.map(lambda x: (1e-3 * x).assign_attrs(x.attrs)),
        "nan": lambda d: d.where(d["lat"] < 80.0),
        "one": lambda d: d.isel(lat=[18]),
        "region": lambda d: d.isel(lon=slice(0, 40)),
        "belt": lambda d: d.isel(lat=slice(6, 31)),
        "coarse": lambda d: d.isel(lat=slice(None, None, 2), lon=slice(None, None, 2)),
        "uneven": lambda d: d.isel(lon=[n for n in range(72) if n % 4]),
        "v": lambda d: d.drop_vars("v"),
        "time": lambda d: d.isel(time=0, drop=True),
        "flat": lambda d: d.isel(level=1, drop=True),
        "height": lambda d: d.assign_coords(level=("level", [1.0, 2.0, 3.0], {"units": "km"})),
    }
    found: xr.Dataset = changes[change](file)
    return found


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("levels", "has the levels 500, 800 hPa, none of them at or close around 200 hPa"),
        ("twice", "has the level 500 hPa twice"),
        ("unit", "unit 'K' is not one of eastward wind"),
        ("no unit", "'u' of the data set has no units"),
        ("size", "which no atmosphere has: look at the units"),
        ("calm", "which no atmosphere has: look at the units"),
        ("nan", "missing values at or around 200 hPa"),
        ("one", "has one latitude, 0: give fields of the whole globe"),
        ("region", "a part of the globe: give all of it"),
        ("belt", "a part of the globe: give all of it"),
        ("coarse", "too coarse for T21: give at least 23 and 43"),
        ("uneven", "not evenly spaced"),
        ("v", "holds u: give eastward and northward wind"),
        ("time", "states no time: give the time of the start"),
        ("flat", "has no pressure levels"),
        ("height", "has no pressure levels"),
    ],
)
def test_a_file_that_cannot_be_used_gets_a_sentence(
    qg3: Model, psi: Tensor, change: str, sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        read_initial(bad(change, file_of(psi[0])), qg3, SHORT)


def test_a_time_that_is_not_there_is_refused_and_a_missing_one_can_be_given(
    qg3: Model, psi: Tensor
) -> None:
    file = file_of(psi[0])
    other = ForecastSettings(days=1.0, time=np.datetime64("2018-01-01", "ns"))
    with pytest.raises(InputError, match="no fields for 2018-01-01T00:00, but for 2017-01-02"):
        read_initial(file, qg3, other)
    assert read_initial(file.isel(time=0, drop=True), qg3, other).time == other.time


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"days": -1.0}, "-1 days cannot be forecast"),
        ({"days": 61.0}, "up to 60 days"),
        ({"days": float("nan")}, "nan days cannot be forecast"),
        ({"days": 1.1}, "no multiple of 6 hours: give 1 days"),
        ({"members": 0}, "0 members are not possible"),
        ({"spread": 0.0}, "perturbs nothing"),
        ({"seed": -1}, "the seed -1 is not possible"),
    ],
)
def test_numbers_that_are_not_possible(given: dict[str, float], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        ForecastSettings(**given)  # type: ignore[arg-type]


def test_a_model_that_is_not_there() -> None:
    with pytest.raises(InputError, match="there is no model 'gpt': take one of qg3, unet, vit"):
        load("gpt")
    with pytest.raises(InputError, match="no model of truncation 63: take 21 or 42"):
        load("qg3", 63)
    with pytest.raises(InputError, match="the emulator 'unet' has no truncation 42"):
        load("unet", 42)


# --- the whole --------------------------------------------------------------------------------


def test_a_run_is_that_of_the_world(qg3: Model, psi: Tensor) -> None:
    found = Forecast(qg3).run(file_of(psi[0]), days=0.5)
    world = qg3.world
    z = world.from_streamfunction(psi[:1].float())
    true = world.streamfunction(Repeated(world, seconds=43_200.0).step(z))[0]
    assert found["streamfunction"].dims == ("time", "pressure", "lat", "lon")
    assert relative(found["streamfunction"].values[-1], true.numpy()) < 1e-3
    u, v = world.winds(Repeated(world, seconds=43_200.0).step(z))
    assert relative(found["eastward_wind"].values[-1], u[0].numpy()) < 1e-2
    assert relative(found["northward_wind"].values[-1], v[0].numpy()) < 1e-2
    assert found["time"].values[-1] == TIME + np.timedelta64(12, "h")
    assert found["forecast_period"].values.tolist() == [0.0, 6.0, 12.0]


def test_members_mean_and_spread(qg3: Model, psi: Tensor) -> None:
    found = still(qg3).run(file_of(psi[0]), days=0.5, members=3, spread=4e5)
    members = found["streamfunction_members"]
    assert members.dims == ("realization", "time", "pressure", "lat", "lon")
    assert relative(members.mean("realization").values, found["streamfunction"].values) < 1e-5
    spread = members.std("realization", ddof=1)
    assert relative(found["streamfunction_spread"].values, spread.values) < 1e-3
    assert relative(found["streamfunction"].values[0], psi[0].numpy()) < 1e-4
    assert float(spread.mean()) > 0.0


def test_members_of_a_file_are_taken_and_not_multiplied(qg3: Model, psi: Tensor) -> None:
    files = [file_of(state) for state in psi]
    both = xr.concat(files, xr.Variable("realization", [0, 1]))
    system = still(qg3)
    assert system.run(both, days=0.25).sizes["realization"] == 2
    assert "realization" not in system.run(both, days=0.25, members=1).dims
    with pytest.raises(InputError, match="has 2 members, 5 are asked for"):
        system.run(both, days=0.25, members=5)


def test_what_was_written_can_be_read_as_a_start(qg3: Model, psi: Tensor) -> None:
    found = still(qg3, added=1.0).run(file_of(psi[0]), days=0.5, members=3)
    again = read_initial(found, qg3, SHORT)
    assert again.psi.shape[0] == 3
    start = found["streamfunction_members"].values[:, 0]
    assert relative(again.psi.numpy(), start) < 1e-4
    assert sorted(again.later) == [1, 2]


def test_a_run_that_was_stopped_goes_on(qg3: Model, psi: Tensor, tmp_path: Path) -> None:
    system, folder = still(qg3, added=1e3), tmp_path / "a.run"
    dynamics = system.model.dynamics
    initial = read_initial(file_of(psi[0]), qg3, SHORT)
    whole = system(initial, ForecastSettings(days=3.0))

    class StoppedError(Exception):
        pass

    def stop(step: str, share: float) -> None:
        if share > 0.5:
            raise StoppedError

    with pytest.raises(StoppedError):
        system(initial, ForecastSettings(days=3.0), folder=folder, progress=stop)
    dynamics.calls = 0  # type: ignore[attr-defined]
    found = system(initial, ForecastSettings(days=3.0), folder=folder)
    assert dynamics.calls == 4  # type: ignore[attr-defined]
    assert all(np.array_equal(found.state(n), whole.state(n)) for n in range(13))
    other = system(initial, ForecastSettings(days=1.0, members=2), folder=folder)
    assert other.members == 2


def test_a_folder_of_something_else_is_not_emptied(
    qg3: Model, psi: Tensor, tmp_path: Path
) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    initial = read_initial(file_of(psi[0]), qg3, SHORT)
    with pytest.raises(InputError, match="holds something else than a forecast"):
        still(qg3)(initial, SHORT, folder=tmp_path)
    assert (tmp_path / "thesis.txt").exists()


@pytest.mark.parametrize("added", [1e12, float("nan")])
def test_a_forecast_that_leaves_the_atmosphere_is_refused(
    qg3: Model, psi: Tensor, added: float
) -> None:
    class Growing(Still):
        def step(self, x: Tensor) -> Tensor:
            return x * self.added

    model = Model(name="g", words="growing", dynamics=Growing(added), world=qg3.world)
    with pytest.raises(InputError, match=r"no atmosphere any more: give fewer days"):
        Forecast(model).run(file_of(psi[0]), days=1.0)


def test_scores_against_a_known_truth(psi: Tensor) -> None:
    climate = psi[1]
    truth = {1: psi[0], 2: psi[0] + 3e5}
    states = {0: psi[:1].numpy() - 1e5, 1: psi[:1].numpy() + 2e5, 2: psi[:1].numpy()}
    weights = np.array(GRID.weights)[:, None]
    table = verified(states, truth, climate, weights)
    middle = table[table["pressure"] == 500.0]
    assert middle["rmse"].tolist() == pytest.approx([2e5, 3e5])
    assert middle["rmse_persistence"].tolist() == pytest.approx([1e5, 4e5])
    assert middle["acc"].tolist() == pytest.approx([1.0, 1.0])
    assert middle["spread"].isna().all()
    members = {0: states[0], 1: np.stack([psi[0] - 1e5, psi[0] + 1e5])}
    one = verified(members, {1: psi[0]}, climate, weights)
    assert one["rmse"].max() < 1e-3
    assert one["spread"].tolist() == pytest.approx([1e5 * 2**0.5] * 3)


def test_the_demonstration_is_labelled_and_beats_persistence(qg3: Model) -> None:
    settings = ForecastSettings(days=1.0, spread=3e5)
    data = prepare_demo(qg3, settings)
    assert data.attrs["data_note"] == NOTE
    assert "Synthetic" in NOTE
    initial = read_initial(data, qg3, settings)
    outcome = Forecast(qg3)(initial, settings)
    assert outcome.scores is not None
    last = outcome.scores[outcome.scores["hours"] == 24]
    assert (last["rmse"] < 0.5 * last["rmse_persistence"]).all()
    curves = outcome.curves
    assert curves["kinetic_energy"].dims == ("hours", "realization", "pressure")
    energy = curves["kinetic_energy"].values[1:, 0] / curves["kinetic_energy_truth"].values
    assert np.abs(energy - 1.0).max() < 0.2
