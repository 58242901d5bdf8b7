"""Claim: a diffusion prior of kriging's residual says more of a hidden Argo profile than kriging.

The protocol of `ocean_kriging_argo.py` (every 1-degree box hidden in 3 partitions, months
swapped), against local kriging with its Student-t error model on the same profiles. All that is
learned comes from the other month, with the kriging settings tuned there: the additive correction
of location and scale, the denoising networks and how far they are trusted. Two tasks: all levels
hidden, and each level hidden in turn with the two others seen. About 30 minutes on one core for
the krigings (kept in build/argo_residual) and 15 for the rest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from argo_boxes import ARGO, COUNT, ROOT, Scored, load
from argo_residual_boosting import Boosted
from argo_residual_methods import ALL, ONE, Diffused, Job, each_level, given, parametric, parts_of
from argo_residual_rows import write_result
from argo_residual_table import Table, table_of
from argo_residuals import MONTHS, WORK, setting
from isopleth.core.covariance import SpaceTimeCovariance
from isopleth.data import Profiles
from isopleth.systems import reconmost
from isopleth.systems.reconmost.residual import ResidualRecipe
from isopleth.systems.reconmost.residual_calibration import CrossFitted
from isopleth.systems.reconmost.residual_correction import StudentT
from isopleth.systems.reconmost.residual_diffusion import (
    ResidualDiffusion,
    fit_residual_diffusion,
)

Index = NDArray[np.int64]
RECIPE = ResidualRecipe()
PARTS, PARTITIONS, UNTRAINED_MEMBERS = 5, 2, 40


class Month:
    """One test month: nothing of it is seen before it is scored."""

    def __init__(self, name: str, months: dict[str, Profiles], tuned: SpaceTimeCovariance) -> None:
        self.name, self.months, self.tuned = name, months, tuned
        self.other = next(k for k in months if k != name)

    @cached_property
    def tables(self) -> list[Table]:
        """The test month, kriged with the settings tuned on the other."""
        profiles = self.months[self.name]
        return [table_of(self.name, self.tuned, k, profiles) for k in range(COUNT)]

    @cached_property
    def training(self) -> Table:
        """The other month, kriged with the same settings."""
        return table_of(self.other, self.tuned, 0, self.months[self.other])

    @cached_property
    def learned(self) -> Diffused:
        """The whole method, learned on the other month."""
        table = self.training
        found = fit_residual_diffusion(
            table.training, table.levels, (ALL, *ONE), RECIPE, parts=PARTS, partitions=PARTITIONS
        )
        assert found.correction is not None
        print(f"for {self.name}: ridge {found.correction.ridge:g}, share {found.correction.share}")
        print("\n".join(f"  {k}: {v}" for k, v in found.calibrations.items()), flush=True)
        return Diffused(found)

    def jobs(self) -> dict[str, Job]:
        """Methods; a name with `one level missing` is the second task."""
        nothing = CrossFitted((), RECIPE, UNTRAINED_MEMBERS)
        untrained = Diffused(ResidualDiffusion(None, nothing, {}))

        def corrected(location: bool, scale: bool) -> Job:
            def choose(table: Table) -> StudentT:
                correction = self.learned.method.correction
                assert correction is not None
                return correction(table.described, table.kriged, location=location, scale=scale)

            return parametric(choose)

        boosted = Boosted(lambda: self.training)

        def all_hidden(**options: bool) -> Job:
            return lambda table: self.learned(table, ALL, **options)

        def one_hidden(choose: Callable[[], Diffused], **options: bool) -> Job:
            return lambda table: each_level(lambda k: choose()(table, ONE[k], **options))

        def only_corrected() -> Diffused:
            return Diffused(replace(self.learned.method, networks=nothing))

        def place(step: int, predict: Callable[[Table, Index], Scored]) -> Job:
            def run(table: Table) -> Scored:
                unseen = parts_of(table, self.training.training, PARTS, PARTITIONS)
                return predict(table, (unseen + step) % PARTS)

            return run

        def hidden(table: Table, folds: Index) -> Scored:
            return self.learned.of_networks(table, ALL, folds)

        def level_hidden(table: Table, folds: Index) -> Scored:
            return each_level(lambda k: self.learned.of_networks(table, ONE[k], folds))

        one = ", one level missing"
        return {
            "local kriging": parametric(lambda table: table.kriged),
            f"kriging with regression{one}": parametric(lambda table: table.filled),
            "location corrected": corrected(True, False),
            "scale corrected": corrected(False, True),
            "location and scale corrected": corrected(True, True),
            "residual diffusion": all_hidden(),
            f"residual diffusion{one}": one_hidden(lambda: self.learned),
            "residual diffusion, not calibrated": all_hidden(calibrated=False),
            f"residual diffusion, not calibrated{one}": one_hidden(
                lambda: self.learned, calibrated=False
            ),
            f"untrained prior{one}": one_hidden(lambda: untrained),
            f"location and scale corrected, untrained prior{one}": one_hidden(
                only_corrected, calibrated=False
            ),
            "residual diffusion, place unseen in training": place(0, hidden),
            "residual diffusion, as many networks, place seen": place(1, hidden),
            f"residual diffusion, place unseen in training{one}": place(0, level_hidden),
            f"residual diffusion, as many networks, place seen{one}": place(1, level_hidden),
            "boosted": lambda table: boosted(table, None),
            f"boosted{one}": lambda table: each_level(lambda k: boosted(table, k)),
        }

    def run(self) -> dict[str, Scored]:
        """All methods on all partitions, each kept on disk; and those given as predictions."""
        own = {name: self.stage(name, job) for name, job in self.jobs().items()}
        return own | given(WORK, self.name, self.tables)

    def stage(self, name: str, job: Job) -> Scored:
        """Run once, keep under everything that led to it."""
        files = sorted(Path(reconmost.__file__ or "").parent.glob("residual*.py"))
        code = "".join(path.read_text(encoding="utf-8") for path in files)
        key = hashlib.sha256(
            f"{code} {self.tuned} {asdict(RECIPE)} {PARTS} {PARTITIONS}".encode()
        ).hexdigest()
        path = (
            WORK / f"scored_{name.replace(' ', '_').replace(',', '')}_{self.name}_{key[:10]}.npz"
        )
        if path.is_file():
            with np.load(path, allow_pickle=False) as kept:
                return Scored(**dict(kept))
        ones = [job(table) for table in self.tables]
        made = Scored(*(np.stack([getattr(s, k) for s in ones]) for k in ("error", "crps", "pit")))
        np.savez(path, **vars(made))
        rmse = np.sqrt((made.error**2).mean())
        print(f"{self.name:9s} {name:52s} RMSE {rmse:.4f} CRPS {made.crps.mean():.4f}", flush=True)
        return made


def main() -> None:
    """Run both months and write results/reconmost_argo.json."""
    months = load()
    tuned = {name: setting(name, months) for name in MONTHS}
    others = dict(zip(MONTHS, reversed(MONTHS), strict=True))
    tests = {name: Month(name, months, tuned[others[name]]) for name in MONTHS}
    outcome = {name: test.run() for name, test in tests.items()}
    where = {name: (months[name].latitude, months[name].longitude) for name in MONTHS}
    write_result(
        ROOT,
        ARGO,
        outcome,
        where,
        tuple(100 * k + part for k in range(PARTITIONS) for part in range(PARTS)),
    )


if __name__ == "__main__":
    main()
