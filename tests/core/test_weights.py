"""Weights come back as they went, or not at all; a card without a baseline is refused."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from isopleth.core.errors import DataMissingError, InputError, IntegrityError
from isopleth.core.weights import load_weights, read_card, save_weights

CARD: dict[str, Any] = {
    "what": "A linear map, for this test.",
    "config": {"inputs": 3},
    "grid": {"latitude": [1.0, 0.0]},
    "variables": [{"name": "temperature", "units": "K"}],
    "data": [{"name": "made here", "sha256": "0" * 64}],
    "recipe": {"steps": 1},
    "seed": 0,
    "commit": "unknown",
    "device": "a processor",
    "wall_time_s": 1.5,
    "metrics": [
        {"name": "mse", "unit": "K2", "value": 1.0, "baseline": "mean", "baseline_value": 2.0}
    ],
    "licence": "Apache-2.0",
    "limits": ["of no use"],
}


def build(config: dict[str, Any]) -> nn.Linear:
    return nn.Linear(config["inputs"], 2)


def saved(folder: Path, **changes: Any) -> Path:
    torch.manual_seed(1)
    return save_weights(build({"inputs": 3}), folder, "linear", {**CARD, **changes})


def test_weights_come_back(tmp_path: Path) -> None:
    torch.manual_seed(1)
    module = build({"inputs": 3})
    path = save_weights(module, tmp_path / "new", "linear", CARD)
    for name in (path, path.with_suffix(".safetensors"), path.with_suffix("")):
        loaded = load_weights(name, build)
        assert torch.equal(loaded.weight, module.weight)
        assert torch.equal(loaded.bias, module.bias)
        assert not loaded.training
    assert read_card(path)["parameters"] == 8
    assert sorted(p.name for p in path.parent.iterdir()) == ["linear.json", "linear.safetensors"]


def test_a_name_with_a_dot_is_whole(tmp_path: Path) -> None:
    save_weights(build({"inputs": 3}), tmp_path, "ocean_2.5deg", CARD)
    assert read_card(tmp_path / "ocean_2.5deg")["file"] == "ocean_2.5deg.safetensors"


def test_half_the_bits(tmp_path: Path) -> None:
    module = build({"inputs": 3})
    path = save_weights(module, tmp_path, "half", CARD, dtype=torch.bfloat16)
    loaded = load_weights(path, build)
    assert loaded.weight.dtype == torch.float32
    assert torch.equal(loaded.weight, module.weight.bfloat16().float())
    assert read_card(path)["dtype"] == "bfloat16"


def test_integers_keep_their_kind(tmp_path: Path) -> None:
    path = save_weights(nn.BatchNorm1d(3), tmp_path, "norm", CARD, dtype=torch.bfloat16)
    loaded = load_weights(path, lambda _: nn.BatchNorm1d(3))
    assert loaded.num_batches_tracked is not None
    assert loaded.num_batches_tracked.dtype == torch.int64


def test_the_hash_is_of_the_bytes(tmp_path: Path) -> None:
    path = saved(tmp_path).with_suffix(".safetensors")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match="SHA-256"):
        load_weights(path, build)


def test_another_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="another network"):
        load_weights(saved(tmp_path), lambda _: nn.Linear(4, 2))
    with pytest.raises(IntegrityError, match="another network"):
        load_weights(saved(tmp_path), lambda _: nn.Linear(3, 2, bias=False))


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataMissingError, match=r"nothing\.json"):
        load_weights(tmp_path / "nothing", build)
    path = saved(tmp_path)
    path.with_suffix(".safetensors").unlink()
    with pytest.raises(DataMissingError, match=r"linear\.safetensors"):
        load_weights(path, build)


@pytest.mark.parametrize("key", sorted(CARD))
def test_every_field_is_asked_for(tmp_path: Path, key: str) -> None:
    card = {k: v for k, v in CARD.items() if k != key}
    with pytest.raises(InputError, match=key):
        save_weights(build({"inputs": 3}), tmp_path, "linear", card)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("key", ["name", "unit", "value", "baseline", "baseline_value"])
def test_a_metric_stands_beside_its_baseline(tmp_path: Path, key: str) -> None:
    metric = {k: v for k, v in CARD["metrics"][0].items() if k != key}
    with pytest.raises(InputError, match="metric"):
        saved(tmp_path, metrics=[metric])
    with pytest.raises(InputError, match="metric"):
        saved(tmp_path, metrics=[{**metric, key: ""}])


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("metrics", []),
        ("metrics", [{**CARD["metrics"][0], "value": float("nan")}]),
        ("seed", True),
        ("wall_time_s", "long"),
        ("data", [{"name": "file", "sha256": "unknown"}]),
        ("data", [{"name": "file"}]),
        ("licence", ""),
        ("colour", "blue"),
    ],
)
def test_what_is_no_card(tmp_path: Path, key: str, value: Any) -> None:
    with pytest.raises(InputError, match=key if key != "metrics" else "metric"):
        saved(tmp_path, **{key: value})


@pytest.mark.parametrize("text", ["{", "[]", "{}", '"card"'])
def test_a_damaged_card_is_told(tmp_path: Path, text: str) -> None:
    path = saved(tmp_path)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(IntegrityError, match="card"):
        load_weights(path, build)


def test_a_card_that_names_other_bytes_is_told(tmp_path: Path) -> None:
    path = saved(tmp_path)
    card = deepcopy(read_card(path))
    path.write_text(json.dumps({**card, "sha256": "f" * 64}), encoding="utf-8")
    with pytest.raises(IntegrityError, match="promises"):
        load_weights(path, build)


def test_weights_that_are_not_numbers_are_refused(tmp_path: Path) -> None:
    module = build({"inputs": 3})
    with torch.no_grad():
        module.bias[0] = float("nan")
    with pytest.raises(InputError, match="bias"):
        save_weights(module, tmp_path, "linear", CARD)
