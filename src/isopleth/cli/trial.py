"""The trial: hide boxes of ocean, fit without them, predict them, score the predictions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from isopleth.cli.methods import Fitted
from isopleth.core.region import Region
from isopleth.data import Climatology, Profiles, month_window
from isopleth.studies import box_ids, score_table

__all__ = ["Split", "Trial", "judge", "split"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Split:
    """Profiles to learn from and profiles to predict.

    Args:
        kept: All profiles outside of the hidden boxes.
        hidden: Those of the month inside them.
        boxes: How many boxes were hidden, and out of how many.
    """

    kept: Profiles
    hidden: Profiles
    boxes: tuple[int, int]


@dataclass(frozen=True)
class Trial:
    """What the trial found.

    Args:
        predictions: At the hidden profiles, `(profile, depth)`.
        scores: By level, as `studies.score_table` makes them.
        boxes: How many 1-degree boxes were hidden, and out of how many.
    """

    predictions: xr.Dataset
    scores: pd.DataFrame
    boxes: tuple[int, int]

    @property
    def profiles(self) -> int:
        """Number of hidden profiles."""
        return int(self.predictions.sizes["profile"])


def split(profiles: Profiles, month: str, box: Region, *, share: float, seed: int) -> Split | None:
    """Hide a share of the 1-degree boxes that the month's profiles of a region lie in.

    A box is hidden in the whole window, so no float predicts itself from a neighbouring month.
    The boxes hidden depend on the seed and on which boxes have profiles, not on their order.

    Args:
        profiles: Of the month and its window.
        month: `YYYY-MM`.
        box: Region that is mapped.
        share: Of the boxes, rounded to whole boxes.
        seed: Of the choice.

    Returns:
        None if the share makes less than one box.
    """
    start, stop = month_window(month)
    ids = box_ids(profiles.latitude, profiles.longitude)
    ours = (profiles.time >= start) & (profiles.time < stop)
    ours &= box.contains(profiles.latitude, profiles.longitude)
    boxes = np.unique(ids[ours])
    count = round(share * boxes.size)
    if count == 0:
        return None
    chosen = np.random.default_rng(seed).permutation(boxes)[:count]
    inside = np.isin(ids, chosen)
    return Split(profiles.select(~inside), profiles.select(inside & ours), (count, boxes.size))


def judge(fitted: Fitted, parts: Split, climatology: Climatology) -> Trial:
    """Predict the hidden profiles with a system that was fitted to the others.

    Args:
        fitted: To the profiles kept.
        parts: Kept and hidden.
        climatology: What the predictions have to beat.
    """
    predictions = fitted.predict(parts.hidden)
    spread = _spread(parts.kept, climatology, fitted.depth)
    return Trial(predictions, score_table(predictions, climatology_spread=spread), parts.boxes)


def _spread(profiles: Profiles, climatology: Climatology, depth: Floats) -> Floats:
    """Root mean square departure of profiles from the climatology at some of their levels."""
    value = profiles.value[:, np.isin(profiles.depth, depth)]
    mean = climatology.at(profiles.time, profiles.latitude, profiles.longitude, depth)
    return np.sqrt(np.nanmean((value - mean) ** 2, axis=0))
