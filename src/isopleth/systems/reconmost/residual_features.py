"""What surrounds a kriged point: the features that the residual's distribution depends on.

Kriging says how far its data are; it does not say that its neighbours were all predicted too cold,
that the thermocline here is twice as sharp as at their places, or that another choice of scales
would have given another answer. Each of these is one number a point and level, in units of the
scale ``s`` of kriging's predictive distribution wherever it is a temperature, so that seas quiet
and energetic look alike. No feature holds a longitude or the sign of a latitude, and the
temperature of the climatology enters by its gradients alone: what is learned cannot name a place.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from isopleth.core.covariance import COLUMNS, LocalScales, SpaceTimeCovariance
from isopleth.data import Climatology
from isopleth.inference.interpolation import Points, Samples
from isopleth.inference.interpolation.kriging import LocalKriging, Scales

__all__ = [
    "Climate",
    "Features",
    "Known",
    "Kriged",
    "climate_at",
    "features_of",
    "local_correlation",
]

Floats = NDArray[np.float64]
EARTH_KM = 6371.0
KM_PER_DEGREE = np.pi / 180.0 * EARTH_KM
NEAREST = 150  # known profiles looked at around a point
PATCHES_KM = (100.0, 300.0, 800.0)  # widths of the Gaussian windows of local means
STEP_DEG = 1.0  # half the distance of horizontal differences
HALF_LAYER = 0.2  # half the layer of a vertical difference, as a share of the depth
GRADIENT_FLOOR = 0.5  # K per 100 m: below it a displacement says nothing


@dataclass(frozen=True)
class Known:
    """Profiles that informed the kriging.

    Args:
        points: Where and when.
        value: Anomalies, NaN = missing, ``(n, L)``, K.
        mean: Their own predictions with their box left out, ``(n, L)``, K.
        scale: Scale of the predictive distribution there, ``(n, L)``, K.
    """

    points: Points
    value: Floats
    mean: Floats
    scale: Floats

    @property
    def residual(self) -> Floats:
        """Leave-one-box-out residuals, ``(n, L)``, K."""
        return self.value - self.mean


@dataclass(frozen=True)
class Kriged:
    """Kriging's answer at the points asked.

    Args:
        points: Where and when.
        mean: Predicted anomaly, ``(m, L)``, K.
        scale: Scale of the predictive distribution of an observation, ``(m, L)``, K.
        variance: Kriging variance in units of the small-scale signal variance, ``(m, L)``.
    """

    points: Points
    mean: Floats
    scale: Floats
    variance: Floats


@dataclass(frozen=True)
class Climate:
    """Gradients of the climatology, each ``(m, L)``: K per 100 m upwards, K per degree."""

    vertical: Floats
    eastward: Floats
    northward: Floats

    @property
    def sharpness(self) -> Floats:
        """Magnitude of the vertical gradient, not below a floor, K per 100 m."""
        return np.hypot(self.vertical, GRADIENT_FLOOR)


@dataclass(frozen=True)
class Features:
    """Features of ``m`` points.

    Args:
        names: Of the last axis.
        values: Finite, ``(m, L, F)`` float32; those of the place are repeated at every level.
    """

    names: tuple[str, ...]
    values: NDArray[np.float32]

    def columns(self, names: tuple[str, ...]) -> NDArray[np.float32]:
        """Some of the features, ``(m, L, len(names))``."""
        return self.values[..., [self.names.index(name) for name in names]]


def climate_at(
    climatology: Climatology, time: NDArray[np.datetime64], points: Points, depth: Floats
) -> Climate:
    """Gradients of a climatology at points and depths; 0 where it has no neighbour value."""

    def at(latitude: Floats, longitude: Floats, levels: Floats) -> Floats:
        inside = np.clip(latitude, -89.9, 89.9)
        return climatology.at(time, inside, longitude, levels)

    lat, lon = points.latitude, points.longitude
    zonal = STEP_DEG / np.maximum(np.cos(np.deg2rad(lat)), 0.1)
    reach = HALF_LAYER * depth
    vertical = at(lat, lon, depth - reach) - at(lat, lon, depth + reach)
    eastward = at(lat, lon + zonal, depth) - at(lat, lon - zonal, depth)
    northward = at(lat + STEP_DEG, lon, depth) - at(lat - STEP_DEG, lon, depth)
    return Climate(
        np.nan_to_num(vertical / (2.0 * reach) * 100.0),
        np.nan_to_num(eastward / (2.0 * STEP_DEG)),
        np.nan_to_num(northward / (2.0 * STEP_DEG)),
    )


def features_of(known: Known, kriged: Kriged, climate: Climate, scales: Scales) -> Features:
    """All features.

    Args:
        known: The profiles that informed the kriging, and no others.
        kriged: Its answer at ``m`` points.
        climate: Of the same points.
        scales: The kriging's covariance, for the metric and for other answers.
    """
    near = _Near.of(known, kriged, scales)
    parts: dict[str, Floats] = {}
    parts |= _of_kriging(kriged)
    parts |= _of_climate(kriged, climate)
    parts |= _of_place(kriged, near)
    parts |= _of_patches(known, kriged, near)
    parts |= _of_levels(known, kriged)
    parts |= _of_other_krigings(known, kriged, scales)
    shape = kriged.mean.shape
    whole = [np.broadcast_to(p if p.ndim == 2 else p[:, None], shape) for p in parts.values()]
    values = np.stack(whole, axis=-1).astype(np.float32)
    return Features(tuple(parts), np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0))


@dataclass(frozen=True)
class _Near:
    """The nearest known profiles of each point, ``(m, k)``, nearest in space first."""

    index: NDArray[np.int64]
    km: Floats
    east: Floats
    north: Floats
    lag: Floats
    local: LocalScales

    @classmethod
    def of(cls, known: Known, kriged: Kriged, scales: Scales) -> _Near:
        here, there = kriged.points, known.points
        count = min(NEAREST, len(there))
        distance, index = cKDTree(there.unit_vectors).query(here.unit_vectors, count)
        distance, index = distance.reshape(-1, count), index.reshape(-1, count)
        turn = (there.longitude[index] - here.longitude[:, None] + 180.0) % 360.0 - 180.0
        middle = np.deg2rad(0.5 * (there.latitude[index] + here.latitude[:, None]))
        return cls(
            index,
            2.0 * np.arcsin(np.minimum(0.5 * distance, 1.0)) * EARTH_KM,
            turn * KM_PER_DEGREE * np.cos(middle),
            (there.latitude[index] - here.latitude[:, None]) * KM_PER_DEGREE,
            there.day[index] - here.day[:, None],
            scales.at(here.latitude, here.longitude),
        )

    @property
    def norm(self) -> Floats:
        """Distances in the metric of the covariance's short scale."""
        zonal, meridional, days = (
            self.local.column(name)[:, None] for name in ("zonal_km", "meridional_km", "days")
        )
        return np.sqrt(
            (self.east / zonal) ** 2 + (self.north / meridional) ** 2 + (self.lag / days) ** 2
        )


