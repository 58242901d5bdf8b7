"""Errors a person can act on: one sentence that names the value received and the remedy."""

from __future__ import annotations

__all__ = ["DataMissingError", "InputError", "IntegrityError", "IsoplethError"]


class IsoplethError(Exception):
    """Anything that Isopleth raises on purpose; its text is a sentence for the user."""


class InputError(IsoplethError, ValueError):
    """What the user gave cannot be used as it is.

    >>> raise InputError("latitude 95 is outside [-90, 90]: check the column order.")
    Traceback (most recent call last):
        ...
    isopleth.core.errors.InputError: latitude 95 is outside [-90, 90]: check the column order.
    """


class DataMissingError(IsoplethError, FileNotFoundError):
    """A file or an optional data set that is needed is not there."""


class IntegrityError(IsoplethError):
    """A file is there, but its hash is not the one its card promises."""
