"""Find the keys that a class takes with ``**kwargs``, and does not read."""

from __future__ import annotations

import difflib
import dis
import inspect
import types
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from lit_optim.config.checks.signature import named_arguments
from lit_optim.errors import Problems, wrong

ALIKE = 0.75  # difflib's ratio from which on an unknown key is taken for a typing error


def check_unused_kwargs(
    cls: Any,
    extra: Mapping[str, Any],
    key: str,
    problems: Problems,
    *,
    supplied: int = 0,
    defaults: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> None:
    """Collect typing errors among the keys that only ``**kwargs`` takes, and warn of others that are not read.

    Args:
        cls: the class or function.
        extra: keys outside its named arguments, with their values.
        key: dotted name of the spec.
        problems: collects what looks like a known name.
        supplied: how many leading parameters of the class are no keys.
        defaults: further known names, e.g. those of an optimizer that was built without the keys.
        settings: the same of an object that was built with the keys, if there is one.

    Example:
        >>> class Takes:
        ...     def __init__(self, lr=1.0, **kwargs):
        ...         self.maximize = kwargs.get("maximize")
        >>> found = Problems()
        >>> check_unused_kwargs(Takes, {"maximize": True, "lrr": 1}, "optimizer", found)
        >>> print(found[0])
        optimizer.lrr=1: Takes takes any keyword, but does not read 'lrr'; did you mean 'lr'?
    """
    name = getattr(cls, "__name__", str(cls))
    named = {*named_arguments(cls, supplied), *(defaults or {})}
    known = named | inherited_arguments(cls)
    read = known | _texts_in_code(cls) if extra else known
    for argument, value in extra.items():
        where = f"{key}.{argument}"
        if argument in named:
            if settings is not None and argument in settings and _differ(settings[argument], value):
                problems.add(where, value, f"{name} takes it and goes on with {settings[argument]!r}; remove it")
        elif argument not in read:
            near = difflib.get_close_matches(argument, sorted(known), n=1, cutoff=ALIKE)
            rule = f"{name} takes any keyword, but does not read {argument!r}"
            if near:
                problems.add(where, value, f"{rule}; did you mean {near[0]!r}?")
            else:
                warnings.warn(f"{wrong(where, value, rule)}; it has no effect that can be seen", stacklevel=3)


def uses_kwargs(cls: Any) -> bool:
    """Return whether a constructor uses its ``**kwargs``, e.g. passes them to an object that checks them.

    Example:
        >>> class Keeps:
        ...     def __init__(self, **kwargs):
        ...         self.options = dict(**kwargs)
        >>> uses_kwargs(Keeps), uses_kwargs(type("Drops", (), {"__init__": lambda self, **kwargs: None}))
        (True, False)
    """
    function = inspect.unwrap(cls.__init__ if inspect.isclass(cls) else cls)
    name = next((p.name for p in inspect.signature(function).parameters.values() if p.kind is p.VAR_KEYWORD), None)
    code = getattr(function, "__code__", None)
    loads = (i.argval for i in dis.get_instructions(code) if "LOAD" in i.opname) if code is not None else ()
    return any(name in names if isinstance(names, tuple) else name == names for names in loads)  # a pair: Python 3.13


def inherited_arguments(cls: Any) -> set[str]:
    """List the named arguments of a class and of its bases, to which it may pass keywords."""
    found: set[str] = set()
    for base in getattr(cls, "__mro__", (cls,)):
        try:
            found |= set(inspect.signature(base).parameters)
        except (ValueError, TypeError):  # built in
            continue
    return found - {"self", "args", "kwargs", "params", "defaults"}


def _differ(one: Any, other: Any) -> bool:
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) != len(other) or any(_differ(a, b) for a, b in zip(one, other, strict=True))
    return bool(one != other) if isinstance(one, (bool, int, float, str)) else False


def _texts_in_code(cls: Any) -> set[Any]:
    """Collect the constants in the code of a class, which include the keys that it reads from its keywords."""
    functions = [cls] if inspect.isroutine(cls) else [f for base in cls.__mro__[:-1] for f in vars(base).values()]
    bare = [inspect.unwrap(function) if callable(function) else function for function in functions]  # torch.no_grad's
    codes = [function.__code__ for function in bare if hasattr(function, "__code__")]
    return {constant for code in codes for constant in _constants(code)}


def _constants(code: types.CodeType) -> Iterator[Any]:
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _constants(constant)
        else:
            yield from constant if isinstance(constant, tuple) else (constant,)
