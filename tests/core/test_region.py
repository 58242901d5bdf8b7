from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isopleth.core.errors import InputError
from isopleth.core.region import Region


@pytest.mark.parametrize(
    ("text", "edges"),
    [
        ("20N:60N,80W:0", (20, 60, 280, 360)),
        ("60N:20N, 80W:10E", (20, 60, 280, 370)),
        ("-30:30,120:-70", (-30, 30, 120, 290)),
        ("10.5S:0,0:360", (-10.5, 0, 0, 360)),
        ("90S:90N,180W:180E", (-90, 90, 180, 540)),
        ("0n:5n,350e:355e", (0, 5, 350, 355)),
    ],
)
def test_parse(text: str, edges: tuple[float, ...]) -> None:
    region = Region.parse(text)
    assert (region.south, region.north, region.west, region.east) == edges


@pytest.mark.parametrize(
    "text",
    ["", "20N:60N", "20N,60N,80W,0", "20E:60N,0:5", "a:b,c:d", "20N:60N,80N:0", "1:2:3,4:5"],
)
def test_text_of_another_form_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InputError, match="20N:60N,80W:0"):
        Region.parse(text)


@pytest.mark.parametrize(
    ("edges", "sentence"),
    [
        ((60, 20, 0, 10), "south < north"),
        ((-100, 20, 0, 10), "within -90 and 90"),
        ((20, 20, 0, 10), "south < north"),
        ((0, 20, 10, 10), "no width"),
        ((0, 20, float("nan"), 10), "west edge is nan"),
    ],
)
def test_an_impossible_box_is_refused(edges: tuple[float, ...], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        Region(*edges)


whole_degrees = st.integers(-180, 360)


@given(st.integers(-90, 89), st.integers(1, 180), whole_degrees, whole_degrees)
def test_text_and_back(south: int, height: int, west: int, east: int) -> None:
    if west == east:
        return
    region = Region(south, min(90, south + height), west, east)
    assert Region.parse(str(region)) == region


@given(whole_degrees, whole_degrees, st.floats(-180, 360), st.sampled_from([-360.0, 0.0, 360.0]))
def test_what_a_box_holds_does_not_depend_on_the_convention(
    west: int, east: int, longitude: float, turn: float
) -> None:
    if west == east:
        return
    whole, moved = Region(-10, 10, west, east), Region(-10, 10, west + 360, east + 360)
    assert whole == moved
    turned = np.round(longitude, 3) + turn
    assert whole.contains(0.0, np.round(longitude, 3)) == whole.contains(0.0, turned)


def test_edges_belong_to_the_box_and_nan_does_not() -> None:
    region = Region.parse("20N:60N,80W:0")
    inside = region.contains([20, 60, 40, np.nan, 40], [-80, 0, 1, -20, 360])
    assert inside.tolist() == [True, True, False, False, True]
