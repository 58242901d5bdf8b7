"""Tables of any size in pieces: CSV (also compressed), Parquet and pandas, without reading all."""

from __future__ import annotations

import csv
import gzip
import time
import weakref
import zlib
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from isopleth.core.errors import DataMissingError, InputError
from isopleth.data.cells import MISSING_TEXTS

__all__ = ["CsvSource", "FrameSource", "ParquetSource", "Source", "table_source"]

_BLOCK_BYTES = 1 << 24
"""Text read at once, bytes."""

_BLOCK_ROWS = 1 << 19
"""Rows taken at once from Parquet and pandas."""

_PATIENCE_S = 10.0
"""How long the threads of a CSV reader are waited for."""

_DEGREE_UNITS = frozenset(("degrees_north", "degree_north", "degrees", "degree_n", "degrees_n"))


class Source(Protocol):
    """A table that is read in pieces."""

    @property
    def name(self) -> str:
        """What messages call it."""

    @property
    def headers(self) -> Sequence[str]:
        """Names of the columns."""

    @property
    def units(self) -> dict[str, str]:
        """Units that the table states beside the headers."""

    def batches(self, headers: Sequence[str]) -> Generator[tuple[pa.RecordBatch, int], None, None]:
        """These columns, piece by piece, and the number of malformed rows skipped before each.

        To be closed by whoever stops early.
        """


@dataclass(frozen=True)
class FrameSource:
    """A pandas DataFrame."""

    frame: pd.DataFrame
    name: str = "the table"

    @property
    def headers(self) -> Sequence[str]:
        """Names of the columns."""
        return [str(name) for name in self.frame.columns]

    @property
    def units(self) -> dict[str, str]:
        """None: a DataFrame has no place for them."""
        return {}

    def batches(self, headers: Sequence[str]) -> Generator[tuple[pa.RecordBatch, int], None, None]:
        """The columns in pieces of rows."""
        named = self.frame.set_axis(list(self.headers), axis=1)[list(headers)]
        for start in range(0, len(named), _BLOCK_ROWS):
            rows = named.iloc[start : start + _BLOCK_ROWS]
            try:
                table = pa.Table.from_pandas(rows, preserve_index=False)
            except (pa.ArrowInvalid, pa.ArrowTypeError):
                # A column of numbers and text has no Arrow type; as text each cell is judged.
                table = pa.Table.from_pandas(rows.astype(str), preserve_index=False)
            # A frame that was concatenated has columns in several chunks.
            for batch in table.combine_chunks().to_batches():
                yield batch, 0


@dataclass(frozen=True)
class ParquetSource:
    """A Parquet file; the metadata of a field may state its `units`."""

    path: Path

    @property
    def name(self) -> str:
        """File name."""
        return self.path.name

    @property
    def headers(self) -> Sequence[str]:
        """Names of the columns."""
        return [str(name) for name in self._open().schema_arrow.names]

    @property
    def units(self) -> dict[str, str]:
        """Units in the metadata of the fields."""
        stated = {f.name: (f.metadata or {}).get(b"units") for f in self._open().schema_arrow}
        return {name: unit.decode() for name, unit in stated.items() if unit}

    def batches(self, headers: Sequence[str]) -> Generator[tuple[pa.RecordBatch, int], None, None]:
        """The columns in pieces of rows."""
        try:
            for batch in self._open().iter_batches(_BLOCK_ROWS, columns=list(headers)):
                yield batch, 0
        except (OSError, pa.ArrowInvalid) as error:
            raise _damaged(self.path, "Parquet", error) from error

    def _open(self) -> pyarrow.parquet.ParquetFile:
        try:
            return pyarrow.parquet.ParquetFile(self.path)
        except (OSError, pa.ArrowInvalid) as error:
            raise _damaged(self.path, "Parquet", error) from error


