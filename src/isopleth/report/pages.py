"""One self-contained HTML file: text, tables and pictures, no script and no network.

The page may be opened from disk, mailed or archived: pictures and style sheet are inside, and a
content policy forbids the browser to fetch anything.
"""

from __future__ import annotations

import base64
import os
import struct
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, FunctionLoader, StrictUndefined, Template
from markupsafe import Markup

__all__ = ["Chapter", "Facts", "Page", "Picture", "Table", "Tile", "render", "write_page"]


@dataclass(frozen=True)
class Picture:
    """A figure with its caption.

    Args:
        png: Bytes of a PNG file.
        alt: What a person who cannot see it should know.
        caption: What it shows and how to read it.
    """

    png: bytes
    alt: str
    caption: str
    kind: str = "picture"

    @property
    def source(self) -> str:
        """The picture as a data address."""
        return "data:image/png;base64," + base64.b64encode(self.png).decode("ascii")

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, from the file's header."""
        width, height = struct.unpack(">II", self.png[16:24])
        return int(width), int(height)


@dataclass(frozen=True)
class Table:
    """Rows of text under named columns; the first column names the row.

    Args:
        caption: What the numbers are.
        columns: Heads.
        rows: Cells, each row as long as `columns`.
        total: Whether the last row sums up the others.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    total: bool = False
    kind: str = "table"


@dataclass(frozen=True)
class Facts:
    """Names and what they are.

    Args:
        pairs: Term and description.
        code: Whether descriptions are code, hashes or commands.
    """

    pairs: Sequence[tuple[str, str]]
    code: bool = False
    kind: str = "facts"


@dataclass(frozen=True)
class Tile:
    """One key number.

    Args:
        value: The number with its unit.
        name: What it is.
    """

    value: str
    name: str


@dataclass(frozen=True)
class Chapter:
    """A part of the page.

    Args:
        anchor: Identifier in addresses.
        title: Heading.
        text: Paragraphs.
        parts: Pictures, tables and facts after the text.
    """

    anchor: str
    title: str
    text: Sequence[str]
    parts: Sequence[Picture | Table | Facts] = ()


@dataclass(frozen=True)
class Page:
    """A whole report.

    Args:
        title: Of the window and the page.
        eyebrow: Small line above the title.
        lead: Opening sentences.
        notice: Warning shown above everything else, or "".
        tiles: Key numbers.
        chapters: In order.
        footer: Last line.
    """

    title: str
    eyebrow: str
    lead: Sequence[str]
    notice: str
    tiles: Sequence[Tile]
    chapters: Sequence[Chapter]
    footer: str


def render(page: Page) -> str:
    """The page as HTML text; everything in it is escaped."""
    return _template().render(page=page, style=Markup(_source("report.css")))


def write_page(path: Path, page: Page) -> Path:
    """Write the page so that the file is complete or not there.

    Args:
        path: HTML file; its folder is made.
        page: What to write.

    Returns:
        The path.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-", suffix=".part")
    part = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(render(page))
        part.chmod(0o644)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return path


@lru_cache(maxsize=1)
def _template() -> Template:
    environment = Environment(
        loader=FunctionLoader(_source),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2")


def _source(name: str) -> str:
    return (files("isopleth.report") / "templates" / name).read_text(encoding="utf-8")
