"""RunStore: the states of a forecast on disk, so that a run that was stopped goes on."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from isopleth.core.errors import InputError

__all__ = ["RunStore"]

Floats = npt.NDArray[np.float32]

_ABOUT = "run.json"


class RunStore:
    """Blocks of states in a folder, one file each; a file is whole or not there.

    Args:
        folder: Made if it is not there; emptied if it belongs to another run.
        about: All that decides a number of the run.

    Raises:
        InputError: If the folder cannot be made, or holds something else.
    """

    def __init__(self, folder: Path, about: Mapping[str, object]) -> None:
        self.folder = folder
        text = json.dumps(about, sort_keys=True, indent=1)
        known = folder / _ABOUT
        if known.is_file() and known.read_text(encoding="utf-8") == text:
            return
        if folder.exists():
            if not known.is_file() and any(folder.iterdir()):
                raise InputError(
                    f"{str(folder)!r} holds something else than a forecast: move it away, or "
                    "choose another --out."
                )
            shutil.rmtree(folder)
        try:
            folder.mkdir(parents=True)
        except OSError as error:
            raise InputError(
                f"nothing can be written to {str(folder.parent)!r} ({error.strerror}): choose "
                "another --out."
            ) from error
        known.write_text(text, encoding="utf-8")

    def blocks(self) -> list[Floats]:
        """All blocks so far, in order, mapped and not loaded: each (time, member, 3, lat, lon)."""
        found: list[Floats] = []
        while (path := self._path(len(found))).is_file():
            found.append(np.load(path, mmap_mode="r", allow_pickle=False))
        return found

    def append(self, states: Floats) -> None:
        """Add a block after the last one."""
        path = self._path(len(self.blocks()))
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            np.save(file, states, allow_pickle=False)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:05d}.npy"
