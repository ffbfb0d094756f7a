"""Checks what was read of a JSON file against the types that a class declares."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict


def misfit(value: Any, kind: Any, key: str = "") -> str:
    """Say which part of a value has not its declared type; '' where all have it.

    A mapping may have more keys than its class; a tuple is a list in JSON, and a float may be a whole number there.

    Args:
        value: of plain containers.
        kind: a TypedDict, a dataclass, or a type of ``typing``.
        key: dotted, of the value; '' of the whole.

    Example:
        >>> kind = dict[str, list[float] | None]
        >>> misfit({"lr": [1, 0.5], "betas": None}, kind), misfit({"lr": [1, True]}, kind)
        ('', "its 'lr.1' is True")
        >>> misfit({"lr": [float("nan")]}, kind)
        "its 'lr.0' is nan"
    """
    origin, args = get_origin(kind) or kind, get_args(kind)
    if origin in (Union, UnionType):
        found = [misfit(value, each, key) for each in args]
        return "" if "" in found else found[0]
    if origin is Literal:
        sound = value in args
    elif kind in (int, float):
        sound = type(value) in (int, kind) and abs(value) <= sys.float_info.max  # nan and what no float holds are not
    elif is_typeddict(kind) or is_dataclass(kind) or origin is Mapping:
        sound = isinstance(value, dict)
    else:
        sound = kind is Any or isinstance(value, (list, tuple) if origin is tuple else origin)
    if not sound:
        return f"its {key!r} is {value!r:.80}" if key else f"it is {value!r:.80}"
    return next(filter(None, (misfit(*each) for each in _parts(value, kind, f"{key}." if key else ""))), "")


def _parts(value: Any, kind: Any, lead: str) -> Iterator[tuple[Any, Any, str]]:
    """Yield what a mapping or a list holds, with its type and its key; of a required key that is missing, None."""
    args = get_args(kind)
    if is_typeddict(kind) or is_dataclass(kind):
        required = getattr(kind, "__required_keys__", ())
        for name, each in get_type_hints(kind).items():
            if name in value or name in required:
                yield value.get(name), each, f"{lead}{name}"
    elif args and isinstance(value, dict):
        yield from ((each, args[1], f"{lead}{name}") for name, each in value.items())
    elif args and isinstance(value, (list, tuple)):
        yield from ((each, args[0], f"{lead}{i}") for i, each in enumerate(value))
