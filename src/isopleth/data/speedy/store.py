"""The Zarr store of a nature run: grows by whole chunks, and holds what it says it holds.

Arrays are enlarged and filled first; the consolidated metadata, one file, come last. A reader that
goes by them, as xarray does, never sees a half-written chunk, and neither does a run that goes on.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from isopleth.data.speedy.configuration import CHUNK, NatureRun
from isopleth.data.speedy.fields import AXES, FIELDS, STATIC, Attributes, provenance

__all__ = ["NatureStore"]

_TIMES = 4096
"""Times in a chunk of their axis."""


class NatureStore:
    """The store in a folder; its length is the number of complete states.

    Args:
        path: Folder of the store.

    Raises:
        FileNotFoundError: If there is no whole store.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not (path / ".zmetadata").is_file():
            raise FileNotFoundError(path)
        self._known = zarr.open_group(path, mode="r", zarr_format=2, use_consolidated=True)

    @classmethod
    def create(
        cls,
        path: Path,
        run: NatureRun,
        fixed: Mapping[str, NDArray[Any]],
        about: Mapping[str, object],
    ) -> NatureStore:
        """An empty store with its axes and its terrain; it appears whole.

        Args:
            path: Where there is nothing yet.
            run: What will go in.
            fixed: `lat`, `lon`, `sigma`, `orog` and `land` of the model.
            about: Its device, versions and resolution.
        """
        part = path.with_name(f".{path.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        group = zarr.open_group(part, mode="w", zarr_format=2, attributes=provenance(run, about))
        levels = "plev" if run.levels else "sigma"
        axes = {"lat": fixed["lat"], "lon": fixed["lon"]}
        axes[levels] = np.array(run.levels) if run.levels else fixed["sigma"]
        for name, values in axes.items():
            _put(group, name, np.asarray(values, np.float64), (name,), AXES[name])
        for name, attributes in STATIC.items():
            _put(group, name, np.asarray(fixed[name], np.float32), ("lat", "lon"), attributes)
        if not run.levels:
            _put(group, "ptop", np.zeros((), np.float32), (), {"units": "Pa"})
        _put(group, "time", np.empty(0), ("time",), AXES["time"], chunks=(_TIMES,))
        _put(group, "time_bnds", np.empty((0, 2)), ("time", "bnds"), {}, chunks=(_TIMES, 2))
        for name, field in FIELDS.items():
            dims = ("time", *([levels] if field.levels else []), "lat", "lon")
            shape = tuple(len(axes[dim]) for dim in dims[1:])
            empty = np.empty((0, *shape), np.float32)
            _put(group, name, empty, dims, field.attributes, chunks=(CHUNK, *shape))
        zarr.consolidate_metadata(part, zarr_format=2)
        part.rename(path)
        return cls(path)

    def __len__(self) -> int:
        """Complete states."""
        return int(self._array(self._known, "time").shape[0])

    @property
    def attributes(self) -> dict[str, Any]:
        """What the store says of itself."""
        return dict(self._known.attrs)

    def append(self, fields: Mapping[str, NDArray[Any]], minutes: int) -> None:
        """Add states; they are part of the store once the last write is done.

        Args:
            fields: Every field by name, shape (n, ...).
            minutes: Length of an interval.
        """
        begin = len(self)
        end = begin + len(fields["ps"])
        hours = np.arange(begin, end + 1) * (minutes / 60.0)
        times = {"time": hours[1:], "time_bnds": np.stack([hours[:-1], hours[1:]], axis=1)}
        group = zarr.open_group(self.path, mode="r+", zarr_format=2, use_consolidated=False)
        for name, values in {**fields, **times}.items():
            array = self._array(group, name)
            # Smaller first: chunks that an interrupted write left behind are dropped.
            array.resize((begin, *array.shape[1:]))
            array.resize((end, *array.shape[1:]))
            array[begin:end] = values
        zarr.consolidate_metadata(self.path, zarr_format=2)
        self._known = zarr.open_group(self.path, mode="r", zarr_format=2, use_consolidated=True)

    @staticmethod
    def _array(group: zarr.Group, name: str) -> zarr.Array[Any]:
        array = group[name]
        if not isinstance(array, zarr.Array):
            raise TypeError(f"{name} is no array")
        return array


def _put(
    group: zarr.Group,
    name: str,
    values: NDArray[Any],
    dims: tuple[str, ...],
    attributes: Attributes,
    *,
    chunks: tuple[int, ...] | None = None,
) -> None:
    """An array with its dimensions as xarray reads them; axes have no missing values."""
    array = group.create_array(
        name,
        shape=values.shape,
        dtype=values.dtype,
        chunks=chunks or values.shape,
        fill_value=np.nan if name in FIELDS else None,
        attributes={**attributes, "_ARRAY_DIMENSIONS": list(dims)},
    )
    if values.size:
        array[...] = values
