"""The command line: starts everything, and is the only layer that prints."""

from isopleth.cli.main import main

__all__ = ["main"]
