"""`isopleth reconstruct`: from files of profiles to a map, its uncertainty, a score and a report.

The score comes from a trial fit that does not see the withheld profiles; the map that is written
comes from a second fit that uses all of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import xarray as xr

from isopleth.cli import record
from isopleth.cli.arguments import Reconstruct
from isopleth.cli.domain import Domain, climatology_of, domain_of, extent
from isopleth.cli.intake import Intake, demonstrated, read
from isopleth.cli.methods import Ready
from isopleth.cli.output import write_analysis
from isopleth.cli.request import Request, check
from isopleth.cli.screen import Screen, score_lines, show
from isopleth.cli.trial import Trial, judge, split
from isopleth.data import Climatology, Profiles, RejectionTable
from isopleth.data.preparation import middle
from isopleth.report import write_report
from isopleth.report.material import Material
from isopleth.report.summary import headline
from isopleth.report.words import amount, change, percent
from isopleth.systems.kriging import demo
from isopleth.systems.kriging.demo import Demonstration, TruthScore

__all__ = ["reconstruct"]


@dataclass(frozen=True, kw_only=True)
class _Job:
    """A request with everything it needs but the profiles.

    Args:
        request: Checked words.
        words: The words themselves.
        climatology: What anomalies are taken from.
        method: With its climatology and weights.
        domain: Where to map.
        demonstration: The data of `--demo`, or None.
    """

    request: Request
    words: Sequence[str]
    climatology: Climatology
    method: Ready
    domain: Domain
    demonstration: Demonstration | None


@dataclass(frozen=True, kw_only=True)
class _Outcome:
    """What a job made.

    Args:
        analysis: The map.
        profiles: That went into it.
        trial: The score, or None if nothing was withheld.
        truth: Score against the true field, of a demonstration.
    """

    analysis: xr.Dataset
    profiles: Profiles
    trial: Trial | None
    truth: TruthScore | None


def reconstruct(asked: Reconstruct, words: Sequence[str]) -> None:
    """Do the job and print what came of it; the last line names the report.

    Args:
        asked: The command line.
        words: The same as it was typed, for the record.

    Raises:
        IsoplethError: If something given cannot be used.
    """
    request = check(asked)
    with Screen() as screen:
        job = _prepared(request, words)
        for note in job.domain.notes:
            screen.say(f"grid: {note}")
        intake = _taken_in(job, screen)
        outcome = _run(job, intake, screen)
        facts = _provenance(job, intake, outcome, screen.seconds)
        outcome.analysis.attrs.update(_attributes(job, outcome, facts))
        with screen.step("writing the analysis"):
            path = write_analysis(outcome.analysis, request.out)
        with screen.step("writing the report"):
            report = _report(job, intake, outcome, facts)
    _print(outcome)
    print(f"analysis: {path} ({_size(path):.1f} MB)")
    print(f"report: {report}", flush=True)


def _prepared(request: Request, words: Sequence[str]) -> _Job:
    demonstration = demo.prepare() if request.asked.demo else None
    climatology = climatology_of(request) if demonstration is None else demonstration.climatology
    method = request.method.ready(climatology, request.asked.weights)
    return _Job(
        request=request,
        words=words,
        climatology=climatology,
        method=method,
        domain=domain_of(request, climatology, method.own_grid),
        demonstration=demonstration,
    )


def _taken_in(job: _Job, screen: Screen) -> Intake:
    grid = job.domain.grid
    with screen.step("reading and checking"):
        if job.demonstration is None:
            intake = read(job.request, grid, job.climatology, screen.say)
        else:
            intake = demonstrated(grid, job.climatology)
    refused = str(intake.rejected.table)
    screen.say(f"{len(intake.profiles):,} profiles can be used; values refused: {refused}")
    return intake


def _run(job: _Job, intake: Intake, screen: Screen) -> _Outcome:
    """The trial, then the fit to all profiles and the map."""
    asked, grid = job.request.asked, job.domain.grid
    system = job.method.of(intake.month)
    profiles = system.window(intake.profiles, intake.month)
    trial = _tried(job, intake.month, profiles, screen)
    stage = "fit" if trial is None else "fit to all profiles"
    with screen.step(stage):
        fitted = system.fit(profiles, progress=screen.progress(stage))
    analysis = fitted.map(
        grid,
        middle(intake.month),
        members=asked.members,
        seed=asked.seed,
        progress=screen.progress(),
    )
    truth = None if job.demonstration is None else job.demonstration.score(analysis)
    return _Outcome(analysis=analysis, profiles=profiles, trial=trial, truth=truth)


def _tried(job: _Job, month: str, profiles: Profiles, screen: Screen) -> Trial | None:
    asked = job.request.asked
    if asked.withhold == 0.0:
        return None
    box = extent(job.domain.grid)
    parts = split(profiles, month, box, share=asked.withhold, seed=asked.seed)
    if parts is None:
        screen.say(
            f"no profile is held back: a share of {asked.withhold:g} of the boxes with profiles "
            "is less than one box; give a larger --withhold for a score"
        )
        return None
    system = job.method.of(month)
    with screen.step("trial"):
        fitted = system.fit(parts.kept, progress=screen.progress("trial"))
        return judge(fitted, parts, system.climatology)


def _report(job: _Job, intake: Intake, outcome: _Outcome, facts: Mapping[str, object]) -> Path:
    trial, rejected = outcome.trial, intake.rejected
    unlike = int(outcome.analysis.attrs["values_refused_by_buddy_check"])
    unlike_others = RejectionTable.of({"contradicted by the profiles around it": unlike})
    return write_report(
        job.request.report,
        outcome.analysis,
        outcome.profiles,
        None if trial is None else trial.predictions,
        facts,
        scores=None if trial is None else trial.scores,
        rejected=replace(rejected, table=rejected.table + unlike_others),
    )


def _provenance(
    job: _Job, intake: Intake, outcome: _Outcome, seconds: Mapping[str, float]
) -> dict[str, object]:
    asked, grid = job.request.asked, job.domain.grid
    facts: dict[str, object] = {
        "command": record.command_line(job.words),
        **record.stamp(),
        "versions": record.versions(),
        "input": demo.sources() if asked.demo else record.hashes(asked.observations),
        "climatology": asked.climatology or f"shipped: {job.climatology.epoch}",
        "month": intake.month,
        "grid": f"{' x '.join(map(str, grid.shape))} levels, rows and columns; {extent(grid)}",
        "seed": asked.seed,
        "wall_time": record.rounded(seconds),
        "peak_memory": f"{record.peak_memory_gb():.2f} GB",
    }
    if job.domain.notes:
        facts["grid_notes"] = job.domain.notes
    if outcome.trial is not None:
        facts["held_back"] = _held_back(outcome.trial)
    if outcome.truth is not None:
        facts["against_the_true_field"] = {
            name: round(value, 4) for name, value in asdict(outcome.truth).items()
        }
    return facts


def _attributes(
    job: _Job, outcome: _Outcome, facts: Mapping[str, object]
) -> dict[str, str | int | float]:
    """Attributes of the file beyond those that the system writes."""
    files = ", ".join(path.name for path in job.request.asked.observations)
    added: dict[str, str | int | float] = {
        "history": f"{facts['date']} {facts['command']}",
        "provenance": json.dumps(facts, default=str),
    }
    if job.demonstration is not None:
        added["data_note"] = demo.NOTE
        added["title"] = f"Demonstration: {outcome.analysis.attrs['title']}"
    else:
        added["source"] = "; ".join([f"in-situ profiles: {files}", *outcome.profiles.notes])
    if outcome.trial is not None:
        added["held_back"] = _held_back(outcome.trial)
    return added


def _held_back(trial: Trial) -> str:
    hidden, boxes = trial.boxes
    return (
        f"The scores come from a fit that did not see {trial.profiles:,} profiles, all those in "
        f"{hidden:,} of the {boxes:,} boxes of 1 degree with profiles; the maps use all profiles."
    )


def _print(outcome: _Outcome) -> None:
    """The label of a demonstration, the score by level, and the result in a sentence or two."""
    analysis, trial = outcome.analysis, outcome.trial
    scores = None if trial is None else trial.scores
    material = Material(
        analysis, outcome.profiles, None if trial is None else trial.predictions, {}, scores
    )
    if analysis.attrs.get("data_note"):
        print(f"\n{analysis.attrs['data_note']}")
    if scores is not None:
        show(score_lines(scores, material.unit))
    print(*headline(material))
    if outcome.truth is not None:
        print(_truth_line(outcome.truth, material.unit))


def _truth_line(truth: TruthScore, unit: str) -> str:
    return (
        "Against the true field on the whole grid its error is "
        f"{amount(truth.rmse, unit=unit)}, against {amount(truth.rmse_climatology, unit=unit)} "
        f"for the first guess: {change(truth.rmse / truth.rmse_climatology)}; "
        f"{percent(truth.coverage90, places=1)} of the ocean lies inside the 90 % interval."
    )


def _size(path: Path) -> float:
    """Size of a file or of a folder of files, MB."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file()) / 1e6
