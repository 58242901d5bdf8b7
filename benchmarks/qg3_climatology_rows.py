"""Numbers of the climatology with their intervals, and what they should reach."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from isopleth.metrics import doubling_time, first_doubling
from isopleth.studies.rows import Headline, Row, largest, select, smallest
from qg3_climatology_runs import HOURS
from qg3_climatology_statistics import DAY, Climate, Floats, interval

LEVELS = ("200 hPa", "500 hPa", "800 hPa")
SIDES = {"north": 1.0, "south": -1.0}
GROWTH = 10.0, 30.0  # days in which small errors grow exponentially
START = 5.0, 30.0  # days of the spin-up that are compared with the climate
SMALL_SCALES = 8, 0.8  # first degree and last share of T for the slope of the spectrum
TOLERANCE = 0.15
BELTS = {"poleward": (55.0, 75.0), "equatorward": (25.0, 40.0)}

REFERENCE = {
    "sd_u_200": (select("T21", LEVELS[0], "sd of u"), 6.6),
    "sd_psi_200": (select("T21", LEVELS[0], "sd of psi"), 6.8),
    "sd_psi_500": (select("T21", LEVELS[1], "sd of psi"), 4.4),
    "sd_psi_800": (select("T21", LEVELS[2], "sd of psi"), 3.3),
    "jet_north": (select("T21", "north", "jet"), 38.0),
    "jet_south": (select("T21", "south", "jet"), 34.0),
    "doubling_days": (select("T21", LEVELS[1], "doubling time"), 4.5),
}
"""The same equations and damping in an earlier, independent program (rounded there)."""


class Rows(list[Row]):
    """Rows of the result, printed as they come."""

    def add(
        self, c: Climate, setting: str, metric: str, unit: str,
        number: Callable[..., float | np.floating], *members: Floats,
    ) -> None:  # fmt: skip
        """A function of means over trajectories, and its interval."""
        found = interval(number, *members)
        row = Row(method=c.runs.plan.name, setting=setting, metric=metric, unit=unit,
                  value=found.value, ci95=found.ends, n=len(members[0]))  # fmt: skip
        self.append(row)
        print(f"{row.method} {setting:8s} {metric:24s} {row.value:8.4g} {row.ci95} {unit}")


def rows_of(climates: Sequence[Climate]) -> Rows:
    """All rows."""
    rows = Rows()
    for c in climates:
        for k, level in enumerate(LEVELS):
            _level(rows, c, k, level)
        for name, side in SIDES.items():
            _hemisphere(rows, c, name, side)
    return rows


def headlines(climates: Sequence[Climate]) -> dict[str, Headline]:
    """Reference values of T21 within 15 %, jets within a row of the grid, a flat variance."""
    found = {
        name: Headline(source, ("in", ((1 - TOLERANCE) * value, (1 + TOLERANCE) * value)))
        for name, (source, value) in REFERENCE.items()
    }
    row = 180.0 / 32
    for name, latitude in (("north", 42.0), ("south", -42.0)):
        place = select("T21", name, "latitude of the jet")
        found[f"jet_{name}_latitude"] = Headline(place, ("in", (latitude - row, latitude + row)))
    for c, room in zip(climates, (0.05, 0.1), strict=False):
        flat = [select(c.runs.plan.name, level, "second half over first") for level in LEVELS]
        name = c.runs.plan.name.lower()
        found[f"flat_{name}_least"] = Headline(smallest(*flat), (">=", 1.0 - room))
        found[f"flat_{name}_most"] = Headline(largest(*flat), ("<=", 1.0 + room))
    return found


def doubling_days(kind: str) -> tuple[str, Callable[[Floats], float]]:
    """What is measured of small or of grown errors, from mean squares at every stored time."""

    def days(squares: Floats) -> Floats:
        return np.arange(len(squares)) * HOURS / 24.0

    if kind == "small":
        return "doubling time", lambda e: doubling_time(days(e), np.sqrt(e), window=GROWTH)
    return "first doubling", lambda e: first_doubling(days(e), np.sqrt(e))


def skewness(first: Floats, second: Floats, third: Floats) -> Floats:
    """`E(x - m)^3 / sd^3` from the first three moments about any point."""
    variance = second - first**2
    return np.asarray((third - 3.0 * first * second + 2.0 * first**3) / variance**1.5)


def peak(latitude: Floats, wind: Floats) -> tuple[float, float]:
    """Value and place of the largest wind, by the parabola through three rows."""
    k = int(np.clip(wind.argmax(), 1, len(wind) - 2))
    a, b, _ = np.polyfit(latitude[k - 1 : k + 2] - latitude[k], wind[k - 1 : k + 2], 2)
    away = -b / (2.0 * a)
    return float(wind[k] + 0.5 * b * away), float(latitude[k] + away)


def _level(rows: Rows, c: Climate, k: int, level: str) -> None:
    root = np.sqrt
    rows.add(c, level, "sd of u", "m s-1", lambda s: root(c.mean(s)), c.square_u[:, k])
    rows.add(c, level, "sd of psi", "10^6 m2 s-1", lambda s: 1e-6 * root(c.mean(s)),
             c.square_psi[:, k])  # fmt: skip
    rows.add(c, level, "eddy kinetic energy", "m2 s-2", lambda s: 0.5 * c.mean(s),
             c.square_u[:, k] + c.square_v[:, k])  # fmt: skip
    first, last = SMALL_SCALES[0], int(SMALL_SCALES[1] * (c.energy.shape[-1] - 1))
    degree = np.log(np.arange(first, last + 1))

    def slope(energy: Floats) -> float:
        return float(np.polyfit(degree, np.log(energy[first : last + 1]), 1)[0])

    rows.add(c, level, "slope of the spectrum", "1", slope, c.energy[:, k])
    spin_up, (start, end) = round(c.runs.plan.spin_up * DAY), START
    early = c.departure[:, round(start * DAY) : round(end * DAY), k].mean(1)
    first_half, second_half = np.array_split(c.departure[:, spin_up:, k], 2, axis=1)
    rows.add(c, level, "days 5-30 over climate", "1", lambda a, b: root(a / b), early,
             c.departure[:, spin_up:, k].mean(1))  # fmt: skip
    rows.add(c, level, "second half over first", "1", lambda a, b: root(a / b),
             second_half.mean(1), first_half.mean(1))  # fmt: skip
    if k == 1:
        for kind, errors in c.errors.items():
            rows.add(c, level, doubling_days(kind)[0], "d", doubling_days(kind)[1], errors)


def _hemisphere(rows: Rows, c: Climate, name: str, side: float) -> None:
    here = side * c.latitude > 0.0
    latitude, wind = c.latitude[here], c.zonal[:, 0, here]
    tracks = c.storms[:, here].mean(-1)
    rows.add(c, name, "jet", "m s-1", lambda u: peak(latitude, u)[0], wind)
    rows.add(c, name, "latitude of the jet", "degrees north", lambda u: peak(latitude, u)[1], wind)
    rows.add(c, name, "storm track", "10^6 m2 s-1",
             lambda s: 1e-6 * np.sqrt(peak(latitude, s)[0]), tracks)  # fmt: skip
    rows.add(c, name, "latitude of the storm track", "degrees north",
             lambda s: peak(latitude, s)[1], tracks)  # fmt: skip
    for words, (low, high) in BELTS.items():
        belt = (side * c.latitude > low) & (side * c.latitude < high)
        share = c.runs.plan.recipe.grid.weights[belt]
        rows.add(c, name, f"skewness {words}", "1",
                 lambda m, share=share: share @ skewness(*m).mean(-1) / share.sum(),
                 c.moments[:, :, belt])  # fmt: skip
