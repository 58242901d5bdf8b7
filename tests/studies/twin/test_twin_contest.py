"""A small twin experiment from end to end: world, networks, tuning, test, table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from isopleth.core.errors import InputError, IntegrityError
from isopleth.studies.twin import RECIPES, NetworkRecipe, TwinWorld
from isopleth.studies.twin.contest import Contest, Outcome
from isopleth.studies.twin.oneshot import Background, FullCovariance, Local
from isopleth.studies.twin.pairs import write_pairs
from isopleth.studies.twin.statistics import Statistics
from isopleth.studies.twin.table import rows_of
from isopleth.studies.twin.variations import Met, Variations

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


def test_pairs_go_on_where_they_stopped(world: TwinWorld, tmp_path: Path) -> None:
    whole = write_pairs(world, "train", 3, tmp_path / "whole")

    def interrupt(fraction: float) -> None:
        if fraction > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_pairs(world, "train", 3, tmp_path / "parts", every=1, progress=interrupt)
    assert not (tmp_path / "parts").exists()
    parts = write_pairs(world, "train", 3, tmp_path / "parts", every=1)
    for name in ("truth.npy", "known.npy"):
        assert np.array_equal(np.load(whole / name), np.load(parts / name))
    with pytest.raises(IntegrityError, match="remove it or name another"):
        write_pairs(world, "train", 4, whole)


def test_pairs_are_like_the_backgrounds_of_the_cases(world: TwinWorld, tmp_path: Path) -> None:
    folder = write_pairs(world, "validation", 2, tmp_path / "pairs")
    truth, known = (np.load(folder / f"{name}.npy") for name in ("truth", "known"))
    assert truth.shape == (2 * SMOKE.validation, 3, 32, 64)
    assert known.shape == (2 * SMOKE.validation, 6, 32, 64)
    error = float(np.square(truth - known[:, :3], dtype=np.float32).mean())
    assert 0.3 < error / float(world.errors.variance.mean()) < 3.0
    assert (np.square(known[:, 3:], dtype=np.float32).mean((1, 2, 3)) > 0.3 * error).all()


@pytest.mark.parametrize(("kind", "cycles"), [("test", 1), ("train", 0)])
def test_pairs_that_cannot_be(world: TwinWorld, tmp_path: Path, kind: str, cycles: int) -> None:
    with pytest.raises(InputError, match="make no pairs"):
        write_pairs(world, kind, cycles, tmp_path / "pairs")


def test_a_method_meets_other_networks_as_it_was_tuned(
    world: TwinWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    networks = [NetworkRecipe(name=f"{p:g} %", percent=p, columns=True) for p in (5.0, 10.0)]
    networks.append(NetworkRecipe(name="speed", percent=5.0, quantity="speed"))

    def met() -> list[Met]:
        study = Variations(
            Statistics(world), "code", tmp_path, trials=2, networks=networks, days=(2,)
        )
        return list(study([Background(), FullCovariance(), Local()]))

    found = met()
    assert [m.network for m in found] == 3 * [n.name for n in networks]
    assert [m.trials for m in found] == [1] * 3 + [2] * 6
    error = {(m.method, m.network): m.scores["square_error"].mean() for m in found}
    assert error["LETKF", "10 %"] < error["LETKF", "5 %"] < error["background", "5 %"]
    assert len({str(m.settings) for m in found if m.method == "3D-Var"}) == 1
    assert "crps" in found[-1].scores
    monkeypatch.setattr(Variations, "_met", None)
    assert [m.scores["square_error"].sum() for m in met()] == [
        m.scores["square_error"].sum() for m in found
    ]