def _of_kriging(kriged: Kriged) -> dict[str, Floats]:
    return {
        "mean": kriged.mean / kriged.scale,
        "mean_kelvin": kriged.mean,
        "log_scale": np.log(kriged.scale),
        "log_variance": np.log(kriged.variance + 0.02),
    }


def _of_climate(kriged: Kriged, climate: Climate) -> dict[str, Floats]:
    sharp = np.log(climate.sharpness)
    return {
        "displacement": kriged.mean / climate.sharpness,
        "vertical_gradient": climate.vertical,
        "eastward_gradient": climate.eastward,
        "northward_gradient": climate.northward,
        "log_front": np.log(np.hypot(climate.eastward, climate.northward) + 0.05),
        "log_sharpness": sharp,
        "log_sharpness_of_column": sharp.mean(axis=1),
        "log_sharpness_top_to_bottom": sharp[:, 0] - sharp[:, -1],
        "scale_of_displacement": np.log(kriged.scale) - sharp,
    }


def _of_place(kriged: Kriged, near: _Near) -> dict[str, Floats]:
    norm = np.sort(near.norm, axis=1)
    weight = np.exp(-near.norm)
    total = weight.sum(axis=1) + 1e-9
    sides = [
        (weight * side).sum(axis=1) / total / near.local.column(name)
        for side, name in ((near.east, "zonal_km"), (near.north, "meridional_km"))
    ]
    first = np.argmin(near.norm, axis=1)[:, None]
    last = norm.shape[1] - 1
    place = {
        "absolute_latitude": np.abs(kriged.points.latitude),
        "log_nearby": np.log(total + 0.05),
        "log_first_distance": np.log(norm[:, 0] + 0.02),
        "log_tenth_distance": np.log(norm[:, min(9, last)] + 0.02),
        "log_first_km": np.log(near.km[:, 0] + 5.0),
        "one_sidedness": np.hypot(*sides),
        "lag_of_first": np.abs(np.take_along_axis(near.lag, first, 1)[:, 0]),
    }
    names = ("zonal_km", "meridional_km", "days", "broad_share", "nugget")
    return place | {f"log_{name}": np.log(near.local.column(name) + 1e-6) for name in names}


