"""The same number of trials for every method: a search that counts.

A baseline that was tuned less than its rival is no baseline. `search` spends at most `trials`
evaluations: the starting recipe, then random recipes, then steps along one field at a time around
the best.
Reference: random search, Bergstra and Bengio (2012), J. Mach. Learn. Res. 13, 281; then compass
search, Kolda, Lewis and Torczon (2003), SIAM Rev. 45, 385.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from isopleth.core.errors import InputError
from isopleth.studies.results import replacing

__all__ = ["Choice", "Dimension", "LogUniform", "Trial", "Trials", "Uniform", "search"]

R = TypeVar("R")
FIRST_REACH, LAST_REACH = 0.25, 0.005  # step of the refinement, as a part of a field's range
DRAWS_FOR_A_NEW_RECIPE = 200


class Dimension(Protocol):
    """The values one field of a recipe may take."""

    def draw(self, rng: np.random.Generator) -> Any:
        """Any of them at random."""

    def move(self, value: Any, reach: float) -> Any:
        """The one about `reach` of the whole range away, within bounds."""

    def __contains__(self, value: Any) -> bool:
        """Whether the field may take this value."""


@dataclass(frozen=True)
class Uniform:
    """Real numbers from `low` to `high`."""

    low: float
    high: float

    def __post_init__(self) -> None:
        """Refuse an empty range."""
        if not self.low < self.high:
            raise InputError(f"a range from {self.low} to {self.high} is empty: give low < high.")

    def draw(self, rng: np.random.Generator) -> float:
        """A value at random, every value equally likely."""
        return float(rng.uniform(self.low, self.high))

    def move(self, value: float, reach: float) -> float:
        """`value` moved by a part of the range."""
        return min(max(value + reach * (self.high - self.low), self.low), self.high)

    def __contains__(self, value: float) -> bool:
        """Whether `value` lies within the range."""
        return self.low <= value <= self.high


@dataclass(frozen=True)
class LogUniform:
    """Positive numbers from `low` to `high`, every factor equally likely; whole ones if asked."""

    low: float
    high: float
    integer: bool = False

    def __post_init__(self) -> None:
        """Refuse a range without a logarithm."""
        if not 0 < self.low < self.high:
            raise InputError(
                f"a logarithmic range from {self.low} to {self.high} is not possible: "
                "give 0 < low < high."
            )

    def draw(self, rng: np.random.Generator) -> float | int:
        """A value at random."""
        return self._near(float(rng.uniform(math.log(self.low), math.log(self.high))))

    def move(self, value: float, reach: float) -> float | int:
        """`value` times a power of `high / low`."""
        return self._near(math.log(value) + reach * math.log(self.high / self.low))

    def __contains__(self, value: float) -> bool:
        """Whether `value` lies within the range."""
        return self.low <= value <= self.high

    def _near(self, logarithm: float) -> float | int:
        value = min(max(math.exp(logarithm), self.low), self.high)
        if not self.integer:
            return value
        return min(max(round(value), math.ceil(self.low)), math.floor(self.high))


@dataclass(frozen=True)
class Choice:
    """One of a few values (number, text, boolean or None); put neighbours side by side."""

    options: tuple[Any, ...]

    def draw(self, rng: np.random.Generator) -> Any:
        """Any option at random."""
        return self.options[int(rng.integers(len(self.options)))]

    def move(self, value: Any, reach: float) -> Any:
        """The option next to `value`, after it if `reach` is positive, around the end."""
        step = 1 if reach > 0 else -1
        return self.options[(self.options.index(value) + step) % len(self.options)]

    def __contains__(self, value: Any) -> bool:
        """Whether `value` is an option."""
        return value in self.options


@dataclass(frozen=True)
class Trial(Generic[R]):
    """A recipe, its score, and when in the search (from 0) it was tried."""

    recipe: R
    score: float
    number: int


@dataclass(frozen=True)
class Trials(Generic[R]):
    """All trials of a search, best (smallest score) first, and the budget they were given."""

    entries: tuple[Trial[R], ...]
    budget: int

    @property
    def best(self) -> Trial[R]:
        """The trial with the smallest score; the earliest of equals."""
        return self.entries[0]

    def __len__(self) -> int:
        """Number of evaluations spent."""
        return len(self.entries)

    def __iter__(self) -> Iterator[Trial[R]]:
        """The trials, best first."""
        return iter(self.entries)


def search(
    objective: Callable[[R], float],
    start: R,
    space: Mapping[str, Dimension],
    *,
    trials: int,
    seed: int,
    log: Path | None = None,
) -> Trials[R]:
    """Look for the recipe with the smallest score within a budget of evaluations.

    The first trial is `start`, up to half of the rest are drawn at random, the others refine the
    best field by field with steps that halve when none helps. A recipe is never scored twice. The
    same arguments give the same trials.

    Args:
        objective: Score of a recipe; NaN or infinite counts as the worst.
        start: A frozen dataclass, the recipe to beat; fields outside `space` keep their values.
        space: Field name -> `Uniform`, `LogUniform` or `Choice`.
        trials: The budget; fewer are spent only if the space has no more recipes.
        seed: Of the random recipes.
        log: JSON lines, one per trial, written as they are scored. If the file is there the search
            goes on where it stopped, without scoring anything again.

    Returns:
        The trials, best first.

    Raises:
        InputError: A field or budget is impossible, or the log belongs to another search.
    """
    _check_space(start, space, trials)
    book = _Book(objective, trials, _Log(log, start, space, trials, seed))
    rng = np.random.default_rng(seed)
    book.score(start)
    _explore(book, start, space, rng, (trials - 1) // 2)
    _refine(book, space)
    _explore(book, start, space, rng, book.left)
    return Trials(tuple(sorted(book.trials, key=lambda t: (t.score, t.number))), trials)


class _Book(Generic[R]):
    """Scores each recipe once, counts, and remembers the best."""

    def __init__(self, objective: Callable[[R], float], budget: int, log: _Log) -> None:
        self.objective, self.budget, self.log = objective, budget, log
        self.trials: list[Trial[R]] = []
        self.seen: set[str] = set()

    @property
    def left(self) -> int:
        return self.budget - len(self.trials)

    @property
    def best(self) -> Trial[R]:
        return min(self.trials, key=lambda trial: trial.score)

    def is_new(self, recipe: R) -> bool:
        return _key(recipe) not in self.seen

    def score(self, recipe: R) -> None:
        number = len(self.trials)
        score = self.log.recall(number, _key(recipe))
        if score is None:
            value = float(self.objective(recipe))
            score = value if math.isfinite(value) else math.inf
            self.log.record(number, _key(recipe), score)
        self.seen.add(_key(recipe))
        self.trials.append(Trial(recipe, score, number))


class _Log:
    """The JSON-lines file of a search: a header, then one trial a line."""

    def __init__(
        self, path: Path | None, start: Any, space: Mapping[str, Dimension], trials: int, seed: int
    ) -> None:
        self.path = None if path is None else Path(path)
        shape = {name: repr(dimension) for name, dimension in space.items()}
        header = {"start": asdict(start), "space": shape, "trials": trials, "seed": seed}
        self.lines: list[dict[str, Any]] = []
        if self.path is not None:
            self._open(self.path, json.loads(json.dumps({"search": header})))

    def _open(self, path: Path, header: dict[str, Any]) -> None:
        # A line without its end was cut off by a crash; the trial is scored again.
        whole = path.read_text().rpartition("\n")[0] if path.exists() else ""
        try:
            lines = [json.loads(line) for line in whole.splitlines()]
        except json.JSONDecodeError as error:
            raise InputError(f"{path} is not the log of a search: give another path.") from error
        if lines and lines[0] != header:
            raise InputError(
                f"{path} holds another search (start, space, trials or seed differ): "
                "give a new log path, or remove the file."
            )
        self.lines = lines[1:]
        with replacing(path) as temporary:
            kept = [header, *self.lines]
            temporary.write_text("".join(json.dumps(line) + "\n" for line in kept))

    def recall(self, number: int, key: str) -> float | None:
        """Score of a trial that was already made."""
        if number >= len(self.lines):
            return None
        line = self.lines[number]
        if json.dumps(line["recipe"], sort_keys=True) != key:
            raise InputError(
                f"trial {number} of {self.path} is not the recipe this search would try: "
                "the code has changed, remove the file and search again."
            )
        return math.inf if line["score"] is None else float(line["score"])

    def record(self, number: int, key: str, score: float) -> None:
        if self.path is not None:
            line = {"trial": number, "recipe": json.loads(key)}
            line["score"] = score if math.isfinite(score) else None
            with self.path.open("a") as file:
                file.write(json.dumps(line) + "\n")


def _explore(
    book: _Book[R],
    start: R,
    space: Mapping[str, Dimension],
    rng: np.random.Generator,
    count: int,
) -> None:
    """Score `count` random recipes, fewer if no new one can be found."""
    for _ in range(count):
        draws = (_random(start, space, rng) for _ in range(DRAWS_FOR_A_NEW_RECIPE))
        recipe = next((draw for draw in draws if book.is_new(draw)), None)
        if recipe is None:
            return
        book.score(recipe)


def _refine(book: _Book[R], space: Mapping[str, Dimension]) -> None:
    """Step along one field at a time from the best recipe, halving the step when none helps."""
    reach = FIRST_REACH
    while reach > LAST_REACH:
        before = book.best.score
        for name, dimension in space.items():
            for signed in (reach, -reach):
                value = dimension.move(getattr(book.best.recipe, name), signed)
                candidate = replace(book.best.recipe, **{name: value})  # type: ignore[type-var]
                if book.left and book.is_new(candidate):
                    book.score(candidate)
        if book.best.score >= before:
            reach /= 2


def _random(start: R, space: Mapping[str, Dimension], rng: np.random.Generator) -> R:
    values = {name: dimension.draw(rng) for name, dimension in space.items()}
    return replace(start, **values)  # type: ignore[type-var]


def _key(recipe: Any) -> str:
    try:
        return json.dumps(asdict(recipe), sort_keys=True)
    except TypeError as error:
        raise InputError(
            f"the recipe {recipe} cannot be logged: use plain numbers, text, booleans or None."
        ) from error


def _check_space(start: Any, space: Mapping[str, Dimension], trials: int) -> None:
    if trials < 1:
        raise InputError(f"{trials} trials cannot be made: give at least 1.")
    fields = json.loads(_key(start))
    for name, dimension in space.items():
        if name not in fields:
            raise InputError(
                f"the recipe has no field {name!r} to tune: choose from {', '.join(fields)}."
            )
        if getattr(start, name) not in dimension:
            raise InputError(
                f"the search starts at {name}={getattr(start, name)!r}, outside {dimension}: "
                "widen the range, or start inside it."
            )
