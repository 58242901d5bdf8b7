"""Which values count, and that their variances are looked at where no `Observation` did."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.observe.counted import counted, counted_variance


class Reading:
    """An operator that cannot predict the last of its 2 x 2 values."""

    valid = torch.tensor([[True, True], [True, False]])

    def __call__(self, x: Tensor) -> Tensor:
        return x[..., :4].unflatten(-1, (2, 2))


@dataclass(frozen=True)
class Unchecked:
    values: Tensor
    variance: Tensor
    operator: Reading = field(default_factory=Reading)

    def log_likelihood(self, x: Tensor) -> Tensor:
        return x.sum(-1)


VALUES = torch.tensor([[1.0, torch.nan], [3.0, 4.0]])


def test_missing_values_and_those_out_of_reach_do_not_count() -> None:
    assert counted(Unchecked(VALUES, torch.tensor(1.0))).tolist() == [0, 2]


def test_the_variance_of_those_that_count_alone_has_to_be_good() -> None:
    variance = torch.tensor([[0.5, -1.0], [2.0, torch.inf]])
    seen = Unchecked(VALUES, variance)
    found = counted_variance(seen, counted(seen), torch.zeros(1).double())
    assert found.tolist() == [0.5, 2.0]
    assert found.dtype == torch.float64
    one = Unchecked(VALUES, torch.tensor(0.25))
    assert counted_variance(one, counted(one), VALUES).tolist() == [0.25, 0.25]
    for wrong in (0.0, -1.0, torch.inf, torch.nan):
        bad = Unchecked(VALUES, torch.tensor([[wrong, 1.0], [1.0, 1.0]]))
        with pytest.raises(InputError, match=f"error variance is {wrong:g}: give a positive"):
            counted_variance(bad, counted(bad), VALUES)
