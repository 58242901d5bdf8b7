"""`isopleth VERB ...`: reads the command line, starts the verb, turns errors into exit codes.

0 done, 1 an unexpected failure (with its traceback), 2 input that cannot be used (one sentence on
standard error), 130 interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import tyro

from isopleth import __version__
from isopleth.cli.arguments import Reconstruct, Results, Train
from isopleth.cli.assimilate_arguments import Assimilate
from isopleth.cli.evaluate import Evaluate, evaluate
from isopleth.cli.forecast_arguments import ForecastArguments
from isopleth.cli.prepare import Prepare, prepare
from isopleth.core.errors import IsoplethError

__all__ = ["main"]

_Arguments = Assimilate | Evaluate | ForecastArguments | Prepare | Reconstruct | Results | Train
_VERBS: dict[str, Callable[..., _Arguments]] = {
    "assimilate": Assimilate,
    "evaluate": Evaluate,
    "forecast": ForecastArguments,
    "prepare": Prepare,
    "reconstruct": Reconstruct,
    "results": Results,
    "train": Train,
}
_BAD_INPUT, _INTERRUPTED = 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: Words after the program's name; those of the process by default.

    Returns:
        The exit code.

    Raises:
        SystemExit: After `--help`, and for options that cannot be parsed (code 2).
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if words == ["--version"]:
        print(f"isopleth {__version__}")
        return 0
    arguments = tyro.extras.subcommand_cli_from_dict(
        _VERBS, prog="isopleth", description=_description(), args=words
    )
    try:
        _start(arguments, words)
    except IsoplethError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return _BAD_INPUT
    except KeyboardInterrupt:
        print("interrupted; nothing was left half written", file=sys.stderr, flush=True)
        return _INTERRUPTED
    return 0


def _description() -> str:
    return (
        f"Isopleth {__version__}: maps of the Earth from scattered observations, with an honest "
        "uncertainty. `isopleth reconstruct --demo` shows what it does."
    )


def _start(arguments: _Arguments, words: Sequence[str]) -> None:
    """Run the verb; its module is imported now, as that takes seconds that --help need not."""
    if isinstance(arguments, Results):
        from isopleth.cli.results import show_results

        return show_results(arguments)
    if isinstance(arguments, Prepare):
        return prepare(arguments)
    if isinstance(arguments, Evaluate):
        return evaluate(arguments)
    if isinstance(arguments, Assimilate):
        from isopleth.cli.assimilate import assimilate

        return assimilate(arguments, words)
    if isinstance(arguments, ForecastArguments):
        from isopleth.cli.forecast import forecast

        return forecast(arguments, words)
    if isinstance(arguments, Train):
        from isopleth.cli.train import train

        return train(arguments)
    from isopleth.cli.reconstruct import reconstruct

    return reconstruct(arguments, words)
