"""Isopleth: from scattered measurements to maps of the Earth, with honest uncertainty.

We only ever know `y = A(x) + e`. A prior says which `x` are plausible, dynamics says what follows
from `x`, an observation says what we saw, inference combines them, a metric says how good the
answer is.
"""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
