"""cycle: forecast, analyse, forecast; a generator that can be put down and taken up exactly.

for record in cycle(LETKF(...), world.step, members, {12: [seen], 24: [later]}):
    print(record.step, record.chi_square)
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from isopleth.core.errors import InputError, IntegrityError
from isopleth.core.protocols import Analysis, Observed
from isopleth.inference.kalman.predicted import Predicted, check_members

__all__ = ["Cycling", "Moments", "Record", "cycle"]

Progress = Callable[[float], None]

_NAME = "cycle.safetensors"


@dataclass(frozen=True, kw_only=True)
class Cycling:
    """What is kept and told while cycling.

    Args:
        folder: Where the checkpoint `cycle.safetensors` lies; a run with the same members goes on
            from it. None = no checkpoint.
        every: Analyses between two checkpoints; the last one is always kept.
        streams: Generators the analysis draws from; their states are kept too.
        seed: Of the draws of observation error behind the ranks.
        progress: Gets the fraction of analyses done.

    Raises:
        InputError: If `every` is not positive.
    """

    folder: Path | None = None
    every: int = 10
    streams: tuple[torch.Generator, ...] = ()
    seed: int = 0
    progress: Progress | None = None

    def __post_init__(self) -> None:
        """Check the interval."""
        if self.every < 1:
            raise InputError(f"every is {self.every}: give at least 1 analysis.")


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean and spread of members, shape `state`; the spread divides by N - 1."""

    mean: Tensor
    spread: Tensor

    @classmethod
    def of(cls, members: Tensor) -> Moments:
        """Of `(N, *state)`."""
        return cls(members.mean(0), members.std(0))


@dataclass(frozen=True, eq=False, kw_only=True)
class Record:
    """One analysis: before, after, and how the observations agreed.

    Attributes:
        step: Steps of the model since the start.
        background: Moments of the members before.
        analysis: Moments of the members after.
        members: The members after, `(N, *state)`.
        innovation: `d_b = y - mean H(x_b)`, shape (p,): the values that count, in order.
        residual: `d_a = y - mean H(x_a)`, shape (p,).
        predicted_variance: Variance of `H(x_b)`, shape (p,); with R it should be that of `d_b`.
        observation_variance: Diagonal of `R`, shape (p,). Over many records the mean of
            `d_a d_b` should be R (Desroziers et al. 2005, Q. J. R. Meteorol. Soc. 131, 3385).
        chi_square: `d_b' (H P H' + R)^-1 d_b / p`, 1 if consistent; NaN without observations.
        rank: Of every y among the N members' values with errors added, 0 to N, shape (p,): flat if
            reliable (Hamill 2001, Mon. Weather Rev. 129, 550).
    """

    step: int
    background: Moments
    analysis: Moments
    members: Tensor
    innovation: Tensor
    residual: Tensor
    predicted_variance: Tensor
    observation_variance: Tensor
    chi_square: float
    rank: Tensor


def cycle(
    analysis: Analysis,
    step: Callable[[Tensor], Tensor],
    members: Tensor,
    observations: Mapping[int, Sequence[Observed]],
    settings: Cycling | None = None,
) -> Iterator[Record]:
    """Forecast to each time of the observations, analyse there, and tell.

    With a folder, a record counts as done when the next one is asked for; after an interruption
    the same call goes on behind the last checkpoint, number for number as if it had not happened.
    Records that were given before are not given again.

    Args:
        analysis: Settings in the object, `(members, observations) -> members`.
        step: One step of the model, batched over the leading axis.
        members: At step 0, `(N, *state)`.
        observations: By number of steps since the start, 0 allowed; read one by one, so a lazy
            mapping will do. An empty sequence leaves the members as they are.
        settings: What is kept and told.

    Yields:
        A record an analysis, in order of time.

    Raises:
        InputError: If a time is negative, there are fewer than 2 members, one is not finite at the
            start or after a forecast, or the folder holds another cycle.
        IntegrityError: If the checkpoint cannot be read.
    """
    settings = settings or Cycling()
    times = sorted(observations)
    if times and times[0] < 0:
        raise InputError(f"there are observations at step {times[0]}: the first step is 0.")
    check_members(members)
    keeper = _Keeper(settings, members)
    now, members = keeper.resume(members)
    done = sum(time <= now for time in times)
    for number, time in enumerate(times[done:], done + 1):
        members = _forecast(step, members, time - max(now, 0), time)
        record = _analyse(analysis, members, observations[time], time, settings.seed)
        now, members = time, record.members
        yield record
        if number % settings.every == 0 or number == len(times):
            keeper.store(now, members)
        if settings.progress is not None:
            settings.progress(number / len(times))


