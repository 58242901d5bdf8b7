"""`isopleth forecast`: from one state of the atmosphere to the days after it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from isopleth.cli import record
from isopleth.cli.forecast_arguments import ForecastArguments
from isopleth.cli.output import write_analysis, write_table
from isopleth.cli.screen import Screen
from isopleth.core.errors import DataMissingError, InputError
from isopleth.data.cards import read_card
from isopleth.report.forecast import write_forecast_report
from isopleth.report.forecast_words import ForecastMaterial, score_rows, verdict
from isopleth.systems.forecast import demo
from isopleth.systems.forecast.initial import Initial, read_initial
from isopleth.systems.forecast.models import load_model
from isopleth.systems.forecast.settings import ForecastSettings
from isopleth.systems.forecast.system import Forecast, Outcome

__all__ = ["forecast"]


def forecast(asked: ForecastArguments, words: Sequence[str]) -> None:
    """Do the job and print what came of it; the last line names the report.

    Args:
        asked: The command line.
        words: The same as it was typed, for the record.

    Raises:
        IsoplethError: If something given cannot be used.
    """
    settings = _checked(asked)
    with Screen() as screen:
        system = Forecast(load_model(asked.model, asked.truncation))
        screen.say(f"model: {system.model.words}")
        with screen.step("synthetic atmosphere" if asked.demo else "reading"):
            initial = _initial(asked, system, settings)
        for note in initial.notes:
            screen.say(f"start: {note}")
        folder = _run_folder(asked.out)
        if folder.is_dir():
            screen.say(f"{folder} is there: days that it holds of this forecast are taken over")
        try:
            outcome = system(initial, settings, folder=folder, progress=screen.progress())
        except InputError:  # it would only fail again: nothing is there to go on with
            shutil.rmtree(folder, ignore_errors=True)
            raise
        with screen.step("writing"):
            material = _material(asked, words, outcome, screen)
            paths = _write(asked.out, material)
            shutil.rmtree(folder)
    _print(material)
    for name, path in paths.items():
        print(f"{name}: {path}", flush=True)


def _checked(asked: ForecastArguments) -> ForecastSettings:
    """Settings of words that can be used; checked before anything is read."""
    if asked.out.suffix not in (".nc", ".zarr"):
        raise InputError(f"--out {str(asked.out)!r} has no known format: end it in .nc or .zarr.")
    _check_source(asked)
    settings = ForecastSettings(
        days=asked.days, members=asked.members, seed=asked.seed, time=_wanted(asked.time)
    )
    if asked.demo and asked.members is None:
        settings = replace(settings, members=demo.MEMBERS)
    return settings if asked.spread is None else replace(settings, spread=asked.spread)


def _check_source(asked: ForecastArguments) -> None:
    if asked.demo:
        if asked.init is not None or asked.time is not None:
            other = "INIT.nc" if asked.init is not None else "--time"
            raise InputError(f"--demo brings its own start: leave {other} out.")
        return
    if asked.init is None:
        raise InputError(
            "the file of the start is missing: write `isopleth forecast INIT.nc`, or try --demo."
        )
    if not asked.init.exists():
        raise DataMissingError(f"there is no file {str(asked.init)!r}: check the path.")
    for target in _targets(asked.out).values():
        if target.exists() and target.samefile(asked.init):
            raise InputError(
                f"--out {str(asked.out)!r} would replace {str(asked.init)!r}, which is to be "
                "read: choose another name."
            )


def _wanted(time: str | None) -> np.datetime64 | None:
    if time is None:
        return None
    try:
        return np.datetime64(time.removesuffix("Z"), "ns")
    except ValueError as error:
        raise InputError(
            f"--time {time!r} is not understood: write it as 2017-01-02T00:00."
        ) from error


def _initial(asked: ForecastArguments, system: Forecast, settings: ForecastSettings) -> Initial:
    if asked.demo:
        return read_initial(demo.prepare(system.model, settings), system.model, settings)
    assert asked.init is not None
    initial = read_initial(asked.init, system.model, settings)
    if asked.spread is not None and (len(initial.psi) > 1 or settings.members in (None, 1)):
        raise InputError(
            "--spread is the size of perturbations, and there is nothing to perturb: leave it "
            "out, or give a file of one state and --members."
        )
    return initial


def _material(
    asked: ForecastArguments, words: Sequence[str], outcome: Outcome, screen: Screen
) -> ForecastMaterial:
    data = outcome.dataset()
    facts = _facts(asked, words, outcome, screen)
    data.attrs |= {
        "history": f"{facts['date']} {facts['command']}",
        "provenance": json.dumps(facts, default=str),
    }
    if asked.demo:
        data.attrs |= {
            "data_note": demo.NOTE,
            "title": f"Demonstration: {data.attrs['title']}",
        }
    with torch.no_grad():
        return ForecastMaterial(
            forecast=data, curves=outcome.curves, scores=outcome.scores, provenance=facts
        )


def _facts(
    asked: ForecastArguments, words: Sequence[str], outcome: Outcome, screen: Screen
) -> dict[str, object]:
    initial = outcome.initial
    if asked.init is None:
        cards = (read_card(name) for name in ("qg3_boundary", "qg3_climate"))
        sources = {card.file: card.sha256 for card in cards}
    else:
        sources = record.hashes([asked.init])
    return {
        "command": record.command_line(words),
        **record.stamp(),
        "versions": record.versions(),
        "input": sources,
        "start": f"{str(initial.time)[:16]} UTC",
        "model": outcome.model.words,
        "members": outcome.members,
        "notes": list(initial.notes),
        "seed": asked.seed,
        "wall_time": record.rounded(screen.seconds),
        "peak_memory": f"{record.peak_memory_gb():.2f} GB",
    }


def _targets(out: Path) -> dict[str, Path]:
    return {
        "forecast": out,
        "scores": out.with_suffix(".scores.csv"),
        "report": out.with_suffix(".html"),
    }


def _run_folder(out: Path) -> Path:
    return out.with_suffix(".run")


def _write(out: Path, material: ForecastMaterial) -> dict[str, Path]:
    """Forecast, scores and report, each whole or not at all."""
    targets = _targets(out)
    write_analysis(material.forecast, targets["forecast"])
    if material.scores is None:
        del targets["scores"]
    else:
        write_table(material.scores, targets["scores"])
    write_forecast_report(targets["report"], material)
    return targets


def _print(material: ForecastMaterial) -> None:
    note = material.forecast.attrs.get("data_note")
    if note:
        print(f"\n{note}")
    if material.scores is None:
        print("\nthe file holds no later times: nothing is known about the skill")
    else:
        heads, rows = score_rows(material.scores)
        frame = pd.DataFrame(rows, columns=list(heads))
        title = "Scores of the streamfunction at 500 hPa (errors in 10^6 m2 s-1)"
        print(f"\n{title}\n{frame.to_string(index=False)}\n\n{verdict(material.scores)}")
    print()
