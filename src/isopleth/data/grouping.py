"""Rows that arrive in pieces, put together into soundings with their stations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from isopleth.data.rejections import RejectionTable
from isopleth.data.soundings import Soundings, Stations
from isopleth.data.windows import Times

__all__ = ["NotOneCastError", "Piece", "RowColumns", "assemble", "piece_of"]

Floats = npt.NDArray[np.float64]
Keys = npt.NDArray[np.uint64]

_MIX = np.uint64(0x9E3779B97F4A7C15)
"""2^64 over the golden ratio: spreads the hashes of the single columns (Knuth, TAOCP 6.4)."""

_FARTHEST = 1.0
"""Rows of one profile farther apart than this, degrees, belong to different casts."""

_LONGEST = np.timedelta64(3, "D")
"""Rows of one profile further apart than this in time belong to different casts."""


class NotOneCastError(Exception):
    """The column of profile numbers does not name single casts."""


@dataclass(frozen=True)
class Piece:
    """Some rows and their stations.

    Args:
        key: Identity of each station across pieces, shape (u,).
        stations: The stations, u of them.
        profile: Index into them, shape (m,).
        depth: m, shape (m,).
        value: In the unit of the variable, shape (m,).
        error: Standard deviation, NaN = unknown, shape (m,).
    """

    key: Keys
    stations: Stations
    profile: npt.NDArray[np.int32]
    depth: Floats
    value: Floats
    error: npt.NDArray[np.float32]


@dataclass(frozen=True)
class RowColumns:
    """Columns of a chunk of rows, all of shape (m,).

    Args:
        time: UTC, datetime64[ns].
        latitude: Degrees north.
        longitude: Degrees east in [0, 360).
        platform: Codes and the names they stand for.
        cast: Codes of profile numbers and their names; None where the table has none.
        depth: m.
        value: In the unit of the variable.
        error: Standard deviation, NaN = unknown.
    """

    time: Times
    latitude: Floats
    longitude: Floats
    platform: tuple[npt.NDArray[np.int64], Sequence[str]]
    cast: tuple[npt.NDArray[np.int64], Sequence[str]] | None
    depth: Floats
    value: Floats
    error: Floats


def piece_of(rows: RowColumns) -> Piece:
    """The piece of these rows: one station for each (platform, cast) or (platform, time, place).

    Raises:
        NotOneCastError: If rows of one cast number lie far apart.
    """
    columns: list[npt.NDArray[np.generic]] = [_hashed_names(*rows.platform)]
    if rows.cast is not None:
        columns.append(_hashed_names(*rows.cast))
    else:
        # Adding 0.0 makes -0.0 and 0.0 one place.
        columns += [rows.time.astype(np.int64), rows.latitude + 0.0, rows.longitude + 0.0]
    profile, key = pd.factorize(_combined(columns))
    first = np.empty(len(key), dtype=np.int64)
    first[profile[::-1]] = np.arange(profile.size)[::-1]
    codes, names = rows.platform
    stations = Stations(
        rows.time[first],
        rows.latitude[first],
        rows.longitude[first],
        np.asarray(names, dtype=np.str_)[codes[first]],
    )
    if rows.cast is not None:
        unnamed = np.zeros(rows.time.shape, dtype="U1")
        every = Stations(rows.time, rows.latitude, rows.longitude, unnamed)
        _check_one_cast(stations, profile, every)
    return Piece(
        np.asarray(key, dtype=np.uint64),
        stations,
        profile.astype(np.int32),
        rows.depth,
        rows.value,
        rows.error.astype(np.float32),
    )


def assemble(
    pieces: Sequence[Piece], *, variable: str, source: str, rejected: RejectionTable
) -> Soundings:
    """All pieces as one table; a station that occurs in several pieces is one.

    Raises:
        NotOneCastError: If the same cast number means places far apart in different pieces.
    """
    codes, _ = pd.factorize(np.concatenate([piece.key for piece in pieces]))
    every = Stations(
        *(
            np.concatenate([getattr(piece.stations, name) for piece in pieces])
            for name in ("time", "latitude", "longitude", "platform")
        )
    )
    stations = every
    if codes.size and codes.max() + 1 < codes.size:
        _, first = np.unique(codes, return_index=True)
        stations = every.take(first)
        _check_one_cast(stations, codes, every)
    offsets = np.cumsum([0] + [len(piece.key) for piece in pieces[:-1]])
    profile = [codes[piece.profile + o] for piece, o in zip(pieces, offsets, strict=True)]
    return Soundings(
        stations,
        np.concatenate(profile).astype(np.int32),
        np.concatenate([piece.depth for piece in pieces]),
        np.concatenate([piece.value for piece in pieces]),
        np.concatenate([piece.error for piece in pieces]).astype(np.float64),
        variable=variable,
        source=source,
        rejected=rejected,
    )


def _check_one_cast(stations: Stations, profile: npt.NDArray[np.integer], rows: Stations) -> None:
    """Every row must lie near the first row of its station."""
    north = np.abs(rows.latitude - stations.latitude[profile])
    turn = np.abs((rows.longitude - stations.longitude[profile] + 180.0) % 360.0 - 180.0)
    east = turn * np.cos(np.radians(rows.latitude))
    later = np.abs(rows.time - stations.time[profile])
    if ((north > _FARTHEST) | (east > _FARTHEST) | (later > _LONGEST)).any():
        raise NotOneCastError


def _hashed_names(codes: npt.NDArray[np.int64], names: Sequence[str]) -> Keys:
    return pd.util.hash_array(np.array(names, dtype=object), categorize=False)[codes]


def _combined(columns: Sequence[npt.NDArray[np.generic]]) -> Keys:
    """One hash for each row; among 10^7 rows two differ by chance with probability 3e-6."""
    total = np.zeros(len(columns[0]), dtype=np.uint64)
    for column in columns:
        total = (total ^ pd.util.hash_array(column)) * _MIX
        total ^= total >> np.uint64(29)
    return total
