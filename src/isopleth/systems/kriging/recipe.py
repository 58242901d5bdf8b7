"""Every number of the system, with the reason for its value."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from isopleth.core.covariance import SpaceTimeCovariance
from isopleth.inference.interpolation.local_fit import LocalFit


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Settings of an analysis.

    Args:
        covariance: The global covariance, where the local fit starts.
        local_fit: How its scales are fitted to the data; None keeps the global ones.
        neighbours: Profiles that inform one level of one point.
        window_days: Profiles up to this many days before and after the month are used where the
            user gives them: the largest single gain measured, 4 to 5 % of the RMSE.
        box_deg: Side of the boxes left out together when errors are learned; the gap that a
            typical point of the map has to its nearest profile.
        box_days: Length of the boxes in time; None for all of it. A mooring or a repeated section
            needs a few days: left out whole, it would have nothing to learn from.
        error_counts: Numbers of nearest residuals averaged by the error model.
        complete_levels: Whether profiles with missing levels are completed by their other levels.
        guess_pairs: Profiles that the first guess of the correlation between levels counts for.
        buddy_deviations: A value whose leave-one-box-out error is this many predicted scales is
            refused, if it is also wrong by ``buddy_floor``. Large on purpose: eddies are signal,
            and at 10 deviations the check cost the floats of ``results/ocean_depth.json`` 0.5 %.
        buddy_floor: Kelvin (or the data's unit).
        most_validated: Profiles beyond this number are not all predicted when errors are learned.
        fewest_values: A level with fewer values than this in the window is left out.
        members: Draws of the field.
        member_neighbours: Observations and earlier points that inform a point of a member.
    """

    covariance: SpaceTimeCovariance = field(default_factory=SpaceTimeCovariance)
    local_fit: LocalFit | None = field(default_factory=LocalFit)
    neighbours: int = 60
    window_days: float = 31.0
    box_deg: float = 1.0
    box_days: float | None = None
    error_counts: tuple[int, ...] = (10, 30, 80, 200)
    complete_levels: bool = True
    guess_pairs: float = 200.0
    buddy_deviations: float = 20.0
    buddy_floor: float = 5.0
    most_validated: int = 20_000
    fewest_values: int = 5
    members: int = 16
    member_neighbours: int = 40


standard = Recipe()
isotropic = replace(
    standard,
    covariance=SpaceTimeCovariance(
        zonal_km=200.0,
        meridional_km=200.0,
        days=40.0,
        broad_share=0.0,
        nugget=0.1,
        equatorial_zonal=0.0,
        equatorial_meridional=0.0,
    ),
    local_fit=None,
    complete_levels=False,
)
smoke = replace(standard, local_fit=None, neighbours=20, members=2, member_neighbours=15)
