"""Claim: kriging with vertical regression finds withheld profiles and depths, 0 to 1000 m.

Station Papa (daily mooring), WOCE A03 (a section) and twelve floats. Runs of consecutive profiles
are hidden (10 days, 3 stations, 3 casts of a float) in 3 partitions of 10 folds; settings are
tuned on one half of the folds and tested on the other, 40 trials for each method. In a hidden
profile either everything is hidden, or every other level, or all below a depth.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from argo_boxes import ROOT, SEED
from depth_data import FLOATS, PAPA, WOCE, datasets
from depth_rows import write_result
from isopleth.core.covariance import SpaceTimeCovariance
from isopleth.data import Climatology, Profiles, load_climatology
from isopleth.inference.interpolation import Samples
from isopleth.inference.interpolation.kriging import LocalKriging
from isopleth.studies.heldout import HeldOut, partitions
from isopleth.studies.tuning import LogUniform, search
from isopleth.systems import kriging
from isopleth.systems.kriging.anomaly import Anomalies
from isotropic import Isotropic

TRIALS, FEWEST = 40, 60
RUN = {"papa": 10, "woce a03": 3, "floats": 3}
BOX_DAYS = {"papa": 10.0, "woce a03": 3.0, "floats": 30.0}
DEEP = {"papa": 100.0, "woce a03": 300.0, "floats": 300.0}
SPACES: dict[str, dict[str, Any]] = {
    "isotropic tuned": {
        "length_km": LogUniform(50.0, 2000.0),
        "days": LogUniform(5.0, 400.0),
        "nugget": LogUniform(0.001, 1.0),
    },
    "kriging": {
        "zonal_km": LogUniform(50.0, 1000.0),
        "meridional_km": LogUniform(50.0, 1000.0),
        "days": LogUniform(5.0, 400.0),
        "broad_days": LogUniform(30.0, 2000.0),
        "broad_share": LogUniform(0.01, 5.0),
        "nugget": LogUniform(0.001, 1.0),
    },
}
Floats = NDArray[np.float64]


STARTS: dict[str, Any] = {"isotropic tuned": Isotropic(), "kriging": SpaceTimeCovariance()}


@dataclass(frozen=True)
class Task:
    """A data set ready for the protocol: profiles, anomalies and what is hidden together."""

    name: str
    profiles: Profiles
    samples: Samples
    climatology: Climatology
    splits: tuple[HeldOut, ...]

    @classmethod
    def of(cls, name: str, profiles: Profiles, climatology: Climatology) -> Task:
        """Keep the levels and profiles that the climatology covers."""
        at = (profiles.time, profiles.latitude, profiles.longitude, profiles.depth)
        known = np.isfinite(profiles.value - climatology.at(*at))
        levels = known.sum(axis=0) >= FEWEST if name != "woce a03" else known.sum(axis=0) >= 20
        rows = known[:, levels].sum(axis=1) >= 3
        value = np.where(known, profiles.value, np.nan)
        kept = replace(
            profiles, depth=profiles.depth[levels], value=value[:, levels],
            error=profiles.error[:, levels],
        ).select(rows)  # fmt: skip
        parts = Anomalies.of(kept, climatology, box_deg=1.0, fewest=1)
        _, platform = np.unique(kept.platform.astype(str), return_inverse=True)
        order = np.arange(len(kept))
        first = {p: order[platform == p][0] for p in np.unique(platform)}
        place = order - np.array([first[p] for p in platform])
        if name != "floats":
            platform, place = np.zeros_like(platform), order
        runs = platform * 100_000 + place // RUN[name]
        splits = partitions(runs, count=3, folds=10, seed=SEED)
        return cls(name, kept, parts.samples(np.ones(len(kept.depth))), climatology, splits)

    def tuned(self, method: str, half: int) -> Any:
        """The best settings on the folds of the *other* half of the first partition."""
        fold = self.splits[0].fold
        seen = self.samples.regrouped(fold)
        judged = np.flatnonzero((fold < 5) == (half == 1))
        points = seen.points.select(judged)

        def rmse(setting: Any) -> float:
            run = LocalKriging(scales=setting) if method == "kriging" else setting
            error = run(seen, points).mean - seen.value[judged]
            return float(np.sqrt(np.nanmean(error**2)))

        log = ROOT / "build" / "depth" / f"{self.name}_{method}_{half}.jsonl".replace(" ", "_")
        log.parent.mkdir(parents=True, exist_ok=True)
        trials = search(rmse, STARTS[method], SPACES[method], trials=TRIALS, seed=SEED, log=log)
        return trials.best.recipe

    def hide(self, what: str) -> NDArray[np.bool_]:
        """Which levels a hidden profile keeps, ``(L,)``."""
        depth = self.profiles.depth
        if what == "profile":
            return np.zeros(len(depth), bool)
        return (
            np.arange(len(depth)) % 2 == 0
            if what == "every other level"
            else depth <= DEEP[self.name]
        )


def own_profile(anomaly: Floats, seen: NDArray[np.bool_], depth: Floats) -> Floats:
    """Anomalies interpolated linearly in depth from the profile's own seen levels."""
    result = np.zeros_like(anomaly)
    for row, values in enumerate(anomaly):
        known = seen & np.isfinite(values)
        if known.any():
            result[row] = np.interp(depth, depth[known], values[known])
    return result


