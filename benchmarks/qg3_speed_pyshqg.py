"""What `qg3_speed.py` runs in the environment of pyshqg 1.0.1, the reference program; not here.

    python benchmarks/qg3_speed_pyshqg.py time BATCH STEPS REPEATS      prints JSON
    python benchmarks/qg3_speed_pyshqg.py golden OUT.npz                fields for the tests

Both programs get the same fields on the same grid. pyshqg works in a mirrored frame (latitude and
longitude change sign), so only fields on the grid are exchanged, never coefficients: its rows run
south to north and its columns from 180 E. Its environment needs Python <= 3.11 and numpy < 2.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
from pyshqg.backend.numpy_backend import NumpyBackend
from pyshqg.core.dissipation import (
    QGDissipation,
    QGEkmanDissipation,
    QGSelectiveDissipation,
    QGThermalDissipation,
)
from pyshqg.core.integration import RungeKuttaModelIntegrator
from pyshqg.core.model import QGModel
from pyshqg.core.poisson import QGPoissonSolver
from pyshqg.core.source import QGForcing
from pyshqg.core.spectral_transformations import SpectralTransformations
from pyshqg.preprocessing.orography import Orography
from pyshqg.preprocessing.vertical_parametrisation import VerticalParametrisation

ROOT = Path(__file__).resolve().parents[1]
ASSET = ROOT / "src" / "isopleth" / "data" / "assets" / "qg3_boundary.npz"
DAY, STEP = 86_400.0, 1800.0
SELECTIVE = 2.0 * DAY


def mirrored(field: np.ndarray) -> np.ndarray:
    """From rows north to south and columns from 0 E to south to north and 180 E, and back."""
    return np.roll(field[..., ::-1, :], field.shape[-1] // 2, axis=-1)


def boundary(truncation: int) -> dict[str, np.ndarray]:
    """The shipped fields in the frame of pyshqg, double precision."""
    grid = {21: "32x64", 42: "64x128"}[truncation]
    with np.load(ASSET, allow_pickle=False) as file:
        names = ("forcing", "potential_vorticity", "land", "orography")
        return {name: mirrored(file[f"{name}_{grid}"].astype(np.float64)) for name in names}


def construct(truncation: int, kind: str) -> tuple[QGModel, np.ndarray]:
    """Model and coefficients of its first state."""
    fields, backend = boundary(truncation), NumpyBackend(kind)
    transform = SpectralTransformations(
        backend,
        T=truncation,
        T_grid=fields["land"].shape[0] - 1,
        planet_radius=6.371e6,
        planet_omega=7.292e-5,
    )
    levels = VerticalParametrisation([700e3, 450e3])
    surface = Orography(land_sea_mask=fields["land"], orography=fields["orography"])
    poisson = QGPoissonSolver(backend, transform, levels, surface, orography_scale=9000.0)
    ekman = QGEkmanDissipation(
        backend,
        transform,
        surface,
        tau=3.0 * DAY,
        weight_land_sea_mask=0.5,
        weight_orography=0.5,
        orography_scale=1000.0,
    )
    dissipation = QGDissipation(
        ekman=ekman,
        selective=QGSelectiveDissipation(backend, transform, tau=SELECTIVE),
        thermal=QGThermalDissipation(backend, levels, tau=25.0 * DAY),
    )
    forcing = QGForcing(backend, fields["forcing"])
    model = QGModel(backend, transform, poisson, dissipation, forcing)
    return model, transform.grid_to_spec(backend.from_numpy(fields["potential_vorticity"]))


def measure(batch: int, steps: int, repeats: int) -> dict[str, list[float]]:
    """CPU seconds of each of `repeats` runs, single precision, of `steps` RK4 steps."""
    model, q = construct(21, "float32")
    integrator = RungeKuttaModelIntegrator(model, dt=STEP, method="rk4")
    state = model.model_state(np.repeat(q[None], batch, axis=0))
    integrator.forward(state)
    seconds = []
    for _ in range(repeats):
        start, after = time.process_time(), state
        for _ in range(steps):
            after = integrator.forward(after)
        seconds.append(time.process_time() - start)
    return {"seconds": seconds}


def golden(truncation: int) -> dict[str, np.ndarray]:
    """Tendency of the shipped start and the state a day later, on the grid, double precision."""
    model, q = construct(truncation, "float64")
    to_grid = model.spectral_transformations.spec_to_grid
    state = model.model_state(q)
    tendency = model.compute_model_tendencies(state)["spec_q"]
    integrator = RungeKuttaModelIntegrator(model, dt=STEP, method="rk4")
    for _ in range(round(DAY / STEP)):
        state = integrator.forward(state)
    psi = model.compute_dependent_variable(model.model_state(q), "psi")["psi"]
    return {
        "tendency": mirrored(to_grid(tendency)),
        "after_one_day": mirrored(to_grid(state["spec_q"])),
        "streamfunction": mirrored(psi),
    }


if __name__ == "__main__":
    if sys.argv[1] == "time":
        print(json.dumps(measure(*map(int, sys.argv[2:5]))))
    else:
        truncation = int(sys.argv[3]) if len(sys.argv) > 3 else 21
        np.savez_compressed(sys.argv[2], **golden(truncation))
