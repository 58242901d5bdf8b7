"""The opening of a report: what was mapped, how good it is, in plain sentences and key numbers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from isopleth.report.material import Material
from isopleth.report.pages import Tile
from isopleth.report.reach import Reach
from isopleth.report.words import amount, change, count, depth_words, percent

__all__ = ["headline", "pooled", "tiles"]

_TRUE_COVERAGE = (0.87, 0.93)
"""Coverage of 90 % intervals that is called right."""

_SLIGHTLY = 0.03
"""This far beyond, it is called slightly wrong."""

_FEW = 20
"""With fewer profiles held back, nothing is concluded from their coverage."""


def pooled(scores: pd.DataFrame) -> dict[str, float]:
    """Scores over all levels, each value counting the same: `sqrt(sum n rmse^2 / sum n)`.

    Args:
        scores: One row for each level; levels without a value are left out.

    >>> table = pd.DataFrame({"depth": [0.0, 9.0], "n": [1, 3], "rmse": [2.0, 0.0]})
    >>> pooled(table)["rmse"]
    1.0
    """
    seen = scores[scores["n"] > 0].drop(columns="depth")
    n = seen["n"].astype(float)
    total = {"n": float(n.sum())}
    for column in seen.columns.drop("n"):
        power = 2.0 if column.startswith("rmse") else 1.0
        mean = (n * seen[column] ** power).sum() / n.sum() if len(seen) else np.nan
        total[column] = float(mean ** (1.0 / power))
    return total


def headline(material: Material) -> tuple[str, ...]:
    """What was mapped, and how far it can be trusted."""
    depth = material.grid.levels
    levels = (
        f"at {depth_words(depth[0])}"
        if depth.size == 1
        else f"on {depth.size} levels from {depth[0]:g} to {depth_words(depth[-1])}"
    )
    what = (
        f"The ocean's {material.noun} in {material.month} {levels}, mapped from "
        f"{count(len(material.used), 'profile')}{_of_the_month(material)}."
    )
    if material.scores is None or material.withheld is None:
        return what, "No profile was held back, so nothing here measures its error."
    return what, _verdict(material, pooled(material.scores))


def tiles(material: Material, main: Reach) -> list[Tile]:
    """Key numbers.

    Args:
        material: Of the report.
        main: Reach of the profiles at the level of single maps.
    """
    found = [Tile(f"{len(material.used):,}", "profiles used")]
    if material.scores is not None and material.withheld is not None:
        total = pooled(material.scores)
        found += [
            Tile(amount(total["rmse"], unit=material.unit), "error (RMSE) at profiles held back"),
            Tile(
                amount(total["rmse_climatology"], unit=material.unit),
                "error of the climatology there",
            ),
            Tile(
                percent(total["coverage90"], places=1),
                "of values inside their 90\N{NO-BREAK SPACE}% interval",
            ),
        ]
    level = depth_words(main.depth)
    found.append(
        Tile(percent(1.0 - main.beyond), f"of the ocean within a profile's reach, {level}")
    )
    return found


def _of_the_month(material: Material) -> str:
    """How many of the profiles are of the month itself, if not all."""
    month = material.analysis["time"].values.astype("datetime64[M]")
    own = int((material.used.time.astype("datetime64[M]") == month).sum())
    if own == len(material.used):
        return ""
    return f", {own:,} of them of the month itself and the others of the weeks around it"


def _verdict(material: Material, total: Mapping[str, float]) -> str:
    assert material.withheld is not None
    held = material.withheld.sizes["profile"]
    ratio = total["rmse"] / total["rmse_climatology"] if total["rmse_climatology"] else np.nan
    low, high = _TRUE_COVERAGE
    inside = percent(total["coverage90"], places=1)
    if held < _FEW:
        honesty = f"That is too few to judge by: hold back {_FEW} or more."
    elif total["coverage90"] < low:
        how = "slightly too" if total["coverage90"] > low - _SLIGHTLY else "too"
        honesty = f"Its 90 % intervals hold only {inside} of the values: they are {how} narrow."
    elif total["coverage90"] > high:
        how = "slightly too" if total["coverage90"] < high + _SLIGHTLY else "too"
        honesty = f"Its 90 % intervals hold {inside} of the values: they are {how} wide."
    else:
        honesty = f"Its 90 % intervals hold {inside} of the values, as they should."
    return (
        f"At {count(held, 'profile')} held back, its error is "
        f"{amount(total['rmse'], unit=material.unit)}, against "
        f"{amount(total['rmse_climatology'], unit=material.unit)} for the climatology: "
        f"{change(ratio)}. {honesty}"
    )
