"""The examples run and draw what they say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


PICTURES = {
    "assimilate_demo.py": "increment.png",
    "guided_prior.py": "picture.png",
    "map_a_month.py": "month.png",
}
WORDS = {"guided_prior.py": ("picture.png", "quick")}


@pytest.mark.parametrize("name", sorted(PICTURES))
def test_an_example_draws_its_picture(name: str, tmp_path: Path) -> None:
    command = [sys.executable, EXAMPLES / name, *WORDS.get(name, ())]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=300)
    drawn = tmp_path / PICTURES[name]
    assert drawn.read_bytes().startswith(b"\x89PNG")
    assert drawn.stat().st_size > 50_000


def test_every_example_is_run_here() -> None:
    assert {p.name for p in EXAMPLES.glob("*.py")} == {*PICTURES}
