"""The prior of LO-SDA: pairs, statistics, a tiny training end to end, files, scores."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from isopleth.core.errors import DataMissingError, InputError, IntegrityError
from isopleth.core.weights import read_card
from isopleth.nets.dit import DiTConfig
from isopleth.priors.background_latent import ErrorLatents
from isopleth.priors.conditional import ConditionalDenoiser
from isopleth.systems.losda import (
    Eofs,
    Learning,
    LinearRegression,
    PairBatches,
    Pairs,
    States,
    build_denoiser,
    build_regression,
    keep,
    learn,
    load_prior,
    measure,
    paper,
    sine_of_latitude,
    small,
    smoke,
)
from isopleth.systems.losda.measure import regression_scores, white
from isopleth.systems.losda.statistics import (
    area_weights,
    error_climate,
    fit_error_latents,
    leading_eofs,
)
from isopleth.training import TrainingRecipe, read_counters
from isopleth.training.background_denoising import LatentTest
from isopleth.training.regression import NormalsLoss

STATE = (2, 8, 12)
LATITUDE = torch.linspace(78.75, -78.75, 8)
AREA = torch.cos(torch.deg2rad(LATITUDE))
FACTS = {
    "what": "a test",
    "grid": {"rows": 8, "columns": 12},
    "variables": ["streamfunction"],
    "data": [{"name": "pairs", "sha256": "0" * 64}],
    "seed": 0,
    "commit": "abc",
    "device": "cpu",
    "wall_time_s": 1.0,
    "licence": "Apache-2.0",
    "limits": ["a test"],
}


def draw_pairs(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """x = x_b + 0.3 s(lat) (0.8 W x_b + n), W a shift by one column: E[x | x_b] is linear."""
    stream = torch.Generator().manual_seed(seed)
    x_b = torch.randn(count, *STATE, generator=stream)
    s = 0.15 + 0.15 * AREA[:, None]
    noise = torch.randn(count, *STATE, generator=stream)
    return x_b + s * (0.8 * x_b.roll(1, -1) + noise), x_b


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Pairs, Pairs]:
    root = tmp_path_factory.mktemp("pairs")
    return (
        Pairs.write(root / "learned", *draw_pairs(600, 1)),
        Pairs.write(root / "validation", *draw_pairs(120, 2)),
    )


def setup(folders: tuple[Pairs, Pairs], folder: Path) -> Learning:
    return Learning(*folders, folder, AREA, sine_of_latitude(LATITUDE, 12))


# --- pairs -----------------------------------------------------------------------------------


def test_pairs_come_back_in_the_order_of_the_indices(tmp_path: Path) -> None:
    x, known = draw_pairs(9, 0)
    Pairs.write(tmp_path, x, known)
    pairs = Pairs(tmp_path)
    assert (len(pairs), pairs.state_shape, pairs.extra) == (9, STATE, 0)
    a, b = pairs.batch(np.array([7, 2, 2]))
    assert a.dtype == torch.float32
    torch.testing.assert_close(a, x[[7, 2, 2]], rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(b, known[[7, 2, 2]], rtol=1e-3, atol=1e-3)
    whole = Pairs.write(tmp_path / "full", x, known, half=False).batch(np.arange(9))
    assert torch.equal(whole[0], x)
    parts = [part[0] for part in pairs.parts(2, most=5)]
    assert [len(part) for part in parts] == [2, 2, 1]
    torch.testing.assert_close(torch.cat(parts), x[[0, 2, 4, 6, 8]], rtol=1e-3, atol=1e-3)


def test_an_epoch_sees_every_pair_once_and_batches_are_functions_of_their_number(
    folders: tuple[Pairs, Pairs],
) -> None:
    batches = PairBatches(folders[1], 24, seed=3)
    epoch = torch.cat([batches(n)[0] for n in range(5)])
    everything = folders[1].batch(np.arange(120))[0]
    assert len({float(v) for v in epoch[:, 0, 0, 0]}) == len(
        {float(v) for v in everything[:, 0, 0, 0]}
    )
    torch.testing.assert_close(epoch.sum(0), everything.sum(0), rtol=0, atol=1e-3)
    second = batches(5)[0]
    assert not torch.equal(second, batches(0)[0])
    assert torch.equal(PairBatches(folders[1], 24, seed=3)(5)[0], second)


def test_what_are_no_pairs(tmp_path: Path, folders: tuple[Pairs, Pairs]) -> None:
    x, known = draw_pairs(3, 0)
    with pytest.raises(InputError, match="no pairs"):
        Pairs.write(tmp_path / "a", x, known[:2])
    with pytest.raises(InputError, match="not finite"):
        Pairs.write(tmp_path / "b", x, torch.full_like(known, torch.nan))
    with pytest.raises(DataMissingError, match="make the pairs first"):
        Pairs(tmp_path / "none")
    with pytest.raises(InputError, match="no batch of 121"):
        PairBatches(folders[1], 121)


# --- statistics ------------------------------------------------------------------------------


def test_the_climate_of_errors_is_their_root_mean_square(folders: tuple[Pairs, Pairs]) -> None:
    expected = (0.15 + 0.15 * AREA[:, None]) * 1.64**0.5
    found = error_climate(folders[0])
    torch.testing.assert_close(found, expected.expand(STATE), rtol=0.15, atol=0)


def test_eofs_in_parts_are_those_of_the_whole() -> None:
    states = torch.randn(300, *STATE, generator=torch.Generator().manual_seed(0))
    states = states + 2.0 * states[:, :, :1]
    weights = area_weights(AREA, 12)
    codec, left = leading_eofs(iter(states.split(77)), weights, 30)
    together, _ = leading_eofs([states], weights, 30)
    torch.testing.assert_close(codec.variances, together.variances, rtol=1e-4, atol=0)
    assert codec.encode(states).var(0, correction=0).sub(1).abs().max() < 1e-3
    residual = states - codec.decode(codec.encode(states))
    torch.testing.assert_close(left, residual.square().mean(0), rtol=1e-3, atol=1e-4)
    per_mode = (codec.encode(states).square() * codec.variances).sum(1).mean()
    assert codec.left == pytest.approx(codec.total - float(per_mode), rel=1e-2)
    with pytest.raises(InputError, match="193 modes"):
        leading_eofs([states], weights, 193)
    with pytest.raises(InputError, match="0 parts"):
        leading_eofs([], weights, 3)


def test_large_states_are_gathered(monkeypatch: pytest.MonkeyPatch) -> None:
    states = torch.randn(300, *STATE, generator=torch.Generator().manual_seed(0))
    weights = area_weights(AREA, 12)
    dense, left = leading_eofs(states.split(100), weights, 10)
    monkeypatch.setattr("isopleth.systems.losda.statistics._DENSE", 10)
    gathered, other = leading_eofs(states.split(100), weights, 10)
    torch.testing.assert_close(gathered.variances, dense.variances, rtol=1e-2, atol=0)
    torch.testing.assert_close(other, left, rtol=0.05, atol=0.02)


def test_a_linear_regression_finds_a_linear_world(folders: tuple[Pairs, Pairs]) -> None:
    weights = area_weights(AREA, 12)
    linear = LinearRegression.fit(folders[0], weights, 190, ridge=0.1)
    x, known = folders[1].batch(np.arange(120))
    best = x - known - (0.15 + 0.15 * AREA[:, None]) * 0.8 * known.roll(1, -1)
    ours, perfect, nothing = (
        (error.square() * weights).mean().item() for error in (linear(known) - x, best, known - x)
    )
    assert perfect < ours < 0.5 * (perfect + nothing) + 0.2 * perfect
    damped = LinearRegression.fit(folders[0], weights, 190, ridge=1e9)
    assert (damped(known) - known - damped.offset).abs().max() < 1e-3
    with pytest.raises(InputError, match="ridge of -1"):
        LinearRegression.fit(folders[0], weights, 5, ridge=-1.0)


# --- training --------------------------------------------------------------------------------


def test_training_end_to_end_goes_on_and_is_kept(
    folders: tuple[Pairs, Pairs], tmp_path: Path
) -> None:
    learning, parts = setup(folders, tmp_path / "run"), []
    assert learn(smoke, learning, sitting_seconds=0.0) is None
    prior = learn(smoke, learning, progress=parts.append)
    assert isinstance(prior, ConditionalDenoiser)
    assert parts == sorted(parts)
    assert parts[-1] == 1.0
    assert read_counters(tmp_path / "run/denoiser/checkpoint.safetensors").step == 3

    made = (tmp_path / "run/latents.safetensors").stat().st_mtime_ns
    again = learn(smoke, learning)
    assert (tmp_path / "run/latents.safetensors").stat().st_mtime_ns == made
    for name, value in prior.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name

    log = [json.loads(line) for line in (tmp_path / "run/denoiser/log.jsonl").open()]
    assert "ratio at noise 1" in log[-1]["validation"]
    found = measure(prior, folders[1], AREA, most=40)
    card = keep(prior, smoke, tmp_path / "kept", {**FACTS, "metrics": found.metrics()})
    assert {m["name"] for m in read_card(card)["metrics"]} >= {
        "error of D(E(truth))", "negative log-likelihood", "denoising error at noise 1",
    }  # fmt: skip
    _same_after_loading(prior, load_prior(card), folders[1])
    weights = card.with_suffix(".safetensors")
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    with pytest.raises(IntegrityError, match="SHA-256"):
        load_prior(card)


def _same_after_loading(
    prior: ConditionalDenoiser, back: ConditionalDenoiser, pairs: Pairs
) -> None:
    known = pairs.batch(np.arange(4))[1]
    z = torch.randn(8, 12, generator=torch.Generator().manual_seed(0))
    ours, theirs = prior.given(known), back.given(known)
    sigma = torch.tensor(0.7)
    torch.testing.assert_close(theirs(z, sigma), ours(z, sigma), rtol=0, atol=5e-3)
    torch.testing.assert_close(theirs.latents.decode(z), ours.latents.decode(z), rtol=0, atol=5e-3)
    there = theirs.latents.encode(theirs.latents.decode(z))
    torch.testing.assert_close(there, z, rtol=0, atol=1e-4)
    assert not any(p.requires_grad for p in back.parameters())


@pytest.fixture
def heard() -> Iterator[None]:
    """SIGINT raises, which a shell switches off for what it starts in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize("when", [0.2, 0.6])
