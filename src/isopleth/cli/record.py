"""The record of a run: what was run, on what, where, and what it cost."""

from __future__ import annotations

import platform
import resource
import shlex
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import isopleth
from isopleth.studies import device_description, sha256_of

__all__ = ["command_line", "hashes", "peak_memory_gb", "rounded", "stamp", "versions"]

_PACKAGES = ("numpy", "scipy", "numba", "torch", "xarray", "pandas", "gsw", "dask")


def command_line(words: Sequence[str]) -> str:
    """The command as it can be typed again."""
    return shlex.join(["isopleth", *words])


def stamp() -> dict[str, str]:
    """When and where, in words."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "machine": f"{device_description()}, {platform.system()} {platform.machine()}",
    }


def versions() -> dict[str, str]:
    """This package, Python, and the packages that decide the numbers."""
    found = {name: version(name) for name in _PACKAGES}
    return {"isopleth": isopleth.__version__, "python": platform.python_version(), **found}


def hashes(paths: Sequence[Path]) -> dict[str, str]:
    """SHA-256 of each file; a folder (a Zarr store) has none."""
    return {
        str(path): sha256_of(path) if path.is_file() else "a folder, not hashed" for path in paths
    }


def peak_memory_gb() -> float:
    """Largest resident memory of this process so far, GB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1.0 if sys.platform == "darwin" else 1024.0) / 1e9


def rounded(seconds: Mapping[str, float]) -> dict[str, str]:
    """Wall times as a person reads them."""
    return {name: f"{value:.1f} s" for name, value in seconds.items()}
