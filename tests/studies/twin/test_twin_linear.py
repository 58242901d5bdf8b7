"""The linear estimate, where it is known."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.inference.variational import SampleCovariance
from isopleth.studies.twin.linear import Moments

SHAPE = (2, 2, 3)
CELLS = 12


def covariance(C: Tensor) -> SampleCovariance:
    values, V = torch.linalg.eigh(C)
    return SampleCovariance((V * values.clamp_min(0.0).sqrt()).T.reshape(-1, *SHAPE))


CLIMATE: Any = SimpleNamespace(
    sd=torch.ones(2),
    coefficients=lambda x: x.flatten(1),
    fields=lambda c: c.unflatten(-1, SHAPE),
    covariance=covariance,
)


def pairs(count: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Truths, two known fields, and the part of the truth that neither tells."""
    stream = torch.Generator().manual_seed(seed)
    b, d, rest = torch.randn(3, count, *SHAPE, generator=stream, dtype=torch.float64)
    truth = 0.7 * b - 0.4 * d + 0.2 * rest + 1.0
    return truth, torch.cat([b, d], 1), 0.2 * rest


def test_a_linear_truth_is_found() -> None:
    truth, known, _ = pairs(4000)
    moments = Moments.of(CLIMATE, [(truth[:1000], known[:1000]), (truth[1000:], known[1000:])])
    estimate, left = moments.estimate(CLIMATE, 0.0)
    new_truth, new_known, new_rest = pairs(50, seed=1)
    assert torch.allclose(estimate(new_known.float()).double(), new_truth - new_rest, atol=0.08)
    assert torch.allclose(left.variance, torch.full(SHAPE, 0.04).double(), rtol=0.1)


def test_all_ridge_leaves_the_background() -> None:
    truth, known, _ = pairs(4000)
    estimate, left = Moments.of(CLIMATE, [(truth, known)]).estimate(CLIMATE, 1e9)
    error = truth - known[:, :2]
    expected = known[:, :2] + error.mean(0)
    assert torch.allclose(estimate(known.float()).double(), expected, atol=1e-4)
    assert torch.allclose(left.variance, error.var(0), rtol=0.01)


def test_they_come_back_as_they_were_written(tmp_path: Path) -> None:
    truth, known, _ = pairs(40)
    moments = Moments.of(CLIMATE, [(truth, known)])
    moments.write(tmp_path / "m.safetensors")
    assert torch.equal(Moments.read(tmp_path / "m.safetensors").cross, moments.cross)


def test_no_pairs_are_refused() -> None:
    with pytest.raises(InputError, match="0 pairs have no covariance"):
        Moments.of(CLIMATE, [])
