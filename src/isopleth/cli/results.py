"""`isopleth results [DIR]`: the measured results as tables."""

from __future__ import annotations

from rich.console import Console
from rich.markdown import Markdown

from isopleth.cli.arguments import Results
from isopleth.core.errors import DataMissingError
from isopleth.studies import readme_block

__all__ = ["show_results"]


def show_results(arguments: Results) -> None:
    """Print claim, rows, headlines and verdict of every result file in a folder.

    Drawn as tables on a terminal, plain Markdown in a pipe or file.

    Raises:
        DataMissingError: If the folder holds no result.
        InputError: If a file is not a result, or its headlines do not follow from its rows.
    """
    names = sorted(path.stem for path in arguments.folder.glob("*.json"))
    if not names:
        raise DataMissingError(
            f"there is no result file (*.json) in {str(arguments.folder)!r}: name the folder "
            "that holds them, or make one with 'make bench NAME=...'."
        )
    console = Console()
    for name in names:
        text = f"# {name}\n\n{readme_block(arguments.folder, name)}\n"
        if console.is_terminal:
            console.print(Markdown(text))
        else:
            print(text, flush=True)
