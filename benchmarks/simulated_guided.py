"""Guided priors of the simulated benchmark: ReconMOST and MMPS, on any prior.

The control asks the analytic Gaussian of the training states through the same guidance, with the
same number of evaluations and the same trials; its exact posterior is a baseline of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from isopleth.core.weights import load_weights
from isopleth.inference.mmps import MMPS
from isopleth.inference.reconmost import Fixed, ReconMOST
from isopleth.observe.mask import MaskOperator
from isopleth.observe.observation import Observation
from isopleth.priors.gaussian import EofGaussian
from isopleth.priors.noise import MemberNoise
from isopleth.priors.samplers import Ancestral
from isopleth.priors.schedules import karras
from isopleth.studies.provenance import sha256_of
from isopleth.studies.tuning import LogUniform
from isopleth.systems.reconmost.learn import build
from isopleth.systems.reconmost.recipe import Recipe
from isopleth.training.checkpoint import averaged_weights
from simulated_cases import Case
from simulated_learned import Answer, Learned

NETWORK, GAUSSIAN = "network", "gaussian"
CONTROL_MODES = 400


@dataclass(frozen=True, kw_only=True)
class Reconmost:
    """The published guidance without noise: one chain, no spread."""

    prior: str = NETWORK
    steps: int = 50
    strength: float = 4.0

    def __call__(self, learned: Learned, case: Case, asked: Tensor) -> Answer:
        """The end of one chain."""
        run = ReconMOST(
            learned.priors[self.prior](case), case.values, case.seen,
            gradient=Fixed(self.strength), steps=self.steps,
        )  # fmt: skip
        x = run(MemberNoise(case.seed, [0]), case.truth.shape)[0]
        return Answer(x, sample=x)


@dataclass(frozen=True, kw_only=True)
class Mmps:
    """Members by moment matching; their mean and their spread."""

    prior: str = NETWORK
    steps: int = 12
    iterations: int = 1
    members: int = 8
    highest: float = 80.0
    observation_variance: float = 1e-3

    def __call__(self, learned: Learned, case: Case, asked: Tensor) -> Answer:
        """An ensemble."""
        seen = Observation(
            case.truth[case.seen],
            MaskOperator(learned.world.grid, case.seen.numpy()),
            torch.tensor(self.observation_variance),
        )
        conditioned = MMPS(learned.priors[self.prior](case), [seen], self.iterations)
        sampler = Ancestral(conditioned, karras(self.steps, 0.02, self.highest))
        x = sampler(MemberNoise(case.seed, range(self.members)), case.truth.shape)
        return Answer(x.mean(0), members=x.flatten(1)[:, asked], sample=x[0])


_STRENGTH = {"strength": LogUniform(0.5, 8.0)}
_WEAKLY = {"strength": LogUniform(0.05, 8.0)}  # the Gaussian diverges where the network does not
_SAMPLING = {
    "highest": LogUniform(10.0, 400.0),
    "observation_variance": LogUniform(1e-4, 0.1),
}

GUIDED: dict[str, tuple[Any, dict[str, Any]]] = {
    "ReconMOST 50": (Reconmost(), _STRENGTH),
    "ReconMOST 50, Gaussian control": (Reconmost(prior=GAUSSIAN, strength=0.5), _WEAKLY),
    "MMPS": (Mmps(), _SAMPLING),
}
"""Name -> where the search starts, and what it may change."""


def load_priors(learned: Learned, recipe: Recipe, path: Path) -> None:
    """The Gaussian always; the network where its card or its checkpoint is there."""
    gaussian: list[EofGaussian] = []

    def control(_: Case) -> EofGaussian:
        if not gaussian:
            gaussian.append(learned.gaussian(CONTROL_MODES))
        return gaussian[0]

    learned.priors[GAUSSIAN] = control
    if not path.is_file():
        return
    denoiser = build(recipe, learned.world.climatology, learned.world.spread)
    if path.suffix == ".json":
        denoiser = load_weights(path, lambda _: denoiser)
    else:
        weights = averaged_weights(path, "denoiser.")
        absent = denoiser.load_state_dict(weights, strict=False).missing_keys
        assert not set(absent) & set(dict(denoiser.named_parameters())), absent
    denoiser.eval().requires_grad_(False)
    learned.priors[NETWORK] = lambda case: denoiser.at(learned.condition(case))
    learned.versions[NETWORK] = sha256_of(path.with_suffix(".safetensors"))
