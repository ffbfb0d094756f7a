"""Read which arguments a class takes in its installed version."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping
from typing import Any, NamedTuple


class CallSignature(NamedTuple):
    """The arguments of a class or function.

    Args:
        hints: of the named arguments that a caller may give, by name.
        required: those of them without a default.
        takes_any: whether there is ``**kwargs``.
        supplied: the leading parameters that are filled in at run time.
    """

    hints: Mapping[str, Any]
    required: tuple[str, ...]
    takes_any: bool
    supplied: tuple[str, ...]


@functools.lru_cache(maxsize=512)
def call_signature(target: Any, supplied: int = 0) -> CallSignature:
    """Read the signature of a class or function, whose first ``supplied`` parameters are not the user's."""
    parameters = inspect.signature(target).parameters.values()
    names = getattr(inspect.unwrap(target.__init__ if inspect.isclass(target) else target), "__globals__", {})
    named = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    given = [p for p in named[supplied:] if p.kind is not p.POSITIONAL_ONLY]
    return CallSignature(
        {p.name: _hint(p, names) for p in given},
        tuple([p.name for p in given if p.default is p.empty]),
        inspect.Parameter.VAR_KEYWORD in [p.kind for p in parameters],
        tuple([p.name for p in named[:supplied]]),
    )


def named_arguments(target: Any, supplied: int = 0) -> tuple[str, ...]:
    """List the arguments that a target has by name, without those that the caller supplies."""
    return tuple(call_signature(target, supplied).hints)


def only_kwargs_takes(target: Any, arguments: Mapping[str, Any], supplied: int = 0) -> dict[str, Any]:
    """Select the arguments that only ``**kwargs`` takes."""
    signature = call_signature(target, supplied)
    return {k: v for k, v in arguments.items() if k not in signature.hints} if signature.takes_any else {}


def _hint(parameter: inspect.Parameter, names: dict[str, Any]) -> Any:
    """Evaluate the type hint of one parameter; without a valid one, return the type of its default."""
    hint = parameter.annotation
    while isinstance(hint, str):  # quoted once, or once more
        try:
            hint = eval(hint, names)
        except Exception:  # a name that only a type checker can see
            hint = parameter.empty
    default = parameter.default
    if hint is not parameter.empty:
        return hint
    if isinstance(default, (bool, str)):
        return type(default)
    if isinstance(default, (int, float)):
        return float if isinstance(default, float) else int | float  # 5 stays 5
    if isinstance(default, tuple) and default and all(isinstance(item, (int, float)) for item in default):
        return tuple[(float,) * len(default)]  # type: ignore[misc]  # built at run time
    return Any
