from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from isopleth.studies import Headline, Result, Row, headline_fields, ratio_of, select


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20160115)


def _rows() -> tuple[Row, ...]:
    def row(method: str, metric: str, value: float, **more: object) -> Row:
        return Row(method=method, setting="Jan", metric=metric, unit="K", value=value, **more)

    return (
        row("climatology", "rmse", 1.545),
        row("climatology", "crps", 0.774),
        row("kriging", "rmse", 0.9753, ci95=(0.93, 1.02), n=10919),
        row("kriging", "crps", 0.4901),
    )


@pytest.fixture
def make_result() -> Callable[..., Result]:
    """A small valid result; keyword arguments replace its fields."""

    def make(**changes: object) -> Result:
        rows = _rows()
        gain = ratio_of(select("kriging", "Jan", "rmse"), select("climatology", "Jan", "rmse"))
        fields: dict[str, object] = {
            "name": "small_example",
            "what": "Kriging errs less than the climatology.",
            "command": "make bench NAME=small_example",
            "commit": "0123456789abcdef0123456789abcdef01234567",
            "date": "2026-01-31",
            "device": "a processor, cores: 2, threads: 1",
            "seeds": (0, 1),
            "n_cases": 10919,
            "data": {"profiles.csv": "ab" * 32},
            "rows": rows,
            "verdict": "beats: the interval of the ratio stays below 1.",
            **headline_fields(rows, {"over_climatology": Headline(gain, ("<=", 0.7))}),
        }
        return Result(**(fields | changes))

    return make
