"""SpeedyRecipe: every number of a twin experiment in the moist atmosphere of SPEEDY."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from isopleth.core.errors import InputError
from isopleth.nets.unet import UNetConfig
from isopleth.studies.twin.recipe import NetworkRecipe
from isopleth.training.recipe import TrainingRecipe

__all__ = ["RECIPES", "EmulatorRecipe", "Run", "SpeedyRecipe", "full", "smoke"]

STEP_HOURS = 6
"""Between two states of a nature run, and a step of the emulator."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """A nature run: `isopleth prepare speedy --seed SEED --days DAYS --every 6h --levels sigma`.

    Attributes:
        name: Of the store, `NAME.zarr`.
        seed: Of its initial state; runs of different seeds are independent.
        days: Its least length.
    """

    name: str
    seed: int
    days: int


@dataclass(frozen=True, kw_only=True)
class EmulatorRecipe:
    """How the model of the forecasts is made.

    Attributes:
        net: Sizes of the network; channels are filled in from the state.
        training: Of single steps.
        batch: Stretches in a batch.
        tuning: Of `rollout` steps in a row, from the end of the first part; None = none.
        rollout: Steps in a row.
        tuning_batch: Stretches in a batch of the second part.
        mixed: Whether the network computes in bfloat16 while it is trained.
    """

    net: UNetConfig
    training: TrainingRecipe
    batch: int = 16
    tuning: TrainingRecipe | None = None
    rollout: int = 4
    tuning_batch: int = 8
    mixed: bool = True


@dataclass(frozen=True, kw_only=True)
class SpeedyRecipe:
    """World, model, backgrounds and networks; a trajectory is a stretch of a nature run.

    Attributes:
        sigma: Levels of u, v, T and q, top first; each must be one of the model's.
        truncation: Largest degree of the model.
        learned: Run that the emulator learns from, and no other does: else it would know the
            truths of the pairs better than those of the test.
        train: Trajectories whose background errors give the covariances.
        validation: Trajectories on which settings are chosen.
        test: Trajectories of each seed, on which every method is scored once.
        train_run: Of the training trajectories; climate and its deviations come from it.
        validation_run: Of those of the validation.
        test_runs: Of those of the test, one a seed.
        cycle_hours: Between two analyses of the cycle that makes the backgrounds.
        cycle_percent: Of the cells, of all channels, observed in it.
        cycle_networks: Different draws of it at every time; trajectories share them in turn.
        burn_in: Cycles after which its own covariance is estimated anew.
        cycles: Cycles whose errors are kept.
        pair_cycles: That training and validation trajectories may go on for `write_pairs`.
        dates: Cases of each validation or test trajectory.
        members: Of the ensembles.
        ensemble_cycles: Cycles that the perturbed members have run when a case begins.
        forecast_days: Whose truths are kept with the cases.
        samples: Background errors kept for the covariances.
        predictors: EOFs of the backgrounds in the linear regression.
        emulator: The model.
        networks: What is observed; the first is the one that methods are tuned on.
        trials: Of every method.
        window_hours: Of the model's step; there are no windows here.
    """

    sigma: tuple[float, ...] = (0.2, 0.34, 0.51, 0.835, 0.95)
    truncation: int = 31
    learned: Run = Run(name="learned", seed=10, days=1461)
    train: int = 150
    validation: int = 8
    test: int = 11
    train_run: Run = Run(name="train", seed=11, days=1826)
    validation_run: Run = Run(name="validation", seed=12, days=500)
    test_runs: tuple[Run, ...] = tuple(
        Run(name=f"test{seed}", seed=seed, days=420) for seed in (3, 4, 5)
    )
    cycle_hours: int = 48
    cycle_percent: float = 1.0
    cycle_networks: int = 8
    burn_in: tuple[int, ...] = (5, 5)
    cycles: int = 16
    pair_cycles: int = 80
    dates: int = 4
    members: int = 24
    ensemble_cycles: int = 3
    forecast_days: tuple[int, ...] = (2, 3, 4, 5)
    samples: int = 1500
    predictors: int = 200
    emulator: EmulatorRecipe
    networks: tuple[NetworkRecipe, ...]
    trials: int = 12
    window_hours: tuple[int, ...] = field(default=(0, STEP_HOURS), init=False)

    def __post_init__(self) -> None:
        """Check what the types cannot say.

        Raises:
            InputError: If a cycle is no multiple of a step, two runs share a seed, or there are
                more dates than cycles.
        """
        seeds = [run.seed for run in self.runs]
        if self.cycle_hours % STEP_HOURS or len(set(seeds)) < len(seeds):
            raise InputError(
                f"cycles of {self.cycle_hours} hours and runs of seeds {seeds}: give a multiple "
                f"of {STEP_HOURS} hours, and every run its own seed."
            )
        if not 1 <= self.dates <= self.cycles:
            raise InputError(
                f"{self.dates} cases in {self.cycles} cycles of a trajectory: give 1 case or "
                "more, and as many cycles."
            )

    @property
    def runs(self) -> tuple[Run, ...]:
        """All of them."""
        return (self.learned, self.train_run, self.validation_run, *self.test_runs)

    @property
    def seeds(self) -> tuple[int, ...]:
        """Of the test."""
        return tuple(run.seed for run in self.test_runs)

    @property
    def channels(self) -> int:
        """u, v, T and q on all levels, and the surface pressure."""
        return 4 * len(self.sigma) + 1

    @property
    def steps(self) -> int:
        """Of the emulator in a cycle."""
        return self.cycle_hours // STEP_HOURS

    @property
    def trajectories(self) -> int:
        """Of all kinds: training, then validation, then test run by run."""
        return self.train + self.validation + self.test * len(self.test_runs)

    @property
    def cases(self) -> int:
        """Of the test."""
        return self.test * len(self.test_runs) * self.dates


_TRAINING = TrainingRecipe(
    steps=4000,
    seconds=2700.0,
    rate=2e-3,
    warmup=50,
    average=0.995,
    accelerator="cpu",
    log_every=25,
    checkpoint_seconds=60.0,
)
_NET = UNetConfig(
    in_channels=1,
    out_channels=1,
    condition_channels=1,
    widths=(80, 128),
    patch=2,
    embedding=8,
    attention=(False, False),
)


def _networks() -> tuple[NetworkRecipe, ...]:
    def columns(name: str, percent: float = 5.0, **what: float) -> NetworkRecipe:
        error = what.get("error", 0.05)
        return NetworkRecipe(
            name=name, percent=percent, quantity="state", columns=True, cells=True, error=error
        )

    first = columns("5 % columns")
    return (
        first,
        columns("1 % columns", 1.0),
        columns("10 % columns", 10.0),
        columns("5 % columns, error 0.02", error=0.02),
        columns("5 % columns, error 0.1", error=0.1),
        replace(first, name="5 % winds only", quantity="wind"),
        replace(first, name="5 % wind speed", quantity="speed"),
        replace(first, name="5 % log humidity", quantity="log humidity"),
        replace(first, name="5 % stations", quantity="surface", stations=True, cells=False),
    )


full = SpeedyRecipe(
    emulator=EmulatorRecipe(
        net=_NET,
        training=_TRAINING,
        tuning=replace(_TRAINING, steps=400, seconds=900.0, rate=3e-4, warmup=10, average=0.98),
    ),
    networks=_networks(),
)
"""The experiment behind results/losda_speedy.json."""

_FEW = TrainingRecipe(steps=3, warmup=1, rate=3e-3, log_every=1, accelerator="cpu")
smoke = replace(
    full,
    sigma=(0.34, 0.835),
    truncation=5,
    learned=Run(name="learned", seed=10, days=8),
    train_run=Run(name="train", seed=11, days=24),
    validation_run=Run(name="validation", seed=12, days=14),
    test_runs=(Run(name="test3", seed=3, days=16),),
    train=20,
    validation=2,
    test=2,
    cycle_hours=12,
    cycle_percent=10.0,
    cycle_networks=4,
    burn_in=(3,),
    cycles=4,
    pair_cycles=4,
    dates=2,
    members=5,
    ensemble_cycles=1,
    forecast_days=(2,),
    samples=60,
    predictors=6,
    emulator=EmulatorRecipe(
        net=replace(_NET, widths=(8, 8)),
        training=_FEW,
        batch=2,
        tuning=replace(_FEW, steps=2),
        rollout=2,
        tuning_batch=2,
        mixed=False,
    ),
    networks=tuple(replace(network, percent=10.0) for network in _networks()[:1]),
    trials=2,
)
"""Everything once with two levels at T5; proves that it runs, not how good methods are."""

RECIPES = {"smoke": smoke, "full": full}
