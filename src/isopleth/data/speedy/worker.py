"""The process of the model: runs SPEEDY (`jcm`, on JAX) and leaves its states as files.

It is started as a file and imports nothing of Isopleth, so that JAX never meets torch in one
process, and an interpreter that has `jcm` but not Isopleth can run it. Its one argument is the
`Order` as JSON. It answers on standard output, one JSON object a line, each with an `event`:

    ready     device, versions and resolution; `fixed.npz` holds the axes and the terrain
    interval  `number` intervals have been run since the start
    saved     the model's state after `number` intervals is kept as `state-NUMBER.msgpack`, and the
              `kept` states before it are in `kept-NUMBER.npz`
    failed    `message` says why it stops; `missing` names a package that is not installed

It ends when its standard input is closed, which the death of its parent does.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Model", "Order", "Speedy", "serve"]

Fields = dict[str, NDArray[np.float32]]


@dataclass(frozen=True, kw_only=True)
class Order:
    """What the process is to do.

    Args:
        folder: Where its files go.
        start: Date of the initial state, YYYY-MM-DD.
        minutes: Length of an interval.
        first: Intervals already run; 0 begins anew, others go on from their saved state.
        spinup: Intervals of which nothing is kept.
        total: Intervals in all.
        chunk: Kept intervals in a file.
        seed: Of the initial state.
    """

    folder: str
    start: str
    minutes: int
    first: int
    spinup: int
    total: int
    chunk: int
    seed: int

    def ends_chunk(self, number: int) -> bool:
        """Whether the state after this many intervals is saved."""
        return number in (self.spinup, self.total) or (number - self.spinup) % self.chunk == 0

    def state(self, number: int) -> Path:
        """File of the model's state after this many intervals."""
        return Path(self.folder) / f"state-{number:08d}.msgpack"

    def kept(self, number: int) -> Path:
        """File of the kept states that end with this one."""
        return Path(self.folder) / f"kept-{number:08d}.npz"


class Model(Protocol):
    """What `serve` needs of a model."""

    def about(self) -> Mapping[str, object]:
        """Device, versions, resolution: plain values."""
        ...

    def fixed(self) -> Fields:
        """The axes `lat` (north to south), `lon` and `sigma` (top first), `orog` and `land`."""
        ...

    def begin(self) -> None:
        """Take the initial state."""
        ...

    def restore(self, path: Path) -> None:
        """Take a saved state."""
        ...

    def save(self, path: Path) -> None:
        """Keep the state, whole or not at all, so that going on from it changes nothing."""
        ...

    def advance(self) -> Fields:
        """Run one interval; its fields, as named by `Speedy.advance`."""
        ...


