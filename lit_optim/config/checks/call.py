"""Keyword arguments against the signature of the class in the installed version; all problems at once."""

from __future__ import annotations

import typing
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any

from lit_optim.config.checks.coerce import Mismatch, coerce, not_finite
from lit_optim.config.checks.nested_objects import Check, build_nested
from lit_optim.config.checks.signature import expected
from lit_optim.errors import Problems, did_you_mean, wrong


def _nearest(name: str, known: Sequence[str]) -> str:
    return did_you_mean(name, known, list_all=True)


def check_call(
    target: Any,
    arguments: Mapping[str, Any],
    key: str,
    problems: Problems,
    *,
    supplied: int = 0,
    finite: bool = False,
    unchecked: Container[str] = (),
    also: Sequence[str] = (),
    meant: Callable[[str, Sequence[str]], str] = _nearest,
    check_nested: Check | None = None,
) -> dict[str, Any]:
    """The arguments as ``target`` wants them; what is wrong with them goes into ``problems``.

    Args:
        target: class or function.
        arguments: keyword arguments as configured.
        key: dotted name of the spec, for messages.
        problems: collects one line a wrong key or value.
        supplied: how many leading parameters the caller will fill in (``params``, ``optimizer``, ``total_steps``).
        finite: refuse NaN and infinities.
        unchecked: names whose values the caller checks.
        also: further names that the user may have meant.
        meant: ``(name, known ones) -> the tail of the message`` about an unknown one.
        check_nested: checks the arguments of objects inside the arguments; default: this function.

    Example:
        >>> import torch
        >>> found = Problems()
        >>> check_call(torch.optim.AdamW, {"lr": "1e-4", "betas": [0.9, 0.99]}, "optimizer", found, supplied=1), found
        ({'lr': 0.0001, 'betas': (0.9, 0.99)}, [])
        >>> _ = check_call(torch.optim.AdamW, {"lrr": 1e-4}, "optimizer", found, supplied=1); print(found[0])
        optimizer.lrr=0.0001: AdamW has no argument 'lrr'; did you mean 'lr'?
    """
    name = getattr(target, "__name__", str(target))
    known, takes_any, reserved = expected(target, supplied)
    clean: dict[str, Any] = {}
    for argument, given in arguments.items():
        where = f"{key}.{argument}"
        before = len(problems)
        hint = known[argument][0] if argument in known else Any
        value = given if argument in unchecked else build_nested(given, where, problems, check_nested or _checked, hint)
        if finite and hint is Any:
            value = _number(value)  # nobody says what it expects; a number as text is never meant
        if len(problems) > before:
            continue
        if argument in reserved:
            problems.add(where, value, f"{name} is given {argument!r} at run time; remove it")
        elif argument in known and argument in unchecked:
            clean[argument] = value
        elif argument in known:
            try:
                clean[argument] = coerce(value, hint)
            except Mismatch as mismatch:
                problems.add(where, value, f"{name} {mismatch}")
                continue
            if finite and not_finite(clean[argument]):
                problems.add(where, value, f"{name} expects a finite number")
        elif takes_any:
            clean[argument] = value
        else:
            problems.add(where, value, f"{name} has no argument {argument!r}{meant(argument, [*known, *also])}")
    for argument, (_, required) in known.items():
        if required and argument not in arguments:
            problems.append(f"{key}.{argument}: {name} needs a value for it")
    return clean


def _checked(cls: type, arguments: dict[str, Any], key: str) -> dict[str, Any]:
    problems = Problems()
    checked = check_call(cls, arguments, key, problems)
    problems.raise_if_any()
    return checked


def _number(value: Any) -> Any:
    """A text that is a number as the number, also in a list."""
    if type(value) in (list, tuple):
        return type(value)(_number(item) for item in value)
    try:
        return coerce(value, float) if isinstance(value, str) else value
    except Mismatch:
        return value


def refused(error: BaseException, name: str, what: str = "it") -> str:
    """The tail of a message about a value that a constructor refused."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return f"{name} refused {what}: {lines[0]}"


def named_arguments(target: Any, supplied: int = 0) -> tuple[str, ...]:
    """The arguments that a target has by name, without those that the caller supplies."""
    return tuple(expected(target, supplied)[0])


def swallows(target: Any, arguments: Mapping[str, Any], supplied: int = 0) -> dict[str, Any]:
    """The arguments that only ``**kwargs`` takes."""
    known, takes_any, _ = expected(target, supplied)
    return {k: v for k, v in arguments.items() if k not in known} if takes_any else {}


def trial(
    build: typing.Callable[..., Any],
    name: str,
    arguments: Mapping[str, Any],
    key: str,
    problems: Problems,
    names: typing.Iterable[str] = (),
) -> None:
    """A dry run: what only the class knows. Names the single values that it refuses, else the combination.

    Args:
        build: takes the arguments.
        name: of what is built, for messages.
        arguments: to try.
        key: dotted name of the spec.
        problems: collects what is refused.
        names: that the user may have meant by one that turns out to be unknown.
    """
    try:
        build(**arguments)
        return
    except (Exception, SystemExit) as error:
        whole = error
    culprits = Problems()
    for argument, value in arguments.items():
        try:
            build(**{argument: value})
        except (Exception, SystemExit) as error:
            # an error that comes without this value too is not about it
            words = refused(error, name)
            if "unexpected keyword" in words:  # to which newer Pythons add a suggestion
                words = words.partition(". Did you mean")[0] + did_you_mean(argument, names)
            culprits.append(wrong(f"{key}.{argument}", value, words))
    try:
        build()
    except (Exception, SystemExit):
        culprits.clear()
    problems.extend(culprits or [f"{key}: {refused(whole, name, 'these values')}"])
