"""Core: what every layer may say, and nothing that only one of them needs."""

from __future__ import annotations

from isopleth.core.errors import DataMissingError, InputError, IntegrityError, IsoplethError
from isopleth.core.grid import Grid
from isopleth.core.region import Region
from isopleth.core.variables import VARIABLES, Variable

__all__ = [
    "VARIABLES",
    "DataMissingError",
    "Grid",
    "InputError",
    "IntegrityError",
    "IsoplethError",
    "Region",
    "Variable",
]
