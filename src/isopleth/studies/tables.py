"""Results as people read them: Markdown tables, and the README blocks made from them.

A block of the README lies between `<!-- results:NAME -->` and `<!-- /results -->`; what is between
the two lines is always replaced, so no figure can be typed by hand. With `settings: A; B` after
the name, only the rows of these settings are shown.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from isopleth.core.errors import DataMissingError, InputError
from isopleth.studies.results import Result, Row, replacing, targets_met
from isopleth.studies.rows import Target

__all__ = ["readme_block", "render", "table", "update_readme"]

_OPEN = re.compile(
    r"^<!-- results:(?P<name>[^\s>]+)(?: settings: (?P<settings>[^>]+?))? -->$", re.MULTILINE
)
_CLOSE = "<!-- /results -->"


def table(result: Result, settings: Sequence[str] = ()) -> str:
    """Rows of a result: a line for each method and setting, a column for each metric.

    Methods, settings and metrics keep the order of the rows; an interval stands in brackets.

    Args:
        result: The result.
        settings: Show these only; all if there are none.

    Raises:
        InputError: No row has a setting that was asked for.
    """
    for wanted in settings:
        if all(row.setting != wanted for row in result.rows):
            raise InputError(f"{result.name} has no setting {wanted!r}: see its rows.")
    rows = [row for row in result.rows if not settings or row.setting in settings]
    metrics = list(dict.fromkeys((row.metric, row.unit) for row in rows))
    lines: dict[tuple[str, str], dict[tuple[str, str], str]] = {}
    for row in rows:
        lines.setdefault((row.method, row.setting), {})[row.metric, row.unit] = _cell(row)
    heads = ["method", "setting", *(_head(metric, unit) for metric, unit in metrics)]
    body = [
        [*line, *(cells.get(metric, "") for metric in metrics)] for line, cells in lines.items()
    ]
    return _markdown(heads, body)


def readme_block(results_dir: Path, name: str, settings: Sequence[str] = ()) -> str:
    """Claim, tables, verdict and provenance of `results_dir/NAME.json`, as Markdown.

    Raises:
        DataMissingError: There is no such result.
    """
    result = Result.read(Path(results_dir) / f"{name}.json")
    cases = f"{result.n_cases:,} cases"
    made = f"{cases} · {result.device} · {result.date} · commit {_short(result.commit)}"
    parts = [
        result.what,
        table(result, settings),
        _headlines(result),
        f"**Verdict**, {result.verdict}",
    ]
    return "\n\n".join([*filter(None, parts), f"{made} · `{result.command}`"])


def render(text: str, results_dir: Path) -> str:
    """A Markdown text with every results block made anew; the rest is unchanged.

    Raises:
        DataMissingError: A block names a result that does not exist.
        InputError: A block is not closed.
    """
    done, at = [], 0
    for match in _OPEN.finditer(text):
        end = text.find(f"\n{_CLOSE}", match.end())
        following = _OPEN.search(text, match.end())
        if end < 0 or (following and following.start() < end):
            raise InputError(
                f"the block {match.group()} is not closed: "
                f"put {_CLOSE} on a line of its own below it."
            )
        settings = [part.strip() for part in (match["settings"] or "").split(";") if part.strip()]
        block = readme_block(results_dir, match["name"], settings)
        done += [text[at : match.end()], f"\n\n{block}\n"]
        at = end
    return "".join([*done, text[at:]])


def update_readme(readme: Path, results_dir: Path) -> bool:
    """Make the results blocks of a file anew; True if that changed it.

    Raises:
        DataMissingError: The file, or a result it names, does not exist.
        InputError: A block is not closed.
    """
    readme = Path(readme)
    if not readme.is_file():
        raise DataMissingError(f"{readme} is not a file: check the path of the README.")
    before = readme.read_text(encoding="utf-8")
    after = render(before, results_dir)
    if after == before:
        return False
    with replacing(readme) as temporary:
        temporary.write_text(after, encoding="utf-8")
    return True


def _headlines(result: Result) -> str:
    """Headlines beside their targets; empty if there are none."""
    met = targets_met(result)
    words = {True: "met", False: "missed"}
    body = []
    for name, value in result.headline.items():
        target = _target(result.targets[name]) if name in met else ""
        body.append([f"`{name}`", _number(value), target, words[met[name]] if name in met else ""])
    return _markdown(["headline", "value", "target", ""], body) if body else ""


def _target(target: Target) -> str:
    operation, bound = target
    if isinstance(bound, tuple):
        return f"{_number(bound[0])} to {_number(bound[1])}"
    return f"{'≤' if operation == '<=' else '≥'} {_number(bound)}"


def _short(commit: str) -> str:
    """Enough of the hash to find it; `-dirty` is never dropped."""
    digits, dash, dirty = commit.partition("-")
    return f"{digits[:12]}{dash}{dirty}"


def _head(metric: str, unit: str) -> str:
    return metric if unit == "1" else f"{metric} ({unit})"


def _cell(row: Row) -> str:
    if row.ci95 is None:
        return _number(row.value)
    return f"{_number(row.value)} [{_number(row.ci95[0])}, {_number(row.ci95[1])}]"


def _number(value: float) -> str:
    """Four significant digits, but all digits of large whole parts."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _markdown(heads: list[str], body: list[list[str]]) -> str:
    """A Markdown table; columns after the second hold numbers and are set to the right."""
    rule = ["---" if column < 2 else "---:" for column in range(len(heads))]
    lines = [heads, rule, *body]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
    )
