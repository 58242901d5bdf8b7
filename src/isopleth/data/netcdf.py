"""NetCDF files: opened with plain errors, their arrays with NaN, their characters as text."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import netCDF4
import numpy as np
import numpy.typing as npt
import scipy.io

from isopleth.core.errors import DataMissingError, InputError

__all__ = ["check_file", "damaged", "numbers", "open_arrays", "starts_as_netcdf", "texts"]

_CLASSIC = (b"CDF\x01", b"CDF\x02")
_MAGIC = (*_CLASSIC, b"CDF\x05", b"\x89HDF")


def starts_as_netcdf(path: Path) -> bool:
    """Whether the first bytes are those of NetCDF (classic, 64-bit or HDF5)."""
    with path.open("rb") as stream:
        return stream.read(4) in _MAGIC


def check_file(path: Path) -> None:
    """Refuse a NetCDF file that is absent, empty, of another kind, or cut short.

    The NetCDF library reads zeros beyond the end of a truncated classic file, so its size is
    checked here against its header.

    Raises:
        DataMissingError: If the file does not exist.
        InputError: If it is empty, no NetCDF, or truncated.
    """
    if not path.is_file():
        raise DataMissingError(f"there is no file {str(path)!r}: check the path.")
    if path.stat().st_size == 0:
        raise InputError(f"{path.name} is empty (0 bytes): fetch it again.")
    if not starts_as_netcdf(path):
        raise InputError(f"{path.name} is no NetCDF file: check what was downloaded.")
    with path.open("rb") as stream:
        classic = stream.read(4) in _CLASSIC
    if classic:
        try:
            with scipy.io.netcdf_file(path, "r", mmap=True):
                pass
        except (ValueError, TypeError, OSError, EOFError, IndexError) as error:
            raise damaged(path, error) from error


@contextmanager
def open_arrays(path: Path) -> Iterator[netCDF4.Dataset]:
    """A NetCDF file whose variables give raw arrays (see `numbers` and `texts`).

    Raises:
        DataMissingError: If the file does not exist.
        InputError: If it is empty, damaged or truncated.
    """
    check_file(path)
    try:
        with netCDF4.Dataset(path) as file:
            file.set_auto_maskandscale(False)
            file.set_auto_chartostring(False)
            yield file
    except (OSError, RuntimeError) as error:
        if isinstance(error, DataMissingError):
            raise
        raise damaged(path, error) from error


def damaged(path: Path, error: Exception) -> InputError:
    """The error for a file that starts as NetCDF and cannot be read."""
    detail = str(error).split("\n", maxsplit=1)[0][:120]
    return InputError(
        f"{path.name} cannot be read as NetCDF, it is truncated or damaged ({detail}): "
        "fetch it again."
    )


def numbers(file: netCDF4.Dataset, name: str) -> npt.NDArray[np.float64]:
    """A numeric variable, unpacked, NaN at its fill value.

    Raises:
        InputError: If the file lacks it.
    """
    variable = _variable(file, name)
    raw = np.asarray(variable[:])
    values = raw.astype(np.float64)
    for attribute in ("_FillValue", "missing_value"):
        if attribute in variable.ncattrs():
            values[np.isin(raw, np.asarray(variable.getncattr(attribute)).astype(raw.dtype))] = (
                np.nan
            )
    if "_FillValue" not in variable.ncattrs():
        default = netCDF4.default_fillvals.get(raw.dtype.str[1:])
        values[raw == np.asarray(default, dtype=raw.dtype)] = np.nan
    scale = float(getattr(variable, "scale_factor", 1.0))
    return values * scale + float(getattr(variable, "add_offset", 0.0))


def texts(file: netCDF4.Dataset, name: str, *, strings: bool) -> npt.NDArray[np.str_]:
    """A character variable; blanks and NUL are stripped.

    Args:
        file: The open file.
        name: Name of the variable.
        strings: True joins the last dimension into strings, (n, 8) -> (n,); False keeps single
            characters, such as quality flags.

    Raises:
        InputError: If the file lacks it.
    """
    raw = np.ascontiguousarray(_variable(file, name)[:])
    if raw.dtype.kind == "S" and strings:
        raw = raw.view(f"S{raw.shape[-1] * raw.dtype.itemsize}")[..., 0]
    if raw.dtype.kind == "S":
        return np.char.strip(np.char.decode(raw, "utf-8", "replace"), " \0")
    return np.char.strip(raw.astype(np.str_))


def _variable(file: netCDF4.Dataset, name: str) -> netCDF4.Variable:
    if name not in file.variables:
        found = ", ".join(list(file.variables)[:12])
        raise InputError(
            f"{Path(file.filepath()).name} has no variable {name}: it has {found} ...; "
            "is it another kind of file?"
        )
    return file.variables[name]
