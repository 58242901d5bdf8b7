"""Where the climatology's states are kept: what names their folder, and how a piece is written."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import isopleth
from isopleth.studies.provenance import code_digest
from isopleth.studies.results import replacing

SOURCE = Path(isopleth.__file__).parent
ASSET = SOURCE / "data" / "assets" / "qg3_boundary.npz"
CODE = (
    "core/gaussian_grid.py", "core/sphere.py", "dynamics/advection.py", "dynamics/nature.py",
    "dynamics/qg3_operators.py", "dynamics/qg3_recipe.py", "dynamics/qg3_surface.py",
    "dynamics/quasigeostrophic.py", "dynamics/rollout.py", "dynamics/runge_kutta.py",
)  # fmt: skip


def digest(numbers: str, *more: Path) -> str:
    """SHA-256 of all that decides a state: numbers, boundary fields, code without its words."""
    code = code_digest(*(SOURCE / name for name in CODE), *more)
    return hashlib.sha256(numbers.encode() + ASSET.read_bytes() + code.encode()).hexdigest()


def days_of_pieces(days: float, piece: float) -> Iterator[float]:
    """Lengths of the files that hold a run."""
    while days > 0.0:
        yield min(days, piece)
        days -= piece


def save(path: Path, states: NDArray[np.float32]) -> None:
    """Write a piece whole or not at all."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.save(file, states, allow_pickle=False)
