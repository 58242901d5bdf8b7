"""The recipe of the paper: numbers, orientation, loss and files, on a network a CPU steps at once.

The fields are made up: the same wave every month, warmer by a tenth from one to the next.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from safetensors.torch import save_file
from torch import Tensor, nn

from isopleth.cli import train as command
from isopleth.cli.main import main
from isopleth.core.errors import DataMissingError, InputError, IntegrityError
from isopleth.inference.mmps import MMPS
from isopleth.inference.reconmost import Dynamic, Fixed
from isopleth.inference.sda import SDA
from isopleth.nets.improved_diffusion import ImprovedDiffusionUNet
from isopleth.observe import MaskOperator, Observation
from isopleth.priors.diffusion import EpsilonVp
from isopleth.priors.noise import MemberNoise
from isopleth.priors.samplers import DDIM, Ancestral, Heun, Multistep, Sampler
from isopleth.priors.schedules import karras
from isopleth.systems.reconmost.paper import AsPublished, build, paper, reduced
from isopleth.systems.reconmost.paper_fields import MonthlyFields
from isopleth.systems.reconmost.paper_training import NoiseLoss, train

GRID = reduced.grid
SHAPE = GRID.shape
LAND = (slice(None), 3, 4)


@pytest.fixture
def prior() -> EpsilonVp:
    """Random weights, also where a network starts from 0."""
    torch.manual_seed(0)
    prior = build(reduced)
    for weight in prior.parameters():
        nn.init.normal_(weight, std=0.05)
    return prior.requires_grad_(False)


class White(nn.Module):
    """The noise of white fields of variance 1, and a tenth of what a network says."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        abar = reduced.diffusion.alpha_bar[t.round().long()].to(x)[:, None, None, None]
        return (1.0 - abar).sqrt() * x + 0.1 * self.net(x, t)


@pytest.fixture
def sound(prior: EpsilonVp) -> EpsilonVp:
    """A prior that denoises, with the network in it."""
    return EpsilonVp(White(prior.net), reduced.diffusion.alpha_bar)


def wave() -> np.ndarray:
    """degC on the recipe's grid, NaN on land."""
    lat, lon = np.radians(GRID.latitude)[:, None], np.radians(GRID.longitude)
    celsius = 12.0 + 8.0 * np.cos(lat) + 2.0 * np.sin(lon) + 3.0 * np.sin(lat) * np.cos(lon)
    field = celsius - np.array([0.0, 4.0, 9.0])[:, None, None]
    field[LAND] = np.nan
    return field


def write(path: Path, months: int = 3, first: int = 0, units: str = "degC") -> Path:
    """As published: rows from the south, columns from one step east of Greenwich to 360."""
    values = np.stack([wave() + 0.1 * (first + month) for month in range(months)])
    east = np.roll(values[..., ::-1, :], -1, -1) + (273.15 if units == "K" else 0.0)
    time = np.datetime64("2000-01-16", "ns") + np.arange(first, first + months) * np.timedelta64(
        30, "D"
    )
    lev = {"units": "m", "positive": "down", "standard_name": "depth"}
    xr.Dataset(
        {"thetao": (("time", "lev", "lat", "lon"), east, {"units": units})},
        {
            "time": ("time", time),
            "lev": ("lev", GRID.levels, lev),
            "lat": ("lat", GRID.latitude[::-1], {"units": "degrees_north"}),
            "lon": ("lon", np.r_[GRID.longitude[1:], 360.0], {"units": "degrees_east"}),
        },
    ).to_netcdf(path)
    return path


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return [write(tmp_path / "a.nc"), write(tmp_path / "b.nc", 2, first=3, units="K")]


def months_of(batch: Tensor) -> list[int]:
    """The number of each month, by how warm it is."""
    celsius = reduced.celsius(batch)[:, 0, 0, 0] - wave()[0, 0, 0]
    return [round(10.0 * value) for value in celsius.tolist()]


