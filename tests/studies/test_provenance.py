from __future__ import annotations

import subprocess
from datetime import date
from pathlib import Path

import pytest

from isopleth.core.errors import DataMissingError
from isopleth.studies import code_digest, device_description, git_commit, sha256_of, stamp


def _git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=n", "-c", "user.email=e@e", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    _git(tmp_path, "init", "-q")
    return tmp_path


def test_commit_says_when_the_code_has_changed(repository: Path) -> None:
    assert git_commit(repository) == "unknown"
    (repository / "code.py").write_text("1\n")
    _git(repository, "add", "code.py")
    _git(repository, "commit", "-q", "-m", "first")
    commit = git_commit(repository)
    assert len(commit) == 40
    (repository / "results").mkdir()
    (repository / "results" / "a.json").write_text("{}")
    (repository / "README.md").write_text("a table\n")
    assert git_commit(repository / "results") == commit
    (repository / "code.py").write_text("2\n")
    assert git_commit(repository) == f"{commit}-dirty"


def test_outside_a_repository_the_commit_is_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_commit(tmp_path) == "unknown"
    monkeypatch.setenv("PATH", "")
    assert git_commit(tmp_path) == "unknown"


def test_device_names_cores_and_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    words = device_description()
    assert words.endswith(", threads: 3")
    assert not words.startswith(",")


def test_hash_is_of_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "abc.txt"
    path.write_bytes(b"abc")
    # FIPS 180-2, appendix B.1.
    assert sha256_of(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    with pytest.raises(DataMissingError, match="check the path"):
        sha256_of(tmp_path)


def test_stamp_fits_a_result(repository: Path, make_result) -> None:
    fields = stamp(repository)
    assert abs((date.fromisoformat(fields["date"]) - date.today()).days) <= 1
    assert make_result(**fields).commit == "unknown"


def test_the_digest_of_code_is_of_what_it_does(tmp_path: Path) -> None:
    first, second, third = (tmp_path / name for name in ("a.py", "b.py", "c.py"))
    first.write_text('def f(x):\n    """Words."""\n    return x + 1  # a reason\n')
    second.write_text('"""Others."""\n\ndef f(x):\n    return (x + 1)\n')
    third.write_text("def f(x):\n    return x + 2\n")
    assert code_digest(first) == code_digest(second)
    assert code_digest(first) != code_digest(third)
    assert code_digest(first, third) != code_digest(third, first)
