from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from isopleth.core.errors import DataMissingError, InputError
from isopleth.studies import (
    Result,
    Row,
    judged,
    read_cases,
    recompute_headlines,
    replacing,
    targets_met,
    write_cases,
)

SCHEMA = [
    "name", "what", "command", "commit", "date", "device", "seeds", "n_cases", "data",
    "rows", "headline", "headline_from", "targets", "verdict",
]  # fmt: skip


def _written(make_result, folder: Path) -> tuple[Path, dict]:
    path = folder / "small_example.json"
    make_result().write(path)
    return path, json.loads(path.read_text())


def test_what_is_written_is_read_again(make_result, tmp_path: Path) -> None:
    path, content = _written(make_result, tmp_path)
    assert Result.read(path) == make_result()
    assert list(content) == SCHEMA
    assert content["rows"][2] == {
        "method": "kriging",
        "setting": "Jan",
        "metric": "rmse",
        "unit": "K",
        "value": 0.9753,
        "ci95": [0.93, 1.02],
        "n": 10919,
    }
    assert content["headline"] == {"over_climatology": pytest.approx(0.9753 / 1.545)}
    assert content["targets"] == {"over_climatology": ["<=", 0.7]}
    assert [file.name for file in tmp_path.iterdir()] == ["small_example.json"]


def test_headlines_are_recomputed_and_compared_with_targets(make_result) -> None:
    result = make_result()
    assert recompute_headlines(result) == result.headline
    assert targets_met(result) == {"over_climatology": True}


def test_targets_make_the_verdict(make_result) -> None:
    good = make_result()
    assert judged(good).verdict == "beats: targets are met"
    assert judged(good, "reproduces: it does").verdict == "reproduces: it does"
    draft = replace(good, targets={"over_climatology": ("<=", 0.0)}, verdict="falls short: draft")
    assert judged(draft).verdict == "falls short: over_climatology missed"


def test_numpy_numbers_are_written_as_numbers(make_result, tmp_path: Path) -> None:
    rows = (
        *make_result().rows,
        Row(
            method="a",
            setting="b",
            metric="c",
            unit="1",
            value=np.float32(0.5),
            ci95=(np.float64(0.25), np.float64(1)),
            n=np.int64(3),
        ),
    )
    path = tmp_path / "small_example.json"
    make_result(rows=rows).write(path)
    assert Result.read(path).rows[-1].value == 0.5


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("commit", "main", "commit 'main'"),
        ("date", "31/01/2026", "date '31/01/2026'"),
        ("what", " ", "has no what"),
        ("data", {"profiles.csv": "abc"}, "no SHA-256"),
        ("n_cases", 0, "n_cases is 0"),
        ("n_cases", "many", "n_cases"),
        ("seeds", [0.5], "seeds.0"),
        ("rows", [], "no row"),
        ("headline", {"over_climatology": 0.6}, "says 0.6, but its rows give 0.63"),
        ("headline", {}, r"headlines \['over_climatology'\] lack"),
        ("targets", {"speed": ["<=", 1.0]}, r"targets \['speed'\]"),
        ("targets", {"over_climatology": ["<", 1.0]}, "'<', 1.0"),
        ("targets", {"over_climatology": ["<=", 0.5]}, "missed, but the verdict is 'beats'"),
        ("verdict", "wins: always", "verdict 'wins: always'"),
        ("verdict", "beats", "a colon and the reason"),
        ("notes", "more", "notes"),
    ],
)
def test_a_broken_file_is_refused_in_a_sentence(
    make_result, tmp_path: Path, field: str, value: object, sentence: str
) -> None:
    path, content = _written(make_result, tmp_path)
    path.write_text(json.dumps(content | {field: value}))
    with pytest.raises(InputError, match=sentence) as raised:
        Result.read(path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("field", SCHEMA)
def test_no_field_may_be_missing(make_result, tmp_path: Path, field: str) -> None:
    path, content = _written(make_result, tmp_path)
    del content[field]
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=field):
        Result.read(path)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"value": float("nan")}, "rows.0.value"),
        ({"value": "1.5"}, "rows.0.value"),
        ({"ci95": [1.0]}, "rows.0.ci95"),
        ({"colour": "red"}, "rows.0.colour"),
        ({"metric": "crps"}, "appears 2 times"),
    ],
)
def test_a_broken_row_is_refused(make_result, tmp_path: Path, change: dict, sentence: str) -> None:
    path, content = _written(make_result, tmp_path)
    content["rows"][0] |= change
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=sentence):
        Result.read(path)


@pytest.mark.parametrize("text", ["", "{", "[]", "null"])
def test_a_truncated_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "broken.json"
    path.write_text(text)
    with pytest.raises(InputError, match="is not a result"):
        Result.read(path)


def test_a_missed_target_needs_an_honest_verdict(make_result) -> None:
    missed = {"targets": {"over_climatology": ("<=", 0.5)}}
    with pytest.raises(InputError, match="over_climatology"):
        make_result(**missed)
    assert make_result(**missed, verdict="falls short: 0.63 is not 0.5.")


def test_names_and_paths_agree(make_result, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be kept in"):
        make_result().write(tmp_path / "other.json")
    path, _ = _written(make_result, tmp_path)
    with pytest.raises(InputError, match="holds the result small_example"):
        Result.read(path.rename(tmp_path / "other.json"))
    with pytest.raises(DataMissingError, match="run its benchmark"):
        Result.read(path)


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "kept.txt"
    path.write_text("old")

    def fail_half_way() -> None:
        with replacing(path) as temporary:
            temporary.write_text("new")
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        fail_half_way()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_cases_are_kept_beside_without_pickle(tmp_path: Path) -> None:
    path = tmp_path / "small_example.cases.npz"
    arrays = {"squared_error": np.eye(3), "platform": np.array(["a", "bc"])}
    write_cases(path, arrays)
    stored = read_cases(path)
    assert list(stored) == list(arrays)
    for name, values in arrays.items():
        np.testing.assert_array_equal(stored[name], values)
    with pytest.raises(InputError, match="'platform' holds objects"):
        write_cases(path, {"platform": np.array(["a", None])})
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(DataMissingError, match="no case scores"):
        read_cases(tmp_path / "none.npz")
