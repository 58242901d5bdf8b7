"""Where numbers come from: readers of observations and fields, shipped data and their cards.

Every reader of observations returns `Soundings`; `quality.check` screens them and `to_levels` puts
them on common levels as `Profiles`. Every reader of fields returns an xarray Dataset in one
layout: (..., depth, lat, lon), north to south, degC.
"""

from isopleth.data.climatology import Climatology, load_climatology
from isopleth.data.open import open_field, open_observations
from isopleth.data.profiles import Profiles
from isopleth.data.rejections import RejectionTable
from isopleth.data.soundings import Soundings
from isopleth.data.table import read_frame, read_table
from isopleth.data.vertical import to_levels
from isopleth.data.windows import month_window

__all__ = [
    "Climatology",
    "Profiles",
    "RejectionTable",
    "Soundings",
    "load_climatology",
    "month_window",
    "open_field",
    "open_observations",
    "read_frame",
    "read_table",
    "to_levels",
]