def evaluate(task: Task) -> dict[tuple[str, str], Floats]:
    """Errors ``(partition, n, L)`` of every method on every task, NaN where nothing was asked."""
    shape = (len(task.splits), *task.samples.value.shape)
    errors: dict[tuple[str, str], Floats] = {}
    settings = {(m, h): task.tuned(m, h) for m in STARTS for h in (0, 1)}
    half_of = (task.splits[0].fold >= 5).astype(int)
    for number, split in enumerate(task.splits):
        for train, test in track(split, description=f"{task.name} {number + 1}/3", total=10):
            # In every partition a profile is judged with the settings tuned without it.
            for half in np.unique(half_of[test]):
                rows = test[half_of[test] == half]
                chosen = {method: settings[method, int(half)] for method in STARTS}
                for (method, what), mean in answers(task, train, rows, chosen).items():
                    asked = np.flatnonzero(~task.hide(what))
                    error = errors.setdefault((method, what), np.full(shape, np.nan))
                    wrong = mean - task.samples.value[rows]
                    error[number, rows[:, None], asked] = wrong[:, asked]
    return errors


def answers(
    task: Task, train: NDArray[np.int64], test: NDArray[np.int64], settings: dict[str, Any]
) -> dict[tuple[str, str], Floats]:
    """Anomalies at the hidden profiles by every method and task, ``(n, L)`` each."""
    known, points = task.samples.select(train), task.samples.points.select(test).ungrouped()
    truth = task.samples.value[test]
    recipe = replace(
        kriging.standard,
        covariance=settings["kriging"],
        local_fit=None,
        box_days=BOX_DAYS[task.name],
    )
    fitted = kriging.load(recipe, task.climatology).fit(task.profiles.select(train))
    fixed = {
        "climatology": np.zeros_like(truth),
        "isotropic reference": Isotropic()(known, points).mean,
        "isotropic tuned": settings["isotropic tuned"](known, points).mean,
    }
    found = {}
    for what in ("profile", "every other level", "below"):
        for method, mean in fixed.items():
            found[method, what] = mean
        found["own profile", what] = own_profile(truth, task.hide(what), task.profiles.depth)
        found["kriging", what] = filled(fitted, task, test, what)
    return found


def filled(
    fitted: kriging.FittedKriging, task: Task, test: NDArray[np.int64], what: str
) -> Floats:
    """The system's answer, as anomalies."""
    asked = task.profiles.select(test)
    value = np.where(task.hide(what), asked.value, np.nan)
    answer = (
        fitted.predict(asked) if what == "profile" else fitted.fill(replace(asked, value=value))
    )
    return answer["mean"].values - answer["climatology"].values


def main() -> None:
    """Run the three data sets and write results/ocean_depth.json."""
    climatology = replace(load_climatology(), linear_in_time=True)
    tasks = [Task.of(name, profiles, climatology) for name, profiles in datasets().items()]
    scored = {task.name: evaluate(task) for task in tasks}
    about = {
        task.name: (task.profiles.depth, task.splits[0].fold, len(task.profiles)) for task in tasks
    }
    write_result(ROOT, (PAPA, WOCE, *FLOATS), scored, about, trials=TRIALS, seed=SEED)


if __name__ == "__main__":
    main()
