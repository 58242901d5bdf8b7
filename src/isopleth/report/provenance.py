"""The last chapter of a report: what it takes to make the same again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from isopleth.report.pages import Chapter, Facts

__all__ = ["provenance_chapter"]


def provenance_chapter(
    provenance: Mapping[str, object], sentence: str, more: Sequence[tuple[str, str]] = ()
) -> Chapter:
    """Heads and values, as they were recorded.

    Args:
        provenance: What was recorded: command, versions, files.
        sentence: What they are good for.
        more: Further pairs, already in words.
    """
    pairs = [(_head(key), _laid_out(value)) for key, value in provenance.items()]
    return Chapter(
        "provenance", "How it was made", (sentence,), (Facts([*pairs, *more], code=True),)
    )


def _head(key: str) -> str:
    words = key.replace("_", " ")
    return words[:1].upper() + words[1:]


def _laid_out(value: object) -> str:
    if isinstance(value, Mapping):
        return "\n".join(f"{k}: {v}" for k, v in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "\n".join(v if isinstance(v, str) else json.dumps(v, default=str) for v in value)
    return str(value)
