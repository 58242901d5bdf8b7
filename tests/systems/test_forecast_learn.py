"""Learning the world's steps: data, loss and baselines in closed form, a tiny training, scores."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.core.sphere import Sphere
from isopleth.dynamics import T21, final, load_world
from isopleth.systems.forecast.baselines import (
    Climatology,
    Persistence,
    fit_damping,
    fit_linear_inverse,
)
from isopleth.systems.forecast.evaluate import (
    DAYS,
    Emulated,
    energy_spectrum,
    judge,
    read_states,
    score,
    tuned_linear_inverse,
)
from isopleth.systems.forecast.learn import (
    Learning,
    build,
    climate,
    keep,
    load,
    prepare,
    rollout_loss,
    static_fields,
    train,
)
from isopleth.systems.forecast.recipe import STATIC, smoke, unet, vit
from isopleth.training import read_counters
from isopleth.training.stepping import Segments

FACTS = {
    "seed": 0,
    "commit": "abc",
    "device": "cpu",
    "wall_time_s": 1.0,
    "metrics": [{"name": "e", "unit": "1", "value": 1.0, "baseline": "b", "baseline_value": 2.0}],
}


SHORT = replace(smoke.learned, days=2.0)


@pytest.fixture(scope="module")
def sphere() -> Sphere:
    return Sphere(T21.truncation, T21.grid)


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(SHORT, tmp_path_factory.mktemp("runs"))


def red_noise(members: int, times: int, factor: float, seed: int = 0) -> Tensor:
    """x(t + 1) = factor x(t) + noise of variance `1 - factor^2`, (member, time, 3, 484)."""
    generator = torch.Generator().manual_seed(seed)
    x = [torch.randn(members, 3, 484, generator=generator)]
    for _ in range(times - 1):
        noise = torch.randn(members, 3, 484, generator=generator)
        x.append(factor * x[-1] + (1.0 - factor**2) ** 0.5 * noise)
    return torch.stack(x, 1)


def kept_as(states: Tensor, path: Path) -> Path:
    np.save(path, states.numpy(), allow_pickle=False)
    return path


# --- data ------------------------------------------------------------------------------------


def test_a_run_holds_the_world_every_six_hours(learned: Path) -> None:
    world, states = load_world(), read_states(learned)
    assert states.shape == (2, 9, 3, 484)
    z = world.from_streamfunction(world.sphere.synthesis(states[:, 3]))
    after = world.invert(final(world.step, z, 12))
    difference = (after - states[:, 4]).norm() / (states[:, 4] - states[:, 3]).norm()
    assert difference < 1e-2, "single precision, there and back"


def test_a_run_is_made_once_and_runs_differ(learned: Path) -> None:
    before = learned.stat().st_mtime_ns
    assert prepare(SHORT, learned.parent) == learned
    assert learned.stat().st_mtime_ns == before
    assert smoke.validation.name != smoke.learned.name
    assert unet.learned.seed != unet.validation.seed


def test_segments_are_stretches_and_functions_of_their_number(learned: Path) -> None:
    segments, states = Segments(learned, batch=5, steps=2, seed=3), read_states(learned)
    batch = segments(7)
    assert batch.shape == (5, 3, 3, 484)
    torch.testing.assert_close(batch, Segments(learned, 5, 2, 3)(7), rtol=0, atol=0)
    assert not torch.equal(batch, segments(8))
    windows = states.unfold(1, 3, 1).permute(0, 1, 4, 2, 3).flatten(0, 1)
    for stretch in batch:
        assert any(torch.equal(stretch, window) for window in windows)
    with pytest.raises(InputError, match="no stretch of 9 steps"):
        Segments(learned, batch=1, steps=9)


def test_the_climate_of_a_run(sphere: Sphere, tmp_path: Path) -> None:
    states = 2.0 * red_noise(8, 161, 0.8) + 5.0
    known = climate(kept_as(states, tmp_path / "run.npy"), sphere)
    mean = sphere.analysis(known.mean)
    assert float((mean - 5.0).abs().mean()) < 0.5
    torch.testing.assert_close(known.sd, torch.full((3,), 2.0 * 22), rtol=0.05, atol=0.0)
    change = (2.0 * (1.0 - 0.8)) ** 0.5
    torch.testing.assert_close(known.residual_sd, known.sd * change, rtol=0.05, atol=0.0)
    assert torch.equal(known.sd, known.sd.bfloat16().float()), "what is shipped is trained with"


def test_static_fields_are_of_order_one(learned: Path, sphere: Sphere) -> None:
    fields = static_fields(climate(learned, sphere))
    assert fields.shape == (len(STATIC), *T21.grid.shape)
    assert bool((fields[0].diff(dim=0) < 0).all()), "sine of latitude, north first"
    assert float(fields.abs().max()) < 20.0


# --- loss and training -----------------------------------------------------------------------


def test_the_loss_of_no_change_in_closed_form(learned: Path, sphere: Sphere) -> None:
    emulator = build(smoke, climate(learned, sphere))  # its network is 0 before training
    batch = Segments(learned, batch=4, steps=2)(0)
    moved = batch[:, 1:] - batch[:, :1]
    expected = (moved / emulator.residual_sd[:, :, 0]).square().sum(-1).mean()
    loss = rollout_loss(emulator, sphere)(batch, torch.Generator())
    torch.testing.assert_close(loss, expected, rtol=1e-3, atol=0.0)


def test_a_training_of_both_parts_is_kept_and_read_again(
    learned: Path, sphere: Sphere, tmp_path: Path
) -> None:
    emulator, checkpoint = train(smoke, Learning(learned, tmp_path / "training"))
    assert checkpoint.parent.name == "rollout"
    assert read_counters(checkpoint).finished
    card = keep(emulator, smoke, tmp_path, FACTS)
    again = load(card, smoke)
    psi = sphere.synthesis(read_states(learned)[0, :2])
    with torch.no_grad():
        expected, found = emulator.step(psi), again.step(psi)
    scale = emulator.residual_sd
    torch.testing.assert_close(found / scale, expected / scale, rtol=0, atol=1e-2)
    assert not torch.equal(expected, psi)
    assert json.loads(card.read_text())["config"]["net"]["widths"] == [8, 8]


def test_training_stops_and_goes_on(learned: Path, tmp_path: Path) -> None:
    learning = Learning(learned, tmp_path)
    _, checkpoint = train(smoke, learning, sitting_seconds=0.0)
    assert checkpoint.parent.name == "single"
    assert not read_counters(checkpoint).finished
    _, checkpoint = train(smoke, learning)
    assert checkpoint.parent.name == "rollout"


def test_a_little_training_beats_no_change(learned: Path, sphere: Sphere, tmp_path: Path) -> None:
    training = replace(smoke.training, steps=40, rate=5e-3, average=0.0)
    emulator, _ = train(
        replace(smoke, training=training, tuning=None), Learning(learned, tmp_path)
    )
    segments, loss = Segments(learned, batch=8, seed=9), rollout_loss(emulator, sphere)
    blank = rollout_loss(build(smoke, climate(learned, sphere)), sphere)
    with torch.no_grad():
        trained, before = (f(segments(0), torch.Generator()).item() for f in (loss, blank))
    assert trained < 0.8 * before


def test_conditions_must_be_the_static_fields(learned: Path, sphere: Sphere) -> None:
    net = replace(unet.net, condition_channels=2)
    with pytest.raises(InputError, match="there are 9 static fields"):
        build(replace(smoke, net=net), climate(learned, sphere))


def test_the_transformer_is_built_from_its_sizes(learned: Path, sphere: Sphere) -> None:
    net = replace(vit.net, width=16, depth=1)
    emulator = build(replace(vit, net=net), climate(learned, sphere))
    psi = sphere.synthesis(read_states(learned)[:, 0])
    torch.testing.assert_close(emulator.step(psi), psi)


# --- baselines and scores --------------------------------------------------------------------


def test_damping_finds_the_memory_of_red_noise() -> None:
    states = red_noise(8, 200, 0.9)
    damped = fit_damping(states, torch.zeros(3, 484), [1, 4])
    for lead in (1, 4):
        torch.testing.assert_close(
            damped.factors[lead], torch.full((3,), 0.9**lead), rtol=0.01, atol=0.0
        )
    start = states[:, 0]
    torch.testing.assert_close(damped(start, [4])[0], damped.factors[4][:, None] * start)
    with pytest.raises(InputError, match="lead 2 has no factor"):
        damped(start, [2])
    with pytest.raises(InputError, match="do not reach lead 200"):
        fit_damping(states, torch.zeros(3, 484), [200])


def test_the_inverse_model_finds_a_rotation() -> None:
    """Two coefficients that turn by 30 degrees a step; two modes hold all their variance."""
    angle = torch.arange(60.0) * torch.pi / 6 + torch.arange(4.0)[:, None]
    states = torch.zeros(4, 60, 3, 484)
    states[..., 0, 0], states[..., 0, 1] = angle.cos(), angle.sin()
    states += 1e-3 * torch.randn(states.shape, generator=torch.Generator().manual_seed(0))
    model = fit_linear_inverse(states, torch.zeros(3, 484), modes=2, lag=2)
    model = replace(model, scale=torch.ones(3))
    start = torch.zeros(1, 3, 484)
    start[0, 0, 0] = 1.0
    after = model(start, [6])[0, 0, 0, :2]  # half a turn
    torch.testing.assert_close(after, torch.tensor([-1.0, 0.0]), rtol=0, atol=0.05)
    with pytest.raises(InputError, match="no multiple of the lag 2"):
        model(start, [3])
    with pytest.raises(InputError, match="a lag of 60 steps"):
        fit_linear_inverse(states, torch.zeros(3, 484), modes=2, lag=60)


def test_scores_of_the_best_and_of_climatology() -> None:
    truth, mean, sd = red_noise(200, 1, 0.0)[:, 0], torch.zeros(3, 484), torch.full((3,), 22.0)
    perfect = score(truth[None], truth[None], mean, sd)
    assert float(perfect.nrmse) == 0.0
    torch.testing.assert_close(perfect.acc, torch.ones(1, 200))
    none = score(Climatology(mean)(truth, [1]), truth[None], mean, sd)
    assert float(none.nrmse) == pytest.approx(1.0, abs=0.01)
    assert float(none.acc.abs().max()) == 0.0
    wrong = score(-truth[None], truth[None], mean, sd)
    torch.testing.assert_close(wrong.acc, -torch.ones(1, 200))
    assert float(wrong.nrmse) == pytest.approx(2.0, abs=0.02)


def test_the_inverse_model_is_chosen_by_validation() -> None:
    states = red_noise(6, 45, 0.95, seed=1)
    mean, sd = torch.zeros(3, 484), torch.full((3,), 22.0)
    model = tuned_linear_inverse(states, states, mean, sd)
    leads = [4 * day for day in DAYS]
    truth = states[:, leads].transpose(0, 1)
    chosen = score(model(states[:, 0], leads), truth, mean, sd).nrmse.mean()
    other = fit_linear_inverse(states, mean, 20, 1)
    assert chosen <= score(other(states[:, 0], leads), truth, mean, sd).nrmse.mean()


def test_the_energy_of_one_harmonic(sphere: Sphere) -> None:
    z = torch.zeros(484)
    z[sphere.index(7, 3)] = 2.0
    spectrum = energy_spectrum(z, sphere)
    assert float(spectrum[7]) == pytest.approx(0.5 * 7 * 8 * 4.0)
    assert float(spectrum.sum()) == pytest.approx(float(spectrum[7]))


def test_an_emulator_that_changes_nothing_is_persistence(
    learned: Path, sphere: Sphere, tmp_path: Path
) -> None:
    states = 1e6 * red_noise(4, 45, 0.9)
    states[:, :, 0, sphere.index(0, 0)] = 0.0
    path = kept_as(states, tmp_path / "run.npy")
    emulator = build(smoke, climate(path, sphere))
    start, leads = states[:, 0], [4, 8]
    still = Emulated(emulator, sphere)(start, leads)
    torch.testing.assert_close(still, Persistence()(start, leads), rtol=1e-4, atol=1e3)
    rows = judge(emulator, path, path)
    mean = states.mean((0, 1))
    sd = (states - mean).square().sum(-1).mean((0, 1)).sqrt()
    leads = [4 * day for day in DAYS]
    truth = states[:, leads].transpose(0, 1)
    expected = score(Persistence()(start, leads), truth, mean, sd).nrmse
    assert [row["value"] for row in rows] == pytest.approx(expected.tolist(), rel=1e-3)
    assert all(row["baseline_value"] < row["value"] for row in rows)
