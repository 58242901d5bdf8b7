"""Local space-time kriging of ocean profiles: the bar that every learned prior must pass.

A month of temperature is mapped from scattered profiles in five steps, each one file of
``isopleth.inference.interpolation``: anomalies from the climatology; covariance scales fitted
place by place to leave-one-box-out errors (``local_fit``); profiles with missing levels completed
by what their other levels say (``vertical``); kriging from the nearest profiles in space and time
(``kriging``), with its errors scaled by how well it did nearby (``predictive``); and members that
are coherent in space and depth (``simulation``). No weights, no training data but the profiles.

Three lines do the job:

>>> from isopleth.systems import kriging
>>> system = kriging.load()
>>> analysis = system.run("profiles.csv", month="2016-01")  # doctest: +SKIP
"""

from isopleth.systems.kriging.recipe import Recipe, isotropic, smoke, standard
from isopleth.systems.kriging.system import FittedKriging, OceanKriging, load

__all__ = ["FittedKriging", "OceanKriging", "Recipe", "isotropic", "load", "smoke", "standard"]
