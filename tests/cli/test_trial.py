from __future__ import annotations

import numpy as np
import pytest

from isopleth.cli.trial import judge, split
from isopleth.core import Region
from isopleth.data import Profiles
from isopleth.studies import box_ids
from isopleth.systems import kriging
from isopleth.systems.kriging import demo

BOX = Region.parse("25N:45N,40W:5E")


@pytest.fixture(scope="module")
def profiles() -> Profiles:
    found = demo.prepare([0.0, 100.0, 300.0]).profiles
    near = found.select(BOX.contains(found.latitude, found.longitude))
    later = np.arange(len(near)) % 3 == 0
    time = np.where(later, near.time + np.timedelta64(31, "D"), near.time)
    return Profiles(
        time.astype("datetime64[ns]"), near.latitude, near.longitude, near.depth, near.value,
        near.error, near.platform,
    )  # fmt: skip


def test_whole_boxes_are_hidden_in_every_month(profiles: Profiles) -> None:
    parts = split(profiles, "2016-01", BOX, share=0.2, seed=1)
    assert parts is not None
    kept, hidden = (box_ids(p.latitude, p.longitude) for p in (parts.kept, parts.hidden))
    assert not set(kept) & set(hidden)
    assert (parts.hidden.time < np.datetime64("2016-02-01")).all()
    assert len(parts.kept) + len(parts.hidden) < len(profiles)
    assert len(set(hidden)) == parts.boxes[0] == round(0.2 * parts.boxes[1])


def test_the_choice_follows_the_seed_and_not_the_order(profiles: Profiles) -> None:
    def boxes(some: Profiles, seed: int) -> set[int]:
        parts = split(some, "2016-01", BOX, share=0.2, seed=seed)
        assert parts is not None
        return set(box_ids(parts.hidden.latitude, parts.hidden.longitude).tolist())

    assert boxes(profiles, 1) == boxes(profiles.select(slice(None, None, -1)), 1)
    assert boxes(profiles, 1) != boxes(profiles, 2)


def test_only_boxes_of_the_region_are_hidden(profiles: Profiles) -> None:
    small = Region.parse("30N:40N,30W:20W")
    parts = split(profiles, "2016-01", small, share=0.5, seed=0)
    assert parts is not None
    assert small.contains(parts.hidden.latitude, parts.hidden.longitude).all()
    assert split(profiles, "2016-01", small, share=0.001, seed=0) is None


def test_the_trial_scores_what_it_hid(profiles: Profiles) -> None:
    parts = split(profiles, "2016-01", BOX, share=0.2, seed=0)
    assert parts is not None
    system = kriging.load(kriging.smoke, demo.prepare([0.0]).climatology)
    trial = judge(system.fit(parts.kept), parts, system.climatology)
    assert trial.profiles == len(parts.hidden)
    assert trial.scores["n"].tolist() == np.isfinite(parts.hidden.value).sum(axis=0).tolist()
    assert trial.scores["rmse"][0] < trial.scores["rmse_climatology"][0]
    assert trial.scores["crps"][0] < trial.scores["crps_climatology"][0]
    assert (trial.scores["crps_climatology"] < trial.scores["rmse_climatology"]).all()
