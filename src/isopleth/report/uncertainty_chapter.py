"""The chapter on where the analysis is unsure, and why."""

from __future__ import annotations

from isopleth.report.figures import to_png
from isopleth.report.geography import place_words
from isopleth.report.maps import Dots, Panel, map_figure
from isopleth.report.material import Material
from isopleth.report.pages import Chapter, Picture, Table
from isopleth.report.reach import Reach, Spot, reach
from isopleth.report.scales import distance, fraction
from isopleth.report.words import amount, depth_words, percent

__all__ = ["uncertainty_chapter"]

_DOTS = 1500
"""More profiles than this would hide the map of distances that they explain."""


def uncertainty_chapter(material: Material, main: Reach) -> Chapter:
    """Maps of what is left of the prior error and of the nearest observation, and the reasons.

    Args:
        material: Of the report.
        main: Reach of the profiles at the level of the maps.
    """
    return Chapter(
        "unsure",
        "Where it is unsure, and why",
        (_distances(main), _errors(material, main)),
        (_picture(material, main), _table(material, main)),
    )


def _picture(material: Material, main: Reach) -> Picture:
    level, used = depth_words(main.depth), material.used
    dots = (Dots(used.longitude, used.latitude),) if len(used) <= _DOTS else ()
    panels = [
        Panel(
            material.left.sel(depth=main.depth),
            f"Share of the prior error left, {level}",
            fraction("Standard error / error before any observation"),
        ),
        Panel(
            main.distance,
            f"Distance to the nearest profile, {level}",
            distance("Distance (km)"),
            dots,
        ),
    ]
    caption = (
        "Left: 0 where the observations settle the value, 1 where they say nothing and the "
        "analysis is the climatology with its own spread. Right: the reason."
        + (" Dots are the profiles used." if dots else "")
    )
    alt = (
        f"Two maps at {level}. Left, the share of the prior error that is left: over 0.8 in "
        f"{percent(main.unlearned)} of the ocean. Right, the distance to the nearest profile: "
        f"half of the ocean is within {main.median:,.0f} km."
    )
    return Picture(to_png(map_figure(panels)), alt, caption)


def _distances(main: Reach) -> str:
    return (
        f"At {depth_words(main.depth)}, {percent(main.beyond)} of the ocean's area is beyond the "
        "reach of every profile: those close enough, in space and time, to say anything count "
        f"together for less than half a profile taken there. Half of the ocean is within "
        f"{main.median:,.0f} km of a profile; the place "
        f"farthest from any, {_place(main.farthest)}, is {main.farthest.distance:,.0f} km away."
    )


def _errors(material: Material, main: Reach) -> str:
    return (
        f"The largest standard error is {amount(main.worst.error, unit=material.unit)}, "
        f"{_place(main.worst)}, where the ocean varies by "
        f"{amount(main.worst.prior, unit=material.unit)} about the climatology and the nearest "
        f"profile is {main.worst.distance:,.0f} km away. {_reasons(main.largest_beyond)}"
    )


def _reasons(beyond: float) -> str:
    """Why the largest errors are large: no profile, or not enough of them."""
    where = "the tenth of the ocean with the largest errors"
    near = "profiles are near, but the ocean varies more than they can settle."
    if beyond > 0.995:
        return f"All of {where} is beyond the reach of any profile."
    if beyond < 0.005:
        return f"In {where}, {near}"
    return (
        f"Of {where}, {percent(beyond)} is beyond the reach of any profile; in the other "
        f"{percent(1.0 - beyond)}, {near}"
    )


def _table(material: Material, main: Reach) -> Table:
    rows = []
    for depth in material.shown:
        one = main if depth == main.depth else reach(material, depth)
        row = (
            depth_words(depth),
            percent(one.beyond),
            percent(one.unlearned),
            f"{one.median:,.0f}",
            f"{one.farthest.distance:,.0f}",
            amount(one.worst.error, places=2),
        )
        rows.append(row)
    unit = f" ({material.unit})" if material.unit else ""
    columns = (
        "Depth",
        "Beyond any profile's reach",
        "Little learned",
        "Median distance (km)",
        "Largest distance (km)",
        f"Largest standard error{unit}",
    )
    caption = (
        "Shares of the ocean's area. Little learned: the standard error is over 80 % of the error "
        "before any observation. Distances are to the nearest profile with a value at the level."
    )
    return Table(caption, columns, rows)


def _place(spot: Spot) -> str:
    return f"near {place_words(spot.latitude, spot.longitude)}"