def test_interrupted_it_ends_where_it_would_have(
    folders: tuple[Pairs, Pairs], tmp_path: Path, when: float
) -> None:
    """A signal within the regression, or within the denoiser, is followed by another call."""
    sent = []

    def interrupt(part: float) -> None:
        if part > when and not sent:
            sent.append(part)
            os.kill(os.getpid(), signal.SIGINT)

    whole = learn(smoke, setup(folders, tmp_path / "whole"))
    with pytest.raises(KeyboardInterrupt):
        learn(smoke, setup(folders, tmp_path / "parts"), progress=interrupt)
    resumed = learn(smoke, setup(folders, tmp_path / "parts"))
    assert len(sent) == 1
    assert whole is not None
    assert resumed is not None
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value, rtol=0, atol=1e-6)


def test_regression_learns_a_linear_world(folders: tuple[Pairs, Pairs]) -> None:
    """After some steps the mean is nearer than the background, and the likelihood higher."""
    recipe = replace(smoke, latents=replace(smoke.latents, training=TrainingRecipe(steps=1)))
    static = sine_of_latitude(LATITUDE, 12)
    regression = build_regression(recipe, error_climate(folders[0]), static)
    before = regression_scores(regression, folders[1], AREA)
    assert before.nll == pytest.approx(before.climate_nll, abs=1e-6)
    assert before.ratio == pytest.approx(1.0, abs=1e-6)
    loss, batches = NormalsLoss(regression, area_weights(AREA, 12)), PairBatches(folders[0], 32)
    optimiser = torch.optim.Adam(regression.parameters(), lr=1e-2)
    for step in range(50):
        optimiser.zero_grad()
        loss(batches(step), torch.Generator()).backward()
        optimiser.step()
    after = regression_scores(regression, folders[1], AREA)
    assert after.ratio < 0.92
    assert after.nll < before.nll - 0.05


