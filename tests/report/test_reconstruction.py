from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from isopleth.core.errors import InputError
from isopleth.report.material import Material
from isopleth.report.reconstruction import compose, write_report

VOID = {"meta", "img", "br", "link"}


class Reader(HTMLParser):
    """Checks that tags are balanced and collects attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def html(material: Material, tmp_path_factory: pytest.TempPathFactory) -> str:
    analysis = material.analysis.assign_attrs(data_note="Sampled from an atlas.")
    path = write_report(
        tmp_path_factory.mktemp("report"),
        analysis.chunk(lat=9),
        material.used,
        material.withheld,
        material.provenance,
        scores=material.scores,
        rejected=material.rejected,
    )
    assert path.name == "report.html"
    return path.read_text(encoding="utf-8")


def test_the_page_is_well_formed_and_self_contained(html: str) -> None:
    reader = Reader()
    reader.feed(html)
    assert reader.open == []
    assert ("html", {"lang": "en"}) in reader.found
    images = [attrs for tag, attrs in reader.found if tag == "img"]
    assert len(images) == 10
    assert all(attrs["src"].startswith("data:image/png;base64,") for attrs in images)
    assert all(len(attrs["alt"]) > 40 for attrs in images)
    assert not {"script", "link", "iframe"} & {tag for tag, _ in reader.found}
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", html)
    assert "url(" not in html


def test_every_address_in_the_contents_exists_once(html: str) -> None:
    anchors = re.findall(r'href="#([^"]+)"', html)
    assert len(anchors) == len(set(anchors)) == 11
    assert all(html.count(f'id="{anchor}"') == 1 for anchor in anchors)


@pytest.mark.parametrize(
    "words",
    ["Sampled from an atlas.", "1955-1994", "spike", "isopleth reconstruct &lt;x&gt;",
     "nugget: 0.1", "a: [1, 2]", "January 2016", "All levels", "along 145°W", "follows 145°W",
     "used (60)", "values refused (1)"],
)  # fmt: skip
def test_the_page_tells(html: str, words: str) -> None:
    if words == "along 145°W":
        assert f"Vertical section {words}" in html
    assert words in html


def test_levels_without_score_show_dashes_not_numbers(html: str) -> None:
    row = re.search(r"<tr><th scope=\"row\">500\N{NO-BREAK SPACE}m</th><td>0</td>(.*?)</tr>", html)
    assert row is not None
    assert set(re.findall(r"<td>(.*?)</td>", row[1])) == {"–"}


def test_one_level_without_evidence_has_the_chapters_it_can_have(material: Material) -> None:
    used = replace(
        material.used,
        depth=material.used.depth[1:2],
        value=material.used.value[:, 1:2],
        error=material.used.error[:, 1:2],
    )
    analysis = material.analysis.sel(depth=[100.0]).drop_vars("temperature_members")
    page = compose(Material(analysis, used, None, {}))
    assert [chapter.anchor for chapter in page.chapters] == [
        "maps",
        "unsure",
        "observations",
        "climatology",
        "provenance",
        "glossary",
    ]


def test_a_region_and_salinity_are_reported_in_their_own_words(material: Material) -> None:
    names = {
        name: name.replace("temperature", "salinity")
        for name in material.analysis.data_vars
        if name.startswith("temperature")
    }
    salty = material.analysis.rename(names).isel(lat=slice(4, 10), lon=slice(20, 30))
    salty["salinity"].attrs["units"] = "1"
    used = replace(material.used, variable="salinity")
    page = compose(Material(salty, used, None, {}))
    assert page.title == "Ocean salinity, January 2016"
    assert "Practical salinity: the best" in page.chapters[-1].parts[0].pairs[0][1]


def test_a_missing_variable_is_an_error_before_anything_is_written(
    material: Material, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="climatology"):
        write_report(
            tmp_path / "r.html",
            material.analysis.drop_vars("climatology"),
            material.used,
            None,
            {},
        )
    assert list(tmp_path.iterdir()) == []


def test_the_same_input_gives_the_same_page(material: Material) -> None:
    small = replace(material, analysis=material.analysis.isel(depth=[0, 1]), withheld=None,
                    scores=None)  # fmt: skip
    assert compose(small) == compose(small)
    assert np.isfinite(small.mean).any()
