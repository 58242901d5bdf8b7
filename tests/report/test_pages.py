from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from isopleth.report import pages
from isopleth.report.figures import new_figure, to_png
from isopleth.report.pages import Chapter, Facts, Page, Picture, Table, Tile, render, write_page


def page(text: str = "text") -> Page:
    picture = Picture(to_png(new_figure(2, 1), dpi=10), "a picture", "caption")
    table = Table("numbers", ("a", "b"), [("x", "1"), ("all", "2")], total=True)
    parts = (picture, table, Facts([("term", text)]))
    chapter = Chapter("one", "One", (text,), parts)
    return Page("Title", "eyebrow", (text,), "", [Tile("1", "thing")], [chapter], "end")


def test_text_is_escaped() -> None:
    html = render(page("<script>alert('x')</script> & more"))
    assert "<script" not in html
    assert "&lt;script&gt;" in html


def test_the_notice_is_shown_only_when_there_is_one() -> None:
    assert 'role="note"' not in render(page())
    noted = replace(page(), notice="made up <here>")
    assert "made up &lt;here&gt;" in render(noted)


def test_a_picture_knows_its_size() -> None:
    assert Picture(to_png(new_figure(2, 1), dpi=10), "", "").size == (20, 10)


def test_the_last_row_of_a_sum_is_marked() -> None:
    assert '<tr class="total"><th scope="row">all</th>' in render(page())


def test_writing_makes_the_folder_and_leaves_no_other_file(tmp_path: Path) -> None:
    path = write_page(tmp_path / "new" / "page.html", page())
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert [p.name for p in path.parent.iterdir()] == ["page.html"]


def test_a_failure_leaves_the_old_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "page.html"
    path.write_text("old")

    def fail(_: Page) -> str:
        raise RuntimeError("no")

    monkeypatch.setattr(pages, "render", fail)
    with pytest.raises(RuntimeError):
        write_page(path, page())
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]