def test_the_numbers_of_the_paper() -> None:
    assert paper.grid.shape == (42, 173, 360)
    assert paper.grid.latitude[[0, -1]].tolist() == [89.0, -83.0]
    assert paper.grid.longitude[[0, -1]].tolist() == [0.0, 359.0]
    assert (np.diff(paper.levels) > 0.0).all()
    ends = torch.tensor([-5.0, 40.0, torch.nan]).expand(42, 1, 3)
    assert paper.scaled(ends)[-1, 0].tolist() == pytest.approx([-1.0, 1.0, 10.0 / 45.0 - 1.0])
    assert paper.celsius(torch.tensor([-3.0, 0.0, 3.0]).expand(42, 1, 3))[0, 0].tolist() == [
        -5.0, 17.5, 40.0,
    ]  # fmt: skip
    betas = paper.diffusion.betas
    assert (len(betas), betas[0].item(), betas[-1].item()) == (1000, 1e-4, 0.02)
    rates = {paper.training.learning_rate(step) for step in (0, 1, 150_000, 200_000)}
    assert rates == {1e-4}
    with torch.device("meta"):
        network = ImprovedDiffusionUNet(paper.net)
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(159.8e6, rel=1e-3)


def test_the_network_sees_fields_as_published(prior: EpsilonVp) -> None:
    seen: list[Tensor] = []

    class Watching(nn.Module):
        def forward(self, x: Tensor, t: Tensor) -> Tensor:
            seen.append(x)
            return x

    lat = torch.tensor(GRID.latitude)[:, None].expand(SHAPE)
    lon = torch.tensor(GRID.longitude).expand(SHAPE)
    x = torch.stack([lat, lon])
    assert torch.equal(AsPublished(Watching())(x, torch.zeros(2)), x)
    assert seen[0][0, 0, :, 0].tolist() == GRID.latitude[::-1].tolist()
    assert seen[0][1, 0, 0].tolist() == [*GRID.longitude[1:], 0.0]
    turned = prior.net.unet(x.float().flip(-2), torch.zeros(2))
    assert not torch.allclose(turned.flip(-2), prior.net(x.float(), torch.zeros(2)), atol=1e-3)


def test_published_weights_load_by_their_names(prior: EpsilonVp, tmp_path: Path) -> None:
    state = prior.net.unet.state_dict()
    assert {"time_embed.0.weight", "input_blocks.0.0.weight", "out.2.bias"} <= state.keys()
    save_file(state, tmp_path / "ema.safetensors")
    x, sigma = torch.randn(2, *SHAPE), torch.tensor([0.1, 3.0])
    loaded = build(reduced, tmp_path / "ema.safetensors")
    assert torch.equal(loaded(x, sigma), prior(x, sigma))
    assert not torch.allclose(build(reduced)(x, sigma), prior(x, sigma))
    wider = replace(reduced, channels=64)
    with pytest.raises(InputError, match="another network"):
        build(wider, tmp_path / "ema.safetensors")
    with pytest.raises(DataMissingError, match=r"none\.safetensors"):
        build(reduced, tmp_path / "none.safetensors")
    (tmp_path / "ema.pt").write_bytes(b"PK\x03\x04 a pickle")
    with pytest.raises(IntegrityError, match="no safetensors"):
        build(reduced, tmp_path / "ema.pt")


