from __future__ import annotations

import hashlib
from pathlib import Path

from isopleth.cli import record


def test_the_command_can_be_typed_again() -> None:
    words = ["reconstruct", "my file.csv", "--region", "20N:60N,80W:0"]
    assert record.command_line(words) == (
        "isopleth reconstruct 'my file.csv' --region 20N:60N,80W:0"
    )


def test_inputs_are_hashed(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"abc")
    found = record.hashes([tmp_path / "a.csv", tmp_path])
    assert found[str(tmp_path / "a.csv")] == hashlib.sha256(b"abc").hexdigest()
    assert found[str(tmp_path)] == "a folder, not hashed"


def test_the_machine_and_what_it_cost() -> None:
    assert 0.01 < record.peak_memory_gb() < 1000.0
    assert record.stamp()["date"].endswith("Z")
    assert "cores" in record.stamp()["machine"]
    assert {"isopleth", "python", "numpy", "torch"} <= set(record.versions())
    assert record.rounded({"reading": 1.26}) == {"reading": "1.3 s"}
