"""`isopleth assimilate --method losda`: a learned prior as a method of the assimilation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from isopleth.cli.assimilate_arguments import Assimilate
from isopleth.core.errors import InputError
from isopleth.inference.screening import Readable
from isopleth.systems.assimilation import Analysed, Posed
from isopleth.systems.losda.situation import Situation
from isopleth.systems.losda.system import LoSda
from isopleth.systems.losda.system import load as load_system
from isopleth.systems.losda.ways import Descent, Members, OneAnalysis, Way
from isopleth.systems.losda.weights import found_card

__all__ = ["WAYS", "LearnedPrior", "Weights", "weights_of"]

WAYS: dict[str, Callable[[Assimilate], Way]] = {
    "losda": lambda asked: OneAnalysis(),
    "losda-x0": lambda asked: Descent(),
    "losda-daps": lambda asked: Members() if asked.draws is None else Members(count=asked.draws),
}
"""Name on the command line -> way: the only place where a word selects one."""

_USELESS = (
    ("--ensemble", "ensemble"),
    ("--statistics", "statistics"),
    ("--radius", "radius"),
    ("--deviation", "deviation"),
    ("--length", "length"),
)


@dataclass(frozen=True, eq=False)
class Weights:
    """Weights that a command line asks for.

    Args:
        system: Loaded.
        card: Their card.
        way: What is made of them.
    """

    system: LoSda
    card: Path
    way: Way

    @property
    def basis(self) -> tuple[tuple[str, str], ...]:
        """What an analysis rests on, for the record."""
        card = self.system.card
        known = "the background"
        if self.system.wants_earlier:
            known += " and its difference to the forecast of a cycle before"
        return (
            ("Weights", f"{card['name']}: {card['what']} ({card['sha256'][:12]})"),
            ("Prior", f"latent diffusion given {known}; of {self.system.standard.words}"),
            ("Limits of the weights", "; ".join(card["limits"])),
        )


@dataclass(frozen=True, eq=False)
class LearnedPrior:
    """A way to an analysis of one background, as the assimilation system takes it.

    Args:
        situation: What the prior says of that background.
        way: How it meets the observations.
        seed: Of what is drawn.
    """

    situation: Situation
    way: Way
    seed: int
    needs_ensemble: bool = False
    needs_statistics: bool = False
    localised: bool = False

    @property
    def words(self) -> str:
        """What it is, in a line."""
        return self.way.words

    def background_deviation(self, posed: Posed) -> Tensor:
        """As the prior has it."""
        return self.situation.deviation

    def at(self, posed: Posed, read: Readable) -> Tensor:
        """The same at the observations."""
        return self.situation.at(read.operator)

    def __call__(self, posed: Posed, read: Readable, *, errors: bool = True) -> Analysed:
        """The analysis."""
        found = self.situation.analysed(self.way, read.observation, seed=self.seed, errors=errors)
        return Analysed(
            mean=found.mean,
            spread=found.spread,
            members=found.members,
            chi_square=found.chi_square,
        )


def weights_of(asked: Assimilate) -> Weights | None:
    """The weights of a method that has some; None for the others.

    Raises:
        InputError: If an option does not go with the method.
        IsoplethError: If there are no such weights, or they are damaged.
    """
    if asked.method not in WAYS:
        given = {"--weights": asked.weights, "--earlier": asked.earlier, "--draws": asked.draws}
        other = next((name for name, value in given.items() if value is not None), None)
        if other:
            raise InputError(f"{other} is for --method losda: leave it out, or ask for that.")
        return None
    if asked.demo:
        raise InputError(
            f"--demo brings fields of ERA5, which {asked.method} has no weights for: leave one of "
            "them out."
        )
    for name, field in _USELESS:
        if getattr(asked, field):
            raise InputError(
                f"{name} is of no use to {asked.method}, whose errors were learned: leave it out, "
                "or use --method 3dvar."
            )
    if asked.draws is not None and asked.method != "losda-daps":
        raise InputError(f"--draws is of no use to {asked.method}: use --method losda-daps.")
    card = found_card(asked.weights)
    return Weights(load_system(card), card, WAYS[asked.method](asked))
