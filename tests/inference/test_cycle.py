"""Cycling: what a record says, its statistics where they are known, and exact resumption."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from isopleth.core.errors import InputError, IntegrityError
from isopleth.core.protocols import Observed
from isopleth.dynamics.lorenz import Components, Lorenz96
from isopleth.inference.cycle import Cycling, Record, cycle
from isopleth.inference.kalman import ETKF, EnKF, PosteriorInflation
from isopleth.observe import Observation

SIZE, STEP = 8, Lorenz96().step
SEEN = (0, 2, 3, 5, 6)


def draw(*shape: int, seed: int = 0) -> Tensor:
    stream = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=stream, dtype=torch.float64)


def start(count: int = 10) -> Tensor:
    return 2.0 + draw(count, SIZE, seed=1)


def observations(times: Sequence[int] = (2, 4, 6, 8, 10)) -> dict[int, list[Observed]]:
    x, found, now = 2.0 + draw(SIZE, seed=2), {}, 0
    for time in times:
        for _ in range(time - now):
            x = STEP(x)
        now = time
        values = x[list(SEEN)] + 0.5 * draw(len(SEEN), seed=100 + time)
        found[time] = [Observation(values, Components(SEEN, SIZE), torch.tensor(0.25))]
    return found


def stochastic() -> tuple[EnKF, tuple[torch.Generator]]:
    stream = torch.Generator().manual_seed(3)
    return EnKF(stream), (stream,)


def same(one: Record, other: Record) -> bool:
    pairs = [(one.members, other.members), (one.innovation, other.innovation)]
    pairs += [(one.rank, other.rank), (one.background.spread, other.background.spread)]
    return one.step == other.step and all(torch.equal(a, b) for a, b in pairs)


# --- what it does ----------------------------------------------------------------------------


def test_it_is_the_loop_written_by_hand() -> None:
    seen, members = observations((0, 3, 5)), start()
    records = list(cycle(ETKF(), STEP, members, seen))
    now = 0
    for record, time in zip(records, (0, 3, 5), strict=True):
        for _ in range(time - now):
            members = STEP(members)
        o, now = seen[time][0], time
        assert record.step == time
        assert torch.equal(record.background.mean, members.mean(0))
        assert torch.equal(record.background.spread, members.std(0))
        before = members[:, list(SEEN)]
        assert torch.allclose(record.innovation, o.values - before.mean(0))
        assert torch.allclose(record.predicted_variance, before.var(0))
        assert torch.equal(record.observation_variance, torch.full((5,), 0.25).double())
        covariance = torch.cov(before.T) + 0.25 * torch.eye(5)
        d = record.innovation
        assert record.chi_square == pytest.approx(float(d @ torch.inverse(covariance) @ d) / 5)
        members = ETKF()(members, [o])
        assert torch.equal(record.members, members)
        assert torch.equal(record.analysis.mean, members.mean(0))
        assert torch.allclose(record.residual, o.values - members[:, list(SEEN)].mean(0))


def test_a_time_without_values_leaves_the_members_alone() -> None:
    seen = observations((2,)) | {4: []}
    gap = Observation(torch.full((5,), torch.nan), Components(SEEN, SIZE), torch.tensor(0.25))
    first, second, third = cycle(ETKF(), STEP, start(), {**seen, 6: [gap]})
    assert torch.equal(second.members, STEP(STEP(first.members)))
    assert torch.equal(third.members, STEP(STEP(second.members)))
    assert second.innovation.shape == third.rank.shape == (0,)
    assert second.chi_square != second.chi_square


def test_it_is_lazy_in_time_and_in_observations() -> None:
    asked: list[int] = []

    class Lazy(Mapping[int, Sequence[Observed]]):
        def __getitem__(self, time: int) -> Sequence[Observed]:
            asked.append(time)
            return observations()[time]

        def __iter__(self) -> Iterator[int]:
            return iter((10, 2, 4))

        def __len__(self) -> int:
            return 3

    steps = cycle(ETKF(), STEP, start(), Lazy())
    assert asked == []
    assert next(steps).step == 2
    assert asked == [2]
    assert [record.step for record in steps] == [4, 10]


# --- statistics ------------------------------------------------------------------------------


def consistent(factor: float) -> list[Record]:
    """Truth and members from one Gaussian, `factor` times the spread it should have."""
    records = []
    for case in range(150):
        truth, members = draw(SIZE, seed=1000 + case), factor * draw(20, SIZE, seed=5000 + case)
        values = truth[list(SEEN)] + 0.5 * draw(len(SEEN), seed=9000 + case)
        o = Observation(values, Components(SEEN, SIZE), torch.tensor(0.25))
        records += list(cycle(ETKF(), STEP, members, {0: [o]}, Cycling(seed=case)))
    return records


def test_chi_square_is_one_and_ranks_are_flat_if_the_spread_is_right() -> None:
    records = consistent(1.0)
    # Innovations have (1 + 1/N) of the variance, the inverse of a sample covariance is too large.
    chi = sum(record.chi_square for record in records) / len(records)
    assert 0.95 < chi < 1.45
    counts = torch.bincount(torch.cat([record.rank for record in records]), minlength=21)
    expected = 150 * 5 / 21
    assert float(((counts - expected).square() / expected).sum()) < 45.3  # 99.9 % of chi2(20)


def test_too_little_spread_shows_in_both() -> None:
    records = consistent(0.3)
    assert sum(record.chi_square for record in records) / len(records) > 2.5
    counts = torch.bincount(torch.cat([record.rank for record in records]), minlength=21)
    assert int(counts[0] + counts[-1]) > 3 * 150 * 5 * 2 / 21


# --- putting down and taking up --------------------------------------------------------------


@pytest.mark.parametrize("stop", [1, 2, 3, 5])
def test_a_resumed_run_is_number_for_number_the_uninterrupted_one(
    tmp_path: Path, stop: int
) -> None:
    analysis, _ = stochastic()
    whole = list(cycle(analysis, STEP, start(), observations()))
    analysis, streams = stochastic()
    settings = Cycling(folder=tmp_path, every=2, streams=streams)
    first = []
    for record in cycle(analysis, STEP, start(), observations(), settings):
        first.append(record)
        if len(first) == stop:
            break
    analysis, streams = stochastic()
    settings = Cycling(folder=tmp_path, every=2, streams=streams)
    rest = list(cycle(analysis, STEP, start(), observations(), settings))
    kept = 2 * ((stop - 1) // 2)  # the record in hand when it stopped is given once more
    assert [record.step for record in rest] == [record.step for record in whole[kept:]]
    assert all(same(a, b) for a, b in zip(first, whole, strict=False))
    assert all(same(a, b) for a, b in zip(rest, whole[kept:], strict=True))
    assert [path.name for path in tmp_path.iterdir()] == ["cycle.safetensors"]


def test_a_finished_run_has_nothing_left_and_can_be_made_longer(tmp_path: Path) -> None:
    def run(times: Sequence[int]) -> list[Record]:
        analysis, streams = stochastic()
        settings = Cycling(folder=tmp_path, every=100, streams=streams)
        return list(cycle(analysis, STEP, start(), observations(times), settings))

    assert len(run((2, 4))) == 2
    assert run((2, 4)) == []
    (longer,) = run((2, 4, 6))
    analysis, _ = stochastic()
    assert same(longer, list(cycle(analysis, STEP, start(), observations((2, 4, 6))))[-1])


def test_single_precision_survives(tmp_path: Path) -> None:
    settings = Cycling(folder=tmp_path)
    records = list(cycle(ETKF(), STEP, start().float(), observations((2,)), settings))
    (more,) = cycle(ETKF(), STEP, start().float(), observations((2, 4)), settings)
    assert records[0].members.dtype == more.members.dtype == torch.float32


def test_progress_is_told() -> None:
    told: list[float] = []
    list(cycle(ETKF(), STEP, start(), observations(), Cycling(progress=told.append)))
    assert told == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])


# --- bad input -------------------------------------------------------------------------------


def test_bad_input() -> None:
    with pytest.raises(InputError, match="every is 0: give at least 1 analysis"):
        Cycling(every=0)
    with pytest.raises(InputError, match="observations at step -2: the first step is 0"):
        next(cycle(ETKF(), STEP, start(), {-2: []}))
    with pytest.raises(InputError, match="the ensemble has 1 member"):
        next(cycle(ETKF(), STEP, start(1), observations()))


def test_a_member_that_diverges_is_named_with_its_time() -> None:
    def grow(x: Tensor) -> Tensor:
        return torch.where(torch.arange(len(x))[:, None] == 4, x * 1e200, x)

    with pytest.raises(InputError, match="member 4 is not finite after the forecast to step 6"):
        list(cycle(PosteriorInflation(ETKF(), 1.0), grow, start(), {6: []}))


def test_another_cycle_or_a_broken_file_in_the_folder(tmp_path: Path) -> None:
    settings = Cycling(folder=tmp_path)
    list(cycle(ETKF(), STEP, start(), observations((2,)), settings))
    with pytest.raises(InputError, match="holds another cycle"):
        next(cycle(ETKF(), STEP, start() + 1.0, observations(), settings))
    analysis, streams = stochastic()
    with pytest.raises(InputError, match="holds another cycle"):
        next(
            cycle(
                analysis,
                STEP,
                start(),
                observations(),
                Cycling(folder=tmp_path, streams=streams),
            )
        )
    (tmp_path / "cycle.safetensors").write_bytes(b"short")
    with pytest.raises(IntegrityError, match="is not a checkpoint of a cycle"):
        next(cycle(ETKF(), STEP, start(), observations(), settings))
