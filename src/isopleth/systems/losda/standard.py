"""Standard: what a state of the prior is, and the climate that its anomalies are taken from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from isopleth.core.channels import DEPTH, HEIGHT, PRESSURE, Channel, Channels, Vertical
from isopleth.core.errors import DataMissingError, InputError, IntegrityError
from isopleth.core.gaussian_grid import GaussianGrid
from isopleth.core.grid import Grid
from isopleth.core.quantities import named_quantity
from isopleth.studies.provenance import sha256_of

__all__ = ["Standard", "channels_of"]

_VERTICALS: dict[str, Vertical] = {v.name: v for v in (PRESSURE, DEPTH, HEIGHT)}


@dataclass(frozen=True, eq=False, kw_only=True)
class Standard:
    """`a = (x - m) / s`: states in SI units against the anomalies that networks work on.

    Args:
        channels: Of a state; a value everywhere.
        mean: m, shape (channel, lat, lon).
        sd: s, one number a channel, positive, shape (channel,).
        area: Weights of rows, shape (lat,).

    Raises:
        InputError: If the shapes do not fit one another or a number is not positive.
    """

    channels: Channels
    mean: Tensor
    sd: Tensor
    area: Tensor

    def __post_init__(self) -> None:
        """Check the shapes."""
        shape = self.channels.shape
        if tuple(self.mean.shape) != shape or tuple(self.sd.shape) != shape[:1]:
            raise InputError(
                f"a mean of shape {tuple(self.mean.shape)} and {self.sd.numel()} standard "
                f"deviations do not describe states of {shape}: give one field and one number a "
                "channel."
            )
        if tuple(self.area.shape) != shape[1:2] or not bool((self.sd > 0).all()):
            raise InputError(
                f"{self.area.numel()} areas do not weigh {shape[1]} rows, or a standard deviation "
                "is not positive: give one area a row and positive deviations."
            )

    def anomaly(self, x: Tensor) -> Tensor:
        """`(x - m) / s`, float64, shape (..., channel, lat, lon)."""
        return (x.double() - self.mean.double()) / self.sd.double()[:, None, None]

    def state(self, a: Tensor) -> Tensor:
        """`m + s a`, float64, shape (..., channel, lat, lon)."""
        return self.mean.double() + self.sd.double()[:, None, None] * a.double()

    @property
    def words(self) -> str:
        """What a background must have.

        >>> import isopleth.core.gaussian_grid as gaussian
        >>> grid = gaussian.GaussianGrid(nlat=4, nlon=8)
        >>> channels = channels_of({"streamfunction": [200.0, 500.0]}, PRESSURE, grid.latitude,
        ...                        grid.longitude)
        >>> parts = {"mean": torch.zeros(2, 4, 8), "sd": torch.ones(2), "area": torch.ones(4)}
        >>> Standard(channels=channels, **parts).words
        'streamfunction (m2 s-1) at 200 and 500 hPa on the 4 x 8 Gaussian grid'
        """
        channels = self.channels
        found = []
        for quantity in channels.quantities:
            levels = channels.levels(quantity)
            at = "" if levels is None else f" at {_listed(levels.tolist())} {self._unit}"
            found.append(f"{quantity.long_name} ({quantity.units}){at}")
        rows, columns = channels.shape[1:]
        kind = "Gaussian grid" if self.gaussian is not None else "grid"
        return f"{_listed(found)} on the {rows} x {columns} {kind}"

    @property
    def gaussian(self) -> GaussianGrid | None:
        """The Gaussian grid that this one is, if it is one."""
        _, rows, columns = self.channels.shape
        if rows < 2 or columns < 4 or columns % 2:
            return None
        grid, ours = GaussianGrid(nlat=rows, nlon=columns), self.channels.grid
        same = np.allclose(grid.latitude, ours.latitude, atol=1e-6)
        return grid if same and np.allclose(grid.longitude, ours.longitude, atol=1e-6) else None

    @property
    def _unit(self) -> str:
        return self.channels.vertical.units if self.channels.vertical else ""

    def write(self, path: Path) -> str:
        """Write the file whole or not at all; returns its SHA-256."""
        channels = self.channels
        levels = {q.name: channels.levels(q) for q in channels.quantities}
        told = {
            "levels": {name: None if z is None else z.tolist() for name, z in levels.items()},
            "vertical": channels.vertical.name if channels.vertical else None,
        }
        tensors = {
            "mean": self.mean.float().contiguous(),
            "sd": self.sd.float().contiguous(),
            "area": self.area.double().contiguous(),
            "latitude": torch.from_numpy(channels.grid.latitude.copy()),
            "longitude": torch.from_numpy(channels.grid.longitude.copy()),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{path.name}.partial")
        save_file(tensors, partial, metadata={"standard": json.dumps(told)})
        partial.replace(path)
        return sha256_of(path)

    @classmethod
    def read(cls, path: Path) -> Standard:
        """What `write` wrote.

        Raises:
            DataMissingError: If there is no such file.
            IntegrityError: If it is damaged.
        """
        if not path.is_file():
            raise DataMissingError(
                f"{path} is missing: it comes with pairs (`isopleth prepare losda qg3`) and with "
                "weights."
            )
        try:
            with safe_open(path, "pt") as file:
                told = json.loads((file.metadata() or {})["standard"])
                parts = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            channels = channels_of(
                told["levels"],
                None if told["vertical"] is None else _VERTICALS[told["vertical"]],
                parts.pop("latitude").numpy(),
                parts.pop("longitude").numpy(),
            )
            return cls(channels=channels, **parts)
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise IntegrityError(
                f"{path} does not say what a state is: {error}; make it again."
            ) from error


def channels_of(
    levels: Mapping[str, list[float] | None],
    vertical: Vertical | None,
    latitude: np.ndarray,
    longitude: np.ndarray,
) -> Channels:
    """Channels of variables on a whole grid.

    Args:
        levels: By name of a quantity; None for one without levels.
        vertical: Of the levels.
        latitude: Degrees north, north to south.
        longitude: Degrees east.

    Raises:
        InputError: If there is no such quantity.
    """
    items = []
    for name, heights in levels.items():
        quantity = named_quantity(name)
        if quantity is None:
            raise InputError(f"there is no quantity {name!r}: see isopleth.core.quantities.")
        items += (
            [Channel(quantity)] if heights is None else [Channel(quantity, z) for z in heights]
        )
    mask = np.ones((len(items), len(latitude), len(longitude)), dtype=np.bool_)
    grid = Grid(latitude, longitude, np.arange(float(len(items))), mask)
    return Channels(grid, tuple(items), vertical)


def _listed(words: list[str] | list[float]) -> str:
    texts = [word if isinstance(word, str) else f"{word:g}" for word in words]
    return " and ".join([", ".join(texts[:-1]), texts[-1]]) if len(texts) > 1 else texts[0]
