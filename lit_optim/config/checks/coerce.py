"""Convert one value to one type hint where nothing is lost; reject it otherwise."""

from __future__ import annotations

import collections.abc
import inspect
import math
import types
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from lit_optim.errors import did_you_mean

_UNIONS = (Union, types.UnionType)
_ITERABLES = {list, set, frozenset, collections.abc.Sequence, collections.abc.Iterable, collections.abc.Collection}
_BOOLS = {"true": True, "false": False}


class Mismatch(Exception):
    """Raised for a value that does not fit its hint; the text names the expected type and the value's."""


def coerce(value: Any, hint: Any) -> Any:
    """Convert ``value`` to the type that ``hint`` names.

    A text that is a number becomes the number, a list becomes a tuple of the right length, 5.0 becomes 5; a bool is
    never a number.

    Raises:
        Mismatch: where that would be a guess.

    Example:
        >>> coerce("1e-4", float), coerce([0.9, 1], tuple[float, float]), coerce(3, int | None)
        (0.0001, (0.9, 1.0), 3)
    """
    if type(value).__module__ == "numpy" and getattr(value, "ndim", None) == 0:
        value = value.item()
    try:
        return _fit(value, hint, convert=False)
    except Mismatch:
        return _fit(value, hint, convert=True)


def describe(hint: Any) -> str:
    """Write a hint as a user would.

    Example:
        >>> describe(tuple[float, int] | None)
        'tuple[float, int] | None'
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return describe(arguments[0])
    if origin in _UNIONS:
        return " | ".join(map(describe, arguments))
    if origin is Literal:
        return " | ".join(map(repr, arguments))
    if hint is None or hint is types.NoneType:
        return "None"
    if hint is Ellipsis:
        return "..."
    named = origin if arguments else hint
    name = getattr(named, "__name__", str(named))
    inner = "..." if origin is collections.abc.Callable else ", ".join(map(describe, arguments))
    return f"{name}[{inner}]" if arguments else name


def not_finite(value: Any) -> bool:
    """Return whether a number, or one in a list, is NaN or infinite."""
    if isinstance(value, (list, tuple)):
        return any(not_finite(item) for item in value)
    return isinstance(value, float) and not math.isfinite(value)


def _mismatch(value: Any, hint: Any) -> Mismatch:
    return Mismatch(f"expects {describe(hint)}, got {type(value).__name__}")


def _fit(value: Any, hint: Any, *, convert: bool) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any or hint is inspect.Parameter.empty or isinstance(hint, (str, TypeVar)):
        return value
    if hint in (float, int, bool):
        return _fit_scalar(value, hint, convert=convert)
    if origin is Annotated:
        return _fit(value, arguments[0], convert=convert)
    if origin in _UNIONS:
        return _fit_union(value, hint, convert=convert)
    if origin is Literal:
        if value in arguments and not isinstance(value, bool):
            return value
        near = did_you_mean(value, map(str, arguments)) if isinstance(value, str) else ""
        raise Mismatch(f"expects {describe(hint)}{near}")
    if origin is tuple or hint is tuple:
        return _fit_tuple(value, hint, convert=convert)
    return _fit_instance(value, hint, convert=convert)


def _fit_scalar(value: Any, hint: Any, *, convert: bool) -> Any:
    number = (int, float) if hint is float else hint
    if isinstance(value, number) and isinstance(value, bool) == (hint is bool):
        try:
            return float(value) if hint is float else value
        except OverflowError:
            raise Mismatch("is too large for a float") from None
    if convert and hint is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if convert and isinstance(value, str) and value.isascii():  # Python reads digits of any script
        try:
            return _BOOLS[value.lower()] if hint is bool else hint(value)
        except (ValueError, KeyError):
            pass
    raise _mismatch(value, hint)


def _fit_union(value: Any, hint: Any, *, convert: bool) -> Any:
    too_large = None
    for option in get_args(hint):
        try:
            return _fit(value, option, convert=convert)
        except Mismatch as mismatch:
            if "too large" in str(mismatch):  # says more than the list of options
                too_large = mismatch
    raise too_large or _mismatch(value, hint)


def _fit_tuple(value: Any, hint: Any, *, convert: bool) -> Any:
    arguments = get_args(hint)
    if not isinstance(value, (list, tuple)) or (isinstance(value, list) and not convert):
        raise _mismatch(value, hint)
    if not arguments or arguments[-1] is Ellipsis:
        arguments = (*arguments, Any)[:1] * len(value)
    if len(arguments) != len(value):
        raise Mismatch(f"expects {describe(hint)}, got {len(value)} value{'s' * (len(value) != 1)}")
    return tuple(_fit(item, part, convert=convert) for item, part in zip(value, arguments, strict=True))


def _fit_instance(value: Any, hint: Any, *, convert: bool) -> Any:
    kind = types.NoneType if hint is None else get_origin(hint) or hint
    if not isinstance(kind, type):
        return value
    try:
        fits = isinstance(value, kind)
    except TypeError:  # a protocol that cannot be checked
        return value
    if not fits or (isinstance(value, str) and kind in _ITERABLES):
        raise _mismatch(value, hint)
    arguments = get_args(hint)
    if kind in _ITERABLES and len(arguments) == 1 and isinstance(value, (list, tuple)):
        return type(value)(_fit(item, arguments[0], convert=convert) for item in value)
    return value