class Speedy:
    """SPEEDY physics on the dinosaur spectral core at T31 L8, as `jcm` builds it by default.

    The boundary data are those that the package ships on this grid: climatologies of sea-surface
    temperature, ice, snow, soil moisture and land temperature, replayed every year.

    Args:
        order: Start, interval and seed.
    """

    def __init__(self, order: Order) -> None:
        import jcm
        from jcm.forcing import ForcingData
        from jcm.model import Model as Jcm
        from jcm.physics.speedy.speedy_coords import get_speedy_coords
        from jcm.physics.speedy.speedy_terms import speedy_physics
        from jcm.terrain import TerrainData

        boundary = Path(jcm.__file__).parent / "data" / "bc" / "t30" / "clim"
        coords = get_speedy_coords(layers=8, spectral_truncation=31)
        self._terrain = TerrainData.from_file(boundary / "terrain.nc", coords)
        self._forcing = ForcingData.from_file(
            boundary / "forcing.nc", coords, align_mode="wrap_year"
        )
        self._model = Jcm(
            coords=coords,
            time_step=30.0,
            terrain=self._terrain,
            physics=speedy_physics(),
            start_time=order.start,
        )
        self._order = order

    def about(self) -> dict[str, object]:
        """Device, versions and resolution."""
        import jax

        device = jax.devices()[0]
        return {
            "model": "SPEEDY physics on the dinosaur spectral dynamical core (jcm)",
            "versions": {name: metadata.version(name) for name in ("jcm", "dinosaur", "jax")},
            "device": f"{device.platform.upper()} ({device.device_kind})",
            "resolution": "T31 (96 x 48 Gaussian grid), 8 sigma levels",
            "time_step_minutes": 30,
            "boundary_data": "climatologies and terrain shipped with jcm (data/bc/t30/clim)",
        }

    def fixed(self) -> Fields:
        """Axes in degrees and sigma, height of the surface in m, share of land."""
        grid = self._model.coords.horizontal
        return {
            "lat": np.degrees(np.asarray(grid.latitudes, np.float64))[::-1],
            "lon": np.degrees(np.asarray(grid.longitudes, np.float64)),
            "sigma": np.asarray(self._model.coords.vertical.centers, np.float64).round(6),
            "orog": _north_to_south(self._terrain.phis0) / np.float32(_constant("grav")),
            "land": _north_to_south(self._terrain.fmask),
        }

    def begin(self) -> None:
        """An isothermal atmosphere at rest, with a 10-hPa wave of surface pressure somewhere."""
        self._model.bootstrap_state(self._model.initial_state(random_seed=self._order.seed))

    def restore(self, path: Path) -> None:
        """The dynamics, what the physics carries from step to step, and the clock."""
        from jcm.checkpoint import load_checkpoint

        self._model.bootstrap_state()
        load_checkpoint(self._model, path)

    def save(self, path: Path) -> None:
        """The same, as msgpack; written under another name, then renamed."""
        from jcm.checkpoint import save_checkpoint

        save_checkpoint(self._model, path)

    def advance(self) -> Fields:
        """Run one interval.

        Returns:
            At its end `ua`, `va` in m/s, `ta` in K, `hus` in kg/kg and `zg` in m, shape (level,
            lat, lon), and `ps` in Pa, (lat, lon); means over it `pr` in kg m-2 s-1, `clt` as a
            share and `rlut` in W m-2, upward.
        """
        length = f"{60 * self._order.minutes} seconds"
        made = self._model.resume(
            forcing=self._forcing, save_interval=length, total_time=length, output_averages=True
        )
        means = self._model.physics.data_struct_to_dict(
            made.physics, nodal_shape=self._model.coords.nodal_shape
        )
        now = self._model.dycore.to_physics_state(self._model.dycore_state)
        rain = means["convection.precnv"][0] + means["condensation.precls"][0]
        fields = {
            "ua": now.u_wind,
            "va": now.v_wind,
            "ta": now.temperature,
            # Spectral truncation leaves small negative values; the model clips them as well.
            "hus": np.maximum(np.asarray(now.specific_humidity), 0.0),
            "zg": np.asarray(now.geopotential) / _constant("grav"),
            "ps": np.asarray(now.normalized_surface_pressure) * _constant("p0"),
            "pr": np.asarray(rain) * 1e-3,  # g m-2 s-1
            "clt": means["shortwave_rad.cloudc"][0],
            "rlut": means["longwave_rad.ftop"][0],
        }
        return {name: _north_to_south(field) for name, field in fields.items()}


def serve(build: Callable[[Order], Model]) -> int:
    """Do the order given on the command line with a model.

    Args:
        build: Makes the model.

    Returns:
        The exit code: 0 done, 1 if it could not be done; then the last line said why.
    """
    tell = _channel()
    _end_with_parent()
    order = Order(**json.loads(sys.argv[1]))
    try:
        _run(order, build(order), tell)
    except ModuleNotFoundError as error:
        tell("failed", missing=error.name, message=str(error))
        return 1
    except FloatingPointError as error:
        tell("failed", message=str(error))
        return 1
    return 0


def _run(order: Order, model: Model, tell: Callable[..., None]) -> None:
    _write(Path(order.folder) / "fixed.npz", model.fixed())
    tell("ready", **model.about())
    if order.first == 0:
        model.begin()
    else:
        model.restore(order.state(order.first))
    kept: list[Fields] = []
    for number in range(order.first + 1, order.total + 1):
        fields = model.advance()
        _check_finite(fields, number)
        if number > order.spinup:
            kept.append(fields)
        tell("interval", number=number)
        if order.ends_chunk(number):
            model.save(order.state(number))
            if kept:
                stacked = {name: np.stack([one[name] for one in kept]) for name in kept[0]}
                _write(order.kept(number), stacked)
            tell("saved", number=number, kept=len(kept))
            kept = []


def _check_finite(fields: Fields, number: int) -> None:
    for name, field in fields.items():
        if not np.isfinite(field).all():
            raise FloatingPointError(f"the model blew up: {name} is not finite at {number}")


def _write(path: Path, arrays: Fields) -> None:
    """Whole or not at all."""
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
    part.replace(path)


def _channel() -> Callable[..., None]:
    """Standard output for messages alone: whatever libraries print goes to standard error."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def tell(event: str, **facts: object) -> None:
        out.write(json.dumps({"event": event, **facts}) + "\n")
        out.flush()

    return tell


def _end_with_parent() -> None:
    """A killed parent cannot stop its child; the pipe it held closes."""

    def watch() -> None:
        # Not through sys.stdin, whose lock the interpreter wants when it ends.
        while os.read(0, 1):
            pass
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _constant(name: str) -> float:
    from jcm import constants

    return float(getattr(constants, name))


def _north_to_south(field: Any) -> NDArray[np.float32]:
    """From (..., lon, lat), south first, to (..., lat, lon), north first."""
    return np.ascontiguousarray(np.swapaxes(np.asarray(field, np.float32), -1, -2)[..., ::-1, :])


if __name__ == "__main__":
    sys.exit(serve(Speedy))
