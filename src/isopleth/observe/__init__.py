"""Observe: what was measured, and the operators `A` that say what a field would have shown."""

from __future__ import annotations

from isopleth.observe.mask import MaskOperator
from isopleth.observe.observation import Observation
from isopleth.observe.point import PointOperator
from isopleth.observe.profile import ProfileOperator

__all__ = ["MaskOperator", "Observation", "PointOperator", "ProfileOperator"]
