from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from isopleth.core.errors import InputError
from isopleth.studies import Choice, LogUniform, Uniform, search


@dataclass(frozen=True)
class Recipe:
    length_km: float = 50.0
    neighbours: int = 20
    nugget: float = 0.5
    kernel: str = "gaussian"
    untouched: float = 7.0


SPACE = {
    "length_km": LogUniform(20.0, 2000.0),
    "neighbours": LogUniform(5, 200, integer=True),
    "nugget": Uniform(0.0, 1.0),
    "kernel": Choice(("gaussian", "matern", "exponential")),
}


def _objective(recipe: Recipe) -> float:
    """Smallest at 300 km, 60 neighbours, nugget 0.1, exponential."""
    return (
        math.log(recipe.length_km / 300) ** 2
        + 0.1 * math.log(recipe.neighbours / 60) ** 2
        + (recipe.nugget - 0.1) ** 2
        + {"gaussian": 0.5, "matern": 0.2, "exponential": 0.0}[recipe.kernel]
    )


class Counted:
    def __init__(self, fail_at: int | None = None) -> None:
        self.recipes: list[Recipe] = []
        self.fail_at = fail_at

    def __call__(self, recipe: Recipe) -> float:
        if len(self.recipes) == self.fail_at:
            raise KeyboardInterrupt
        self.recipes.append(recipe)
        return _objective(recipe)


@pytest.mark.parametrize("trials", [1, 2, 3, 17, 60])
def test_the_budget_is_spent_exactly_on_recipes_that_differ(trials: int) -> None:
    objective = Counted()
    found = search(objective, Recipe(), SPACE, trials=trials, seed=0)
    assert len(objective.recipes) == len(found) == found.budget == trials
    assert len(set(objective.recipes)) == trials
    assert objective.recipes[0] == Recipe()


def test_it_finds_the_best_recipe_and_sorts() -> None:
    found = search(_objective, Recipe(), SPACE, trials=150, seed=3)
    best = found.best.recipe
    assert best.length_km == pytest.approx(300, rel=0.05)
    assert best.neighbours == pytest.approx(60, rel=0.2)
    assert best.nugget == pytest.approx(0.1, abs=0.05)
    assert best.kernel == "exponential"
    assert best.untouched == 7.0
    scores = [trial.score for trial in found]
    assert scores == sorted(scores)
    assert found.best.score == _objective(best)


def test_every_recipe_stays_within_the_space() -> None:
    objective = Counted()
    search(objective, Recipe(), SPACE, trials=120, seed=1)
    for recipe in objective.recipes:
        assert all(getattr(recipe, name) in dimension for name, dimension in SPACE.items())
        assert isinstance(recipe.neighbours, int)


def test_the_seed_decides_everything() -> None:
    first, again, other = (
        search(_objective, Recipe(), SPACE, trials=40, seed=seed) for seed in (5, 5, 6)
    )
    assert first == again
    assert first != other


def test_a_small_space_is_searched_once_and_no_more() -> None:
    space = {"kernel": SPACE["kernel"]}
    found = search(_objective, Recipe(), space, trials=50, seed=0)
    assert sorted(trial.recipe.kernel for trial in found) == ["exponential", "gaussian", "matern"]


def test_a_score_that_is_not_finite_is_the_worst() -> None:
    def objective(recipe: Recipe) -> float:
        return math.nan if recipe.nugget > 0.3 else recipe.nugget

    found = search(objective, Recipe(), {"nugget": Uniform(0.0, 1.0)}, trials=20, seed=0)
    assert found.best.score < 0.3
    assert found.entries[-1].score == math.inf


def test_an_interrupted_search_goes_on_where_it_stopped(tmp_path: Path) -> None:
    log = tmp_path / "deep" / "trials.jsonl"
    whole = search(_objective, Recipe(), SPACE, trials=40, seed=2)
    with pytest.raises(KeyboardInterrupt):
        search(Counted(fail_at=25), Recipe(), SPACE, trials=40, seed=2, log=log)
    with log.open("a") as file:
        file.write('{"trial": 25, "recipe": {"len')
    rest = Counted()
    resumed = search(rest, Recipe(), SPACE, trials=40, seed=2, log=log)
    assert len(rest.recipes) == 15
    assert resumed == whole
    silent = Counted(fail_at=0)
    assert search(silent, Recipe(), SPACE, trials=40, seed=2, log=log) == whole


def test_the_log_holds_every_trial_in_order(tmp_path: Path) -> None:
    log = tmp_path / "trials.jsonl"
    found = search(lambda recipe: math.inf, Recipe(), SPACE, trials=3, seed=0, log=log)
    header, *lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert header["search"]["trials"] == 3
    assert [line["trial"] for line in lines] == [0, 1, 2]
    assert lines[0]["recipe"] == asdict(Recipe())
    assert [line["score"] for line in lines] == [None] * 3
    assert search(Counted(0), Recipe(), SPACE, trials=3, seed=0, log=log) == found


def test_a_log_of_another_search_is_refused(tmp_path: Path) -> None:
    log = tmp_path / "trials.jsonl"
    search(_objective, Recipe(), SPACE, trials=3, seed=0, log=log)
    with pytest.raises(InputError, match="holds another search"):
        search(_objective, Recipe(), SPACE, trials=3, seed=1, log=log)
    text = log.read_text().splitlines()
    log.write_text("\n".join([text[0], text[2], text[1]]) + "\n")
    with pytest.raises(InputError, match="trial 0 of"):
        search(_objective, Recipe(), SPACE, trials=3, seed=0, log=log)
    log.write_text("length,score\n")
    with pytest.raises(InputError, match="is not the log of a search"):
        search(_objective, Recipe(), SPACE, trials=3, seed=0, log=log)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: LogUniform(0.0, 1.0), "range from 0.0 to 1.0"),
        (lambda: Uniform(1.0, 1.0), "range from 1.0 to 1.0 is empty"),
        (lambda: search(_objective, Recipe(), SPACE, trials=0, seed=0), "0 trials"),
        (lambda: search(_objective, Recipe(untouched={1}), {}, trials=1, seed=0), "be logged"),
        (
            lambda: search(_objective, Recipe(), {"size": Uniform(0, 1)}, trials=1, seed=0),
            "no field 'size'",
        ),
        (
            lambda: search(_objective, Recipe(kernel="x"), SPACE, trials=1, seed=0),
            "kernel='x', outside Choice",
        ),
        (
            lambda: search(_objective, Recipe(length_km=0.0), SPACE, trials=1, seed=0),
            "length_km=0.0, outside LogUniform",
        ),
    ],
)
def test_bad_input_is_named(call, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        call()
