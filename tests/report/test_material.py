from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from isopleth.core.errors import InputError
from isopleth.report.material import Material


@pytest.mark.parametrize("name", ["error_of_prior", "temperature_standard_error", "climatology"])
def test_a_missing_variable_is_named(material: Material, name: str) -> None:
    with pytest.raises(InputError, match=f"analysis has no variable '{name}'"):
        replace(material, analysis=material.analysis.drop_vars(name))


def test_a_missing_column_is_named(material: Material) -> None:
    assert material.scores is not None
    with pytest.raises(InputError, match="score table has no column 'crps'"):
        replace(material, scores=material.scores.drop(columns="crps"))


def test_predictions_are_checked(material: Material) -> None:
    assert material.withheld is not None
    with pytest.raises(InputError, match="withheld predictions has no variable 'mean'"):
        replace(material, withheld=material.withheld.drop_vars("mean"))


def test_labels_carry_the_unit(material: Material) -> None:
    assert material.label("Anomaly") == "Anomaly (°C)"
    assert material.month == "January 2016"


def test_levels_without_ocean_are_passed_over(material: Material) -> None:
    deep = material.analysis.copy(deep=True)
    deep["temperature"][-1] = np.nan
    assert replace(material, analysis=deep).shown == [0.0, 100.0]


def test_many_levels_are_thinned_to_four(material: Material) -> None:
    depth = [0.0, 10.0, 50.0, 100.0, 290.0, 700.0, 990.0]
    many = material.analysis.interp(depth=depth, kwargs={"fill_value": "extrapolate"})
    assert replace(material, analysis=many).shown == [10.0, 100.0, 290.0, 990.0]
    shallow = many.assign_coords(depth=[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    assert len(replace(material, analysis=shallow).shown) == 4
    assert replace(material, analysis=many).main == 100.0


def test_shares_are_of_the_area(material: Material) -> None:
    north = (material.grid.latitude > 0.0)[:, None] & np.ones(36, dtype=bool)
    assert material.ocean_share(north, 0.0) == pytest.approx(0.5)
    tropics = (np.abs(material.grid.latitude) < 30.0)[:, None] & np.ones(36, dtype=bool)
    assert material.ocean_share(tropics, 0.0) == pytest.approx(0.5)
