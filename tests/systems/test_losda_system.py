"""The user's side of LO-SDA, with a prior that is exactly Gaussian: its answers are known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from torch import Tensor

from isopleth.core.channels import PRESSURE
from isopleth.core.errors import DataMissingError, InputError, IntegrityError
from isopleth.core.sphere import Sphere
from isopleth.data.states import read_states
from isopleth.dynamics import T21, load_world
from isopleth.inference.screening import Screening
from isopleth.priors.background_latent import ErrorLatents
from isopleth.priors.conditional import ConditionalDenoiser
from isopleth.priors.eof_codec import EofCodec
from isopleth.studies.twin.climate import Climate
from isopleth.systems.forecast.anomalies import load_climate
from isopleth.systems.losda import build_denoiser, build_regression, sine_of_latitude, smoke
from isopleth.systems.losda.observable import observable
from isopleth.systems.losda.standard import Standard, channels_of
from isopleth.systems.losda.system import LoSda, load
from isopleth.systems.losda.ways import Descent, Members, OneAnalysis
from isopleth.systems.losda.weights import keep_whole

MODES, SPREAD = 8, 0.3
FACTS = {
    "what": "a test",
    "data": [{"name": "none", "sha256": "0" * 64}],
    "seed": 0,
    "commit": "abc",
    "device": "cpu",
    "wall_time_s": 1.0,
    "metrics": [
        {"name": "a", "unit": "1", "value": 1.0, "baseline": "b", "baseline_value": 1.0}
    ],
    "licence": "Apache-2.0",
    "limits": ["a test"],
}  # fmt: skip
TIME = np.datetime64("2017-01-02T00", "ns")


@dataclass(frozen=True, eq=False)
class Shipped(Climate):
    """The shipped climate of the quasi-geostrophic world, with states of it, in m2 s-1."""

    states: Tensor


@pytest.fixture(scope="module")
def climate() -> Shipped:
    found = load_climate(Sphere(21, T21.grid))
    sd = (found.states - found.mean).square().mean((0, 2, 3)).sqrt()
    return Shipped(load_world(T21), found.mean.float(), sd.float(), found.states)


@pytest.fixture(scope="module")
def standard(climate: Shipped) -> Standard:
    grid = T21.grid
    levels = {"streamfunction": [200.0, 500.0, 800.0]}
    return Standard(
        channels=channels_of(levels, PRESSURE, grid.latitude, grid.longitude),
        mean=climate.mean,
        sd=climate.sd,
        area=torch.from_numpy(grid.weights),
    )


def untrained(standard: Standard, climate: Shipped, extra: int = 0) -> ConditionalDenoiser:
    """`x = x_b + 0.3 s (sum_k sqrt(lam_k) z_k v_k + e)`, e of variance 0.02."""
    recipe = replace(smoke, extra=extra)
    static = sine_of_latitude(torch.from_numpy(T21.grid.latitude), 64)
    regression = build_regression(recipe, torch.full((3, 32, 64), SPREAD), static)
    a = standard.anomaly(climate.states).float()
    weights = standard.area.float()[:, None].expand(32, 64)
    codec = EofCodec.fit(torch.cat([a, -a]), weights, MODES)
    latents = ErrorLatents(regression, codec, torch.full((3, 32, 64), 0.02))
    return build_denoiser(recipe, latents).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def denoiser(standard: Standard, climate: Shipped) -> ConditionalDenoiser:
    return untrained(standard, climate)


@pytest.fixture(scope="module")
def system(denoiser: ConditionalDenoiser, standard: Standard) -> LoSda:
    card = {"name": "tiny", "config": {"errors": {"extra": 0}}, "sha256": "0" * 64, **FACTS}
    return LoSda(denoiser=denoiser, standard=standard, card=card)


@pytest.fixture(scope="module")
def background(climate: Shipped) -> xr.Dataset:
    """As `isopleth forecast` writes it, cut to what is needed, of one time."""
    return dataset(climate.states[3].numpy())


def dataset(psi: np.ndarray) -> xr.Dataset:
    grid = T21.grid
    attrs = {"units": "m2 s-1", "standard_name": "atmosphere_horizontal_streamfunction"}
    coords = {
        "time": TIME,
        "pressure": PRESSURE.coordinate([200.0, 500.0, 800.0]),
        "lat": ("lat", grid.latitude, {"units": "degrees_north"}),
        "lon": ("lon", grid.longitude, {"units": "degrees_east"}),
    }
    return xr.Dataset({"streamfunction": (("pressure", "lat", "lon"), psi.copy(), attrs)}, coords)


PLACES = ((5, 10, 0), (5, 12, 1), (20, 40, 1), (9, 63, 2), (16, 0, 0))
"""Row, column, level of observed cells."""


def table(climate: Shipped, error: float = 0.1) -> pd.DataFrame:
    """Another state of the climate, seen in cells."""
    truth = climate.states[7].numpy()
    grid, levels, sd = T21.grid, (200.0, 500.0, 800.0), climate.sd.numpy()
    x_b = climate.states[3].numpy()
    rows = [
        {
            "station": f"S{i}", "time": "2017-01-02T01:00:00Z", "latitude": grid.latitude[r],
            "longitude": grid.longitude[c], "variable": "streamfunction", "level": levels[k],
            "value": x_b[k, r, c] + 0.3 * (truth - x_b)[k, r, c], "unit": "m2 s-1",
            "error": error * sd[k],
        }
        for i, (r, c, k) in enumerate(PLACES)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def exact(
    denoiser: ConditionalDenoiser, climate: Shipped, seen: pd.DataFrame
) -> tuple[np.ndarray, np.ndarray, float]:
    """Mean, deviation and chi-square of the Gaussian posterior, from matrices of the textbook."""
    assert isinstance(denoiser.latents, ErrorLatents)
    codec, sd = denoiser.latents.codec, climate.sd.double().numpy()[:, None, None]
    modes = codec.modes.double() * codec.variances.double().sqrt()[:, None, None, None]
    basis = (SPREAD * sd * modes.numpy()).reshape(MODES, -1)
    doubt = (SPREAD * sd) ** 2 * np.full((3, 32, 64), 0.02)
    cells = [np.ravel_multi_index((k, r, c), (3, 32, 64)) for r, c, k in PLACES]
    H = basis[:, cells]
    S = H.T @ H + np.diag(seen["error"].to_numpy() ** 2 + doubt.reshape(-1)[cells])
    x_b = climate.states[3].numpy().reshape(-1)
    d = seen["value"].to_numpy() - x_b[cells]
    K = np.linalg.solve(S, H.T @ basis).T
    variance = (basis**2).sum(0) - (K * (H.T @ basis).T).sum(1) + doubt.reshape(-1)
    shape = (3, 32, 64)
    mean = (x_b + K @ d).reshape(shape)
    return mean, np.sqrt(variance).reshape(shape), float(d @ np.linalg.solve(S, d) / len(d))


@pytest.mark.parametrize("way", [OneAnalysis(), OneAnalysis(strength=0.0), Descent()])
def test_a_gaussian_prior_gives_optimal_interpolation(
    way: OneAnalysis | Descent,
    system: LoSda,
    denoiser: ConditionalDenoiser,
    climate: Shipped,
    background: xr.Dataset,
) -> None:
    seen = table(climate)
    found = system.run(background, seen, way)
    mean, deviation, chi_square = exact(denoiser, climate, seen)
    size = np.abs(mean - climate.states[3].numpy()).max()
    tolerance = (4e-2 if isinstance(way, Descent) else 1e-4) * size  # the path is first order
    np.testing.assert_allclose(found["streamfunction"], mean, rtol=0, atol=tolerance)
    np.testing.assert_allclose(found["streamfunction_spread"], deviation, rtol=1e-3)
    assert found.attrs["chi_square"] == pytest.approx(chi_square, rel=1e-3)
    whole = SPREAD * climate.sd.double().numpy()[:, None, None]
    assert isinstance(denoiser.latents, ErrorLatents)
    codec = denoiser.latents.codec
    square = (codec.variances[:, None, None, None] * codec.modes.square()).sum(0) + 0.02
    wanted = whole * square.sqrt().numpy()
    np.testing.assert_allclose(found["streamfunction_background_spread"], wanted, rtol=1e-3)


def test_members_are_draws_of_the_posterior(
    system: LoSda, denoiser: ConditionalDenoiser, climate: Shipped, background: xr.Dataset
) -> None:
    seen = table(climate)
    found = system.run(background, seen, Members(count=144, steps=4), seed=3)
    mean, deviation, _ = exact(denoiser, climate, seen)
    away = (found["streamfunction"] - mean) / deviation
    assert float(abs(away).max()) < 5.0 / 12.0
    ratio = found["streamfunction_spread"] / deviation
    assert abs(float(np.log(ratio).mean())) < 0.05
    assert found["streamfunction_members"].dims == ("realization", "pressure", "lat", "lon")
    few = system.run(background, seen, Members(count=2, steps=4), seed=3)
    np.testing.assert_allclose(
        few["streamfunction_members"], found["streamfunction_members"][:2], rtol=1e-5, atol=10.0
    )
    with pytest.raises(InputError, match="1 members have no spread"):
        Members(count=1)


def test_winds_are_read_of_a_streamfunction(standard: Standard) -> None:
    """Solid rotation: `psi = -a U sin(phi)` has `u = U cos(phi)` and no v."""
    grid = T21.grid
    psi = torch.from_numpy(-T21.radius * 10.0 * grid.sine)[:, None].expand(3, 32, 64)
    whole = observable(standard)
    x = whole.of(psi)
    u = 10.0 * np.cos(np.radians(grid.latitude))[:, None]
    assert [q.name for q in whole.channels.quantities] == [
        "streamfunction", "eastward_wind", "northward_wind",
    ]  # fmt: skip
    np.testing.assert_allclose(x[3:6], np.broadcast_to(u, (3, 32, 64)), atol=1e-6)
    assert x[6:].abs().max() < 1e-6
    doubt = whole.doubt(torch.full((3, 32, 64), 1e12))
    assert float(doubt[4, 0, 0]) == pytest.approx(1e12 * 21 * 22 / 2 / T21.radius**2)


def test_a_sounding_of_wind_moves_streamfunction_and_wind_together(
    system: LoSda, climate: Shipped, background: xr.Dataset
) -> None:
    grid, x_b = T21.grid, climate.states[3]
    u_b = float(system.whole.of(x_b)[4, 8, 20])
    row = {
        "time": "2017-01-02", "latitude": grid.latitude[8], "longitude": grid.longitude[20],
        "variable": "u", "level": 500, "value": u_b + 3.0, "unit": "m/s", "error": 0.5,
    }  # fmt: skip
    found = system.run(background, pd.DataFrame([row, {**row, "variable": "t"}]))
    at = {"lat": grid.latitude[8], "lon": grid.longitude[20], "pressure": 500.0}
    change = float(found["eastward_wind_increment"].sel(at, method="nearest"))
    assert 0.5 < change < 3.0
    psi = torch.from_numpy(found["streamfunction"].values).double()
    np.testing.assert_allclose(system.whole.of(psi)[3:6], found["eastward_wind"], atol=1e-3)
    assert (found.attrs["observations_used"], found.attrs["observations_rejected"]) == (1, 1)


def test_what_comes_out_is_cf(system: LoSda, climate: Shipped, background: xr.Dataset) -> None:
    found = system.run(background, table(climate))
    assert found["streamfunction"].attrs["units"] == "m2 s-1"
    assert found["streamfunction"].attrs["standard_name"].startswith("atmosphere_horizontal")
    assert "standard_name" not in found["streamfunction_increment"].attrs
    assert found["lat"].attrs["units"] == "degrees_north"
    assert found["time"].values == TIME
    assert "weights tiny" in found.attrs["history"]
    assert '"name": "tiny"' in found.attrs["weights"]
    np.testing.assert_allclose(
        found["streamfunction"] - found["streamfunction_background"],
        found["streamfunction_increment"], atol=32.0,
    )  # fmt: skip


# --- backgrounds that do not fit -------------------------------------------------------------


def test_a_background_that_does_not_fit_is_told_in_a_sentence(
    system: LoSda, climate: Shipped, background: xr.Dataset
) -> None:
    seen, need = table(climate), "the weights tiny need streamfunction .* 32 x 64 Gaussian grid"
    coarse = background.isel(lon=slice(None, None, 2))
    with pytest.raises(InputError, match=f"has streamfunction on 32 x 32 rows.*{need}"):
        system.run(coarse, seen)
    with pytest.raises(InputError, match=f"has streamfunction at 200, 800 hPa; {need}"):
        system.run(background.isel(pressure=[0, 2]), seen)
    warm = background.copy(deep=True).rename(streamfunction="t")
    warm["t"].attrs = {"units": "K", "standard_name": "air_temperature"}
    warm["t"].values[:] = 260.0
    with pytest.raises(InputError, match=f"has air temperature; {need}.*isopleth forecast"):
        system.run(warm, seen)
    with pytest.raises(InputError, match="standard deviations away from the climate"):
        system.run(dataset(20.0 * climate.states[3].numpy()), seen)
    twice = xr.concat([background, background.assign_coords(time=TIME + 1)], "time")
    with pytest.raises(InputError, match="has 2 times"):
        system.run(twice, seen)
    with pytest.raises(InputError, match="none of the 5 observations can be used"):
        system.run(background, seen.assign(time="2018-01-01"))
    early = seen.assign(time="2017-01-01T12:00")
    found = system.run(background, early, screening=Screening(window_hours=12.0))
    assert found.attrs["observations_used"] == 5


def test_members_and_other_fields_of_a_forecast_do_no_harm(
    system: LoSda, climate: Shipped, background: xr.Dataset
) -> None:
    psi = background["streamfunction"]
    members = xr.concat([psi, psi], "realization").assign_attrs(psi.attrs)
    spread = psi.copy(data=0.0 * psi.values).assign_attrs(units="m2 s-1")
    spread.attrs = {"units": "m2 s-1", "cell_methods": "realization: standard_deviation"}
    more = background.assign(streamfunction_members=members, streamfunction_spread=spread)
    one, two = (system.run(data, table(climate)) for data in (background, more))
    np.testing.assert_array_equal(one["streamfunction"], two["streamfunction"])
    only = members.to_dataset(name="streamfunction")
    three = system.run(only.assign_coords(time=TIME), table(climate))
    np.testing.assert_allclose(three["streamfunction"], one["streamfunction"], atol=32.0)


def test_weights_that_know_an_earlier_forecast_want_it(
    standard: Standard, climate: Shipped, background: xr.Dataset, system: LoSda
) -> None:
    card = {**system.card, "config": {"errors": {"extra": 3}}}
    told = LoSda(denoiser=untrained(standard, climate, 3), standard=standard, card=card)
    seen = table(climate)
    with pytest.raises(InputError, match="give it too, with --earlier"):
        told.run(background, seen)
    with pytest.raises(InputError, match="know the background alone"):
        system.run(background, seen, earlier=background)
    older = dataset(climate.states[4].numpy())
    x_b = told.whole.of(climate.states[3])
    situation = told.situation(x_b, told.whole.of(climate.states[4]))
    condition = situation.prior.condition[0, :6].double()
    a, o = (standard.anomaly(climate.states[k]) for k in (3, 4))
    torch.testing.assert_close(condition, torch.cat([a, a - o]), rtol=0, atol=1e-5)
    assert np.isfinite(told.run(background, seen, earlier=older)["streamfunction"]).all()


# --- weights ---------------------------------------------------------------------------------


def test_weights_come_back_with_their_standard(
    system: LoSda,
    denoiser: ConditionalDenoiser,
    standard: Standard,
    climate: Shipped,
    background: xr.Dataset,
    tmp_path: Path,
) -> None:
    recipe = replace(smoke, name="tiny")
    card = keep_whole(denoiser, standard, recipe, tmp_path, FACTS, dtype=None)
    seen = table(climate)
    ours = system.run(background, seen)["streamfunction"]
    for place in (card, tmp_path, str(card.with_suffix(".safetensors"))):
        found = load(place).run(background, seen)["streamfunction"]
        np.testing.assert_allclose(found, ours, atol=200.0)
    file = tmp_path / "tiny_standard.safetensors"
    content = file.read_bytes()
    file.write_bytes(content[:-1] + b"\x01")
    with pytest.raises(IntegrityError, match="not the file that its card promises"):
        load(card)
    file.unlink()
    with pytest.raises(DataMissingError, match="tiny_standard"):
        load(card)
    file.write_bytes(content)
    keep_whole(denoiser, standard, replace(smoke, name="other"), tmp_path, FACTS)
    with pytest.raises(InputError, match="several cards"):
        load(tmp_path)


def test_without_weights_the_remedy_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isopleth.systems.losda.weights.SHIPPED", tmp_path / "none.json")
    with pytest.raises(DataMissingError, match="isopleth train losda small"):
        load()
    with pytest.raises(DataMissingError, match="no weights 'mine'"):
        load("mine")


def test_a_standard_that_is_none(standard: Standard, tmp_path: Path) -> None:
    path = tmp_path / "standard.safetensors"
    standard.write(path)
    back = Standard.read(path)
    assert back.words == standard.words
    assert torch.equal(back.mean, standard.mean)
    x = torch.randn(2, 3, 32, 64)
    torch.testing.assert_close(back.state(back.anomaly(x)), x.double())
    path.write_bytes(b"nothing")
    with pytest.raises(IntegrityError, match="does not say what a state is"):
        Standard.read(path)
    with pytest.raises(DataMissingError, match="prepare losda"):
        Standard.read(tmp_path / "no.safetensors")
    with pytest.raises(InputError, match="do not describe states"):
        replace(standard, mean=standard.mean[:1])
    with pytest.raises(InputError, match="is not positive"):
        replace(standard, sd=-standard.sd)
    with pytest.raises(InputError, match="no quantity 'magic'"):
        channels_of({"magic": None}, None, T21.grid.latitude, T21.grid.longitude)


def test_a_file_is_read_as_the_command_reads_it(system: LoSda, background: xr.Dataset) -> None:
    state = system.state(read_states(background, TIME, "bg.nc"))
    assert [q.name for q in state.fields] == [
        "streamfunction", "eastward_wind", "northward_wind",
    ]  # fmt: skip
    assert state.time == TIME
