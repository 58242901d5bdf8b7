"""Fields of an analysis as variables of a CF data set: NAME, NAME_increment, NAME_spread ..."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import xarray as xr
from torch import Tensor

from isopleth.core.channels import Channels

__all__ = ["COORDINATES", "named_fields"]

COORDINATES: Mapping[str, Mapping[str, str]] = {
    "lat": {"standard_name": "latitude", "units": "degrees_north", "axis": "Y"},
    "lon": {"standard_name": "longitude", "units": "degrees_east", "axis": "X"},
}
"""CF attributes of the horizontal coordinates."""


def named_fields(
    channels: Channels, x: Tensor, suffix: str, words: str, lead: str | None = None
) -> dict[str, xr.DataArray]:
    """A state as NAME + suffix, by variable, with CF attributes.

    Only the field itself, a background and members have a standard name; the difference or
    spread of temperatures in degC is in K.

    Args:
        channels: Of the state.
        x: `([lead], channel, lat, lon)`.
        suffix: "" for the analysis itself, "_background", "_increment", "_spread", "_members" ...
        words: Put before the long name.
        lead: Name of the first axis where there is one.
    """
    found = {}
    for quantity, field in channels.fields(torch.as_tensor(x), lead).items():
        attrs = quantity.attrs
        if suffix not in ("", "_background", "_members"):
            attrs.pop("standard_name", None)
        attrs["long_name"] = f"{words}{quantity.long_name}"
        if suffix and quantity.units == "degC" and suffix != "_background":
            attrs["units"] = "K" if suffix != "_members" else "degC"
        found[f"{quantity.name}{suffix}"] = field.assign_attrs(attrs)
        found[f"{quantity.name}{suffix}"].attrs = attrs
    return found
