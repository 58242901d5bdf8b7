from __future__ import annotations

from pathlib import Path

import pytest

from isopleth.core.errors import DataMissingError, InputError
from isopleth.studies import Row, readme_block, render, table, update_readme

README = """# Title

<!-- results:small_example -->
typed by hand
<!-- /results -->

Text that stays.
"""


@pytest.fixture
def results_dir(make_result, tmp_path: Path) -> Path:
    make_result().write(tmp_path / "results" / "small_example.json")
    return tmp_path / "results"


def test_a_line_for_each_method_a_column_for_each_metric(make_result) -> None:
    assert table(make_result()).splitlines() == [
        "| method | setting | rmse (K) | crps (K) |",
        "| --- | --- | ---: | ---: |",
        "| climatology | Jan | 1.545 | 0.774 |",
        "| kriging | Jan | 0.9753 [0.93, 1.02] | 0.4901 |",
    ]


def test_gaps_large_numbers_and_bars(make_result) -> None:
    extra = Row(method="a|b", setting="all", metric="cases", unit="1", value=21228)
    lines = table(make_result(rows=(*make_result().rows, extra))).splitlines()
    assert lines[0].endswith("| cases |")
    assert lines[-1] == "| a\\|b | all |  |  | 21,228 |"


def test_the_block_says_everything(results_dir: Path) -> None:
    block = readme_block(results_dir, "small_example")
    for words in (
        "Kriging errs less than the climatology.",
        "| `over_climatology` | 0.6313 | ≤ 0.7 | met |",
        "**Verdict**, beats: the interval",
        "10,919 cases · a processor, cores: 2, threads: 1 · 2026-01-31 · commit 0123456789ab",
        "`make bench NAME=small_example`",
    ):
        assert words in block


def test_changed_code_shows(make_result, tmp_path: Path) -> None:
    make_result(commit="ab" * 20 + "-dirty").write(tmp_path / "small_example.json")
    assert "commit abababababab-dirty ·" in readme_block(tmp_path, "small_example")


def test_a_missed_target_shows(make_result, tmp_path: Path) -> None:
    make_result(
        targets={"over_climatology": ("in", (0.4, 0.5))}, verdict="falls short: by far."
    ).write(tmp_path / "small_example.json")
    assert "| 0.6313 | 0.4 to 0.5 | missed |" in readme_block(tmp_path, "small_example")


def test_the_readme_is_made_anew_and_then_rests(results_dir: Path, tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(README, encoding="utf-8")
    assert update_readme(readme, results_dir)
    text = readme.read_text(encoding="utf-8")
    assert "typed by hand" not in text
    assert text.startswith("# Title\n\n<!-- results:small_example -->\n\nKriging errs")
    assert text.endswith("\n<!-- /results -->\n\nText that stays.\n")
    assert render(text, results_dir) == text
    assert not update_readme(readme, results_dir)


def test_a_text_without_blocks_stays(results_dir: Path) -> None:
    assert render("# Nothing here\n", results_dir) == "# Nothing here\n"


def test_broken_blocks_are_named(results_dir: Path, tmp_path: Path) -> None:
    open_block = "<!-- results:small_example -->\n"
    for text in (open_block, open_block + README):
        with pytest.raises(InputError, match="is not closed"):
            render(text, results_dir)
    with pytest.raises(DataMissingError, match="no result"):
        render(README.replace("small_example", "other"), results_dir)
    with pytest.raises(DataMissingError, match=r"README\.md is not a file"):
        update_readme(tmp_path / "README.md", results_dir)


def test_a_block_can_show_some_settings_only(tmp_path: Path) -> None:
    from isopleth.studies.results import Result

    names = {"commit": "1" * 40, "date": "2026-01-01", "device": "cpu", "seeds": (0,)}
    rows = tuple(
        Row(method="kriging", setting=setting, metric="rmse", unit="K", value=value)
        for setting, value in (("january", 0.5), ("february", 0.25))
    )
    Result(
        name="few", what="A claim.", command="make bench NAME=few", n_cases=64, data={},
        rows=rows, headline={}, headline_from={}, targets={}, verdict="beats: it does", **names,
    ).write(tmp_path / "few.json")  # fmt: skip
    block = render("<!-- results:few settings: january -->\n<!-- /results -->", tmp_path)
    assert "0.5" in block
    assert "february" not in block
    with pytest.raises(InputError, match="no setting 'march'"):
        render("<!-- results:few settings: march -->\n<!-- /results -->", tmp_path)
