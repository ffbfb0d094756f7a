"""What a class in its installed version can be called with."""

from __future__ import annotations

import functools
import inspect
from typing import Any


@functools.lru_cache(maxsize=512)
def expected(target: Any, supplied: int = 0) -> tuple[dict[str, tuple[Any, bool]], bool, tuple[str, ...]]:
    """The parameters of a class: name -> (hint, required); whether it takes any keyword; those the caller supplies."""
    parameters = list(inspect.signature(target).parameters.values())
    function = target.__init__ if inspect.isclass(target) else target
    named = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    known = {
        p.name: (_hint(p, function), p.default is p.empty) for p in named[supplied:] if p.kind is not p.POSITIONAL_ONLY
    }
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
    return known, takes_any, tuple(p.name for p in named[:supplied])


def _hint(parameter: inspect.Parameter, function: Any) -> Any:
    """The type hint of one parameter; without one that can be read, the type of its default."""
    hint = parameter.annotation
    while isinstance(hint, str):  # quoted once, or once more
        try:
            hint = eval(hint, getattr(inspect.unwrap(function), "__globals__", {}))
        except Exception:  # a name that only a type checker can see
            hint = parameter.empty
    if hint is not parameter.empty:
        return hint
    default = parameter.default
    if isinstance(default, (bool, str)):
        return type(default)
    if isinstance(default, int):
        return int | float  # 5 stays 5
    if isinstance(default, float):
        return float
    if isinstance(default, tuple) and default and all(isinstance(item, (int, float)) for item in default):
        return tuple[tuple(float for _ in default)]  # type: ignore[misc]  # built at run time
    return Any