@torch.no_grad()
def _forecast(step: Callable[[Tensor], Tensor], members: Tensor, count: int, time: int) -> Tensor:
    for _ in range(count):
        members = step(members)
    bad = torch.nonzero(~torch.isfinite(members).flatten(1).all(1)).flatten().tolist()
    if bad:
        raise InputError(
            f"member {bad[0]} is not finite after the forecast to step {time}: shorten the step "
            "of the model, or keep the analysis closer to states it can carry."
        )
    return members


def _analyse(
    analysis: Analysis, members: Tensor, observations: Sequence[Observed], time: int, seed: int
) -> Record:
    before = Predicted.of(members, observations)
    updated = analysis(members, observations)
    after = Predicted.of(updated, observations)
    return Record(
        step=time,
        background=Moments.of(members),
        analysis=Moments.of(updated),
        members=updated,
        innovation=before.innovation,
        residual=after.innovation,
        predicted_variance=before.spread.square(),
        observation_variance=before.variance,
        chi_square=before.chi_square(),
        rank=_ranks(before, time, seed),
    )


def _ranks(seen: Predicted, time: int, seed: int) -> Tensor:
    """Number of perturbed members below each value; the draws depend on seed and time alone."""
    key = hashlib.sha256(f"{seed} {time}".encode()).digest()
    stream = torch.Generator().manual_seed(int.from_bytes(key[:7], "big"))
    draws = torch.randn(seen.members.shape, generator=stream, dtype=torch.float64)
    noisy = seen.members + draws.to(seen.members) * seen.variance.sqrt()
    return (noisy < seen.values).sum(0)


class _Keeper:
    """The checkpoint: members, time and generators in one file, replaced whole."""

    def __init__(self, settings: Cycling, start: Tensor) -> None:
        self._streams = settings.streams
        self._path = None if settings.folder is None else Path(settings.folder) / _NAME
        content = start.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()
        self._key = hashlib.sha256(content.tobytes()).hexdigest() if self._path else ""

    def resume(self, start: Tensor) -> tuple[int, Tensor]:
        """Step (-1 = nothing done) and members to go on from."""
        if self._path is None or not self._path.is_file():
            return -1, start
        try:
            with safe_open(self._path, "pt") as file:
                told = json.loads((file.metadata() or {})["cycle"])
                kept = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                step, key, members = int(told["step"]), told["start"], kept["members"]
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise IntegrityError(
                f"{self._path} is not a checkpoint of a cycle: {error}."
            ) from error
        if key != self._key or len(kept) != 1 + len(self._streams):
            raise InputError(
                f"{self._path} holds another cycle (other members or generators at its start): "
                "give another folder, or remove the file."
            )
        for number, stream in enumerate(self._streams):
            stream.set_state(kept[f"stream.{number}"])
        return step, members.to(start)

    def store(self, step: int, members: Tensor) -> None:
        """Write beside the file, then rename: a reader finds the old one or the new one, whole."""
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        states = {f"stream.{n}": stream.get_state() for n, stream in enumerate(self._streams)}
        content = {"members": members.detach().cpu().contiguous().clone(), **states}
        partial = self._path.with_name(f"{_NAME}.partial")
        told = json.dumps({"step": step, "start": self._key})
        save_file(content, partial, metadata={"cycle": told})
        partial.replace(self._path)
