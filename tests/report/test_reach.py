from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from isopleth.report.material import Material
from isopleth.report.reach import climatology_misfit, nearest_distance, reach


def test_distance_is_along_the_great_circle(material: Material) -> None:
    one = material.used.select(np.array([0]))
    one = replace(one, latitude=np.array([5.0]), longitude=np.array([355.0]))
    distance = nearest_distance(replace(material, used=one), 0.0)
    assert distance.sel(lat=5.0, lon=355.0).item() == pytest.approx(0.0, abs=1e-6)
    quarter = np.degrees(np.arccos(np.sin(np.radians(5.0)) ** 2))
    wanted = quarter / 360.0 * 40030.2
    assert distance.sel(lat=5.0, lon=85.0).item() == pytest.approx(wanted, rel=1e-3)
    assert np.isnan(distance.sel(lat=5.0, lon=5.0).item())


def test_a_profile_without_a_value_at_the_level_does_not_count(material: Material) -> None:
    value = material.used.value.copy()
    value[1:, 1] = np.nan
    only = replace(material, used=replace(material.used, value=value))
    assert nearest_distance(only, 100.0).max() > nearest_distance(only, 0.0).max()


def test_shares_and_spots(material: Material) -> None:
    found = reach(material, 0.0)
    polar = 1.0 - np.sin(np.radians(60.0))
    assert found.beyond == pytest.approx(polar)
    assert found.unlearned == pytest.approx(polar)
    assert found.largest_beyond == 1.0
    assert abs(found.worst.latitude) > 60.0
    assert found.worst.prior == 0.8
    assert found.farthest.distance == pytest.approx(float(found.distance.max()))


def test_the_bias_of_the_climatology_is_found(material: Material) -> None:
    misfit = climatology_misfit(material)
    assert misfit["depth"].tolist() == [0.0, 100.0, 500.0]
    assert misfit["bias"].to_numpy() == pytest.approx(-0.5)
    assert misfit["n"].tolist()[0] == 60


def test_other_months_do_not_add_the_season_to_the_bias(material: Material) -> None:
    used = material.used
    later = replace(used, time=used.time + np.timedelta64(35, "D"), value=used.value + 3.0)
    both = replace(material, used=type(used).concat([used, later]))
    assert climatology_misfit(both)["bias"].to_numpy() == pytest.approx(-0.5)
    only = replace(material, used=later)
    assert climatology_misfit(only)["bias"].to_numpy() == pytest.approx(-3.5)


def test_levels_that_the_profiles_lack_are_left_out(material: Material) -> None:
    other = replace(material.used, depth=np.array([1.0, 100.0, 501.0]))
    assert climatology_misfit(replace(material, used=other))["depth"].tolist() == [100.0]
