"""Claim: local kriging maps real Argo temperatures better than the isotropic kriging in use.

21,228 profiles of January and February 2016 at 100, 150 and 200 dbar; see `argo_boxes.py` for the
protocol and `tune_argo.py` for the equal tuning budgets. Every stage is kept in build/argo, so a
run that was cut goes on. About 40 minutes on 2 cores.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import xarray as xr
from rich.progress import track

from argo_boxes import (
    ARGO,
    LEVELS,
    ROOT,
    SEED,
    Scored,
    anomalies,
    best_sigma,
    gaussian,
    hidden,
    load,
    over_partitions,
    predict_hidden,
    student,
    with_error_model,
)
from argo_rows import write_result
from isopleth.data import Profiles, load_climatology
from isopleth.inference.interpolation.optimal_interpolation import OptimalInterpolation
from isopleth.inference.interpolation.prior_mean import PriorMean
from isopleth.studies.heldout import HeldOut, box_ids, follow
from isopleth.systems import kriging
from tune_argo import STARTS, TRIALS, WORK, tuned

REFERENCE = OptimalInterpolation.reference()
Index = np.ndarray


class Month:
    """One test month: its profiles, their anomalies, and the settings tuned on the other."""

    def __init__(self, name: str, months: dict[str, Profiles]) -> None:
        self.name, self.profiles = name, months[name]
        self.other = next(v for k, v in months.items() if k != name)
        self.samples, self.elsewhere = anomalies(self.profiles), anomalies(self.other)
        self.splits = hidden(self.profiles)
        tuning = next(k for k in months if k != name)
        self.fitted: dict[tuple[object, ...], kriging.FittedKriging] = {}
        self.setting = {
            method: tuned(method, tuning, self.elsewhere, self.other) for method in STARTS
        }

    def stage(self, name: str, run: Callable[[], Scored]) -> Scored:
        """Run once, keep on disk under the settings that led to it."""
        key = hashlib.sha256(f"{self.setting} {kriging.standard}".encode()).hexdigest()[:10]
        path = WORK / f"{name.replace(' ', '_').replace(',', '')}_{self.name}_{key}.npz"
        if path.is_file():
            with np.load(path, allow_pickle=False) as kept:
                return Scored(kept["error"], kept["crps"], kept["pit"])
        scored = run()
        np.savez_compressed(path, error=scored.error, crps=scored.crps, pit=scored.pit)
        rmse = np.sqrt(np.nanmean(scored.error**2))
        print(f"{self.name:9s} {name:44s} RMSE {rmse:.4f} CRPS {np.nanmean(scored.crps):.4f}")
        return scored

    def partitions(self, what: str, score: Callable[[Index, Index, HeldOut], Scored]) -> Scored:
        """`score` over every fold of every partition."""
        steps = iter(track(range(30), description=f"{self.name}: {what}"))
        scored = over_partitions(self.samples, self.splits, score, lambda: next(steps, None))
        list(steps)
        return scored

    def constant(self, method: object) -> Scored:
        """A baseline with one sigma a level, chosen by CRPS on the other month."""
        elsewhere = predict_hidden(method, self.elsewhere, hidden(self.other)[0].fold)
        sigma = best_sigma(elsewhere)
        errors = [predict_hidden(method, self.samples, split.fold) for split in self.splits]
        return gaussian(np.stack(errors), sigma)

    def modelled(self, what: str, method: object, nugget: float) -> Scored:
        """A baseline with the error model of local kriging."""
        return self.partitions(
            what,
            lambda train, test, _: with_error_model(method, nugget, self.samples, train, test),
        )

    def system(
        self, what: str, recipe: kriging.Recipe, *, both: bool = False, one_hidden: bool = False
    ) -> Scored:
        """The system itself; `both` adds the other month's data."""
        system = kriging.load(recipe, load_climatology())
        boxes = box_ids(self.profiles.latitude, self.profiles.longitude, 1.0)
        other = box_ids(self.other.latitude, self.other.longitude, 1.0)

        def score(train: Index, test: Index, split: HeldOut) -> Scored:
            known = self.profiles.select(train)
            if both:
                unseen = follow(boxes, split.fold, other) != split.fold[test[0]]
                known = Profiles.concat([known, self.other.select(unseen)])
            key = (both, recipe, id(split), int(split.fold[test[0]]))
            if key not in self.fitted:
                self.fitted[key] = system.fit(known)
            fitted = self.fitted[key]
            asked = self.profiles.select(test)
            ask = self.each_level_hidden if one_hidden else kriging.FittedKriging.predict
            predicted = ask(fitted, asked)
            truth = asked.value - predicted["climatology"].values
            mean = predicted["mean"].values - predicted["climatology"].values
            degrees = predicted.attrs["degrees_of_freedom"]
            return student(mean, predicted["scale"].values, degrees, truth)

        return self.partitions(what, score)

    @staticmethod
    def each_level_hidden(fitted: kriging.FittedKriging, asked: Profiles) -> xr.Dataset:
        """Predictions of each level from the two others of the same profile."""
        whole = fitted.predict(asked)
        for index in range(len(LEVELS)):
            value = asked.value.copy()
            value[:, index] = np.nan
            one = fitted.fill(replace(asked, value=value))
            for name in ("mean", "scale"):
                whole[name][:, index] = one[name][:, index]
        return whole

    def run(self) -> dict[str, Scored]:
        """All methods."""
        isotropic, idw = self.setting["isotropic kriging"], self.setting["inverse distance"]
        anisotropic = replace(
            kriging.standard, covariance=self.setting["anisotropic kriging"], local_fit=None
        )
        local = replace(kriging.standard, covariance=self.setting["anisotropic kriging"])
        jobs: dict[str, Callable[[], Scored]] = {
            "climatology": lambda: self.constant(PriorMean()),
            "climatology, error model": lambda: self.modelled("climatology", PriorMean(), 0.0),
            "inverse distance": lambda: self.constant(idw),
            "isotropic reference": lambda: self.constant(REFERENCE),
            "isotropic tuned": lambda: self.constant(isotropic),
            "isotropic tuned, error model": lambda: self.modelled(
                "isotropic", isotropic, isotropic.nugget
            ),
            "anisotropic": lambda: self.system("anisotropic", anisotropic),
            "local": lambda: self.system("local", local),
            "local, one level hidden": lambda: self.system("one level", local, one_hidden=True),
            "local, two months": lambda: self.system("two months", local, both=True),
            "isotropic reference, two months": self.reference_two_months,
        }
        return {name: self.stage(name, job) for name, job in jobs.items()}

    def reference_two_months(self) -> Scored:
        """The reference given the same two months of data."""
        boxes = box_ids(self.profiles.latitude, self.profiles.longitude, 1.0)
        other = box_ids(self.other.latitude, self.other.longitude, 1.0)
        errors = []
        for split in self.splits:
            fold = np.concatenate([split.fold, follow(boxes, split.fold, other)])
            both = anomalies(Profiles.concat([self.profiles, self.other])).regrouped(fold)
            asked = both.points.select(np.arange(len(self.profiles)))
            errors.append(REFERENCE(both, asked).mean - self.samples.value)
        first = np.stack(errors)
        return gaussian(first, best_sigma(first.reshape(-1, first.shape[-1])))


def main() -> None:
    """Run both months and write results/ocean_kriging_argo.json."""
    months = load()
    tests = {name: Month(name, months) for name in months}
    scored = {name: test.run() for name, test in tests.items()}
    where = {name: (t.profiles.latitude, t.profiles.longitude) for name, t in tests.items()}
    settings = {name: str(t.setting) for name, t in tests.items()}
    write_result(ROOT, ARGO, scored, where, settings, trials=TRIALS, seed=SEED)


if __name__ == "__main__":
    main()
