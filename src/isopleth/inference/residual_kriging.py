"""Residual kriging: what a gridded mean leaves unexplained at the samples, kriged and added back.

    mean(p) = m(p) + k(p),   k = kriging of  y_i - m(p_i)

A grid knows neither what is smaller than its cells nor the time of a sample within the month; the
residuals at true positions and times carry both. Known in geostatistics as regression kriging.
Reference: Odeh, McBratney and Chittleborough (1995), Geoderma 67, 215; Hengl, Heuvelink and
Rossiter (2007), Comput. Geosci. 33, 1301.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.core.grid import Grid
from isopleth.inference.interpolation.scattered import (
    Array,
    Estimate,
    Interpolation,
    Points,
    Samples,
)
from isopleth.observe.profile import ProfileOperator

__all__ = ["ResidualKriging"]


@dataclass(frozen=True, kw_only=True)
class ResidualKriging:
    """A gridded mean and an interpolation, together one estimate at samples' own resolution.

    Where the grid has no ocean the mean counts as 0, so that the interpolation stands alone.
    The mean must not have seen what is withheld: groups keep samples from the residuals' kriging
    only. The variance is the interpolation's, that of the residuals; it ignores the mean's error.

    Args:
        grid: Where the mean lives; its levels are those of the samples.
        interpolation: Such as `LocalKriging` with scales fitted to residuals.
    """

    grid: Grid
    interpolation: Interpolation

    def __call__(
        self,
        mean: Tensor,
        samples: Samples,
        points: Points,
        *,
        progress: Callable[[float], None] | None = None,
    ) -> Estimate:
        """Estimate every level at every point.

        Args:
            mean: Anomaly, in the unit of the samples, shape `(level, lat, lon)`; the values on
                land are not looked at.
            samples: Profiles on the levels of the grid, NaN = missing.
            points: Where and when.
            progress: Gets the fraction done.

        Raises:
            InputError: If the samples have other levels than the grid.
        """
        left = self.residuals(mean, samples)
        found = self.interpolation(left, points, progress=progress)
        return replace(found, mean=found.mean + self._read(mean, points))

    def residuals(self, mean: Tensor, samples: Samples) -> Samples:
        """`y_i - m(p_i)`: what the mean leaves, as samples; scales are fitted to these.

        Raises:
            InputError: If the samples have other levels than the grid.
        """
        if samples.value.shape[1] != self.grid.levels.size:
            raise InputError(
                f"the samples have {samples.value.shape[1]} levels and the grid "
                f"{self.grid.levels.size}: bring both to the same levels."
            )
        return replace(samples, value=samples.value - self._read(mean, samples.points))

    def _read(self, mean: Tensor, points: Points) -> Array:
        """The mean at `n` places, shape `(n, L)`."""
        at = ProfileOperator(self.grid, points.latitude, points.longitude, self.grid.levels)
        with torch.no_grad():
            return np.asarray(at(mean.detach().double().cpu()).numpy(), np.float64)
