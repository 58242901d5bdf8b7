"""The file a benchmark leaves: what was claimed, on what, by which commit, with which numbers.

One JSON object a file, checked at birth, when written and when read. Scores of single cases lie
beside it in `NAME.cases.npz`.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import date as calendar_date
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import TypeAdapter, ValidationError

from isopleth.core.errors import DataMissingError, InputError
from isopleth.studies.rows import (
    STRICT,
    Headline,
    Row,
    Source,
    Target,
    evaluate,
    headline_fields,
    meets,
)

__all__ = [
    "VERDICTS",
    "Headline",
    "Result",
    "Row",
    "headline_fields",
    "judged",
    "read_cases",
    "recompute_headlines",
    "replacing",
    "targets_met",
    "write_cases",
]

VERDICTS = ("reproduces", "beats", "falls short")

_FORMS = {
    "name": (re.compile(r"[a-z0-9_]+"), "small letters, digits and underscores"),
    "commit": (re.compile(r"[0-9a-f]{7,64}(-dirty)?|unknown"), "a git hash, or unknown"),
    "verdict": (
        re.compile(rf"({'|'.join(VERDICTS)}): \S.*", re.DOTALL),
        f"one of {', '.join(VERDICTS)}, a colon and the reason",
    ),
}
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class Result:
    """Everything a claim rests on; the fields are those of the file.

    Attributes:
        name: Of the file, without its suffix.
        what: The claim in a sentence.
        command: What reruns it.
        commit: Of the code, as `provenance.git_commit` gives it.
        date: YYYY-MM-DD.
        device: In words, as `provenance.device_description` gives it.
        seeds: All that were used.
        n_cases: Number of independent cases scored.
        data: File name -> SHA-256 of its bytes.
        rows: Every method, baselines and controls included.
        headline: Name -> number.
        headline_from: Name -> the source it is computed from (see `rows`).
        targets: Name of a headline -> what it should reach.
        verdict: `reproduces: ...`, `beats: ...` or `falls short: ...`, with the reason.

    Raises:
        InputError: A field has the wrong form, a row appears twice, a headline is not what its
            rows
            give, or a target is missed and the verdict does not say `falls short`.
    """

    name: str
    what: str
    command: str
    commit: str
    date: str
    device: str
    seeds: tuple[int, ...]
    n_cases: int
    data: dict[str, str]
    rows: tuple[Row, ...]
    headline: dict[str, float]
    headline_from: dict[str, Source]
    targets: dict[str, Target]
    verdict: str

    __pydantic_config__: ClassVar = STRICT

    def __post_init__(self) -> None:
        """Check what types cannot say."""
        _check_fields(self)
        _check_rows(self)
        _check_headlines(self)
        _check_verdict(self)

    def write(self, path: Path) -> None:
        """Write the file whole or not at all.

        Raises:
            InputError: The file's name is not the result's, or a value has the wrong type.
        """
        if Path(path).name != f"{self.name}.json":
            raise InputError(
                f"the result {self.name} cannot be kept in {path}: rename one of them."
            )
        content = asdict(self)
        for row in content["rows"]:
            if row["n"] is None:
                del row["n"]
        text = json.dumps(content, indent=1, ensure_ascii=False, default=_plain) + "\n"
        _parse(text, str(path))
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Result:
        """Read a file, with every check.

        Raises:
            DataMissingError: There is no such file.
            InputError: Its content breaks the schema; the sentence names the field.
        """
        path = Path(path)
        if not path.is_file():
            raise DataMissingError(f"there is no result {path}: run its benchmark.")
        result = _parse(path.read_text(encoding="utf-8"), str(path))
        if result.name != path.stem:
            raise InputError(f"{path} holds the result {result.name}: rename one of them.")
        return result


def recompute_headlines(result: Result) -> dict[str, float]:
    """Every headline from its rows, whatever the file says."""
    return {name: evaluate(source, result.rows) for name, source in result.headline_from.items()}


def targets_met(result: Result) -> dict[str, bool]:
    """For every headline with a target, whether it is reached."""
    return {name: meets(result.headline[name], target) for name, target in result.targets.items()}


def judged(draft: Result, met: str = "beats: targets are met") -> Result:
    """The result with the verdict that its targets give.

    Args:
        draft: With a verdict that is not yet right, `falls short: draft`, say.
        met: The verdict if no target is missed; else it falls short and names those that are.
    """
    missed = [name for name, good in targets_met(draft).items() if not good]
    return replace(draft, verdict=f"falls short: {', '.join(missed)} missed" if missed else met)


def write_cases(path: Path, arrays: Mapping[str, ArrayLike]) -> None:
    """Keep scores of single cases as compressed arrays, beside the result (`NAME.cases.npz`).

    Raises:
        InputError: An array holds Python objects, which only unpickling could read.
    """
    plain = {name: np.asarray(values) for name, values in arrays.items()}
    for name, values in plain.items():
        if values.dtype.hasobject:
            raise InputError(f"the array {name!r} holds objects: convert it to numbers or text.")
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **plain)


def read_cases(path: Path) -> dict[str, NDArray[Any]]:
    """Arrays kept by `write_cases`; nothing is unpickled.

    Raises:
        DataMissingError: There is no such file.
    """
    if not Path(path).is_file():
        raise DataMissingError(f"there are no case scores {path}: run the benchmark.")
    with np.load(path, allow_pickle=False) as stored:
        return dict(stored)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path in the same folder that takes the place of `path` only on success."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _plain(value: Any) -> Any:
    """A NumPy scalar as the Python number it stands for."""
    if isinstance(value, np.generic):
        return value.item()
    raise InputError(f"{value!r} cannot be written to a result: convert it to a number or text.")


@cache
def _adapter() -> TypeAdapter[Result]:
    return TypeAdapter(Result)


def _parse(text: str, origin: str) -> Result:
    try:
        return _adapter().validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        cause = first.get("ctx", {}).get("error")
        where = ".".join(str(part) for part in first["loc"]) or "the object"
        sentence = str(cause or f"{where}: {first['msg']}; correct it, or rerun its benchmark.")
        raise InputError(f"{origin} is not a result: {sentence}") from error


def _check_fields(result: Result) -> None:
    for name, (form, words) in _FORMS.items():
        value = getattr(result, name)
        if not form.fullmatch(value):
            raise InputError(f"the {name} {value!r} of a result has the wrong form: give {words}.")
    for name in ("what", "command", "device"):
        if not getattr(result, name).strip():
            raise InputError(f"the result {result.name} has no {name}: fill it in.")
    try:
        calendar_date.fromisoformat(result.date)
    except ValueError as error:
        raise InputError(f"the date {result.date!r} is none: write YYYY-MM-DD.") from error
    for name, digest in result.data.items():
        if not _SHA256.fullmatch(digest):
            raise InputError(f"{digest!r} of {name} is no SHA-256: use provenance.sha256_of.")
    if result.n_cases < 1:
        raise InputError(f"n_cases is {result.n_cases}: a result needs at least one case.")


def _check_rows(result: Result) -> None:
    keys = [row.key for row in result.rows]
    if not keys:
        raise InputError(f"the result {result.name} has no row: add every method it compares.")
    for key in keys:
        if keys.count(key) > 1:
            raise InputError(f"the row {key} appears {keys.count(key)} times: give each its name.")


def _check_headlines(result: Result) -> None:
    if set(result.headline) != set(result.headline_from):
        odd = sorted(set(result.headline) ^ set(result.headline_from))
        raise InputError(f"headlines {odd} lack a number or a source: give both for each.")
    for name, value in recompute_headlines(result).items():
        if not math.isclose(value, result.headline[name], rel_tol=1e-9, abs_tol=1e-12):
            raise InputError(
                f"the headline {name} says {result.headline[name]}, but its rows give {value}: "
                "do not edit results by hand, rerun the benchmark."
            )
    unknown = sorted(set(result.targets) - set(result.headline))
    if unknown:
        raise InputError(f"targets {unknown} are not headlines: add them, or drop the targets.")


def _check_verdict(result: Result) -> None:
    missed = [name for name, met in targets_met(result).items() if not met]
    if missed and not result.verdict.startswith("falls short"):
        raise InputError(
            f"the targets of {', '.join(missed)} are missed, but the verdict is "
            f"{result.verdict.split(':')[0]!r}: say 'falls short: ...' and why."
        )
