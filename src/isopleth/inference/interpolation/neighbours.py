"""Nearest samples of a point in the metric of its own covariance (compiled).

The samples lie sorted by latitude, so one bisection bounds the search to a band; a bounded
max-heap then keeps the ``k`` nearest. Memory does not grow with the number of samples.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

EARTH_KM = 6371.0
KM_PER_DEGREE = 111.19492664455873  # pi / 180 x the mean Earth radius of 6371 km
FIRST_BAND = 1.5  # the band searched where nothing better is known
BAND = 12.0  # meridional e-folding lengths beyond which a sample is never a neighbour

# After a change here run `make clean`: numba's cache of kernel.py does not see it.
# NaN marks missing values, so the compiler may reorder sums but not assume finite numbers.
FAST = {"reassoc", "contract", "arcp", "nsz", "afn"}
jit = numba.njit(nogil=True, cache=True, fastmath=FAST)


@jit
def offset_km(place: NDArray[np.float64], sample: NDArray[np.float64]) -> tuple[float, float]:
    """Zonal and meridional distance in km from a place to a sample, by the mean latitude.

    Good enough to rank neighbours, and its meridional part bounds the search exactly. Both are
    rows of :func:`isopleth.inference.interpolation.kriging.layout`. The cosine of the mean
    latitude comes from the stored half angles: this runs for every candidate of every point.
    """
    step = sample[1] - place[1]
    if step > 180.0:
        step -= 360.0
    elif step < -180.0:
        step += 360.0
    cosine = place[3] * sample[3] - place[4] * sample[4]
    return step * KM_PER_DEGREE * cosine, (sample[0] - place[0]) * KM_PER_DEGREE


@jit
def tangent_km(place: NDArray[np.float64], sample: NDArray[np.float64]) -> tuple[float, float]:
    """Zonal and meridional distance in km in the azimuthal equidistant plane of a place.

    Distances from the place are exact, and those between its neighbours are right to a percent
    where :func:`offset_km` is off by tens of percent (poleward of 70 degrees).
    """
    south, middle = math.radians(sample[0]), math.radians(place[0])
    step = math.radians(sample[1] - place[1])
    east = math.cos(south) * math.sin(step)
    north = math.cos(middle) * math.sin(south)
    north -= math.sin(middle) * math.cos(south) * math.cos(step)
    along = math.sin(middle) * math.sin(south)
    along += math.cos(middle) * math.cos(south) * math.cos(step)
    sine = math.sqrt(east * east + north * north)
    angle = math.atan2(sine, along)
    if sine < 1e-12:  # the place itself, or its antipode, to which every direction leads
        return angle * EARTH_KM, 0.0
    return east / sine * angle * EARTH_KM, north / sine * angle * EARTH_KM


@jit
def farther(distance: float, item: int, than: float, other: int) -> bool:
    """Order of the heap: by distance, then by index.

    Ties are common on regular layouts; without the index, which of them is kept would depend on
    the band searched, and so on the block a point is solved in.
    """
    return distance > than or (distance == than and item > other)


@jit
def sift(
    distance: NDArray[np.float64], item: NDArray[np.int64], size: int, value: float, which: int
) -> None:
    """Replace the root (the farthest) of a max-heap of ``size`` entries and restore its order."""
    parent = 0
    while True:
        child = 2 * parent + 1
        if child >= size:
            break
        right = child + 1
        if right < size and farther(distance[right], item[right], distance[child], item[child]):
            child = right
        if not farther(distance[child], item[child], value, which):
            break
        distance[parent] = distance[child]
        item[parent] = item[child]
        parent = child
    distance[parent] = value
    item[parent] = which


@jit
def unheap(distance: NDArray[np.float64], item: NDArray[np.int64]) -> None:
    """Turn a max-heap into ascending order, in place."""
    for last in range(len(distance) - 1, 0, -1):
        value, which = distance[last], item[last]
        distance[last], item[last] = distance[0], item[0]
        sift(distance, item, last, value, which)


@jit
def nearest(
    place: NDArray[np.float64],
    barred: tuple[int, int],
    scales: NDArray[np.float64],
    samples: NDArray[np.float64],
    labels: NDArray[np.int64],
    reach: float,
    distance: NDArray[np.float64],
    item: NDArray[np.int64],
) -> int:
    """Fill ``item`` with the nearest samples, nearest first, and return how many there are.

    Args:
        place: Latitude, longitude, day, and cosine and sine of half the latitude.
        barred: Group and rank of the point: a sample of the same group (>= 0), or of a rank not
            lower, is left out.
        scales: ``L_x, L_y, L_t`` first, as in ``core.covariance.COLUMNS``.
        samples: Shape ``(n, 5)``, rows like ``place``, latitude ascending.
        labels: Shape ``(n, 2)``: group and rank.
        reach: Band to search first, in meridional scales: a guess that costs time, never accuracy.
        distance: Work space ``(k,)``: the squared scaled distances, in order.
        item: Work space ``(k,)``: the indices.
    """
    while True:
        distance[:] = np.inf
        item[:] = -1
        span = reach * scales[1] / KM_PER_DEGREE
        first = np.searchsorted(samples[:, 0], place[0] - span)
        last = np.searchsorted(samples[:, 0], place[0] + span)
        for j in range(first, last):
            if labels[j, 1] >= barred[1] or (barred[0] >= 0 and labels[j, 0] == barred[0]):
                continue
            east, north = offset_km(place, samples[j])
            lag = (samples[j, 2] - place[2]) / scales[2]
            far = (east / scales[0]) ** 2 + (north / scales[1]) ** 2 + lag * lag
            if far < distance[0]:
                sift(distance, item, len(distance), far, j)
        if distance[0] < reach * reach or reach >= BAND:
            break
        reach = min(2.0 * reach, BAND)
    unheap(distance, item)
    count = 0
    while count < len(item) and item[count] >= 0:
        count += 1
    return count


@jit
def next_reach(distance: NDArray[np.float64]) -> float:
    """The band to search first at the next point, from the farthest neighbour of this one."""
    farthest = distance[-1]
    return min(1.05 * farthest**0.5, BAND) if farthest < np.inf else BAND
