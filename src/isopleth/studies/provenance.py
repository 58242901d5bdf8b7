"""Where a figure comes from: the commit, the day, the machine, the bytes of the data."""

from __future__ import annotations

import ast
import hashlib
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import TypedDict

from isopleth.core.errors import DataMissingError

__all__ = ["Stamp", "code_digest", "device_description", "git_commit", "sha256_of", "stamp"]

# What a benchmark writes does not change what it computes, so it does not make the tree dirty.
_OUTPUTS = ("results", "README.md")


class Stamp(TypedDict):
    """The fields of a result that say when and where it was made."""

    commit: str
    date: str
    device: str


def stamp(root: Path) -> Stamp:
    """Commit of the working tree at `root`, today's date in UTC, and this machine."""
    return Stamp(
        commit=git_commit(root),
        date=datetime.now(UTC).date().isoformat(),
        device=device_description(),
    )


def git_commit(root: Path) -> str:
    """Hash of the checked-out commit, with `-dirty` if tracked or new files differ from it.

    Changes to `results/` and `README.md` do not count. `unknown` outside a git repository, or
    before its first commit.
    """
    commit = _git(root, "rev-parse", "HEAD")
    if commit is None:
        return "unknown"
    paths = [f":(top,exclude){name}" for name in _OUTPUTS]
    changes = _git(root, "status", "--porcelain", "--", ":(top)", *paths)
    return f"{commit}-dirty" if changes else commit


def device_description() -> str:
    """Processor, logical cores and the threads numerical libraries may use, in words."""
    cores = os.cpu_count() or 1
    threads = os.environ.get("OMP_NUM_THREADS", str(cores))
    return f"{_processor()}, cores: {cores}, threads: {threads}"


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, 64 hexadecimal digits.

    Raises:
        DataMissingError: There is no such file.
    """
    if not Path(path).is_file():
        raise DataMissingError(f"{path} is not a file: check the path of the data.")
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def code_digest(*paths: Path) -> str:
    """SHA-256 of what Python files do, whatever their comments, docstrings and layout say.

    Names what was computed with them, so that a better sentence does not cost a new run.
    """
    total = hashlib.sha256()
    for path in paths:
        total.update(_without_words(path.read_text(encoding="utf-8")).encode())
    return total.hexdigest()


def _without_words(code: str) -> str:
    """The syntax tree without docstrings; comments are none of it.

    >>> _without_words("1; 'text'  # and words") == _without_words("1")
    True
    """
    tree = ast.parse(code)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [part for part in body if not _is_text(part)]  # type: ignore[attr-defined]
    return ast.dump(tree)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _git(root: Path, *arguments: str) -> str | None:
    """Output of a git command, None if it fails or git is not installed."""
    command = ["git", "-C", str(root), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _processor() -> str:
    """Model name of the processor; the architecture where the system does not tell."""
    listing = Path("/proc/cpuinfo")
    if listing.is_file():
        for line in listing.read_text().splitlines():
            if line.startswith("model name"):
                return " ".join(line.split(":", 1)[1].split())
    return platform.processor() or platform.machine()
