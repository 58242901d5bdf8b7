"""The house rules that a machine can check: sizes, names, docstrings, cards and results.

Who may import whom is checked by import-linter (`make lint`). A rule that has to be broken is
broken here, by name and with the reason beside it; an exception no longer needed fails too.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import statistics
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SRC = ROOT / "src" / "isopleth"
ASSETS = SRC / "data" / "assets"
CARDS = sorted(ASSETS.glob("*.json"))
RESULTS = sorted((ROOT / "results").glob("*.json"))
PAGES = [p for p in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))] if p.is_file()]

FILE_HARD, FILE_SOFT, FILE_MEDIAN = 600, 400, 150
FUNCTION_HARD, FUNCTION_MEDIAN, FUNCTION_SHARE = 60, 12, 0.95
ARGUMENTS = 7
ASSET_BYTES = 16_000_000  # data, and weights that several systems share

# Numerical kernels: compiled loops that have to be read from top to bottom in one place.
LONG_FILES: dict[str, str] = {}
LONG_FUNCTIONS: dict[str, str] = {}
# numba passes no dataclasses: a kernel takes its arrays one by one.
WIDE_FUNCTIONS: dict[str, str] = {
    "src/isopleth/inference/interpolation/kernel.py::krige_levels": "arrays in, arrays out",
    "src/isopleth/inference/interpolation/kernel.py::krige_weights": "arrays in, arrays out",
    "src/isopleth/inference/interpolation/neighbours.py::nearest": "two of them are work space",
}

# fmt: off
TEST_FOLDERS = {
    "cli", "web", "copilot", "exams", "systems", "registry", "studies", "report", "inference",
    "training", "priors", "dynamics", "metrics", "nets", "data", "observe", "core",
    "conformance", "browser",
}
# fmt: on
VAGUE = re.compile(r"(^|_)(utils?|helpers?|common|base|managers?|misc|new|v\d+)(_|\.py$|$)")
UNWANTED = re.compile(r"\b(TODO|FIXME|XXX|HACK|WIP|lorem ipsum)\b|/work/|/tmp/w/|\.library\b")
PICKLES = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
TEXT = {"", ".css", ".html", ".js", ".json", ".md", ".py", ".toml", ".txt", ".yaml"}
CARD_KEYS = {"name", "what", "source", "licence", "attribution", "epoch", "variables", "changes"}


@dataclass(frozen=True)
class Function:
    """One function or method of the package; `lines` leaves its docstring out."""

    name: str
    lines: int
    arguments: int


def sources(*folders: str) -> list[Path]:
    """Python files under the named folders of the repository."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def short(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def length(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def docstring_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    if ast.get_docstring(node, clean=False) is None:
        return 0
    statement = node.body[0]
    return (statement.end_lineno or statement.lineno) - statement.lineno + 1


def described(path: Path, node: ast.FunctionDef | ast.AsyncFunctionDef, scope: str) -> Function:
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    counted = [a for a in arguments if a.arg not in ("self", "cls")]
    lines = (node.end_lineno or node.lineno) - node.lineno + 1 - docstring_lines(node)
    return Function(f"{short(path)}::{scope}{node.name}", lines, len(counted))


def nested(path: Path, node: ast.AST, scope: str = "") -> Iterator[Function]:
    for child in ast.iter_child_nodes(node):
        inner = scope
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield described(path, child, scope)
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inner = f"{scope}{child.name}."
        yield from nested(path, child, inner)


@cache
def functions() -> tuple[Function, ...]:
    return tuple(f for path in sources("src") for f in nested(path, tree(path)))


def text_files() -> Iterator[Path]:
    """What a person reads in the repository: no environment, build product or cache."""
    skipped = {ROOT / "build", ROOT / "dist"}
    for folder, inside, names in os.walk(ROOT):
        inside[:] = [d for d in inside if d == ".ci" or not d.startswith((".", "__"))]
        inside[:] = [d for d in inside if Path(folder, d) not in skipped]
        paths = (Path(folder, name) for name in names)
        yield from (p for p in paths if p.suffix in TEXT and p != Path(__file__).resolve())


