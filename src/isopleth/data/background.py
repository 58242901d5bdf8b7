"""Comparison of observations with a climatology, robust to its bias and to real eddies."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["far_from_background", "local_centre_and_spread"]

Floats = npt.NDArray[np.float64]

_CELL = (10.0, 20.0)
"""Cells in which the spread of anomalies is estimated: degrees of latitude, of longitude."""

_LAYERS = np.array([0, 25, 75, 125, 175, 250, 350, 500, 750, 1000, 1500, 2000, 4000], dtype=float)
"""Edges of the depth layers of these cells, m."""

_FEWEST = 30
"""A cell with fewer values takes the spread of its whole layer."""

_MAD_TO_SD = 1.4826
"""Standard deviation of a Gaussian over its median absolute deviation."""


def far_from_background(
    latitude: Floats,
    longitude: Floats,
    depth: Floats,
    anomaly: Floats,
    *,
    sd: Floats | None = None,
    sds: float = 10.0,
    floor: float = 1.0,
) -> npt.NDArray[np.bool_]:
    """Which anomalies are more than `sds` local standard deviations from the local median.

    Args:
        latitude: Degrees north, shape (n,).
        longitude: Degrees east, shape (n,).
        depth: m, shape (n,).
        anomaly: Observation minus climatology, NaN = not tested, shape (n,).
        sd: Local standard deviation, shape (n,); the anomalies are then taken about 0. Without it,
            centre and spread are estimated from the anomalies (`local_centre_and_spread`).
        sds: Width accepted.
        floor: Smallest standard deviation used, in the unit of the anomaly.
    """
    if sd is None:
        centre, spread = local_centre_and_spread(latitude, longitude, depth, anomaly)
    else:
        centre, spread = np.zeros_like(anomaly), sd
    # A comparison with NaN is False: what has no climatology or no spread is not refused.
    return np.asarray(np.abs(anomaly - centre) > sds * np.maximum(spread, floor))


def local_centre_and_spread(
    latitude: Floats, longitude: Floats, depth: Floats, anomaly: Floats
) -> tuple[Floats, Floats]:
    """Median and 1.4826 MAD of the anomalies in cells of 10 x 20 degrees and a depth layer.

    A cell with fewer than 30 values takes median and spread of its layer; both outputs have
    shape (n,). The median removes the bias of a climatology of another epoch.
    """
    layer = np.searchsorted(_LAYERS, depth, side="right")
    row, column = np.floor(latitude / _CELL[0]), np.floor(longitude % 360.0 / _CELL[1])
    cell = pd.MultiIndex.from_arrays([layer, row, column]).factorize()[0]
    centre = _local_median(anomaly, cell, layer)
    return centre, _MAD_TO_SD * _local_median(np.abs(anomaly - centre), cell, layer)


def _local_median(
    value: Floats, cell: npt.NDArray[np.int64], layer: npt.NDArray[np.int64]
) -> Floats:
    """Median over the cell, or over the layer where the cell has few values; NaN is ignored."""
    series = pd.Series(value)
    by_cell, by_layer = series.groupby(cell), series.groupby(layer)
    few = by_cell.transform("count") < _FEWEST
    chosen = np.where(few, by_layer.transform("median"), by_cell.transform("median"))
    return np.asarray(chosen, dtype=np.float64)
