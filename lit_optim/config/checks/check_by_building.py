"""Find invalid arguments by building an object, for rules that only its class knows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from lit_optim.errors import Problems, did_you_mean, wrong


def check_by_building(
    build: Callable[..., Any],
    name: str,
    arguments: Mapping[str, Any],
    key: str,
    problems: Problems,
    names: Iterable[str] = (),
) -> None:
    """Build an object, and collect the single values that its class rejects, or else the combination.

    Args:
        build: takes the arguments.
        name: of what is built, for messages.
        arguments: to try.
        key: dotted name of the spec.
        problems: collects what is rejected.
        names: that the user may have meant by one that turns out to be unknown.
    """
    whole = _first_error_line(build, arguments)
    if whole is None:
        return
    culprits = Problems()
    if _first_error_line(build, {}) is None:  # else the error comes without any value, and no single one is to blame
        for argument, value in arguments.items():
            reason = _first_error_line(build, {argument: value})
            if reason is None:
                continue
            if "unexpected keyword" in reason:  # to which newer Pythons add a suggestion
                reason = reason.partition(". Did you mean")[0] + did_you_mean(argument, names)
            culprits.append(wrong(f"{key}.{argument}", value, f"{name} refused it: {reason}"))
    problems.extend(culprits or [f"{key}: {name} refused these values: {whole}"])


def _first_error_line(build: Callable[..., Any], arguments: Mapping[str, Any]) -> str | None:
    """Return the first line of the error that a call raises; None where it raises none."""
    try:
        build(**arguments)
        return None
    except (Exception, SystemExit) as error:
        return (str(error).strip().splitlines() or [type(error).__name__])[0]
