"""What `isopleth assimilate` tells of a run: on what it rests, what to know, how it was made."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from isopleth.cli import record
from isopleth.cli.assimilate_arguments import Assimilate
from isopleth.cli.assimilate_inputs import Job
from isopleth.cli.assimilate_losda import Weights
from isopleth.report.assimilation import AssimilationMaterial
from isopleth.systems.assimilation import Assimilation, Choice, Outcome, demo

__all__ = ["Done", "material_of"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Done:
    """An assimilation that was made.

    Args:
        asked: The command line.
        words: As it was typed.
        job: What was read.
        system: Method and recipe.
        outcome: The analysis.
        choice: Of the radius, None where it was given or there was nothing to choose.
        withheld: Score of the trial, None without one.
        seconds: Wall time by step.
        weights: Of a learned prior, where the method has one.
    """

    asked: Assimilate
    words: Sequence[str]
    job: Job
    system: Assimilation
    outcome: Outcome
    choice: Choice | None
    withheld: pd.DataFrame | None
    seconds: Mapping[str, float]
    weights: Weights | None = None


def material_of(done: Done) -> AssimilationMaterial:
    """Everything for the report and the terminal."""
    outcome, truth = done.outcome, None
    analysis = done.system.dataset(outcome, members=done.asked.members)
    basis, notes, facts = _basis(done), _notes(done), _facts(done)
    analysis.attrs |= {
        "history": f"{facts['date']} {facts['command']}",
        "basis": "; ".join(f"{head}: {text}" for head, text in basis),
        "provenance": json.dumps(facts, default=str),
    }
    if notes:
        analysis.attrs["notes"] = "; ".join(notes)
    if done.weights is not None:
        analysis.attrs["weights"] = done.weights.system.provenance
    if done.job.demonstration is not None:
        truth = done.job.demonstration.errors(outcome.analysed.mean)
        analysis.attrs |= {"data_note": demo.NOTE}
        analysis.attrs["title"] = f"Demonstration: {analysis.attrs['title']}"
    return AssimilationMaterial(
        analysis=analysis,
        stations=outcome.stations(),
        innovations=outcome.innovations(),
        desroziers=outcome.desroziers(),
        withheld=done.withheld,
        truth=truth,
        basis=basis,
        notes=notes,
        statistics=_statistics(outcome),
        provenance=facts,
    )


def _basis(done: Done) -> tuple[tuple[str, str], ...]:
    """Method, where the background's errors come from, and the localisation."""
    method, outcome = done.system.method, done.outcome
    found = [("Method", method.words), *(done.weights.basis if done.weights else ())]
    static = outcome.statistics
    if static is not None:
        found.append(("Static covariance", f"{static.words}; from {static.source}"))
    if method.needs_ensemble:
        found.append(("Ensemble", "; ".join(outcome.inputs.notes)))
    if static is not None and method.needs_ensemble:
        share = outcome.posed.recipe.ensemble_share
        found.append(("Shares", f"static {1.0 - share:.2f}, ensemble {share:.2f} (not tuned)"))
    if method.localised:
        found.append(("Localisation radius", _radius(done)))
    return tuple(found)


def _radius(done: Done) -> str:
    if done.choice is not None:
        return done.choice.words
    if done.asked.radius is not None:
        return f"{done.asked.radius:g} km, as asked"
    return (
        f"{done.outcome.posed.recipe.radius_km:g} km of the recipe: there are too few places to "
        "choose it from these observations"
    )


def _notes(done: Done) -> tuple[str, ...]:
    """What was decided, or fell back, that a person should know."""
    told = done.system.method.needs_ensemble  # of the ensemble, in the basis
    notes = [*(() if told else done.job.inputs.notes), *done.outcome.analysed.remarks]
    if done.asked.withhold and done.withheld is None:
        notes.append("there are too few places to withhold some: the analysis is not scored")
    return tuple(notes)


def _statistics(outcome: Outcome) -> tuple[str, ...]:
    found = outcome.statistics
    if found is None:
        return ()
    kind = f"{found.words[:1].upper()}{found.words[1:]}"
    return (f"{kind}; from {found.source}.", *found.lines(outcome.inputs.channels))


def _facts(done: Done) -> dict[str, object]:
    asked, inputs = done.asked, done.outcome.inputs
    given = (asked.background, asked.observations, asked.ensemble, *asked.statistics)
    given += (asked.earlier, done.weights.card if done.weights else None)
    files = [path for path in given if path is not None]
    return {
        "command": record.command_line(done.words),
        **record.stamp(),
        "versions": record.versions(),
        "input": demo.sources() if asked.demo else record.hashes(files),
        "time": "not stated" if inputs.time is None else f"{str(inputs.time)[:16]} UTC",
        "grid": f"{' x '.join(map(str, inputs.channels.shape))} channels, rows and columns",
        "seed": asked.seed,
        "wall_time": record.rounded(done.seconds),
        "peak_memory": f"{record.peak_memory_gb():.2f} GB",
    }