# --- sizes -----------------------------------------------------------------------------------


def test_no_file_is_too_long() -> None:
    lengths = {short(p): length(p) for p in sources("src", "tests")}
    too_long = {name: n for name, n in lengths.items() if n > FILE_HARD}
    assert too_long.keys() == LONG_FILES.keys(), f"over {FILE_HARD} lines: {too_long}"
    long = {name: n for name, n in lengths.items() if FILE_SOFT < n <= FILE_HARD}
    if long:
        warnings.warn(f"over the soft limit of {FILE_SOFT} lines: {long}", stacklevel=1)


def test_the_median_file_is_short() -> None:
    median = statistics.median(length(p) for p in sources("src") if p.name != "__init__.py")
    if median > FILE_MEDIAN:
        warnings.warn(f"the median file has {median:.0f} > {FILE_MEDIAN} lines", stacklevel=1)
    assert median <= FILE_SOFT


def test_no_function_is_too_long() -> None:
    too_long = {f.name: f.lines for f in functions() if f.lines > FUNCTION_HARD}
    assert too_long.keys() == LONG_FUNCTIONS.keys(), f"over {FUNCTION_HARD} lines: {too_long}"
    assert len(too_long) <= (1 - FUNCTION_SHARE) * len(functions())


def test_the_median_function_is_short() -> None:
    assert statistics.median(f.lines for f in functions()) <= FUNCTION_MEDIAN


def test_no_function_takes_too_many_arguments() -> None:
    wide = {f.name: f.arguments for f in functions() if f.arguments > ARGUMENTS}
    assert wide.keys() == WIDE_FUNCTIONS.keys(), f"more than {ARGUMENTS} arguments: {wide}"


@pytest.mark.parametrize(
    ("folder", "limit"), [("benchmarks", 200), ("scripts", 200), ("examples", 80)]
)
def test_scripts_are_short(folder: str, limit: int) -> None:
    too_long = {short(p): length(p) for p in sources(folder) if length(p) > limit}
    assert not too_long, f"over {limit} lines: {too_long}"


# --- names and docstrings --------------------------------------------------------------------


def test_names_say_what_is_inside() -> None:
    files = sources("src", "tests", "benchmarks", "examples", "scripts")
    vague = {short(p) for p in files if any(map(VAGUE.search, p.relative_to(ROOT).parts))}
    assert not vague, f"name these after what they hold: {sorted(vague)}"


def test_tests_lie_beside_their_layer() -> None:
    below = [p.relative_to(ROOT / "tests").parts for p in sources("tests")]
    folders = {parts[0] for parts in below if len(parts) > 1}
    assert folders <= TEST_FOLDERS, f"no such layer: {sorted(folders - TEST_FOLDERS)}"


def test_every_folder_is_a_package() -> None:
    folders = {path.parent for path in sources("src")}
    loose = [short(folder) for folder in folders if not (folder / "__init__.py").is_file()]
    assert not loose, f"without __init__.py the import contract does not see it: {loose}"


@pytest.mark.parametrize("path", sources("src"), ids=short)
def test_everything_public_is_documented(path: Path) -> None:
    module = tree(path)
    definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    public = [n for n in module.body if isinstance(n, definitions) and not n.name.startswith("_")]
    bare = [n.name for n in public if ast.get_docstring(n) is None]
    assert ast.get_docstring(module), "the module has no docstring"
    assert not bare, f"without a docstring: {bare}"


@pytest.mark.parametrize("path", [p for p in sources("src") if p.name == "__init__.py"], ids=short)
def test_init_only_exports(path: Path) -> None:
    def allowed(node: ast.stmt) -> bool:
        if isinstance(node, ast.Assign):
            return all(isinstance(t, ast.Name) and t.id.startswith("__") for t in node.targets)
        return isinstance(node, ast.Import | ast.ImportFrom | ast.Expr)

    other = [f"line {n.lineno}" for n in tree(path).body if not allowed(n)]
    assert not other, f"only a docstring and exports belong here: {other}"


