"""Autoencoders as codecs: units, shapes, and the shipped ones against their cards."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from isopleth.core.errors import DataMissingError, InputError, IntegrityError
from isopleth.core.sphere import Sphere
from isopleth.core.weights import load_weights, read_card, save_weights
from isopleth.dynamics import T21
from isopleth.nets.autoencoder import ConvAutoencoder, ConvAutoencoderConfig
from isopleth.priors import autoencoder
from isopleth.priors.autoencoder import SHIPPED_CODECS, AutoencoderCodec, build_codec, load_codec
from isopleth.priors.codec import Whitened, floor

FOLDER = Path(autoencoder.__file__).parents[1] / "data" / "assets" / "weights"
GOLDEN = Path(__file__).parent / "golden" / "codec_qg3_states.npz"
STATE = (2, 8, 16)
MEAN = 5.0 * torch.ones(STATE)
SPREAD = torch.tensor([2.0, 4.0])


class Halves(nn.Module):
    """Keeps the northern half, so what comes back is `m + s` times it, twice."""

    def encode(self, x: Tensor) -> Tensor:
        return x[..., : x.shape[-2] // 2, :]

    def decode(self, z: Tensor) -> Tensor:
        return torch.cat([z, z], -2)


def test_latents_are_those_of_standardised_fields() -> None:
    codec = AutoencoderCodec(Halves(), MEAN, SPREAD)
    x = torch.full((3, *STATE), 9.0)
    z = codec.encode(x)
    assert z.shape == (3, 2, 4, 16)
    assert z[:, 0].unique().item() == 2.0
    assert z[:, 1].unique().item() == 1.0
    torch.testing.assert_close(codec.decode(z), x)


def test_what_the_mean_says_comes_back_from_nothing() -> None:
    codec = AutoencoderCodec(Halves(), MEAN, SPREAD)
    torch.testing.assert_close(codec.decode(torch.zeros(2, 4, 16)), MEAN)


@pytest.mark.parametrize(
    ("mean", "spread", "match"),
    [
        (MEAN, SPREAD[:1], "do not standardise"),
        (MEAN[0], SPREAD, "do not standardise"),
        (MEAN, torch.tensor([1.0, 0.0]), "cannot scale"),
        (MEAN, torch.tensor([1.0, float("nan")]), "cannot scale"),
    ],
)
def test_a_scale_that_does_not_fit_is_refused(mean: Tensor, spread: Tensor, match: str) -> None:
    with pytest.raises(InputError, match=match):
        AutoencoderCodec(Halves(), mean, spread)


def test_another_grid_is_refused_on_both_ways() -> None:
    codec = AutoencoderCodec(Halves(), MEAN, SPREAD)
    with pytest.raises(InputError, match="bring it to its grid"):
        codec.encode(torch.zeros(2, 8, 8))
    with pytest.raises(InputError, match="encode states of that grid"):
        codec.decode(torch.zeros(2, 3, 16))


def test_weights_come_back_with_scale_and_whitening(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = {"channels": 2, "latent_channels": 3, "widths": [12, 32], "blocks": [1, 1]}

    def build(given: dict[str, object]) -> nn.Module:
        return ConvAutoencoder(ConvAutoencoderConfig(**given))  # type: ignore[arg-type]

    inner = AutoencoderCodec(build(config), MEAN, SPREAD)
    codec = Whitened.fit(inner, MEAN + 3.0 * torch.randn(20, *STATE)).requires_grad_(False)
    card = {
        **read_card(FOLDER / "codec_qg3_t21_conv"),
        "config": {"net": config, "state": list(STATE), "latent": [3, 2, 4]},
    }
    for made in ("name", "file", "dtype", "parameters", "bytes", "sha256"):
        del card[made]
    save_weights(codec, tmp_path, "tried", card)
    again = load_weights(tmp_path / "tried", lambda read: build_codec(build, read))
    x = MEAN + torch.randn(4, *STATE)
    assert torch.equal(again.decode(again.encode(x)), codec.decode(codec.encode(x)))
    assert torch.equal(again.encode(x), codec.encode(x))


@pytest.fixture(scope="module")
def psi() -> Tensor:
    """Four states of the world's climate, from runs that no codec was trained on."""
    with np.load(GOLDEN, allow_pickle=False) as stored:
        coefficients = torch.from_numpy(stored["streamfunction"])
    return Sphere(T21.truncation, T21.grid).synthesis(coefficients)


@pytest.mark.parametrize("name", SHIPPED_CODECS)
def test_a_shipped_codec_holds_states_of_the_world(name: str, psi: Tensor) -> None:
    """Within the aim, 5 % of the error variance of a 48-hour forecast, and as its card says."""
    card = read_card(FOLDER / name)
    told = {metric["name"]: metric["value"] for metric in card["metrics"]}
    codec = load_codec(name)
    inner = codec.codec
    assert isinstance(inner, AutoencoderCodec)
    area = torch.from_numpy(T21.grid.weights).float()[:, None]
    share = float((floor(codec, psi, area) / inner.spread.square()).mean())
    assert share <= 0.0035
    assert 0.6 < share / told["reconstruction error, clean state"] < 1.6
    z = codec.encode(psi)
    assert z.shape == (4, *card["config"]["latent"])
    assert 0.7 < z.var() < 1.4
    assert not any(p.requires_grad for p in codec.parameters())


def test_weights_are_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.glob("codec_*")) <= 1_500_000
    assert {p.stem for p in FOLDER.glob("codec_*.json")} == set(SHIPPED_CODECS)


def test_a_changed_byte_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for suffix in ("json", "safetensors"):
        shutil.copy(FOLDER / f"codec_qg3_t21_conv.{suffix}", tmp_path)
    monkeypatch.setattr(autoencoder, "_FOLDER", tmp_path)
    load_codec("codec_qg3_t21_conv")
    path = tmp_path / "codec_qg3_t21_conv.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    with pytest.raises(IntegrityError, match="SHA-256"):
        load_codec("codec_qg3_t21_conv")
    path.unlink()
    with pytest.raises(DataMissingError, match="missing"):
        load_codec("codec_qg3_t21_conv")


def test_a_codec_that_is_not_shipped_is_named() -> None:
    with pytest.raises(DataMissingError, match="no shipped codec is named 'other'"):
        load_codec("other")


def test_cards_compare_with_eofs() -> None:
    for name in SHIPPED_CODECS:
        card = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
        assert all("EOF" in metric["baseline"] for metric in card["metrics"])
        assert len(card["metrics"]) == 2
