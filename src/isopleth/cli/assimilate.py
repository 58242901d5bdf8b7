"""`isopleth assimilate`: from a background and a table of observations to an analysis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from isopleth.cli.assimilate_arguments import Assimilate
from isopleth.cli.assimilate_inputs import Job, demonstrated, read
from isopleth.cli.assimilate_losda import LearnedPrior, Weights, weights_of
from isopleth.cli.assimilate_record import Done, material_of
from isopleth.cli.output import write_analysis, write_table
from isopleth.cli.screen import Screen
from isopleth.core.errors import DataMissingError, InputError
from isopleth.report.assimilation import AssimilationMaterial, write_assimilation_report
from isopleth.report.assimilation_words import EXPLAINED, tables
from isopleth.systems.assimilation import (
    Assimilation,
    Hybrid,
    LocalEnsemble,
    Method,
    Recipe,
    Static,
    WholeEnsemble,
    standard,
)

__all__ = ["assimilate"]

METHODS: dict[str, Callable[[], Method]] = {
    "3dvar": Static,
    "hybrid": Hybrid,
    "letkf": LocalEnsemble,
    "etkf": WholeEnsemble.etkf,
    "enkf": WholeEnsemble.enkf,
}
"""Name on the command line -> method; `assimilate_losda.WAYS` has those with weights."""

_MOST_WITHHELD = 0.5
_MOST_FILES = 2


def assimilate(asked: Assimilate, words: Sequence[str]) -> None:
    """Do the job and print what came of it; the last line names the report.

    Args:
        asked: The command line.
        words: The same as it was typed, for the record.

    Raises:
        IsoplethError: If something given cannot be used.
    """
    recipe = _checked(asked)
    weights = weights_of(asked)
    with Screen() as screen:
        with screen.step("reading"):
            taken = weights.system.state if weights else None
            job = demonstrated(asked.seed) if asked.demo else read(asked, recipe, taken)
        system = Assimilation(_method(asked, job, weights), recipe)
        screen.say(f"method: {system.method.words}")
        with screen.step("statistics and screening"):
            case = system.prepared(job.inputs, job.reports)
        choice = None
        if asked.radius is None and system.method.localised:
            with screen.step("choosing the radius"):
                case, choice = system.tuned(case, share=asked.withhold, seed=asked.seed)
        with screen.step("analysis"):
            outcome = system.analysed(case)
        withheld = None
        if asked.withhold:
            with screen.step("trial without the withheld stations"):
                withheld = system.trial(outcome, share=asked.withhold, seed=asked.seed)
        with screen.step("writing"):
            done = Done(
                asked=asked,
                words=words,
                job=job,
                system=system,
                outcome=outcome,
                choice=choice,
                withheld=withheld,
                seconds=screen.seconds,
                weights=weights,
            )
            material = material_of(done)
            paths = _write(asked, material)
    _print(material)
    print(f"analysis: {paths[0]}\nstations: {paths[1]}\nreport: {paths[2]}", flush=True)


def _method(asked: Assimilate, job: Job, weights: Weights | None) -> Method:
    """The method that is asked for, or that suits the inputs."""
    if weights is not None:
        situation = weights.system.situation(job.inputs.background, job.earlier)
        return LearnedPrior(situation, weights.way, asked.seed)
    name = asked.method or ("3dvar" if job.inputs.members is None else "letkf")
    method = METHODS[name]()
    if asked.statistics and not method.needs_statistics:
        raise InputError(
            f"--statistics is of no use to {name}, whose errors are the members': leave it "
            "out, or use --method 3dvar or hybrid."
        )
    return method


def _checked(asked: Assimilate) -> Recipe:
    """The recipe of words that can be used; checked before anything is read."""
    if not 0.0 <= asked.withhold <= _MOST_WITHHELD:
        raise InputError(
            f"--withhold {asked.withhold:g} is not possible: give a share from 0 to "
            f"{_MOST_WITHHELD:g}."
        )
    if asked.seed < 0:
        raise InputError(f"--seed {asked.seed} is not possible: give 0 or more.")
    if asked.out.suffix not in (".nc", ".zarr"):
        raise InputError(f"--out {str(asked.out)!r} has no known format: end it in .nc or .zarr.")
    _check_sources(asked)
    recipe = replace(
        standard,
        gross=asked.gross,
        window_hours=asked.window_hours,
        deviation=_numbers("--deviation", asked.deviation),
        length=_numbers("--length", asked.length),
    )
    return recipe if asked.radius is None else replace(recipe, radius_km=asked.radius)


def _check_sources(asked: Assimilate) -> None:
    given = {
        "--background": asked.background,
        "--observations": asked.observations,
        "--ensemble": asked.ensemble,
        "--earlier": asked.earlier,
    }
    if len(asked.statistics) > _MOST_FILES:
        raise InputError(
            f"--statistics has {len(asked.statistics)} files: give one, or two of forecasts for "
            "the same times."
        )
    given |= {f"--statistics {n}": path for n, path in enumerate(asked.statistics)}
    if asked.demo:
        other = next((name.split()[0] for name, path in given.items() if path is not None), None)
        if other or asked.time:
            raise InputError(f"--demo brings its own data: leave {other or '--time'} out.")
        return
    for name in ("--background", "--observations"):
        if given[name] is None:
            raise InputError(
                f"{name} is missing: give a file, or try --demo on the data shipped with the "
                "package."
            )
    for path in given.values():
        if path is not None and not path.exists():
            raise DataMissingError(f"there is no file {str(path)!r}: check the path.")
        for target in _targets(asked.out):
            if path is not None and target.exists() and target.samefile(path):
                raise InputError(
                    f"--out {str(asked.out)!r} would replace {str(path)!r}, which is to be read: "
                    "choose another name."
                )


def _numbers(option: str, words: Sequence[str]) -> dict[str, float]:
    found = {}
    for word in words:
        name, _, text = word.partition("=")
        try:
            found[name] = float(text)
        except ValueError as error:
            raise InputError(
                f"{option} {word!r} is not understood: write NAME=NUMBER, as air_temperature=1.2."
            ) from error
    return found


def _targets(out: Path) -> tuple[Path, Path, Path]:
    return out, out.with_suffix(".stations.csv"), out.with_suffix(".html")


def _write(asked: Assimilate, material: AssimilationMaterial) -> tuple[Path, Path, Path]:
    """Analysis, table and report, each whole or not at all."""
    out, table, report = _targets(asked.out)
    write_analysis(material.analysis, out)
    write_table(material.stations, table)
    write_assimilation_report(report, material)
    return out, table, report


def _print(material: AssimilationMaterial) -> None:
    data_note = material.analysis.attrs.get("data_note")
    if data_note:
        print(f"\n{data_note}")
    print()
    for head, text in material.basis:
        print(f"{head}: {text}")
    for note in material.notes:
        print(f"Note: {note}")
    for title, columns, rows in tables(material):
        frame = pd.DataFrame(rows, columns=list(columns))
        print(f"\n{title}\n{frame.to_string(index=False)}")
        if title in EXPLAINED:
            print(EXPLAINED[title])
    print()
