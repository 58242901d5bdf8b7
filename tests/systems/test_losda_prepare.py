"""Pairs of LO-SDA: what the command makes around those of the twin world."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from isopleth.core.errors import DataMissingError, InputError
from isopleth.dynamics import T21, load_world
from isopleth.studies.twin.climate import Climate
from isopleth.studies.twin.recipe import smoke as smoke_world
from isopleth.systems.losda.prepare import Prepared, narrowed, prepare


def test_pairs_lie_beside_their_standard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A FAKE world: what is made of it is not looked at here."""
    asked = []
    mean, sd = torch.zeros(3, 32, 64), torch.tensor([3.0, 2.0, 1.0])
    world = SimpleNamespace(climate=Climate(load_world(T21), mean, sd))

    def write(world: object, kind: str, cycles: int, folder: Path, *, progress: object) -> Path:
        asked.append((kind, cycles))
        folder.mkdir(parents=True)
        count = cycles * {"train": 28, "validation": 2}[kind]
        np.save(folder / "truth.npy", np.zeros((count, 3, 32, 64), np.float16))
        np.save(folder / "known.npy", np.ones((count, 6, 32, 64), np.float16))
        (folder / "facts.json").write_text('{"world": "abc"}')
        return folder

    monkeypatch.setattr("isopleth.systems.losda.prepare.write_pairs", write)
    monkeypatch.setattr("isopleth.systems.losda.prepare.TwinWorld.frozen", lambda *_: world)
    with pytest.raises(InputError, match="0 pairs teach nothing"):
        prepare(smoke_world, tmp_path, 0)
    with pytest.raises(DataMissingError, match="no finished pairs"):
        Prepared.read(tmp_path)
    found = prepare(smoke_world, tmp_path, 29)
    assert asked == [("train", 2), ("validation", 2)]
    assert (len(found.learned), len(found.validation), found.world) == (56, 4, "abc")
    assert found.standard.words.startswith("streamfunction (m2 s-1) at 200, 500 and 800 hPa")
    less = narrowed(found.learned, 0)
    assert (less.extra, found.learned.extra) == (0, 3)
    assert less.batch(np.array([3]))[1].shape == (1, 3, 32, 64)
    with pytest.raises(InputError, match="has 3 channels beside the background and 4"):
        narrowed(found.learned, 4)
