"""The examples run and draw what they say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.mark.parametrize(
    ("name", "words"),
    [("guided_prior.py", ("quick",)), ("map_a_month.py", ())],
)
def test_an_example_draws_its_picture(name: str, words: tuple[str, ...], tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    table = (str(picture), *words) if name == "guided_prior.py" else ()
    subprocess.run(
        [sys.executable, EXAMPLES / name, *table], cwd=tmp_path, check=True, timeout=300
    )
    drawn = picture if table else tmp_path / "month.png"
    assert drawn.read_bytes().startswith(b"\x89PNG")
    assert drawn.stat().st_size > 50_000


def test_every_example_is_run_here() -> None:
    assert {p.name for p in EXAMPLES.glob("*.py")} == {"guided_prior.py", "map_a_month.py"}
