"""The experiment: a world, its networks, everyone who takes part, and what is asked of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from isopleth.studies.rows import Headline, Row, largest, ratio_of, select, smallest
from isopleth.studies.twin.oneshot import ONE_SHOT
from isopleth.studies.twin.recipe import NetworkRecipe, full
from isopleth.studies.twin.statistics import Contender
from isopleth.systems.losda.contenders import CONTROLS, LEARNED, LatentThreeD

__all__ = ["CELLS_ONLY", "LEVELS", "NETWORKS", "REFERENCES", "WORLD", "contenders", "headlines"]

LEVELS = ("200 hPa", "500 hPa", "800 hPa")

_REFERENCE = NetworkRecipe(name="5 %", percent=5.0, columns=True, cells=True, error=0.05)

NETWORKS = (
    _REFERENCE,
    replace(_REFERENCE, name="1 %", percent=1.0),
    replace(_REFERENCE, name="10 %", percent=10.0),
    replace(_REFERENCE, name="5 %, error 0.02", error=0.02),
    replace(_REFERENCE, name="5 %, error 0.1", error=0.1),
    replace(_REFERENCE, name="5 %, winds", quantity="wind"),
    replace(_REFERENCE, name="5 %, wind speed", quantity="speed"),
    replace(_REFERENCE, name="5 %, stations", cells=False, stations=True),
)
"""The first is tuned on; each other one changes one thing. Columns read all three levels."""

WORLD = replace(
    full, train=135, validation=8, test=11, seeds=(6, 7, 8), trials=12, networks=NETWORKS
)
"""132 test cases of three seeds, 32 of the validation; a background is a forecast of 48 hours."""

CELLS_ONLY = ("RePaint", "DiffDA")
"""Methods that put cells back: they take no part where something else is read."""

REFERENCES = (
    "L3D-Var",
    "3D-Var",
    "3D-Var around regression",
    "DPS",
    "control, lambda = 0",
    "hybrid EnVar around background",
    "hybrid EnVar",
    "LETKF",
)

_OURS = "LO-SDA, fixed point"
_GAUSSIAN = ("3D-Var", "3D-Var around regression")


def contenders() -> list[Contender]:
    """All methods where their searches begin: baselines, learned ones, controls."""
    return [kind() for kind in (*ONE_SHOT, LatentThreeD, *LEARNED, *CONTROLS)]


def headlines(rows: Sequence[Row]) -> dict[str, Headline]:
    """What the claim is measured by; only what the rows have."""
    keys = {row.key for row in rows}

    def over(name: str, network: str, bar: str, most: float | None) -> dict[str, Headline]:
        key = (_OURS, network, f"over {bar}")
        if key not in keys:
            return {}
        return {name: Headline(select(*key), None if most is None else ("<=", most))}

    first = NETWORKS[0].name
    found = {
        **over("over_l3dvar_5pct", first, "L3D-Var", 0.85),
        **over("over_3dvar_5pct", first, "3D-Var around regression", 0.88),
        **over("over_3dvar_1pct", "1 %", "3D-Var around regression", 0.94),
        **over("over_dps_5pct", first, "DPS", 0.90),
        **over("over_lambda0_5pct", first, "control, lambda = 0", 0.94),
        **over("over_hybrid_xb_5pct", first, "hybrid EnVar around background", 0.97),
        **over("over_hybrid_mean_5pct", first, "hybrid EnVar", None),
    }
    speed = "5 %, wind speed"
    gaussian = [(name, speed, "rmse") for name in _GAUSSIAN if (name, speed, "rmse") in keys]
    if gaussian:
        best = smallest(*(select(*key) for key in gaussian))
        found["over_best_gaussian_nonlinear"] = Headline(
            ratio_of(select(_OURS, speed, "rmse"), best), ("<=", 0.92)
        )
    for name, key, target in (
        ("obs_chi2", (_OURS, first, "obs_chi2"), (0.8, 1.2)),
        ("spread_skill", ("LO-SDA, sampling (DAPS)", first, "spread_skill"), (0.8, 1.2)),
    ):
        if key in keys:
            found[name] = Headline(select(*key), ("in", target))
    seconds = [key for key in keys if key[0].startswith("LO-SDA") and key[2].startswith("seconds")]
    if seconds:
        worst = largest(*(select(*key) for key in sorted(seconds)))
        found["seconds_per_analysis"] = Headline(worst, ("<=", 10.0))
    return found
