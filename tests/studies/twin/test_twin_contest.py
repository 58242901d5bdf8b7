"""A small twin experiment from end to end: world, networks, tuning, test, table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from isopleth.core.errors import InputError, IntegrityError
from isopleth.studies.twin import RECIPES, TwinWorld
from isopleth.studies.twin.contest import Contest, Outcome
from isopleth.studies.twin.statistics import Statistics
from isopleth.studies.twin.table import rows_of

SMOKE = RECIPES["smoke"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("twin")


@pytest.fixture(scope="module")
def world(folder: Path) -> TwinWorld:
    return TwinWorld.frozen(SMOKE, folder)


@pytest.fixture(scope="module")
def outcomes(world: TwinWorld, folder: Path) -> list[Outcome]:
    return list(Contest(Statistics(world), folder / "smoke", lambda _: None).outcomes())


def test_a_world_is_made_once(world: TwinWorld, folder: Path) -> None:
    again = TwinWorld.frozen(SMOKE, folder)
    assert again.sha256 == world.sha256
    assert len(list(folder.glob("world-*.safetensors"))) == 1


def test_a_damaged_world_is_refused(tmp_path: Path, world: TwinWorld, folder: Path) -> None:
    name = next(folder.glob("world-*.safetensors")).name
    (tmp_path / name).write_bytes(b"nothing")
    with pytest.raises(IntegrityError, match="remove it"):
        TwinWorld.frozen(SMOKE, tmp_path)


def test_members_come_from_the_backgrounds_own_cycle(world: TwinWorld) -> None:
    cases = world.cases("test")
    assert len(cases) == SMOKE.cases
    spread = cases.members.var(1).mean().sqrt()
    error = (cases.members.mean(1) - cases.truth[:, 0]).square().mean().sqrt()
    assert 0.2 < float(spread / error) < 3.0


def test_every_method_is_played_on_every_task(outcomes: list[Outcome]) -> None:
    played = {(o.task, o.method) for o in outcomes}
    assert len(played) == len(outcomes) == 8 + 7 + 4
    for outcome in outcomes:
        assert outcome.trials == (2 if outcome.settings else 1)
        assert np.isfinite(np.nanmean(outcome.square_error))


def test_observations_help(outcomes: list[Outcome]) -> None:
    error = {(o.task, o.method): float(np.nanmean(o.square_error)) for o in outcomes}
    one_shot = {method: e for (task, method), e in error.items() if task == "one-shot"}
    assert one_shot["3D-Var, spectral B"] < one_shot["background"]
    assert one_shot["hybrid EnVar"] < one_shot["background"]
    assert error["window", "4D-Var"] < error["window", "background"]


def test_what_was_done_is_not_done_again(
    world: TwinWorld, folder: Path, outcomes: list[Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> Outcome:
        raise AssertionError("played again")

    monkeypatch.setattr(Contest, "_play", never)
    again = list(Contest(Statistics(world), folder / "smoke", lambda _: None).outcomes())
    assert [o.method for o in again] == [o.method for o in outcomes]
    assert len(rows_of(SMOKE, again)) > len(again)


def test_the_linear_estimate_is_better_than_the_background(world: TwinWorld) -> None:
    estimate, rest = world.regression(1e6)
    x = world.cases("test").background
    # All ridge and no sample: the estimate is the background but for its mean error.
    assert torch.allclose(estimate(x), x + (estimate(x) - x).mean(0), atol=1e-3)
    assert float(rest.variance.mean()) == pytest.approx(
        float(world.errors.variance.mean()), rel=0.02
    )


def test_unknown_words_are_refused(world: TwinWorld, folder: Path) -> None:
    contest = Contest(Statistics(world), folder / "smoke", lambda _: None)
    with pytest.raises(InputError, match="'5 % points' is neither a task"):
        list(contest.outcomes(networks=("5 % points",)))
