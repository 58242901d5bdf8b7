"""DAPPER's answer to a twin experiment; runs in DAPPER's own environment, without Isopleth.

    python lorenz_dapper.py TWIN.npz METHOD.json SEED ANSWER.npz

Reference: Raanes, Chen and Grudzien (2024), J. Open Source Softw. 9, 5150.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import dapper
import dapper.da_methods as da
import dapper.mods as modelling
import numpy as np
from dapper.mods.Lorenz96 import d2x_dtdx, dxdt, step
from dapper.tools.localization import nd_Id_localization
from dapper.tools.seeding import set_seed


class Given(modelling.GaussRV):
    """The start of the other program: the same members and mean."""

    def __init__(self, ensemble: np.ndarray) -> None:
        super().__init__(mu=ensemble.mean(0), C=1.0)
        self.ensemble = ensemble

    def sample(self, count: int) -> np.ndarray:
        """The first members."""
        return self.ensemble[:count].copy()


class Drawn(modelling.GaussRV):
    """Errors of variance 1 (or as given) that the other program drew, in its order."""

    def __init__(self, variance: np.ndarray, draws: np.ndarray) -> None:
        super().__init__(C=variance)
        self.draws = iter(draws)

    def sample(self, count: int) -> np.ndarray:
        """The next of them; DAPPER subtracts what Isopleth adds."""
        return -next(self.draws)


class Timeless(modelling.Operator):
    """An operator that is its own answer to a time.

    `Var4D` of 1.7.1 asks `Obs(ko).linear` of what `HMM.Obs(ko)` gave it already, and so would
    observe the number of the cycle. Its diagnostics also want as many values as variables.
    """

    def __call__(self, x: Any) -> Any:
        """Of a time: itself; of a state: what is seen."""
        return self if np.ndim(x) == 0 else super().__call__(x)


def derivative(x: np.ndarray, _: float, dt: float) -> np.ndarray:
    """Of the Runge-Kutta step; DAPPER's own holds the tendency's derivative fixed over a step."""
    one = np.eye(len(x))
    a = dxdt(x)
    b = dxdt(x + dt / 2 * a)
    c = dxdt(x + dt / 2 * b)
    A = d2x_dtdx(x)
    B = d2x_dtdx(x + dt / 2 * a) @ (one + dt / 2 * A)
    C = d2x_dtdx(x + dt / 2 * b) @ (one + dt / 2 * B)
    D = d2x_dtdx(x + dt * c) @ (one + dt * C)
    return one + dt / 6 * (A + 2 * (B + C) + D)


def complete(twin: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same with a value for every variable, an error variance of 1e6 where none was seen.

    With 1e12, DAPPER takes the variance of 1 for rounding and drops what was seen.
    """
    size = twin["truth"].shape[1]
    y, variance = np.zeros((len(twin["y"]), size)), np.full(size, 1e6)
    y[:, twin["index"]], variance[twin["index"]] = twin["y"], 1.0
    return twin | {"y": y, "index": np.arange(size), "variance": variance}


def model(twin: dict[str, np.ndarray]) -> modelling.HiddenMarkovModel:
    """Lorenz-96 of DAPPER, observed as the twin was."""
    cycles, size = len(twin["y"]), twin["truth"].shape[1]
    obs = modelling.partial_Id_Obs(size, twin["index"])
    obs["noise"] = Drawn(twin["variance"], twin["draws"])
    operator = Timeless(**obs, localizer=nd_Id_localization((size,), (1,), twin["index"]))
    return modelling.HiddenMarkovModel(
        {"M": size, "model": step, "linear": derivative, "noise": 0},
        {"time_dependent": lambda _: operator},
        modelling.Chronology(0.05, dko=1, Ko=cycles - 1, BurnIn=0),
        Given(twin["ensemble"]),
    )


def method(settings: dict[str, Any], climate: np.ndarray) -> Any:
    """The object of DAPPER that these settings describe."""
    scheme, infl = settings["scheme"], settings["inflation"]
    if scheme == "Var3D":
        return da.Var3D(B=climate, xB=settings["scale"])
    if scheme == "Var4D":
        window = {"Lag": settings["lag"], "nIter": settings["iterations"]}
        return da.Var4D(B=climate, xB=settings["scale"], **window)
    if scheme == "LETKF":
        return da.LETKF(N=settings["members"], infl=infl, loc_rad=settings["radius"])
    return da.EnKF(scheme, N=settings["members"], infl=infl)


def main(twin_path: str, method_path: str, seed: str, answer_path: str) -> None:
    """Read, assimilate, write the analysis means, (cycles, 40)."""
    dapper.rc.liveplotting = False
    with np.load(twin_path, allow_pickle=False) as stored:
        twin = dict(stored)
    settings = json.loads(Path(method_path).read_text(encoding="utf-8"))
    twin["variance"] = np.ones(len(twin["index"]))
    twin = complete(twin) if settings["scheme"] == "Var4D" else twin
    set_seed(int(seed) + 1)  # it refuses 0
    xp = method(settings, twin["climate"])
    xp.assimilate(model(twin), twin["truth"], twin["y"], liveplots=False)
    np.savez(answer_path, mean=np.asarray(xp.stats.mu.a))


if __name__ == "__main__":
    main(*sys.argv[1:])
