"""TwinRecipe: every number of a twin experiment in the quasi-geostrophic world."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from isopleth.core.errors import InputError
from isopleth.dynamics.qg3_recipe import T21, QG3Recipe

__all__ = ["RECIPES", "NetworkRecipe", "Quantity", "TwinRecipe", "full", "smoke"]


Quantity = Literal["streamfunction", "wind", "speed", "state", "log humidity", "surface"]
"""What an instrument reads: the streamfunction, both components of the wind, or its speed.

In the moist atmosphere of SPEEDY there is no streamfunction; there is every variable, the
logarithm of humidity, or what a station at the ground reads.
"""


@dataclass(frozen=True, kw_only=True)
class NetworkRecipe:
    """What is observed at every time.

    Attributes:
        name: In tables.
        percent: Points as a share of the places: of the 3 nlat nlon cells where a point reads one
            level, of the nlat nlon columns where it reads all.
        quantity: What is read.
        columns: Whether a point reads all levels.
        cells: Whether points are centres of different cells; else they lie anywhere.
        stations: Whether the points crowd on land, around towns; else they are uniform by area.
        error: Standard deviation of the error over the climate's of the quantity at the level,
            known to all.

    Raises:
        InputError: If the error is not positive.
    """

    name: str
    percent: float
    quantity: Quantity = "streamfunction"
    columns: bool = False
    cells: bool = False
    stations: bool = False
    error: float = 0.1

    def __post_init__(self) -> None:
        """Check the error."""
        if not self.error > 0.0:
            raise InputError(f"an observation error of {self.error:g}: give a positive share.")


_HOURLY = replace(T21, step_seconds=3600.0)
_NETWORKS = tuple(NetworkRecipe(name=f"{p} % points", percent=float(p)) for p in (2, 1, 5, 10))


@dataclass(frozen=True, kw_only=True)
class TwinRecipe:
    """World, backgrounds, networks and the budget of every method.

    Attributes:
        world: Truth and model: the model is perfect. A step of an hour changes a forecast of ten
            days by parts in a million (see `results/qg3_speed.json` for the scheme itself).
        spin_up_days: Of every trajectory.
        train: Trajectories whose background errors give the covariances.
        validation: Trajectories on which settings are chosen.
        test: Trajectories of each seed, on which every method is scored once.
        seeds: Of worlds and networks of the test; 0 to 2 were seen while the experiment was made.
        climate_days: Of the training trajectories, for mean and standard deviation.
        cycle_hours: Between two analyses of the cycle that makes the backgrounds.
        cycle_percent: Of the cells observed in it.
        cycle_networks: Different draws of it at every time; trajectories share them in turn.
        burn_in: Cycles after which its own covariance is estimated anew.
        cycles: Cycles of the final covariance.
        dates: Cases of each validation or test trajectory.
        members: Of the ensembles.
        ensemble_cycles: Cycles that the perturbed members have run when a case begins.
        window_hours: Times of the observations of a window.
        cycling_hours: Between two analyses while cycling.
        cycling_test: Test trajectories of each seed that are cycled.
        cycling_members: Of the ensembles that are cycled.
        cycling_days: Of the cycling experiment.
        cycling_discarded: Days before its score counts.
        cycling_block: Days of a block: one case.
        tuning_days: Of the cycling runs on the validation trajectories.
        tuning_trajectories: How many of those are cycled.
        trials: Of every method, network and task.
        networks: What is observed; the first is the one of the headlines.
        cycled: Names of methods that are cycled for the networks other than the first.
    """

    world: QG3Recipe = _HOURLY
    spin_up_days: float = 180.0
    train: int = 134
    validation: int = 8
    test: int = 6
    seeds: tuple[int, ...] = (3, 4, 5)
    climate_days: int = 48
    cycle_hours: float = 48.0
    cycle_percent: float = 4.5
    cycle_networks: int = 16
    burn_in: tuple[int, ...] = (6, 8, 8)
    cycles: int = 36
    dates: int = 4
    members: int = 32
    ensemble_cycles: int = 3
    window_hours: tuple[int, ...] = (0, 6, 12, 18, 24)
    cycling_hours: float = 12.0
    cycling_test: int = 4
    cycling_members: int = 32
    cycling_days: int = 60
    cycling_discarded: int = 20
    cycling_block: int = 5
    tuning_days: int = 30
    tuning_trajectories: int = 4
    trials: int = 8
    networks: tuple[NetworkRecipe, ...] = field(
        default=(*_NETWORKS, NetworkRecipe(name="winds only", percent=2.0, quantity="wind"))
    )
    cycled: tuple[str, ...] = ("3D-Var", "LETKF")

    def __post_init__(self) -> None:
        """Check that the trajectories share the networks evenly."""
        if self.trajectories % self.cycle_networks:
            raise InputError(
                f"{self.trajectories} trajectories cannot share {self.cycle_networks} networks "
                "evenly: change the number of training trajectories."
            )

    @property
    def trajectories(self) -> int:
        """Of all kinds: training, then validation, then test seed by seed."""
        return self.train + self.validation + self.test * len(self.seeds)

    @property
    def cases(self) -> int:
        """Of the test: one-shot and window."""
        return self.test * len(self.seeds) * self.dates


full = TwinRecipe()
"""The experiment behind results/qg3_workbench.json: about two hours of one core."""

smoke = TwinRecipe(
    spin_up_days=20.0,
    train=28,
    validation=2,
    test=2,
    seeds=(0,),
    climate_days=20,
    burn_in=(4,),
    cycles=4,
    dates=1,
    members=8,
    ensemble_cycles=1,
    window_hours=(0, 6),
    cycling_test=2,
    cycling_members=8,
    cycling_days=3,
    cycling_discarded=1,
    cycling_block=1,
    tuning_days=2,
    tuning_trajectories=1,
    trials=2,
    networks=_NETWORKS[:1],
)
"""Everything once, in two minutes of one core; proves that it runs, not how good methods are."""

RECIPES = {"smoke": smoke, "full": full}
