"""A checkpoint that is no checkpoint is told, and a half-written one never takes its place."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import isopleth.training.checkpoint as checkpoints
from isopleth.core.errors import DataMissingError, IntegrityError
from isopleth.training.average import MovingAverage
from isopleth.training.checkpoint import Counters, Trained, read_counters, restore, store


def trained() -> Trained:
    module = nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.1)
    module(torch.ones(1, 3)).square().sum().backward()
    optimizer.step()
    return Trained(module, optimizer, MovingAverage(module, 0.9))


def test_everything_comes_back(tmp_path: Path) -> None:
    first, second = trained(), trained()
    counters = Counters(step=4, seconds=1.0 / 3.0, samples=12, loss_sum=0.1, recipe={"seed": 1})
    path = store(tmp_path / "c.safetensors", first, counters)
    assert restore(path, second, {"seed": 1}) == counters
    for ours, theirs in zip(
        first.optimizer.state.values(), second.optimizer.state.values(), strict=True
    ):
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert torch.equal(first.module.weight, second.module.weight)
    assert torch.equal(first.average.state_dict()["weight"], second.average.state_dict()["weight"])


def test_a_write_that_fails_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = store(tmp_path / "c.safetensors", trained(), Counters(step=1))

    def full(tensors: object, partial: Path, metadata: object) -> None:
        partial.write_bytes(b"half of it")
        raise OSError("no space left")

    monkeypatch.setattr(checkpoints, "save_file", full)
    with pytest.raises(OSError, match="no space"):
        store(path, trained(), Counters(step=2))
    assert read_counters(path).step == 1


def test_what_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(DataMissingError, match="not a file"):
        read_counters(tmp_path / "nothing")
    path = tmp_path / "c.safetensors"
    path.write_bytes(b"not a checkpoint at all")
    with pytest.raises(IntegrityError, match="not a checkpoint"):
        read_counters(path)
    save_file({"a": torch.ones(1)}, path)
    with pytest.raises(IntegrityError, match="not a checkpoint"):
        read_counters(path)
