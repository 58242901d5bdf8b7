"""Members: draws of the field given the data, coherent in space and between levels.

The deviation from the analysis, ``g`` in units of the small-scale signal, is drawn point by point
in a random order that depends only on the points (sequential Gaussian simulation; as an
approximation of the joint density Vecchia 1988, with the ordering of Guinness 2018,
doi 10.1080/00401706.2018.1437476):

    g_t = sum_j w_tj g_j + sqrt(V_t) xi_t

with the kriging weights of the nearest among all observations and the points drawn before. An
observation's own deviation is zero: the analysis already holds it, and its noise enters ``V_t``.
Independent draws are mixed by the Cholesky factor of the errors' correlation between levels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from isopleth.core.covariance import LocalScales
from isopleth.inference.interpolation.blocks import in_blocks
from isopleth.inference.interpolation.kernel import krige_weights
from isopleth.inference.interpolation.kriging import Scales, layout
from isopleth.inference.interpolation.neighbours import jit
from isopleth.inference.interpolation.scattered import Points, Samples

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
SIMULATED = -1.0  # the mark of a point without noise, see ``krige_weights``


@dataclass(frozen=True)
class Simulator:
    """The weights of one simulation, ready to draw from.

    Args:
        order: Points in the order they are drawn, shape ``(N,)``.
        weights: Shape ``(N, k)``.
        item: The points the weights belong to, -1 for observations, shape ``(N, k)``.
        deviation: ``sqrt(V_t)``, shape ``(N,)``.
    """

    order: NDArray[np.int64]
    weights: NDArray[np.float32]
    item: NDArray[np.int32]
    deviation: Floats

    def draw(self, levels: Floats, *, seed: int, member: int) -> NDArray[np.float32]:
        """One member's deviation in signal units, shape ``(N, L)``.

        It depends on the seed and the member's number only, not on how many are drawn.

        Args:
            levels: Cholesky factor of the correlation between levels, ``(L, L)``.
            seed: Of the analysis.
            member: Number of the member, from zero.
        """
        generator = torch.Generator().manual_seed((seed * 1_000_003 + member) % 2**63)
        shape = (len(self.order), len(levels))
        noise = torch.randn(shape, generator=generator, dtype=torch.float32).numpy()
        drawn = np.ascontiguousarray(noise @ levels.T.astype(np.float32))
        _recurse(self.order, self.weights, self.item, self.deviation, drawn)
        return drawn


def prepare_simulator(
    scales: Scales,
    samples: Samples,
    points: Points,
    *,
    neighbours: int = 40,
    progress: Callable[[float], None] | None = None,
) -> Simulator:
    """Find the weights of every point; memory 8 bytes a neighbour and point.

    Args:
        scales: The covariance used by the analysis.
        samples: The observations (their positions and the noise of their quietest level).
        points: The points of the grid, all at the time of the analysis.
        neighbours: Observations and earlier points that inform one point.
        progress: Gets the fraction done.
    """
    kept = np.flatnonzero(np.isfinite(samples.value).any(axis=1))
    seen = samples.select(kept)
    order = np.random.default_rng(len(points)).permutation(len(points))
    rank = np.empty(len(points), np.int64)
    rank[order] = np.arange(1, len(points) + 1)
    places, barred = layout(points)
    barred[:, 1] = rank
    observed, labels = layout(seen.points, rank=0)
    every = np.concatenate([observed, places])
    label = np.concatenate([labels, np.stack([np.full(len(rank), -1), rank], axis=1)])
    quietest = np.where(np.isfinite(seen.value), seen.noise, np.inf).min(axis=1)
    noise = np.concatenate([quietest, np.full(len(points), SIMULATED)])
    south = np.argsort(every[:, 0], kind="stable")
    source = (south - len(seen)).astype(np.int32)  # negative: an observation
    local = scales.at(points.latitude, points.longitude)
    ready = (every[south], np.ascontiguousarray(label[south]), noise[south])
    shared = (places, barred, local, ready, source, neighbours)
    parts = in_blocks(_find, len(points), *shared, progress=progress)
    weights, item, deviation = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Simulator(order, weights, item, deviation)


def _find(
    block: slice, places: Floats, barred: Ints, local: LocalScales,
    ready: tuple[Floats, Ints, Floats], source: NDArray[np.int32], neighbours: int,
) -> tuple[NDArray[np.float32], NDArray[np.int32], Floats]:  # fmt: skip
    """Weights, the earlier points they belong to, and ``sqrt(V)`` of one block."""
    places, barred, scales = places[block], barred[block], local.values[block]
    weights, variance = np.empty((len(places), neighbours)), np.empty(len(places))
    who = np.empty(weights.shape, np.int64)
    krige_weights(places, barred, scales, local.smoothness, *ready, weights, who, variance)
    item = np.where(who >= 0, np.maximum(source[who], -1), -1)
    return weights.astype(np.float32), item.astype(np.int32), np.sqrt(variance)


@jit
def _recurse(
    order: NDArray[np.int64],
    weights: NDArray[np.float32],
    item: NDArray[np.int32],
    deviation: Floats,
    drawn: NDArray[np.float32],
) -> None:
    """Turn white noise ``drawn`` ``(N, L)`` into the correlated deviation, in place."""
    for t in order:
        for level in range(drawn.shape[1]):
            drawn[t, level] *= deviation[t]
        for k in range(weights.shape[1]):
            j = item[t, k]
            if j >= 0:
                for level in range(drawn.shape[1]):
                    drawn[t, level] += weights[t, k] * drawn[j, level]
