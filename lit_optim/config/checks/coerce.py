"""One value against one type hint: taken as it is, converted where nothing is lost, or refused."""

from __future__ import annotations

import collections.abc
import inspect
import math
import types
from collections.abc import Iterable
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin


class Mismatch(Exception):
    """A value does not fit its hint; the text is what was expected, and what came."""


def coerce(value: Any, hint: Any) -> Any:
    """``value`` as the hint wants it.

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
    """A hint as a user would write it.

    Example:
        >>> describe(tuple[float, int] | None)
        'tuple[float, int] | None'
    """
    if get_origin(hint) is Annotated:
        return describe(get_args(hint)[0])
    if get_origin(hint) in (Union, types.UnionType):
        return " | ".join(describe(option) for option in get_args(hint))
    if get_origin(hint) is Literal:
        return " | ".join(repr(option) for option in get_args(hint))
    if hint is type(None) or hint is None:
        return "None"
    if hint is Ellipsis:
        return "..."
    if get_args(hint):
        inner = (
            [describe(arg) for arg in get_args(hint)] if get_origin(hint) is not collections.abc.Callable else ["..."]
        )
        name = getattr(get_origin(hint), "__name__", str(get_origin(hint)))
        return f"{name}[{', '.join(inner)}]"
    return getattr(hint, "__name__", str(hint))


def _refuse(value: Any, hint: Any) -> Mismatch:
    return Mismatch(f"expects {describe(hint)}, got {type(value).__name__}")


def _fit(value: Any, hint: Any, *, convert: bool) -> Any:
    origin = get_origin(hint)
    if origin is Annotated:
        return _fit(value, get_args(hint)[0], convert=convert)
    if hint is Any or hint is inspect.Parameter.empty or isinstance(hint, (str, TypeVar)):
        return value
    if origin in (Union, types.UnionType):
        return _first(value, get_args(hint), hint, convert=convert)
    if origin is Literal:
        if value in get_args(hint) and not isinstance(value, bool):
            return value
        raise _refuse_literal(value, hint)
    if hint is None or hint is type(None):
        if value is None:
            return None
        raise _refuse(value, hint)
    if hint in _SCALARS:
        return _SCALARS[hint](value, convert)
    if origin is tuple or hint is tuple:
        return _tuple(value, hint, convert=convert)
    if origin is collections.abc.Callable or hint is collections.abc.Callable:
        if callable(value):
            return value
        raise _refuse(value, hint)
    return _container_or_instance(value, hint, origin, convert=convert)


def _first(value: Any, options: Iterable[Any], hint: Any, *, convert: bool) -> Any:
    special = None
    for option in options:
        try:
            return _fit(value, option, convert=convert)
        except Mismatch as mismatch:
            if "too large" in str(mismatch):
                special = mismatch
    raise special or _refuse(value, hint)


def _container_or_instance(value: Any, hint: Any, origin: Any, *, convert: bool) -> Any:
    kind = origin or hint
    if not isinstance(kind, type):
        return value
    try:
        fits = isinstance(value, kind)
    except TypeError:  # a protocol that cannot be checked
        return value
    if not fits or (isinstance(value, str) and kind is not str and kind in _ITERABLES):
        raise _refuse(value, hint)
    arguments = get_args(hint)
    if kind in _ITERABLES and len(arguments) == 1 and isinstance(value, (list, tuple)):
        return type(value)(_fit(item, arguments[0], convert=convert) for item in value)
    return value


def _tuple(value: Any, hint: Any, *, convert: bool) -> Any:
    arguments = get_args(hint)
    if not isinstance(value, (list, tuple)) or (isinstance(value, list) and not convert):
        raise _refuse(value, hint)
    if arguments and arguments[-1] is Ellipsis:
        arguments = (arguments[0],) * len(value)
    if arguments and len(arguments) != len(value):
        raise Mismatch(f"expects {describe(hint)}, got {len(value)} value{'s' * (len(value) != 1)}")
    return tuple(
        _fit(item, arg, convert=convert) for item, arg in zip(value, arguments or (Any,) * len(value), strict=True)
    )


def _refuse_literal(value: Any, hint: Any) -> Mismatch:
    from lit_optim.errors import did_you_mean

    options = [str(option) for option in get_args(hint)]
    return Mismatch(f"expects {describe(hint)}{did_you_mean(str(value), options)}")


def _float(value: Any, convert: bool) -> float:
    if isinstance(value, float) or (isinstance(value, int) and not isinstance(value, bool)):
        try:
            return float(value)
        except OverflowError:
            raise Mismatch("is too large for a float") from None
    if convert and isinstance(value, str) and value.isascii():  # Python reads digits of any script
        try:
            return float(value)
        except ValueError:
            pass
    raise _refuse(value, float)


def _int(value: Any, convert: bool) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if convert and isinstance(value, float) and value.is_integer():
        return int(value)
    if convert and isinstance(value, str) and value.isascii():
        try:
            return int(value)
        except ValueError:
            pass
    raise _refuse(value, int)


def _bool(value: Any, convert: bool) -> bool:
    if isinstance(value, bool):
        return value
    words = {"true": True, "false": False}
    if convert and isinstance(value, str) and value.lower() in words:
        return words[value.lower()]
    raise _refuse(value, bool)


def _str(value: Any, convert: bool) -> str:  # noqa: ARG001 - the signature of all scalars
    if isinstance(value, str):
        return value
    raise _refuse(value, str)


_SCALARS: dict[Any, Any] = {float: _float, int: _int, bool: _bool, str: _str}
_ITERABLES = {list, set, frozenset, collections.abc.Sequence, collections.abc.Iterable, collections.abc.Collection}


def not_finite(value: Any) -> bool:
    """Whether a number, or one in a list, is NaN or infinite."""
    if isinstance(value, (list, tuple)):
        return any(not_finite(item) for item in value)
    return isinstance(value, float) and not math.isfinite(value)
