"""What every test shares: threads, the Python blocks of the pages, and data that may be absent."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

# Before anything loads a numerical library: a thread more than there are cores costs a lot.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser

ROOT = Path(__file__).resolve().parent
EXTRA_DATA = Path(os.environ.get("ISOPLETH_EXTRA_DATA", ROOT.parent / "shared" / "data"))


def _enter_scratch(namespace: dict[str, object]) -> None:
    """Run one document's blocks, in order, in a folder of their own."""
    stack = contextlib.ExitStack()
    folder = stack.enter_context(tempfile.TemporaryDirectory())
    stack.enter_context(contextlib.chdir(folder))
    namespace["_scratch"] = stack


def _leave_scratch(namespace: dict[str, object]) -> None:
    stack = namespace.pop("_scratch", None)
    if isinstance(stack, contextlib.ExitStack):
        stack.close()


# Only blocks marked `python` run; `console` and `text` blocks are for reading.
pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(future_imports=["annotations"]), SkipParser()],
    patterns=["README.md", "docs/*.md", "docs/*/*.md"],
    setup=_enter_scratch,
    teardown=_leave_scratch,
).pytest()


@pytest.fixture(scope="session")
def extra_data() -> Path:
    """Folder of real data that are not shipped; mark its users with `extra_data(NAME, ...)`."""
    return EXTRA_DATA


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test marked `extra_data(NAME, ...)` where one of the named files is absent."""
    for marker in item.iter_markers("extra_data"):
        for name in marker.args:
            if not (EXTRA_DATA / name).exists():
                pytest.skip(
                    f"{EXTRA_DATA / name} is not here; set ISOPLETH_EXTRA_DATA to its folder"
                )
