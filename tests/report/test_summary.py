from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from isopleth.report.material import Material
from isopleth.report.reach import reach
from isopleth.report.summary import headline, pooled, tiles


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


def test_scores_are_pooled_over_values(material: Material) -> None:
    assert material.scores is not None
    total = pooled(material.scores)
    assert total["n"] == 200
    assert total["rmse"] == pytest.approx(np.sqrt((0.25 + 0.16) / 2.0))
    assert total["coverage90"] == pytest.approx(0.90)


def test_the_headline_says_what_and_how_good(material: Material) -> None:
    what, verdict = (plain(text) for text in headline(material))
    assert what == (
        "The ocean's temperature in January 2016 on 3 levels from 0 to 500 m, mapped from "
        "60 profiles."
    )
    assert verdict == (
        "At 150 profiles held back, its error is 0.45 °C, against 0.91 °C for the climatology: "
        "50 % smaller. Its 90 % intervals hold 90.0 % of the values, as they should."
    )


@pytest.mark.parametrize(("share", "words"), [(0.7, "too narrow"), (0.97, "too wide")])
def test_the_headline_admits_bad_intervals(material: Material, share: float, words: str) -> None:
    assert material.scores is not None
    bad = replace(material, scores=material.scores.assign(coverage90=share))
    assert words in headline(bad)[1]


def test_the_headline_admits_defeat(material: Material) -> None:
    assert material.scores is not None
    worse = replace(material, scores=material.scores.assign(rmse=2.0))
    assert "larger" in headline(worse)[1]


def test_the_headline_tells_the_month_from_its_window(material: Material) -> None:
    time = material.used.time.copy()
    time[:20] = np.datetime64("2016-02-02")
    wide = replace(material, used=replace(material.used, time=time))
    assert "60 profiles, 40 of them of the month itself" in plain(headline(wide)[0])


def test_a_handful_of_profiles_judges_nothing(material: Material) -> None:
    assert material.withheld is not None
    few = replace(material, withheld=material.withheld.isel(profile=slice(3)))
    assert headline(few)[1].endswith("too few to judge by: hold back 20 or more.")


def test_without_profiles_held_back_nothing_is_claimed(material: Material) -> None:
    blind = replace(material, withheld=None, scores=None)
    assert headline(blind)[1].startswith("No profile was held back")
    assert tiles(blind, reach(blind, 0.0))[0].name == "profiles used"
    assert len(tiles(blind, reach(blind, 0.0))) == 2