class Oracle(nn.Module):
    """The noise, if every field is 0.5."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        self.asked += t.round().long().tolist()
        abar = paper.diffusion.alpha_bar[t.round().long()].float()[:, None, None, None]
        return (x - abar.sqrt() * 0.5) / (1.0 - abar).sqrt()


def test_loss_and_prior_are_on_one_path() -> None:
    stream, oracle = torch.Generator().manual_seed(1), Oracle()
    x0 = torch.full((500, *SHAPE), 0.5)
    loss = NoiseLoss(oracle, paper.diffusion.alpha_bar)
    assert loss(x0, stream).item() < 1e-7
    assert loss(x0 + 0.1, stream).item() > 0.1
    steps = np.array(oracle.asked)
    assert np.abs(np.quantile(steps, [0.25, 0.5, 0.75]) - [250, 500, 750]).max() < 60
    assert 0 <= steps.min() < 10 < 990 < steps.max() < 1000
    sigma = paper.diffusion.sigmas[[0, 400, 998]].float()
    noisy = 0.5 + sigma[:, None, None, None] * torch.randn(3, *SHAPE)
    denoised = EpsilonVp(oracle, paper.diffusion.alpha_bar)(noisy, sigma)
    assert torch.allclose(denoised, torch.tensor(0.5), atol=1e-3)


def test_all_cells_count_alike() -> None:
    loss = NoiseLoss(Nothing(), paper.diffusion.alpha_bar)
    x0 = torch.zeros(64, *SHAPE)
    assert loss(x0, torch.Generator().manual_seed(0)).item() == pytest.approx(1.0, abs=0.02)


class Nothing(nn.Module):
    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        return torch.zeros_like(x)


def test_batches_are_the_files_and_a_function_of_their_number(files: list[Path]) -> None:
    fields = MonthlyFields(files, reduced)
    assert len(fields) == 4
    batches = [fields(number) for number in range(6)]
    order = [month for batch in batches for month in months_of(batch)]
    assert [sorted(order[k : k + 4]) for k in (0, 4, 8)] == [[0, 1, 2, 3]] * 3
    assert len({tuple(order[k : k + 4]) for k in (0, 4, 8)}) > 1
    again = MonthlyFields(files, reduced)
    assert torch.equal(again(5), batches[5])
    assert months_of(fields.unseen()) == [4]
    assert months_of(fields.known(2)) == [0, 3]
    expected = 2.0 * (wave() + 0.1 * order[0] + 5.0) / 45.0 - 1.0
    expected[LAND] = 2.0 * 5.0 / 45.0 - 1.0
    np.testing.assert_allclose(batches[0][0].numpy(), expected, atol=1e-5)


def test_an_odd_batch_runs_on_into_the_next_round(files: list[Path]) -> None:
    fields = MonthlyFields(files, replace(reduced, batch=3))
    order = [month for number in range(4) for month in months_of(fields(number))]
    assert [sorted(order[k : k + 4]) for k in (0, 4, 8)] == [[0, 1, 2, 3]] * 3


def changed(path: Path, change: str) -> Path:
    with xr.open_dataset(path) as opened:
        data = opened.load()
    if change == "variable":
        data = data.rename(thetao="uo")
    elif change == "rows":
        data = data.isel(lat=slice(1, None))
    elif change == "levels":
        data["lev"] = ("lev", data["lev"].values + 1.0, data["lev"].attrs)
    elif change == "unit":
        data["thetao"].attrs["units"] = "m"
    elif change == "kelvin":
        data["thetao"] = (data["thetao"] + 273.15).assign_attrs(units="degC")
    elif change == "empty":
        data["thetao"][:] = np.nan
    else:
        data = data.expand_dims(member=2)
    data.to_netcdf(path.with_name("changed.nc"))
    return path.with_name("changed.nc")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("variable", r"changed\.nc: the file holds uo, not thetao"),
        ("rows", r"changed\.nc is not on the grid .*3 levels .* 7 rows.*interpolate"),
        ("levels", r"changed\.nc is not on the grid .*5\.02159"),
        ("unit", r"changed\.nc: .*'m'"),
        ("kelvin", r"changed\.nc: .*looks like kelvin"),
        ("empty", r"changed\.nc has no value in its month"),
        ("member", r"changed\.nc has thetao along .*member"),
    ],
)
def test_other_files_are_refused_with_a_sentence(
    files: list[Path], change: str, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        MonthlyFields([changed(files[0], change)], reduced).unseen()


def test_too_little_to_train_on(files: list[Path]) -> None:
    with pytest.raises(InputError, match="hold 2 months, of which 1 are held back"):
        MonthlyFields(files[1:], reduced)
    with pytest.raises(DataMissingError, match=r"none\.nc"):
        MonthlyFields([files[0].with_name("none.nc")], reduced)


def test_a_training_learns_and_goes_on_as_if_uninterrupted(
    files: list[Path], tmp_path: Path
) -> None:
    recipe = replace(reduced, training=replace(reduced.training, steps=12, rate=3e-3))
    batches = [MonthlyFields(files, recipe)(number) for number in range(3)]

    def fields(number: int) -> Tensor:
        return batches[number % 3]

    whole, _ = train(recipe, fields, tmp_path / "whole")
    lines = (tmp_path / "whole" / "log.jsonl").read_text("utf-8").splitlines()
    losses = [json.loads(line)["loss"] for line in lines if "loss" in json.loads(line)]
    assert losses[0] == pytest.approx(1.0, abs=0.1)
    assert np.mean(losses[-3:]) < 0.8 * losses[0]
    half = replace(recipe, training=replace(recipe.training, steps=6))
    train(half, fields, tmp_path / "parts")
    parts, _ = train(recipe, fields, tmp_path / "parts")
    x, sigma = torch.randn(1, *SHAPE), torch.tensor(0.5)
    assert torch.equal(parts(x, sigma), whole(x, sigma))


def observed() -> Tensor:
    """degC, every fifth cell, NaN elsewhere."""
    cells = torch.full(SHAPE, torch.nan).flatten()
    cells[::5] = torch.from_numpy(wave()).float().flatten()[::5]
    return cells.reshape(SHAPE)


def test_the_chain_of_the_paper_stays_within_its_bounds(sound: EpsilonVp) -> None:
    chain, cells = reduced.guide(sound, observed(), steps=25), observed()
    published = paper.guide(sound, torch.full(paper.grid.shape, 10.0))
    assert (published.steps, published.clamp, published.noise) == (1000, (-1.0, 1.0), False)
    assert published.gradient == Fixed(4.0)
    with pytest.raises(InputError, match=r"\(3, 7, 15\), the recipe's grid \(42, 173, 360\)"):
        paper.guide(sound, cells)
    x = chain(MemberNoise(0, range(2)), SHAPE)
    assert x.shape == (2, *SHAPE)
    seen = torch.isfinite(cells)
    misfit = (reduced.celsius(x) - cells)[:, seen].square().mean().sqrt()
    free = replace(chain, seen=torch.zeros_like(seen))(MemberNoise(0, range(2)), SHAPE)
    assert misfit < 0.5 * (reduced.celsius(free) - cells)[:, seen].square().mean().sqrt()
    for gradient in (Dynamic(), Dynamic(ahead=True)):
        other = replace(chain, gradient=gradient)(MemberNoise(0, [0]), SHAPE)
        assert torch.isfinite(other).all()
        assert not torch.allclose(other, x[:1])
    hot = reduced.guide(sound, torch.full(SHAPE, 60.0), steps=25)
    assert hot(MemberNoise(0, [0]), SHAPE).max() < 1.05
    assert replace(hot, clamp=None)(MemberNoise(0, [0]), SHAPE).min() > 1.4


@pytest.mark.parametrize(
    ("sampler", "guidance"), [(DDIM, MMPS), (Ancestral, SDA), (Heun, MMPS), (Multistep, SDA)]
)
def test_it_is_a_prior_for_every_sampler_and_guidance(
    sound: EpsilonVp, sampler: type[Sampler], guidance: type[MMPS | SDA]
) -> None:
    seen = torch.isfinite(observed())
    cells = MaskOperator(GRID, seen.numpy())
    y = Observation(cells(reduced.scaled(observed())), cells, torch.tensor(0.01))
    sigmas = karras(6, 0.01, 20.0)
    guided = sampler(guidance(sound, [y]), sigmas)(MemberNoise(0, range(2)), SHAPE)
    free = sampler(sound, sigmas)(MemberNoise(0, range(2)), SHAPE)
    assert torch.isfinite(guided).all()
    assert y.residual(guided).square().mean() < 0.7 * y.residual(free).square().mean()


def test_the_command_trains_stops_goes_on_and_keeps(
    monkeypatch: pytest.MonkeyPatch,
    files: list[Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(command.RECIPES, "paper", reduced)
    named = [str(path) for path in files]
    words = ["train", "reconmost", "paper", "--files", *named, "--folder", str(tmp_path / "out")]
    assert main([*words, "--hours", "1e-9"]) == 0
    assert "not finished: 0 steps" in capsys.readouterr().out
    assert main(words) == 0
    printed = capsys.readouterr()
    card = tmp_path / "out" / "paper.json"
    assert printed.out.splitlines()[-1] == f"card: {card}"
    assert "training:" in printed.err
    content = json.loads(card.read_text("utf-8"))
    assert [entry["name"] for entry in content["data"]] == ["a.nc", "b.nc"]
    assert content["recipe"]["diffusion"] == {"steps": 1000, "first": 1e-4, "last": 0.02}
    assert content["metrics"][0]["baseline_value"] > 0.0
    loaded = build(reduced, card.with_suffix(".safetensors"))
    assert sum(p.numel() for p in loaded.parameters()) == content["parameters"]


def test_the_command_says_what_it_needs(
    files: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "reconmost", "paper"]) == 2
    said = capsys.readouterr().err
    assert "CMIP6, which cannot be shipped" in said
    assert "thetao" in said
    assert main(["train", "reconmost", "smoke", "--files", str(files[0])]) == 2
    assert "reads no --files" in capsys.readouterr().err