def test_a_transformer_may_look_at_the_background(folders: tuple[Pairs, Pairs]) -> None:
    net = DiTConfig(in_channels=1, out_channels=1, condition_channels=1, width=8, depth=1,
                    heads=2, patch=2, embedding=8, cross=True)  # fmt: skip
    recipe = replace(smoke, net=net)
    spread, static = error_climate(folders[0]), sine_of_latitude(LATITUDE, 12)
    regression = build_regression(recipe, spread, static)
    latents = fit_error_latents(regression, folders[0], AREA, 12, 300)
    denoiser = build_denoiser(recipe, latents)
    z, sigma = torch.randn(4, 12), torch.tensor(2.0)
    known = folders[1].batch(np.arange(4))[1]
    assert torch.equal(denoiser.given(known)(z, sigma), white(z, sigma, known))
    nn.init.normal_(denoiser.net.head.weight)
    assert not torch.equal(denoiser.given(known)(z, sigma), white(z, sigma, known))


class Pooled(nn.Module):
    """A codec of fields, made of nothing: means of four cells."""

    def encode(self, x: Tensor) -> Tensor:
        return nn.functional.avg_pool2d(x, 2)

    def decode(self, z: Tensor) -> Tensor:
        return z.repeat_interleave(2, -1).repeat_interleave(2, -2)


