from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from isopleth.core.errors import InputError
from isopleth.data.profiles import Profiles


def profiles(n: int = 3) -> Profiles:
    return Profiles(
        np.datetime64("2016-01-01", "ns") + np.arange(n) * np.timedelta64(20, "D"),
        np.linspace(-5, 5, n),
        np.linspace(0, 300, n),
        np.array([0.0, 100.0]),
        np.arange(2.0 * n).reshape(n, 2),
        np.full((n, 2), np.nan),
        np.array([str(i) for i in range(n)]),
        notes=("a note",),
    )


def test_select_by_mask_index_and_slice() -> None:
    casts = profiles()
    mask = np.array([True, False, True])
    assert casts.select(mask).platform.tolist() == ["0", "2"]
    assert casts.select(np.array([2, 0])).value[:, 0].tolist() == [4.0, 0.0]
    assert len(casts.select(slice(1, None))) == 2


def test_within_and_concat() -> None:
    casts = profiles()
    january, february = (
        casts.within(*m) for m in (("2016-01", "2016-02"), ("2016-02", "2016-03"))
    )
    joined = Profiles.concat([january, february])
    assert joined.value.tolist() == casts.value.tolist()
    assert joined.notes == ("a note",)


def test_concat_needs_the_same_levels_and_variable() -> None:
    casts = profiles()
    with pytest.raises(InputError, match="differ"):
        Profiles.concat([casts, dataclasses.replace(casts, depth=np.array([0.0, 200.0]))])
    with pytest.raises(InputError, match="salinity, temperature"):
        Profiles.concat([casts, dataclasses.replace(casts, variable="salinity")])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"latitude": np.zeros(2)}, "latitude has shape"),
        ({"value": np.zeros((3, 3))}, "value has shape"),
        ({"depth": np.array([100.0, 0.0])}, "do not increase"),
        ({"longitude": np.array([0.0, -20.0, 10.0])}, "longitude -20 is outside"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(InputError, match=message):
        dataclasses.replace(profiles(), **change)


def test_dataset_is_labelled() -> None:
    data = profiles().to_dataset()
    assert data["temperature"].dims == ("profile", "depth")
    assert data["temperature"].attrs["standard_name"] == "sea_water_temperature"
    assert data.attrs["comment"] == "a note"
