"""Interpolation of scattered profiles: from inverse distance to local space-time kriging."""

from isopleth.inference.interpolation.scattered import Estimate, Interpolation, Points, Samples

__all__ = ["Estimate", "Interpolation", "Points", "Samples"]