# --- trust -----------------------------------------------------------------------------------


def danger(node: ast.AST) -> str | None:
    """What makes this node able to run code that came with the data."""
    if isinstance(node, ast.Import):
        return next((a.name for a in node.names if a.name.split(".")[0] in PICKLES), None)
    if isinstance(node, ast.ImportFrom):
        return node.module if (node.module or "").split(".")[0] in PICKLES else None
    if not isinstance(node, ast.Call):
        return None
    if isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec"):
        return node.func.id
    if ast.unparse(node.func) in ("torch.load", "pandas.read_pickle", "pd.read_pickle"):
        return ast.unparse(node.func)
    unsafe = [k for k in node.keywords if k.arg == "allow_pickle"]
    return "allow_pickle" if any(ast.unparse(k.value) != "False" for k in unsafe) else None


@pytest.mark.parametrize("path", sources("src"), ids=short)
def test_reading_never_runs_code(path: Path) -> None:
    found = [(n.lineno, danger(n)) for n in ast.walk(tree(path)) if danger(n)]
    assert not found, f"line and what: {found}"


def test_no_unfinished_work_and_no_private_paths() -> None:
    found = [
        f"{short(path)}:{number}: {match[0]}"
        for path in text_files()
        for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1)
        if (match := UNWANTED.search(line))
    ]
    assert not found, found


# --- shipped data ----------------------------------------------------------------------------


def test_every_asset_has_a_card() -> None:
    passed = {".json", ".py", ".md", ".txt", ""}
    files = {p.name for p in ASSETS.glob("*") if p.is_file() and p.suffix not in passed}
    assert files == {json.loads(card.read_text("utf-8"))["file"] for card in CARDS}


@pytest.mark.parametrize("path", CARDS, ids=lambda p: p.stem)
def test_card_describes_its_file(path: Path) -> None:
    card = json.loads(path.read_text(encoding="utf-8"))
    missing = {key for key in CARD_KEYS if not card.get(key)}
    assert not missing
    assert card["name"] == path.stem == card["file"].split(".")[0]
    assert isinstance(card["synthetic"], bool)
    assert all(variable["units"] for variable in card["variables"])
    content = (ASSETS / card["file"]).read_bytes()
    assert hashlib.sha256(content).hexdigest() == card["sha256"], "the file is not the card's"


def test_assets_stay_small() -> None:
    assert sum(p.stat().st_size for p in ASSETS.rglob("*") if p.is_file()) <= ASSET_BYTES


# --- results ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", RESULTS, ids=lambda p: p.stem)
def test_result_is_whole_and_its_headlines_follow_from_its_rows(path: Path) -> None:
    from isopleth.studies.results import Result, recompute_headlines

    headline = json.loads(path.read_text(encoding="utf-8"))["headline"]
    assert headline
    assert recompute_headlines(Result.read(path)) == pytest.approx(headline, rel=1e-9)


@pytest.mark.parametrize("path", RESULTS, ids=lambda p: p.stem)
def test_result_can_be_made_again(path: Path) -> None:
    result = json.loads(path.read_text(encoding="utf-8"))
    assert (ROOT / "benchmarks" / f"{path.stem}.py").is_file()
    assert path.stem in result["command"]
    assert result["commit"] != "unknown"


@pytest.mark.parametrize("path", PAGES, ids=short)
def test_tables_of_the_pages_are_those_of_the_results(path: Path) -> None:
    from isopleth.studies.tables import render

    text = path.read_text(encoding="utf-8")
    assert render(text, ROOT / "results") == text, "make them anew: isopleth.studies.update_readme"


@pytest.mark.parametrize("path", RESULTS, ids=lambda p: p.stem)
def test_every_result_is_shown(path: Path) -> None:
    blocks = f"<!-- results:{path.stem} -->"
    assert any(blocks in page.read_text(encoding="utf-8") for page in PAGES)
