"""Error statistics of a background: of an ensemble, or stated."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from isopleth.core.channels import Channels
from isopleth.core.errors import InputError
from isopleth.core.grid import EARTH_RADIUS
from isopleth.core.quantities import Quantity
from isopleth.inference.screening import Readable
from isopleth.systems.assimilation.covariance import KernelCovariance
from isopleth.systems.assimilation.exact import KernelSeen
from isopleth.systems.assimilation.recipe import STATED, Recipe, of_quantity
from isopleth.systems.assimilation.sample import Sample
from isopleth.systems.assimilation.solving import Pointwise
from isopleth.systems.assimilation.spectral import fitted, truncation_for

__all__ = ["Gaussian", "Statistics", "gaussian_of", "of_sample", "stated"]

Floats = npt.NDArray[np.float64]


class Statistics(Protocol):
    """A static covariance, and where it comes from."""

    @property
    def source(self) -> str:
        """What it was estimated from, in words."""
        ...

    @property
    def words(self) -> str:
        """What kind of covariance it is."""
        ...

    @property
    def deviation(self) -> Tensor:
        """Unit of the channel, shape (channel, lat, lon)."""
        ...

    def seen(self, channels: Channels, read: Readable) -> Pointwise:
        """As observations see it."""
        ...

    def lines(self, channels: Channels) -> list[str]:
        """One line a channel: deviation and length."""
        ...


@dataclass(frozen=True, eq=False)
class Gaussian:
    """Gaussian horizontal correlations, one length a channel, and a correlation of channels.

    Args:
        deviation: Unit of the channel, shape (channel, lat, lon).
        correlation: Of the channels at one place, shape (channel, channel).
        length_km: Of every channel, km.
        source: Where they come from, in words.
    """

    deviation: Tensor
    correlation: Tensor
    length_km: tuple[float, ...]
    source: str

    @property
    def words(self) -> str:
        """What kind of covariance it is."""
        return (
            "Gaussian in the horizontal with a length a channel, times a correlation of channels"
        )

    def seen(self, channels: Channels, read: Readable) -> Pointwise:
        """As observations see it."""
        return KernelSeen(self.covariance(channels), read)

    def covariance(self, channels: Channels) -> KernelCovariance:
        """`B`."""
        return KernelCovariance(
            channels.grid, self.deviation, self.correlation, list(self.length_km)
        )

    def lines(self, channels: Channels) -> list[str]:
        """One line a channel: deviation and length."""
        mask = torch.from_numpy(np.array(channels.grid.mask))
        found = []
        for c, item in enumerate(channels.items):
            mean = float(self.deviation[c][mask[c]].square().mean().sqrt())
            found.append(
                f"{channels.label(c)}: {mean:.3g} {item.quantity.units}, "
                f"{self.length_km[c]:.0f} km"
            )
        return found


def of_sample(channels: Channels, sample: Sample, recipe: Recipe) -> Statistics:
    """Spectral statistics on a whole globe of values, else Gaussian ones.

    Lengths that the recipe states are those of Gaussians. Where a sample has no spectral
    statistics, the source says why.

    Args:
        channels: Of the sample.
        sample: Errors, or what stands for them.
        recipe: Its numbers.
    """
    truncation = truncation_for(channels.grid, recipe.most_truncation)
    if not truncation or recipe.length:
        return gaussian_of(channels, sample, recipe)
    try:
        return fitted(channels, sample.errors, sample.source, recipe, truncation)
    except InputError as error:
        found = gaussian_of(channels, sample, recipe)
        return replace(found, source=f"{found.source} (no spectral statistics: {error})")


def stated(channels: Channels, recipe: Recipe) -> Gaussian:
    """Deviations and lengths of the recipe, else of `STATED`; Gaussian in the vertical.

    Channels of different quantities are uncorrelated.

    Raises:
        InputError: If nothing is stated for a quantity.
    """
    found = [_stated(item.quantity, recipe) for item in channels.items]
    deviation = torch.tensor([d for d, _ in found], dtype=torch.float64)
    return Gaussian(
        deviation[:, None, None].expand(channels.shape).clone(),
        torch.from_numpy(_vertical_correlation(channels, recipe.vertical_scale)),
        tuple(length for _, length in found),
        "stated, not estimated: standard deviations and lengths of the recipe",
    )


def gaussian_of(channels: Channels, sample: Sample, recipe: Recipe) -> Gaussian:
    """Deviations by row, correlation of channels and lengths of a sample of errors.

    The variance of a row is that of all its cells and errors, smoothed over latitude; lengths
    follow from the correlation r of neighbours a distance h apart on a meridian,
    `L = h / sqrt(-2 ln r)` (Daley 1991, Atmospheric Data Analysis, sec. 4.3). What the recipe
    states for a quantity replaces its mean deviation and its lengths.

    Args:
        channels: Of the sample.
        sample: Errors, or what stands for them.
        recipe: Its numbers.
    """
    x = (sample.errors - sample.errors.mean(0)).numpy()
    mask = np.asarray(channels.grid.mask)
    rows = _row_variance(x, mask, channels.grid.latitude, recipe.row_smoothing_deg)
    deviation = np.sqrt(rows)[..., None] * np.ones(channels.shape)
    scaled = np.divide(x, deviation, out=np.zeros_like(x), where=deviation > 0.0) * mask
    lengths = [
        _length(scaled[:, c], mask[c], channels.grid.latitude, recipe) for c in range(len(x[0]))
    ]
    for c, item in enumerate(channels.items):
        wanted = of_quantity(recipe.deviation, item.quantity)
        if wanted is not None:
            deviation[c] *= wanted / np.sqrt(np.mean(deviation[c][mask[c]] ** 2))
        lengths[c] = of_quantity(recipe.length, item.quantity) or lengths[c]
    return Gaussian(
        torch.from_numpy(deviation),
        torch.from_numpy(_correlation(scaled, channels.grid.weights, recipe.shrink)),
        tuple(lengths),
        sample.source,
    )


def _stated(quantity: Quantity, recipe: Recipe) -> tuple[float, float]:
    usual = STATED.get(quantity.name)
    deviation = of_quantity(recipe.deviation, quantity)
    length = of_quantity(recipe.length, quantity)
    if deviation is None and usual is None:
        raise InputError(
            f"nothing is known of the background error of {quantity.name!r}: give --ensemble, or "
            f"--deviation {quantity.name}=SD in {quantity.units}."
        )
    return (
        usual.deviation if deviation is None and usual is not None else float(deviation or 0.0),
        length or (usual.length_km if usual is not None else 300.0),
    )


def _vertical_correlation(channels: Channels, scale: float) -> Floats:
    size = len(channels.items)
    matrix = np.eye(size)
    for i, one in enumerate(channels.items):
        for j, other in enumerate(channels.items):
            if one.quantity != other.quantity or one.level is None or other.level is None:
                continue
            assert channels.vertical is not None
            apart = channels.vertical.scaled(one.level) - channels.vertical.scaled(other.level)
            unit = 1.0 if channels.vertical.logarithmic else max(one.level, other.level, 1.0)
            matrix[i, j] = np.exp(-0.5 * (float(apart) / (scale * unit)) ** 2)
    return _nearest_correlation(matrix)


def _nearest_correlation(matrix: Floats) -> Floats:
    """Negative eigenvalues cut, the diagonal made 1 again."""
    values, vectors = np.linalg.eigh(matrix)
    whole = (vectors * np.maximum(values, 1e-8)) @ vectors.T
    root = np.sqrt(np.diag(whole))
    return np.asarray(whole / np.outer(root, root))


def _row_variance(x: Floats, mask: npt.NDArray[np.bool_], lat: Floats, width: float) -> Floats:
    """Variance of every channel and row, shape (channel, lat), never zero."""
    cells = mask.sum(-1)
    total = (x**2 * mask).sum((0, -1)) / (len(x) - 1)
    near = np.exp(-0.5 * ((lat[:, None] - lat) / width) ** 2) * np.cos(np.radians(lat)).clip(1e-3)
    weight = np.maximum(cells @ near.T, 1e-12)
    pooled = total @ near.T / weight
    floor = 1e-6 * np.maximum(pooled.max(1, keepdims=True), 1e-30)
    return np.asarray(np.maximum(pooled, floor))


def _correlation(scaled: Floats, weights: Floats, shrink: float) -> Floats:
    covariance = np.einsum("ncij,ndij,ij->cd", scaled, scaled, weights)
    root = np.sqrt(np.maximum(np.diag(covariance), 1e-30))
    matrix = (1.0 - shrink) * covariance / np.outer(root, root)
    np.fill_diagonal(matrix, 1.0)
    return matrix


def _length(
    scaled: Floats, mask: npt.NDArray[np.bool_], latitude: Floats, recipe: Recipe
) -> float:
    """`L` of one channel, km; `scaled` is (member, lat, lon)."""
    spacing = np.radians(np.abs(np.diff(latitude)).mean()) * EARTH_RADIUS / 1000.0
    lag = min(max(1, round(recipe.lag_km / spacing)), len(latitude) - 1)
    both = mask[lag:] & mask[:-lag]
    area = np.cos(np.radians(0.5 * (latitude[lag:] + latitude[:-lag])))[:, None] * both
    upper, lower = scaled[:, :-lag], scaled[:, lag:]
    product = float((upper * lower * area).sum())
    power = float((upper**2 * area).sum() * (lower**2 * area).sum()) ** 0.5
    r = min(max(product / power if power > 0.0 else 0.0, 0.01), 0.999)
    return max(lag * spacing / np.sqrt(-2.0 * np.log(r)), recipe.least_length_km)