def test_latents_of_states_are_trained_and_kept_with_their_codec(
    folders: tuple[Pairs, Pairs], tmp_path: Path
) -> None:
    recipe = replace(smoke, name="states", latents=States(latent=(2, 4, 6)))
    learning = setup(folders, tmp_path / "run")
    with pytest.raises(InputError, match="give the codec"):
        learn(recipe, learning)
    recipe = replace(recipe, levels=paper.levels)
    prior = learn(recipe, replace(learning, codec=Pooled()))
    assert prior is not None
    found = measure(prior, folders[1], AREA, most=20, sigmas=(1.0,))
    assert found.regression is None
    card = keep(prior, recipe, tmp_path, {**FACTS, "metrics": found.metrics()}, dtype=None)
    known = folders[1].batch(np.arange(4))[1]
    z, sigma = torch.randn(4, 2, 4, 6), torch.tensor(0.5)
    assert "CosineVp" in read_card(card)["recipe"]["levels"]
    back = load_prior(card, Pooled()).given(known)
    assert torch.equal(back(z, sigma), prior.given(known)(z, sigma))
    with pytest.raises(InputError, match="give the codec that it was made with"):
        load_prior(card)


def test_earlier_states_may_be_known_too(folders: tuple[Pairs, Pairs], tmp_path: Path) -> None:
    x, known = draw_pairs(80, 5)
    pairs = Pairs.write(tmp_path / "pairs", x, torch.cat([known, known.flip(-1)], 1))
    assert pairs.extra == 2
    learning = Learning(pairs, pairs, tmp_path / "run", AREA, sine_of_latitude(LATITUDE, 12))
    with pytest.raises(InputError, match="2 channels beside the background"):
        learn(smoke, learning)
    prior = learn(replace(smoke, extra=2), learning)
    assert prior.latents.channels == (2, 4 + 4 + 3)
    with pytest.raises(InputError, match=r"give \(case, 2 \+ 2, 8, 12\)"):
        prior.given(known)


def test_areas_must_be_those_of_the_rows(folders: tuple[Pairs, Pairs], tmp_path: Path) -> None:
    learning = setup(folders, tmp_path)
    with pytest.raises(InputError, match="do not weigh 8 rows"):
        learn(smoke, replace(learning, area=AREA[:4]))


# --- recipes and scores ----------------------------------------------------------------------


def test_the_paper_is_a_named_value() -> None:
    assert isinstance(paper.latents, States)
    assert paper.latents.latent == (69, 32, 64)
    assert isinstance(paper.net, DiTConfig)
    assert (paper.net.patch, paper.net.cross) == (2, True)
    assert paper.training.learning_rate(0) == paper.training.learning_rate(99_999) == 1e-4
    assert paper.levels(torch.tensor(0.5)).item() == pytest.approx(1.661, abs=1e-3)
    assert isinstance(small.latents, Eofs)
    assert small.latents.modes == 640


def test_the_floor_is_that_of_the_modes(folders: tuple[Pairs, Pairs]) -> None:
    spread, static = error_climate(folders[0]), sine_of_latitude(LATITUDE, 12)
    floors = []
    for modes in (4, 60, 180):
        regression = build_regression(smoke, spread, static)
        latents = fit_error_latents(regression, folders[0], AREA, modes, 600)
        found = measure(build_denoiser(smoke, latents), folders[1], AREA, sigmas=(1.0,))
        floors.append(found.floor_rmse / found.background_rmse)
        assert found.ratio == pytest.approx((1.0,))
        assert found.filter[0] == pytest.approx(0.25 * found.variance + 0.25, rel=0.1)
    assert 1.0 > floors[0] > floors[1] > floors[2]
    assert floors[2] < 0.3
    assert isinstance(latents, ErrorLatents)
    z = torch.randn(50, 4)
    assert LatentTest(z, z[:, :, None, None], torch.ones(4), (1.0,)).mean(white)[0] < 1.0
