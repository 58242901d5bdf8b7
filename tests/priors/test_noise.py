from __future__ import annotations

import pytest
import torch

from isopleth.core.errors import InputError
from isopleth.priors.noise import MemberNoise


def test_a_member_has_its_numbers_whatever_else_is_in_the_batch() -> None:
    whole, part = MemberNoise(3, range(6)), MemberNoise(3, [4, 1])
    for shape in ((2, 3, 5), (7,), ()):
        assert torch.equal(part(shape), whole(shape)[[4, 1]])


def test_calls_continue_the_stream_and_streams_differ() -> None:
    noise = MemberNoise(0, range(40))
    first, second = noise((500,)), noise((500,))
    assert first.dtype == torch.float32
    rows = torch.cat([first, second, MemberNoise(1, range(40))((500,))])
    correlation = torch.corrcoef(rows) - torch.eye(len(rows))
    assert correlation.abs().max() < 0.25
    assert abs(float(rows.mean())) < 0.02
    assert abs(float(rows.std()) - 1.0) < 0.02


def test_seed_and_member_are_two_numbers_not_their_sum() -> None:
    assert not torch.equal(MemberNoise(1, [2])((4,)), MemberNoise(2, [1])((4,)))


@pytest.mark.parametrize(("seed", "members"), [(-1, [0]), (0, [0, -2]), (0, [5, 5])])
def test_numbers_that_cannot_seed(seed: int, members: list[int]) -> None:
    with pytest.raises(InputError, match="not negative, and every member once"):
        MemberNoise(seed, members)
