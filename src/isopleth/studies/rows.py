"""Rows of a result, and headlines: single numbers computed from named rows.

A headline's source is plain JSON, so a reader of the file can recompute it by hand:
`{"row": ROW}`, `{"ratio": [A, B]}`, `{"max": [A, ...]}`, `{"min": [A, ...]}` or `{"mean": [A,
...]}`, where ROW is `{"method": ..., "setting": ..., "metric": ...}` and A, B are a ROW or another
source.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypedDict

from isopleth.core.errors import InputError

__all__ = [
    "STRICT",
    "Headline",
    "HeadlineFields",
    "Row",
    "Source",
    "Target",
    "average",
    "evaluate",
    "headline_fields",
    "largest",
    "meets",
    "ratio_of",
    "select",
    "smallest",
]

Source = dict[str, Any]
Target = tuple[str, float | tuple[float, float]]

# How a file is read: no unknown key, no text for a number, no NaN.
STRICT = {"extra": "forbid", "strict": True, "allow_inf_nan": False}

_ROW_KEYS = ("method", "setting", "metric")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measured number.

    Attributes:
        method: What was scored; baselines and controls are methods too.
        setting: On what: month, level, task...
        metric: How: `rmse`, `crps`, `coverage90`, `seconds`...
        unit: Of the value; "1" for a pure number.
        value: The number.
        ci95: Ends of its 95 % interval, in the same unit; None where it has none.
        n: Number of cases behind it, where it differs from the result's `n_cases`.

    Raises:
        InputError: A name is empty, a number is not finite, or the interval is upside down.
    """

    method: str
    setting: str
    metric: str
    unit: str
    value: float
    ci95: tuple[float, float] | None = None
    n: int | None = None

    __pydantic_config__: ClassVar = STRICT

    def __post_init__(self) -> None:
        """Check what types cannot say."""
        if not all((self.method, self.setting, self.metric, self.unit)):
            raise InputError(f'{self} has an empty name: fill all four in, unit "1" for a number.')
        ends = self.ci95 or (self.value, self.value)
        if not all(math.isfinite(number) for number in (self.value, *ends)):
            raise InputError(f"{self} has a number that is not finite: leave the row out.")
        if ends[0] > ends[1]:
            raise InputError(f"{self} has its interval upside down: give (lower, upper).")

    @property
    def key(self) -> tuple[str, str, str]:
        """What a headline finds the row by."""
        return self.method, self.setting, self.metric


def select(method: str, setting: str, metric: str) -> Source:
    """The value of one row."""
    return {"method": method, "setting": setting, "metric": metric}


def ratio_of(numerator: Source, denominator: Source) -> Source:
    """One source over another: below 1 is better where smaller scores are."""
    return {"ratio": [numerator, denominator]}


def largest(*sources: Source) -> Source:
    """The largest of several: the worst case of a score."""
    return {"max": list(sources)}


def smallest(*sources: Source) -> Source:
    """The smallest of several."""
    return {"min": list(sources)}


def average(*sources: Source) -> Source:
    """The plain mean of several."""
    return {"mean": list(sources)}


_OPERATIONS: Mapping[str, Callable[[Sequence[float]], float]] = {
    "row": lambda values: values[0],
    "ratio": lambda values: values[0] / values[1],
    "max": max,
    "min": min,
    "mean": lambda values: math.fsum(values) / len(values),
}
_NUMBER_OF_PARTS = {"row": 1, "ratio": 2}


def evaluate(source: Source, rows: Iterable[Row]) -> float:
    """The number a source stands for, from the values of its rows.

    Raises:
        InputError: The source is malformed, names a row that is not there, or divides by zero.

    >>> rows = [Row(method=m, setting="Jan", metric="rmse", unit="K", value=v)
    ...         for m, v in (("kriging", 0.75), ("climatology", 1.5))]
    >>> evaluate(ratio_of(*(select(row.method, "Jan", "rmse") for row in rows)), rows)
    0.5
    """
    return _evaluate(source, {row.key: row.value for row in rows})


def _evaluate(source: Any, values: Mapping[tuple[str, str, str], float]) -> float:
    if isinstance(source, Mapping) and set(source) == set(_ROW_KEYS):
        key = (str(source["method"]), str(source["setting"]), str(source["metric"]))
        if key not in values:
            raise InputError(f"a headline uses the row {key}, which is not there: add it.")
        return values[key]
    operation, parts = _operation(source)
    operands = [_evaluate(part, values) for part in parts]
    try:
        return float(_OPERATIONS[operation](operands))
    except ZeroDivisionError as error:
        raise InputError(f"the headline {source} divides by zero: choose another.") from error


def _operation(source: Any) -> tuple[str, list[Any]]:
    """Name of the operation and its parts."""
    single = isinstance(source, Mapping) and len(source) == 1
    operation, operand = next(iter(source.items())) if single else ("", None)
    parts = operand if isinstance(operand, list) and operation != "row" else [operand]
    wanted = _NUMBER_OF_PARTS.get(operation, max(len(parts), 1))
    if operation not in _OPERATIONS or len(parts) != wanted:
        raise InputError(
            f"the headline source {source!r} is not understood: write a row (method, setting, "
            f"metric) or one of {', '.join(_OPERATIONS)} over rows."
        )
    return operation, parts


@dataclass(frozen=True)
class Headline:
    """A number worth quoting: where it comes from and, if one was set, its target.

    Attributes:
        source: Built by `select`, `ratio_of`, `largest`, `smallest` and `average`.
        target: `("<=", 0.965)`, `(">=", 20)` or `("in", (0.87, 0.93))`, ends included.
    """

    source: Source
    target: Target | None = None


class HeadlineFields(TypedDict):
    """The three fields of a result that hold its headlines."""

    headline: dict[str, float]
    headline_from: dict[str, Source]
    targets: dict[str, Target]


def headline_fields(rows: Iterable[Row], headlines: Mapping[str, Headline]) -> HeadlineFields:
    """Compute every headline; the result is passed on as `Result(..., **headline_fields(...))`.

    Raises:
        InputError: As `evaluate`.
    """
    rows = tuple(rows)
    named = headlines.items()
    return HeadlineFields(
        headline={name: evaluate(headline.source, rows) for name, headline in named},
        headline_from={name: headline.source for name, headline in named},
        targets={name: headline.target for name, headline in named if headline.target},
    )


def meets(value: float, target: Target) -> bool:
    """Whether a headline reaches its target.

    Raises:
        InputError: The operation is none of `<=`, `>=` and `in`, or its bound does not fit.

    >>> meets(0.9, ("in", (0.87, 0.93)))
    True
    """
    operation, bound = target
    if operation == "in" and isinstance(bound, tuple):
        return bound[0] <= value <= bound[1]
    if operation in ("<=", ">=") and not isinstance(bound, tuple):
        return value <= bound if operation == "<=" else value >= bound
    raise InputError(
        f"the target {target} is not understood: "
        'write ("<=", x), (">=", x) or ("in", (low, high)).'
    )
