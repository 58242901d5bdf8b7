"""train, judge, keep: from monthly fields to the weights of the published prior."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from isopleth.core.weights import save_weights
from isopleth.priors.diffusion import EpsilonVp
from isopleth.priors.gaussian import EofGaussian
from isopleth.systems.reconmost.gate import GateTable
from isopleth.systems.reconmost.paper import AsPublished, PaperRecipe, build
from isopleth.systems.reconmost.paper_fields import MonthlyFields
from isopleth.training.fit import fit
from isopleth.training.gate import DenoisingTest

__all__ = ["UNIT", "NoiseLoss", "judge", "keep", "train"]

SIGMAS = (0.03, 0.1, 0.3, 1.0, 3.0)
"""Noise levels of the gate, in the network's units."""
FITTED = 24
"""Months that its Wiener filter is fitted to."""
UNIT = "(22.5 degC)^2"
"""Of the errors in the gate: half of the scaled range, squared."""


class NoiseLoss(nn.Module):
    """E_t E_eps mean (eps - net(sqrt(abar_t) x0 + sqrt(1 - abar_t) eps, t))^2, all cells alike.

    `t` is uniform over the steps. Land counts as the sea does, and a cell at the pole as one at
    the equator: as published.
    Reference: Ho, Jain and Abbeel (2020), arXiv 2006.11239, eq. 14.

    Args:
        net: `eps`, from (B, level, lat, lon) and t (B,) in steps to (B, level, lat, lon).
        alpha_bar: `abar_t`, shape (T,).
    """

    alpha_bar: Tensor

    def __init__(self, net: nn.Module, alpha_bar: Tensor) -> None:
        super().__init__()
        self.net = net
        self.register_buffer("alpha_bar", alpha_bar, persistent=False)

    def forward(self, x0: Tensor, generator: torch.Generator) -> Tensor:
        """Loss of fields (B, level, lat, lon), a scalar; randomness from the generator only."""
        t = torch.randint(len(self.alpha_bar), (len(x0),), generator=generator, device=x0.device)
        eps = torch.empty_like(x0).normal_(generator=generator)
        abar = self.alpha_bar[t][:, None, None, None]
        x_t = abar.sqrt().to(x0) * x0 + (1.0 - abar).sqrt().to(x0) * eps
        return (self.net(x_t, t).float() - eps).square().mean()


def train(
    recipe: PaperRecipe,
    fields: Callable[[int], Tensor],
    folder: Path,
    *,
    progress: Callable[[float], None] | None = None,
    sitting_seconds: float = float("inf"),
) -> tuple[EpsilonVp, Path]:
    """Train, or go on from the checkpoint in the folder.

    Args:
        recipe: The numbers.
        fields: From the number of a batch to (B, level, lat, lon), as `MonthlyFields`.
        folder: Gets checkpoint and log.
        progress: Is told the part done, in [0, 1].
        sitting_seconds: Stop after this wall time, to be continued.

    Returns:
        The prior with averaged weights, and the path of the checkpoint.

    Raises:
        InputError: If the folder holds another training.
    """
    torch.manual_seed(recipe.training.seed)
    prior = build(recipe)
    path = fit(
        NoiseLoss(prior.net, recipe.diffusion.alpha_bar),
        fields,
        recipe.training,
        folder,
        progress=progress,
        sitting_seconds=sitting_seconds,
    )
    return prior, path


def judge(prior: EpsilonVp, fields: MonthlyFields) -> GateTable:
    """Denoise the months held back, and compare with the Wiener filter of months trained on.

    Errors are means over all cells, land as well, in units of the network.
    """
    known, unseen = fields.known(FITTED), fields.unseen()
    mean = known.mean(0)
    everywhere = torch.ones(mean.shape, dtype=torch.bool)
    filtered = EofGaussian.fit(known - mean, everywhere, len(known) // 2)
    test = DenoisingTest(unseen, everywhere, SIGMAS, batch=1)
    prior.eval()
    ours = test.errors(prior)
    theirs = test.errors(lambda x, sigma: mean + filtered(x - mean, sigma))
    return GateTable(SIGMAS, ours.mean(1), theirs.mean(1), len(unseen))


def keep(prior: EpsilonVp, recipe: PaperRecipe, place: Path, facts: Mapping[str, Any]) -> Path:
    """Write the network's weights under their published names, and their card.

    Args:
        prior: With its final weights.
        recipe: That it was made by.
        place: Folder and name, without a suffix.
        facts: data, seed, commit, device, wall_time_s and metrics, see
            `core.weights.save_weights`.

    Returns:
        Path of the card; `build(recipe, place.with_suffix(".safetensors"))` reads the weights.
    """
    rows, columns = recipe.grid.shape[1:]
    card = {
        "what": "diffusion prior of monthly potential temperature by the recipe of ReconMOST",
        "config": asdict(recipe.net),
        "grid": {"rows": rows, "columns": columns, "levels_m": list(recipe.levels)},
        "variables": ["potential_temperature"],
        "recipe": {**asdict(recipe), "training": recipe.training.what_decides()},
        "licence": "that of the files it was trained on",
        "limits": [
            "knows no season, and land only as water of 0 degC",
            "has a seam at Greenwich",
            "judged on the last months of its own files, which resemble those trained on",
        ],
        **facts,
    }
    assert isinstance(prior.net, AsPublished)
    return save_weights(prior.net.unet, place.parent, place.name, card)
