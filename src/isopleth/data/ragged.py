"""Ragged arrays of CF: profiles of unequal length one after another (sections 9.3.3 and 9.3.4)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import xarray as xr

from isopleth.core.errors import InputError

__all__ = ["unragged"]


def unragged(data: xr.Dataset, name: str, path: Path) -> xr.Dataset:
    """The dataset with the variables of the profiles repeated for each value.

    Args:
        data: All variables of the file as data variables or index coordinates.
        name: The variable that holds the values; one that is not ragged is left as it is.
        path: The file, for messages.

    Raises:
        InputError: If the counts of the profiles do not add up to the number of values.
    """
    sample = str(data[name].dims[-1])
    counts = {
        str(other): _owners(array, data.sizes[array.attrs["sample_dimension"]], path)
        for other, array in data.data_vars.items()
        if array.ndim == 1 and array.attrs.get("sample_dimension") in data.dims
    }
    mine = [n for n in counts if data[n].attrs["sample_dimension"] == sample]
    if mine:
        owner, instance = counts[mine[0]], str(data[mine[0]].dims[0])
        # Some files count the depths apart from the values: equal counts are the same rows.
        twins = {
            str(data[n].attrs["sample_dimension"]): sample
            for n, other in counts.items()
            if n not in mine and np.array_equal(other, owner)
        }
        return _expanded(data.drop_vars(list(counts)).rename(twins), instance, sample, owner)
    for other, array in data.data_vars.items():
        instance = str(array.attrs.get("instance_dimension"))
        if instance in data.dims and array.dims == (sample,):
            owner = array.values.astype(np.int64)
            if owner.size and not 0 <= owner.min() <= owner.max() < data.sizes[instance]:
                raise InputError(
                    f"{other!r} in {path.name} names profile {owner.max()}, there are "
                    f"{data.sizes[instance]}: the file is cut or damaged, fetch it again."
                )
            return _expanded(data.drop_vars(str(other)), instance, sample, owner)
    return data


def _owners(counts: xr.DataArray, rows: int, path: Path) -> npt.NDArray[np.int64]:
    """The profile of each row, from the number of rows of each profile."""
    sizes = np.nan_to_num(counts.values).astype(np.int64)
    if sizes.sum() != rows:
        raise InputError(
            f"{counts.name!r} in {path.name} counts {sizes.sum()} rows, there are {rows}: "
            "the file is cut or damaged, fetch it again."
        )
    return np.repeat(np.arange(sizes.size), sizes)


def _expanded(
    data: xr.Dataset, instance: str, sample: str, owner: npt.NDArray[np.int64]
) -> xr.Dataset:
    """Every variable on the instance dimension alone, put on the sample dimension."""
    repeated = {
        name: ((sample,), array.values[owner], array.attrs)
        for name, array in data.data_vars.items()
        if array.dims == (instance,)
    }
    return data.drop_vars(list(repeated)).assign(repeated)
