"""Weights: numbers in a safetensors file, and a card that says what they are and how good."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from isopleth.core.errors import DataMissingError, InputError, IntegrityError

__all__ = ["check_card", "load_weights", "read_card", "save_weights"]

Module = TypeVar("Module", bound=nn.Module)

_REQUIRED: dict[str, tuple[type, ...]] = {
    "what": (str,),
    "config": (dict,),
    "grid": (dict,),
    "variables": (list, tuple),
    "data": (list, tuple),
    "recipe": (dict,),
    "seed": (int,),
    "commit": (str,),
    "device": (str,),
    "wall_time_s": (int, float),
    "metrics": (list, tuple),
    "licence": (str,),
    "limits": (list, tuple),
}
_MADE = {"name": str, "file": str, "dtype": str, "parameters": int, "bytes": int, "sha256": str}
_METRIC = {"name", "unit", "value", "baseline", "baseline_value"}
_MAY_BE_EMPTY = {"config", "recipe", "seed"}
_HEX = set("0123456789abcdef")


def save_weights(
    module: nn.Module,
    folder: Path,
    name: str,
    card: Mapping[str, Any],
    dtype: torch.dtype | None = None,
) -> Path:
    """Write `name.safetensors` (the module's state) and `name.json` (its card).

    Args:
        module: Its `state_dict()` is written; buffers that are not persistent are not.
        folder: Made if it is not there.
        name: Of both files.
        card: What the weights are, without the fields that are made here (name, file, dtype,
            parameters, bytes, sha256). `config` goes to the builder in `load_weights`. `data` is
            a list of {"name", "sha256"}, `metrics` one of {"name", "unit", "value", "baseline",
            "baseline_value"}: every figure beside that of the method it has to beat.
        dtype: Such as `torch.bfloat16`, for the floating-point numbers; None = as they are.

    Returns:
        Path of the card.

    Raises:
        InputError: If the card lacks something, a metric has no baseline, or a weight is not
            finite.
    """
    state = {key: _stored(value, dtype) for key, value in module.state_dict().items()}
    broken = [k for k, v in state.items() if v.is_floating_point() and not v.isfinite().all()]
    if broken:
        raise InputError(f"the weight {broken[0]} is not finite: do not keep these weights.")
    content = save(state)
    whole = {
        **card,
        "name": name,
        "file": f"{name}.safetensors",
        "dtype": str(dtype or _widest(state)).removeprefix("torch."),
        "parameters": sum(p.numel() for p in module.parameters()),
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    check_card(whole)
    text = json.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    _replace(folder / f"{name}.safetensors", content)
    _replace(folder / f"{name}.json", text.encode())
    return folder / f"{name}.json"


def load_weights(path: Path, build: Callable[[dict[str, Any]], Module]) -> Module:
    """The module that `build(card["config"])` makes, with the weights beside the card.

    Args:
        path: Of the card or of the weights, or both without a suffix.
        build: The constructor; nothing in the files chooses what is run.

    Returns:
        The module in evaluation mode, weights in the module's own precision.

    Raises:
        DataMissingError: If one of the files is not there.
        IntegrityError: If the card is damaged, the bytes are not the card's, or the weights are
            not those of the module.
    """
    card = read_card(path)
    content = _content(_beside(path, ".safetensors"), card)
    try:
        state = load(content)
    except SafetensorError as error:
        raise IntegrityError(f"{card['file']} is not a safetensors file: {error}.") from error
    module = build(card["config"])
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise IntegrityError(
            f"{card['file']} holds the weights of another network than its card builds: {error}"
        ) from error
    return module.eval()


def read_card(path: Path) -> dict[str, Any]:
    """The card of a file of weights, checked.

    Raises:
        DataMissingError: If there is no card.
        IntegrityError: If it is not JSON, or lacks something.
    """
    path = _beside(path, ".json")
    if not path.is_file():
        raise DataMissingError(f"there is no card {path}: weights come with a card.")
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        check_card(card)
    except (ValueError, InputError) as error:
        raise IntegrityError(f"the card {path.name} is damaged: {error}") from error
    return dict(card)


def check_card(card: Mapping[str, Any]) -> None:
    """Refuse a card that does not say what the weights are, and how good beside what.

    Raises:
        InputError: Names the first field that is missing, unknown or of the wrong kind.
    """
    if not isinstance(card, Mapping):
        raise InputError(f"a card is a JSON object, not {type(card).__name__}: write it anew.")
    kinds = {**_REQUIRED, **{key: (kind,) for key, kind in _MADE.items()}}
    for key, kind in kinds.items():
        value = card.get(key)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise InputError(f"the card's {key} is {value!r}: give a {kind[0].__name__}.")
        if key not in _MAY_BE_EMPTY and isinstance(value, str | dict | list | tuple) and not value:
            raise InputError(f"the card's {key} is empty: say what it is.")
    unknown = sorted(set(card) - set(kinds))
    if unknown:
        raise InputError(f"the card's {unknown[0]} is no field of a card: leave it out.")
    for entry in card["data"]:
        _check_data(entry)
    for entry in card["metrics"]:
        _check_metric(entry)
    if not _is_sha256(card["sha256"]):
        raise InputError(f"the card's sha256 {card['sha256']!r} is no hash: write the card anew.")


def _check_data(entry: Any) -> None:
    if not isinstance(entry, Mapping) or set(entry) != {"name", "sha256"}:
        raise InputError(f"the card's data has {entry!r}: give name and sha256 of each file.")
    if not _is_sha256(entry["sha256"]):
        raise InputError(f"the sha256 of the data {entry['name']!r} is no hash: compute it.")


def _check_metric(entry: Any) -> None:
    if not isinstance(entry, Mapping) or set(entry) != _METRIC:
        raise InputError(f"the card's metric {entry!r} is not whole: give {sorted(_METRIC)}.")
    for key in ("name", "unit", "baseline"):
        if not isinstance(entry[key], str) or not entry[key]:
            raise InputError(f"a metric's {key} is {entry[key]!r}: a score alone says nothing.")
    for key in ("value", "baseline_value"):
        number = entry[key]
        if not isinstance(number, int | float) or not math.isfinite(number):
            raise InputError(f"the {key} of metric {entry['name']!r} is {number!r}: measure it.")


def _is_sha256(text: Any) -> bool:
    return isinstance(text, str) and len(text) == 64 and set(text) <= _HEX


def _content(path: Path, card: Mapping[str, Any]) -> bytes:
    if not path.is_file():
        raise DataMissingError(f"the weights {path} are missing: install or train them again.")
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != card["sha256"]:
        raise IntegrityError(
            f"the weights {path.name} have SHA-256 {found[:12]}..., their card promises "
            f"{card['sha256'][:12]}...: install or train them again."
        )
    return content


def _stored(value: Tensor, dtype: torch.dtype | None) -> Tensor:
    value = value.detach().cpu()
    if dtype is not None and value.is_floating_point():
        value = value.to(dtype)
    return value.contiguous().clone()


def _widest(state: Mapping[str, Tensor]) -> torch.dtype:
    kinds = {value.dtype for value in state.values() if value.is_floating_point()}
    return max(kinds, key=lambda kind: kind.itemsize, default=torch.float32)


def _beside(path: Path, suffix: str) -> Path:
    path = Path(path)
    known = path.suffix in (".json", ".safetensors")
    stem = path.name.removesuffix(path.suffix) if known else path.name
    return path.with_name(stem + suffix)


def _replace(path: Path, content: bytes) -> None:
    partial = path.with_name(f"{path.name}.partial")
    partial.write_bytes(content)
    partial.replace(path)
