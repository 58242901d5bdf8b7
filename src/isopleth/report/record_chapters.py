"""Chapters for the record: how the analysis was made, and what each quantity means."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from isopleth.report.glossary import GLOSSARY
from isopleth.report.material import Material
from isopleth.report.pages import Chapter, Facts

__all__ = ["glossary_chapter", "provenance_chapter"]

_OF_ANALYSIS = (
    ("method", "Method"),
    ("source", "Source"),
    ("recipe", "Recipe"),
    ("isopleth_version", "Isopleth"),
    ("references", "References"),
)


def provenance_chapter(material: Material) -> Chapter:
    """What was run, on what, with which settings, so that another can do it again."""
    pairs = [(_head(key), _lay_out(value)) for key, value in material.provenance.items()]
    known = {term.lower() for term, _ in pairs}
    for key, term in _OF_ANALYSIS:
        text = str(material.analysis.attrs.get(key, "")).strip()
        if text and term.lower() not in known and key.replace("_", " ") not in known:
            pairs.append((term, _lay_out(_parsed(text))))
    text = "What it takes to make this analysis again."
    return Chapter("provenance", "How it was made", (text,), (Facts(pairs, code=True),))


def glossary_chapter(material: Material) -> Chapter:
    """Each quantity in a line."""
    words = {
        "noun": material.noun.capitalize(),
        "name": material.name,
        "long": material.variable.long_name.capitalize(),
        "unit": f", in {material.unit}" if material.unit else "",
    }
    pairs = [(term.format(**words), meaning.format(**words)) for term, meaning in GLOSSARY.items()]
    return Chapter("glossary", "What the words mean", (), (Facts(pairs),))


def _head(key: str) -> str:
    words = key.replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def _parsed(text: str) -> object:
    """An object if the text is JSON, else the text."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _lay_out(value: object) -> str:
    """Mappings as `name: value` lines, lists as lines, the rest as it is."""
    if isinstance(value, Mapping):
        return "\n".join(f"{key}: {_inline(item)}" for key, item in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return "\n".join(_inline(item) for item in value)
    return str(value)


def _inline(value: object) -> str:
    if isinstance(value, Mapping) or (
        isinstance(value, Sequence) and not isinstance(value, str | bytes)
    ):
        return json.dumps(value, default=str, ensure_ascii=False)
    return str(value)