@dataclass(frozen=True)
class CsvSource:
    """A text table with a header line.

    Args:
        path: The file, plain or compressed by gzip.
        compressed: Whether it is.
        skipped: Comment lines (#) before the header.
        delimiter: Comma, semicolon or tab.
        headers: Names of the columns.
        units: Units in a second header line (as ERDDAP writes them), empty without one.
    """

    path: Path
    compressed: bool
    skipped: int
    delimiter: str
    headers: Sequence[str]
    units: dict[str, str]

    @classmethod
    def sniff(cls, path: Path) -> CsvSource:
        """Look at the first lines.

        Raises:
            InputError: If the file is no text table.
        """
        with path.open("rb") as stream:
            compressed = stream.read(2) == b"\x1f\x8b"
        lines = _first_lines(path, compressed)
        comments = next(
            (i for i, line in enumerate(lines) if not line.startswith("#")), len(lines)
        )
        if comments == len(lines) or not lines[comments].strip():
            raise InputError(f"{path.name} holds no header line: it must name its columns.")
        delimiter = max(",;\t", key=lines[comments].count)
        headers = next(csv.reader([lines[comments]], delimiter=delimiter))
        headers = [name.strip() for name in headers]
        if len(headers) < 2:
            raise InputError(
                f"{path.name} is no table with columns separated by comma, semicolon or tab: "
                f"its first line is {lines[comments][:60]!r}."
            )
        if len(set(headers)) < len(headers):
            twice = next(name for name in headers if headers.count(name) > 1)
            raise InputError(f"{path.name} has two columns named {twice!r}: rename one.")
        second = next(csv.reader(lines[comments + 1 : comments + 2], delimiter=delimiter), [])
        stated = _DEGREE_UNITS & {cell.strip().lower() for cell in second}
        units = dict(zip(headers, second, strict=False)) if stated else {}
        return cls(path, compressed, comments, delimiter, headers, units)

    @property
    def name(self) -> str:
        """File name."""
        return self.path.name

    def batches(self, headers: Sequence[str]) -> Generator[tuple[pa.RecordBatch, int], None, None]:
        """The columns as text, in pieces, and how many malformed rows were skipped."""
        malformed = _Malformed()
        try:
            yield from self._pieces(headers, malformed)
        except (OSError, EOFError, zlib.error, pa.ArrowInvalid) as error:
            raise _damaged(self.path, "CSV", error) from error
        finally:
            malformed.wait()

    def _pieces(
        self, headers: Sequence[str], malformed: _Malformed
    ) -> Generator[tuple[pa.RecordBatch, int], None, None]:
        reader = self._open(headers, malformed)
        seen = 0
        try:
            for batch in reader:
                yield batch, malformed.rows - seen
                seen = malformed.rows
        finally:
            reader.close()
            del reader  # a traceback would keep it, and with it the handler

    def _open(
        self, headers: Sequence[str], malformed: _Malformed
    ) -> pyarrow.csv.CSVStreamingReader:
        """Every column is read as text: one unreadable cell must not cost the file."""
        stream = pa.input_stream(self.path, compression="gzip" if self.compressed else None)
        return pyarrow.csv.open_csv(
            stream,
            read_options=pyarrow.csv.ReadOptions(
                block_size=_BLOCK_BYTES,
                skip_rows=self.skipped + 1 + bool(self.units),
                column_names=list(self.headers),
            ),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=self.delimiter, invalid_row_handler=malformed.handler()
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                include_columns=list(headers),
                column_types=dict.fromkeys(headers, pa.string()),
                null_values=list(MISSING_TEXTS),
                strings_can_be_null=True,
            ),
        )


class _Malformed:
    """Counts rows with a wrong number of cells, through a handler that has them skipped."""

    def __init__(self) -> None:
        self.rows = 0
        self._held: Callable[[], object] = lambda: None

    def handler(self) -> Callable[[object], str]:
        """What pyarrow is to call with each such row."""

        def skip(row: object) -> str:
            self.rows += 1
            return "skip"

        self._held = weakref.ref(skip)
        return skip

    def wait(self) -> None:
        """Wait until no thread of pyarrow holds the handler.

        A thread that read ahead may be the last to let go of it, even after the reader was closed.
        That needs the interpreter, and where it is just then ending, as after an error message,
        the process aborts.
        """
        latest = time.monotonic() + _PATIENCE_S
        while self._held() is not None and time.monotonic() < latest:
            time.sleep(1e-3)


def table_source(path: Path) -> Source:
    """The table in a file, by its content.

    Raises:
        DataMissingError: If the file does not exist.
        InputError: If it is empty or no table.
    """
    if not path.is_file():
        raise DataMissingError(f"there is no file {str(path)!r}: check the path.")
    if path.stat().st_size == 0:
        raise InputError(f"{path.name} is empty (0 bytes): fetch or write it again.")
    with path.open("rb") as stream:
        magic = stream.read(4)
    return ParquetSource(path) if magic == b"PAR1" else CsvSource.sniff(path)


def _first_lines(path: Path, compressed: bool) -> list[str]:
    """The first lines as text."""
    try:
        with gzip.open(path, "rb") if compressed else path.open("rb") as stream:
            head = stream.read(1 << 16)
        text = head.decode("utf-8-sig", errors="strict" if len(head) < 1 << 16 else "ignore")
    except (OSError, EOFError, zlib.error) as error:
        raise _damaged(path, "gzip", error) from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path.name} is no text table (it is not UTF-8): give CSV, Parquet or NetCDF."
        ) from error
    if "\0" in text:
        raise InputError(
            f"{path.name} is no text table (it holds binary data): give CSV, Parquet or NetCDF."
        )
    return text.splitlines()


def _damaged(path: Path, form: str, error: Exception) -> InputError:
    detail = str(error).split("\n", maxsplit=1)[0][:160]
    return InputError(f"{path.name} cannot be read as {form} ({detail}): fetch or write it again.")
