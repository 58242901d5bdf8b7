"""Weights of the whole system: the prior, and beside it the standard of its states."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from isopleth.core.errors import DataMissingError, InputError, IntegrityError
from isopleth.core.weights import read_card
from isopleth.priors.conditional import ConditionalDenoiser
from isopleth.studies.provenance import sha256_of
from isopleth.systems.losda.prior import keep, load_prior
from isopleth.systems.losda.recipe import Recipe
from isopleth.systems.losda.standard import Standard

__all__ = ["SHIPPED", "found_card", "keep_whole", "read_whole"]

SHIPPED = Path(__file__).parent / "cards" / "losda_qg3_t21.json"
"""The card that comes with the package."""

_STANDARD = "standard.safetensors"


def keep_whole(
    denoiser: ConditionalDenoiser,
    standard: Standard,
    recipe: Recipe,
    folder: Path,
    facts: Mapping[str, Any],
    *,
    dtype: torch.dtype | None = torch.float16,
) -> Path:
    """Write weights, card and standard into a folder.

    Args:
        denoiser: With its final weights.
        standard: Of its states.
        recipe: That it was made by.
        folder: Place.
        facts: As for `prior.keep`, without grid and variables.
        dtype: Of the numbers in the file of weights.

    Returns:
        Path of the card.
    """
    name = f"{recipe.name}_{_STANDARD}"
    digest = standard.write(Path(folder) / name)
    channels = standard.channels
    rows, columns = channels.shape[1:]
    told = {
        **facts,
        "grid": {"rows": rows, "columns": columns, "words": standard.words},
        "variables": [channels.label(i) for i in range(len(channels.items))],
        "data": [*facts["data"], {"name": name, "sha256": digest}],
    }
    return keep(denoiser, recipe, folder, told, dtype=dtype)


def read_whole(path: Path) -> tuple[ConditionalDenoiser, Standard, dict[str, Any]]:
    """Prior, standard and card.

    Raises:
        DataMissingError: If a file is not there.
        IntegrityError: If a file is damaged or not the one that its card means.
    """
    card = read_card(path)
    name = f"{card['name']}_{_STANDARD}"
    file = path.with_name(name)
    promised = {entry["name"]: entry["sha256"] for entry in card["data"]}.get(name)
    if not file.is_file():
        raise DataMissingError(f"{file} is missing: install or train the weights again.")
    if sha256_of(file) != promised:
        raise IntegrityError(
            f"{name} is not the file that its card promises: install or train the weights again."
        )
    return load_prior(path), Standard.read(file), card


def found_card(place: Path | str | None) -> Path:
    """The card of weights.

    Args:
        place: A card, its weights, a folder with one card, the name of shipped weights; None for
            those of the package.

    Raises:
        DataMissingError: If there are none.
        InputError: If a folder has several.
    """
    if place is None:
        if SHIPPED.is_file():
            return SHIPPED
        raise DataMissingError(
            "no weights of LO-SDA come with this package: make some with `isopleth prepare losda "
            "qg3` and `isopleth train losda small`, and name their card with --weights."
        )
    path = Path(place)
    if path.is_dir():
        cards = [p for p in sorted(path.glob("*.json")) if p.with_suffix(".safetensors").is_file()]
        if len(cards) == 1:
            return cards[0]
        if cards:
            names = ", ".join(card.name for card in cards)
            raise InputError(f"{path} holds several cards ({names}): name one of them.")
    elif path.is_file():
        return path
    elif (shipped := SHIPPED.with_name(f"{place}.json")).is_file():
        return shipped
    raise DataMissingError(
        f"there are no weights {str(place)!r}: name a card, a folder with one, or weights of the "
        "package."
    )
