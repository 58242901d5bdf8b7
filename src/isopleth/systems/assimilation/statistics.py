"""Error statistics of a background: of an ensemble, or stated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from isopleth.core.channels import Channels
from isopleth.core.errors import InputError
from isopleth.core.grid import EARTH_RADIUS
from isopleth.core.quantities import Quantity
from isopleth.systems.assimilation.covariance import KernelCovariance
from isopleth.systems.assimilation.recipe import STATED, Recipe

__all__ = ["Statistics", "of_ensemble", "stated"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Statistics:
    """What a static covariance is made of.

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


def stated(channels: Channels, recipe: Recipe) -> Statistics:
    """Deviations and lengths of the recipe, else of `STATED`; Gaussian in the vertical.

    Channels of different quantities are uncorrelated.

    Raises:
        InputError: If nothing is stated for a quantity.
    """
    found = [_stated(item.quantity, recipe) for item in channels.items]
    deviation = torch.tensor([d for d, _ in found], dtype=torch.float64)
    return Statistics(
        deviation[:, None, None].expand(channels.shape).clone(),
        torch.from_numpy(_vertical_correlation(channels, recipe.vertical_scale)),
        tuple(length for _, length in found),
        "stated, not estimated: standard deviations and lengths of the recipe",
    )


def of_ensemble(channels: Channels, members: Tensor, recipe: Recipe) -> Statistics:
    """Deviations by row, correlation of channels and lengths of an ensemble's deviations.

    The variance of a row is that of all its cells and members, smoothed over latitude; lengths
    follow from the correlation r of neighbours a distance h apart on a meridian,
    `L = h / sqrt(-2 ln r)` (Daley 1991, Atmospheric Data Analysis, sec. 4.3). What the recipe
    states for a quantity replaces its mean deviation and its lengths.

    Args:
        channels: Of the members.
        members: Shape (N, channel, lat, lon), float64.
        recipe: Its numbers.
    """
    x = (members - members.mean(0)).numpy()
    mask = np.asarray(channels.grid.mask)
    rows = _row_variance(x, mask, channels.grid.latitude, recipe.row_smoothing_deg)
    deviation = np.sqrt(rows)[..., None] * np.ones(channels.shape)
    scaled = np.divide(x, deviation, out=np.zeros_like(x), where=deviation > 0.0) * mask
    lengths = [
        _length(scaled[:, c], mask[c], channels.grid.latitude, recipe) for c in range(len(x[0]))
    ]
    for c, item in enumerate(channels.items):
        wanted = _of_recipe(recipe.deviation, item.quantity)
        if wanted is not None:
            deviation[c] *= wanted / np.sqrt(np.mean(deviation[c][mask[c]] ** 2))
        lengths[c] = _of_recipe(recipe.length, item.quantity) or lengths[c]
    return Statistics(
        torch.from_numpy(deviation),
        torch.from_numpy(_correlation(scaled, channels.grid.weights, recipe.shrink)),
        tuple(lengths),
        f"the deviations of {len(members)} members from their mean",
    )


def _of_recipe(table: object, quantity: Quantity) -> float | None:
    assert hasattr(table, "items")
    return next((float(v) for name, v in table.items() if quantity.goes_by(name)), None)


def _stated(quantity: Quantity, recipe: Recipe) -> tuple[float, float]:
    usual = STATED.get(quantity.name)
    deviation = _of_recipe(recipe.deviation, quantity)
    length = _of_recipe(recipe.length, quantity)
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
