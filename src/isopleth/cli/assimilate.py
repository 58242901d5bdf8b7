"""`isopleth assimilate`: from a background and a table of observations to an analysis."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from isopleth.cli import record
from isopleth.cli.assimilate_arguments import Assimilate
from isopleth.cli.output import write_analysis
from isopleth.cli.screen import Screen
from isopleth.core.errors import DataMissingError, InputError
from isopleth.data.states import open_states, read_states, times_of
from isopleth.data.station_reports import Reports, read_report_frame, read_reports
from isopleth.report.assimilation import AssimilationMaterial, write_assimilation_report
from isopleth.report.assimilation_words import tables
from isopleth.systems.assimilation import (
    Assimilation,
    Inputs,
    LocalEnsemble,
    Method,
    Outcome,
    Recipe,
    Static,
    chosen_time,
    combined,
    demo,
    standard,
)

__all__ = ["assimilate"]

METHODS: dict[str, Callable[[], Method]] = {"3dvar": Static, "letkf": LocalEnsemble}
"""Name on the command line -> method: the only place where a word selects one."""

_MOST_WITHHELD = 0.5


@dataclass(frozen=True, eq=False)
class _Job:
    inputs: Inputs
    reports: Reports
    demonstration: demo.Demonstration | None


def assimilate(asked: Assimilate, words: Sequence[str]) -> None:
    """Do the job and print what came of it; the last line names the report.

    Args:
        asked: The command line.
        words: The same as it was typed, for the record.

    Raises:
        IsoplethError: If something given cannot be used.
    """
    recipe = _checked(asked)
    with Screen() as screen:
        with screen.step("reading"):
            job = _demonstrated(asked) if asked.demo else _read(asked)
        name = asked.method or ("3dvar" if job.inputs.members is None else "letkf")
        system = Assimilation(METHODS[name](), recipe)
        for note in job.inputs.notes:
            screen.say(f"background: {note}")
        screen.say(f"method: {system.method.words}")
        with screen.step("analysis"):
            outcome = system(job.inputs, job.reports)
        _say_statistics(outcome, screen)
        for remark in outcome.analysed.remarks:
            screen.say(f"note: {remark}")
        withheld = None
        if asked.withhold:
            with screen.step("trial without the withheld stations"):
                withheld = system.trial(outcome, share=asked.withhold, seed=asked.seed)
        with screen.step("writing"):
            material = _material(asked, words, job, outcome, withheld, system, screen)
            paths = _write(asked, material)
    _print(material)
    print(f"analysis: {paths[0]}\nstations: {paths[1]}\nreport: {paths[2]}", flush=True)


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
    }
    if asked.demo:
        other = next((name for name, path in given.items() if path is not None), None)
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


def _demonstrated(asked: Assimilate) -> _Job:
    found = demo.prepare(asked.seed)
    return _Job(found.inputs, read_report_frame(found.table), found)


def _read(asked: Assimilate) -> _Job:
    """Files at the time that is wanted, or that has most observations."""
    assert asked.background is not None
    assert asked.observations is not None
    with open_states(asked.background) as data:
        # Times are needed to choose the fields, levels to know the unit of the table's.
        times = times_of(data)
        first = times[0] if times.size else None
        vertical = read_states(data, first, asked.background.name).vertical
        reports = read_reports(asked.observations, vertical)
        time = _wanted(asked, times)
        if time is None:
            time = chosen_time(times, reports.time[reports.usable], asked.window_hours)
        state = read_states(data, time, asked.background.name)
    if asked.ensemble is None:
        return _Job(combined(state, None), reports, None)
    with open_states(asked.ensemble) as data:
        others = times_of(data)
        members = read_states(data, time if others.size else None, asked.ensemble.name)
    return _Job(combined(state, members), reports, None)


def _wanted(asked: Assimilate, times: np.ndarray) -> np.datetime64 | None:
    if asked.time is None:
        return None
    try:
        return np.datetime64(asked.time.removesuffix("Z"), "ns")
    except ValueError as error:
        raise InputError(
            f"--time {asked.time!r} is not understood: write it as 2017-01-02T00:00."
        ) from error


def _say_statistics(outcome: Outcome, screen: Screen) -> None:
    if outcome.statistics is None:
        return
    screen.say(f"background error statistics: {outcome.statistics.source}")
    for line in outcome.statistics.lines(outcome.inputs.channels):
        screen.say(f"  {line}")


def _material(
    asked: Assimilate,
    words: Sequence[str],
    job: _Job,
    outcome: Outcome,
    withheld: pd.DataFrame | None,
    system: Assimilation,
    screen: Screen,
) -> AssimilationMaterial:
    truth = None
    analysis = system.dataset(outcome, members=asked.members)
    facts = _facts(asked, words, outcome, screen)
    analysis.attrs |= {
        "history": f"{facts['date']} {facts['command']}",
        "provenance": json.dumps(facts, default=str),
    }
    if job.demonstration is not None:
        truth = job.demonstration.errors(outcome.analysed.mean)
        analysis.attrs |= {"data_note": demo.NOTE}
        analysis.attrs["title"] = f"Demonstration: {analysis.attrs['title']}"
    return AssimilationMaterial(
        analysis=analysis,
        stations=outcome.stations(),
        innovations=outcome.innovations(),
        desroziers=outcome.desroziers(),
        withheld=withheld,
        truth=truth,
        statistics=_statistics(outcome),
        provenance=facts,
    )


def _statistics(outcome: Outcome) -> tuple[str, ...]:
    found = outcome.statistics
    if found is None:
        return ()
    return (f"From {found.source}.", *found.lines(outcome.inputs.channels))


def _facts(
    asked: Assimilate, words: Sequence[str], outcome: Outcome, screen: Screen
) -> dict[str, object]:
    files = [p for p in (asked.background, asked.observations, asked.ensemble) if p is not None]
    inputs = outcome.inputs
    return {
        "command": record.command_line(words),
        **record.stamp(),
        "versions": record.versions(),
        "input": demo.sources() if asked.demo else record.hashes(files),
        "time": "not stated" if inputs.time is None else f"{str(inputs.time)[:16]} UTC",
        "grid": f"{' x '.join(map(str, inputs.channels.shape))} channels, rows and columns",
        "notes": [*inputs.notes, *outcome.analysed.remarks],
        "seed": asked.seed,
        "wall_time": record.rounded(screen.seconds),
        "peak_memory": f"{record.peak_memory_gb():.2f} GB",
    }


def _targets(out: Path) -> tuple[Path, Path, Path]:
    return out, out.with_suffix(".stations.csv"), out.with_suffix(".html")


def _write(asked: Assimilate, material: AssimilationMaterial) -> tuple[Path, Path, Path]:
    """Analysis, table and report, each whole or not at all."""
    out, table, report = _targets(asked.out)
    write_analysis(material.analysis, out)
    _write_table(material.stations, table)
    write_assimilation_report(report, material)
    return out, table, report


def _write_table(stations: pd.DataFrame, path: Path) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-", suffix=".part")
    part = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            stations.to_csv(file, index=False, float_format="%.6g")
        part.chmod(0o644)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _print(material: AssimilationMaterial) -> None:
    note = material.analysis.attrs.get("data_note")
    if note:
        print(f"\n{note}")
    for title, columns, rows in tables(material):
        frame = pd.DataFrame(rows, columns=list(columns))
        print(f"\n{title}\n{frame.to_string(index=False)}")
    print()
