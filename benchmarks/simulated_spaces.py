"""Where the search over each baseline's settings starts, and what it may change."""

from __future__ import annotations

from typing import Any

from isopleth.studies.tuning import Choice, LogUniform
from simulated_baselines import (
    Background,
    Dincae,
    Dineof,
    Enoi,
    EofOi,
    Idw,
    Kriging,
    Nearest,
    Oi,
)

BASELINES: dict[str, tuple[Any, dict[str, Any]]] = {
    "climatology": (Background(), {}),
    "inverse distance": (
        Idw(),
        {
            "power": LogUniform(0.5, 6.0),
            "neighbours": LogUniform(4, 60, integer=True),
            "reach_km": LogUniform(300.0, 6000.0),
            "smoothing_km": LogUniform(1.0, 200.0),
        },
    ),
    "2-D optimal interpolation": (
        Oi(),
        {
            "length_km": LogUniform(100.0, 4000.0),
            "nugget": LogUniform(1e-4, 1.0),
            "neighbours": Choice((10, 20, 30)),
        },
    ),
    "local kriging": (
        Kriging(),
        {
            "zonal_km": LogUniform(100.0, 3000.0),
            "meridional_km": LogUniform(100.0, 2000.0),
            "broad_zonal_km": LogUniform(500.0, 10_000.0),
            "broad_meridional_km": LogUniform(300.0, 5000.0),
            "broad_share": LogUniform(0.01, 10.0),
            "nugget": LogUniform(1e-4, 1.0),
            "equatorial_zonal": LogUniform(0.1, 6.0),
        },
    ),
    "EnOI": (
        Enoi(),
        {
            "members": Choice((500, 1500, 5000)),
            "radius_km": LogUniform(1500.0, 40_000.0),
            "observation_variance": LogUniform(1e-4, 0.3),
        },
    ),
    "EOF optimal interpolation": (
        EofOi(),
        {
            "modes": LogUniform(20, 600, integer=True),
            "observation_variance": LogUniform(1e-4, 30.0),
        },
    ),
    "DINEOF": (Dineof(), {"share": LogUniform(0.01, 0.1)}),
    "analogs": (
        Nearest(),
        {
            "neighbours": LogUniform(1, 200, integer=True),
            "radius_km": LogUniform(200.0, 8000.0),
            "sharpness": LogUniform(0.02, 3.0),
        },
    ),
    "U-Net regression": (Dincae(), {}),
}
"""Name -> where the search starts, and what it may change."""
