"""The gridded prior on the Argo protocol: guided alone, and with its residuals kriged.

Every fold of the first partition of `argo_boxes`, with settings that are the other month's
(kriging) or the recipe's own (guidance). The guided chain sees the known profiles only; its mean
is then taken for the climatology of local kriging, which so interpolates what the chain left. Kept
as ``given_*.npz`` in build/argo_residual, where `reconmost_argo.py` finds them; run this first.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from argo_boxes import FOLDS, LEVELS, MONTHS, hidden, load
from argo_residuals import WORK, setting
from isopleth.data import Climatology, Profiles, load_climatology
from isopleth.systems import kriging, reconmost
from isopleth.systems.reconmost.sampling import Pulled

Floats = NDArray[np.float64]
PUBLISHED = replace(
    reconmost.published,
    guide=Pulled(), fold_guide=Pulled(), members=1, fold_members=1,
)  # fmt: skip
"""One chain: chains differ by 0.001 K where they end."""

PARTITIONS = 1
RAW, COMBINED = "gridded prior alone", "gridded prior with its residuals kriged"


def given_path(name: str, month: str) -> Path:
    """Where `argo_residual_methods.given` looks for a method."""
    return WORK / f"given_{name.replace(' ', '_')}_{month}.npz"


def shifted(climatology: Climatology, anomaly: Floats, levels: Floats) -> Climatology:
    """A climatology with an anomaly (level, lat, lon) added on these levels in every month."""
    values = climatology.values.copy()
    values[:, np.searchsorted(climatology.grid.levels, levels)] += anomaly.astype(np.float32)
    return replace(climatology, values=values)


class Folds:
    """The two methods on the folds of a month."""

    def __init__(self, month: str, months: dict[str, Profiles]) -> None:
        other = next(name for name in MONTHS if name != month)
        self.month, self.profiles = month, months[month]
        self.recipe = replace(kriging.standard, covariance=setting(other, months))
        self.prior = reconmost.load(PUBLISHED, load_climatology())

    def __call__(self, partition: int, fold: int) -> dict[str, dict[str, Floats]]:
        """Anomalies, scales and degrees of the hidden profiles by either method."""
        path = WORK / f"gridded_{self.month}_{partition}_{fold}.npz"
        if not path.is_file():
            np.savez(path, **self._made(partition, fold))
        with np.load(path, allow_pickle=False) as kept:
            return {
                name: {key: kept[f"{key}_{index}"] for key in ("mean", "scale", "degrees")}
                for index, name in enumerate((RAW, COMBINED))
            }

    def _made(self, partition: int, fold: int) -> dict[str, Floats]:
        label = hidden(self.profiles)[partition].fold
        known = self.profiles.select(np.flatnonzero(label != fold))
        asked = self.profiles.select(np.flatnonzero(label == fold))
        guided = self.prior.fit(known, month=MONTHS[self.month])
        ocean = self.prior.ocean.grid
        mean = self.prior.draw(guided.casts, guided.time, [0], 0)[0].double().numpy()
        climatology = shifted(load_climatology(), mean, ocean.levels)
        kriged = kriging.load(self.recipe, climatology).fit(known)
        zero = load_climatology().at(asked.time, asked.latitude, asked.longitude, LEVELS)
        made = {}
        for index, fitted in enumerate((guided, kriged)):
            found = fitted.predict(asked)
            made[f"mean_{index}"] = found["mean"].values - zero
            made[f"scale_{index}"] = found["scale"].values
            made[f"degrees_{index}"] = np.array(float(found.attrs["degrees_of_freedom"]))
        return made


def collect(folds: Folds) -> None:
    """Run every fold of a month and keep both methods as predictions of its profiles."""
    shape = (PARTITIONS, *folds.profiles.value.shape)
    kept = {name: {k: np.full(shape, np.nan) for k in ("mean", "scale", "degrees")}
            for name in (RAW, COMBINED)}  # fmt: skip
    for partition, split in enumerate(hidden(folds.profiles)[:PARTITIONS]):
        for fold in range(FOLDS):
            for name, found in folds(partition, fold).items():
                for key, value in found.items():
                    kept[name][key][partition, split.fold == fold] = value
            print(folds.month, partition, fold, flush=True)
    for name, columns in kept.items():
        np.savez(given_path(name, folds.month), **columns)


def main() -> None:
    """Both months."""
    months = load()
    for month in sys.argv[1:] or MONTHS:
        collect(Folds(month, months))


if __name__ == "__main__":
    main()