def _of_patches(known: Known, kriged: Kriged, near: _Near) -> dict[str, Floats]:
    """Local means, one neighbour of value zero added, in units of the point's scale."""
    value, residual = known.value[near.index], known.residual[near.index]
    seen = np.isfinite(residual)
    standard = np.where(seen, residual / known.scale[near.index], 0.0)
    value, residual = np.where(seen, value, 0.0), np.where(seen, residual, 0.0)
    parts: dict[str, Floats] = {}
    for width in PATCHES_KM:
        weight = np.where(seen, np.exp(-((near.km / width) ** 2))[..., None], 0.0)
        total = weight.sum(axis=1)
        anomaly = (weight * value).sum(axis=1) / (total + 1.0)
        spread = (weight * (value - anomaly[:, None]) ** 2).sum(axis=1) / (total + 0.01)
        roughness = (weight * standard**2).sum(axis=1) / (total + 0.3)
        where = f"within_{width:.0f}_km"
        parts |= {
            f"anomaly_{where}": (anomaly - kriged.mean) / kriged.scale,
            f"residual_{where}": (weight * residual).sum(axis=1) / (total + 1.0) / kriged.scale,
            f"log_spread_{where}": 0.5 * np.log(spread + 0.01) - np.log(kriged.scale),
            f"log_roughness_{where}": np.log(roughness + 0.05),
            f"log_count_{where}": np.log(total + 0.1),
        }
    return parts


def _of_levels(known: Known, kriged: Kriged) -> dict[str, Floats]:
    """Local correlation of the residuals of adjacent levels, over few and many neighbours."""
    parts: dict[str, Floats] = {}
    for count in (40, NEAREST):
        local = local_correlation(known, kriged.points, count=count, shrinkage=5.0)
        for lower in range(1, local.shape[1]):
            name = f"correlation_{lower - 1}_{lower}_of_{count}"
            parts[name] = np.arctanh(np.clip(local[:, lower - 1, lower], -0.99, 0.99))
    return parts


def local_correlation(
    known: Known, points: Points, *, count: int = NEAREST, shrinkage: float = 30.0
) -> Floats:
    """Correlation of the standardised residuals of the levels near points, ``(m, L, L)``.

    Second moments over the ``count`` nearest profiles, with ``shrinkage`` profiles of the global
    correlation added: what `isopleth.inference.interpolation.vertical` regresses with.
    """
    standard = np.nan_to_num(known.residual / known.scale)
    overall = standard.T @ standard
    deviation = np.sqrt(np.diag(overall))
    overall = overall / np.outer(deviation, deviation)
    wanted = min(count, len(standard))
    index = cKDTree(known.points.unit_vectors).query(points.unit_vectors, wanted)[1]
    local = standard[index.reshape(len(points), wanted)]
    spread = np.sqrt((local**2).mean(axis=1) + 1e-6)
    scaled = local / spread[:, None]
    moment = np.einsum("mki,mkj->mij", scaled, scaled) + shrinkage * overall
    deviation = np.sqrt(np.einsum("mii->mi", moment))
    return np.asarray(moment / (deviation[:, :, None] * deviation[:, None, :]))


@dataclass(frozen=True)
class _Changed:
    """Scales with some parameters multiplied."""

    scales: Scales
    factors: dict[str, float]
    smoothness: float | None = None

    def at(self, latitude: Floats, longitude: Floats) -> LocalScales:
        local = self.scales.at(latitude, longitude)
        values = local.values.copy()
        for name, factor in self.factors.items():
            values[:, COLUMNS.index(name)] *= factor
        return LocalScales(values, self.smoothness or local.smoothness)


ISOTROPIC = SpaceTimeCovariance(
    zonal_km=200.0, meridional_km=200.0, days=40.0, broad_share=0.0, nugget=0.1,
    equatorial_zonal=0.0, equatorial_meridional=0.0,
)  # fmt: skip


def _of_other_krigings(known: Known, kriged: Kriged, scales: Scales) -> dict[str, Floats]:
    """What other krigings of the same profiles say, and how far they disagree."""
    longer = _Changed(scales, {"zonal_km": 2.0, "meridional_km": 2.0, "nugget": 10.0})
    shorter = _Changed(scales, {"zonal_km": 0.5, "meridional_km": 0.5})
    spread = _Changed(scales, {"zonal_km": 1.5, "meridional_km": 1.5, "nugget": 20.0})
    values = Samples(known.points, known.value)
    left = replace(values, value=known.residual)
    size = np.log(np.abs(known.residual / known.scale) + 0.1)
    sizes = replace(values, value=size - np.nanmean(size, axis=0))

    def ask(method: LocalKriging, samples: Samples) -> Floats:
        return method(samples, kriged.points.ungrouped()).mean

    other = {
        "residual_again": ask(LocalKriging(scales=scales), left),
        "residual_smoothed": ask(LocalKriging(scales=longer), left),
        "shorter_scales": ask(LocalKriging(scales=shorter), values) - kriged.mean,
        "isotropic": ask(LocalKriging(scales=ISOTROPIC), values) - kriged.mean,
        "fewer_neighbours": ask(LocalKriging(scales=scales, neighbours=12), values) - kriged.mean,
    }
    parts = {name: value / kriged.scale for name, value in other.items()}
    apart = np.std(np.stack(list(parts.values())), axis=0)
    return parts | {
        "log_disagreement": np.log(apart + 0.01),
        "log_roughness": ask(LocalKriging(scales=spread), sizes),
    }
