"""`isopleth prepare losda`: pairs of a truth and its background that a prior learns from."""

from __future__ import annotations

from pathlib import Path

from isopleth.core.errors import InputError

__all__ = ["prepare_pairs"]

_PAIRS = 20_000
_OUT = Path("losda_pairs")


def prepare_pairs(name: str | None, pairs: int | None, out: Path | None) -> None:
    """Make the world and the pairs; the last line names the folder.

    Args:
        name: Of the world, `qg3` by default.
        pairs: To learn from.
        out: Folder.

    Raises:
        IsoplethError: If something given cannot be used, or the folder holds other pairs.
    """
    from isopleth.cli.screen import Screen
    from isopleth.systems.losda.prepare import WORLDS, prepare

    name = name or "qg3"
    if name not in WORLDS:
        raise InputError(f"losda has no world {name}: choose from {', '.join(WORLDS)}.")
    recipe = WORLDS[name]
    count = pairs
    if count is None:
        count = _PAIRS if name == "qg3" else recipe.train
    with Screen() as screen:
        screen.say(
            f"{count:,} pairs of truth and background from {recipe.train} trajectories, and fewer "
            f"from {recipe.validation} others; everything is simulated"
        )
        found = prepare(recipe, out or _OUT, count, screen.progress())
    print(
        f"pairs (synthetic): {found.folder}, {len(found.learned):,} to learn from and "
        f"{len(found.validation):,} to judge by, of {found.standard.words}",
        flush=True,
    )
