"""Keys that a class takes with ``**kwargs``: does it read them, or do they vanish?"""

from __future__ import annotations

import difflib
import dis
import inspect
import types
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from lit_optim.errors import Problems, wrong

ALIKE = 0.75  # difflib's ratio from which on an unknown key is taken for a slip of the pen


def check_unused_kwargs(
    cls: Any,
    swallowed: Mapping[str, Any],
    key: str,
    problems: Problems,
    *,
    names: Mapping[str, Any],
    settings: Mapping[str, Any] | None = None,
) -> None:
    """Notes slips of the pen among the keys that only ``**kwargs`` takes, and warns of those that nobody reads.

    Args:
        cls: the class or function.
        swallowed: keys outside its named arguments, with their values.
        key: dotted name of the spec.
        problems: collects what looks like a known name.
        names: known names and the values that hold where they are not given, e.g. an optimizer's ``defaults``.
        settings: the same of an object that was built with the swallowed keys, if there is one.

    Example:
        >>> class Takes:
        ...     def __init__(self, lr=1.0, **kwargs):
        ...         self.maximize = kwargs.get("maximize")
        >>> found = Problems()
        >>> check_unused_kwargs(Takes, {"maximize": True, "lrr": 1}, "optimizer", found, names={"lr": 1.0})
        >>> print(found[0])
        optimizer.lrr=1: Takes takes any keyword, but does not read 'lrr'; did you mean 'lr'?
    """
    name = getattr(cls, "__name__", str(cls))
    known = {*names, *inherited(cls)}
    for argument, value in swallowed.items():
        where = f"{key}.{argument}"
        if argument in names:
            if settings is not None and argument in settings and _differ(settings[argument], value):
                problems.add(where, value, f"{name} takes it and goes on with {settings[argument]!r}; remove it")
        elif argument not in known and argument not in _words(cls):
            near = difflib.get_close_matches(argument, sorted(known), n=1, cutoff=ALIKE)
            rule = f"{name} takes any keyword, but does not read {argument!r}"
            if near:
                problems.add(where, value, f"{rule}; did you mean {near[0]!r}?")
            else:
                warnings.warn(f"{wrong(where, value, rule)}; it has no effect that can be seen", stacklevel=3)


def hands_on(cls: Any) -> bool:
    """Whether a class does something with its keywords, hands them to another object say, which then refuses them.

    Example:
        >>> class Keeps:
        ...     def __init__(self, **kwargs):
        ...         self.options = dict(**kwargs)
        >>> hands_on(Keeps), hands_on(type("Drops", (), {"__init__": lambda self, **kwargs: None}))
        (True, False)
    """
    function = inspect.unwrap(cls.__init__ if inspect.isclass(cls) else cls)
    name = next((p.name for p in inspect.signature(function).parameters.values() if p.kind is p.VAR_KEYWORD), None)
    code = getattr(function, "__code__", None)
    loads = (i.argval for i in dis.get_instructions(code) if "LOAD" in i.opname) if code is not None else ()
    return any(name in names if isinstance(names, tuple) else name == names for names in loads)  # a pair: Python 3.13


def _differ(one: Any, other: Any) -> bool:
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) != len(other) or any(_differ(a, b) for a, b in zip(one, other, strict=True))
    return bool(one != other) if isinstance(one, (bool, int, float, str)) else False


def inherited(cls: Any) -> set[str]:
    """The named arguments of a class and of those above it, which it may hand its keywords on to."""
    found: set[str] = set()
    for base in getattr(cls, "__mro__", (cls,)):
        try:
            found |= set(inspect.signature(base).parameters)
        except (ValueError, TypeError):  # built in
            continue
    return found - {"self", "args", "kwargs", "params", "defaults"}


def _words(cls: Any) -> set[str]:
    """The texts in the code of a class: a key that it reads from its keywords is among them."""
    functions = [cls] if inspect.isroutine(cls) else [f for base in cls.__mro__[:-1] for f in vars(base).values()]
    bare = (inspect.unwrap(function) if callable(function) else function for function in functions)  # torch.no_grad's
    return {word for function in bare for word in _constants(getattr(function, "__code__", None))}


def _constants(code: types.CodeType | None) -> Iterator[str]:
    for constant in code.co_consts if code is not None else ():
        if isinstance(constant, str):
            yield constant
        elif isinstance(constant, tuple):
            yield from (item for item in constant if isinstance(item, str))
        elif isinstance(constant, types.CodeType):
            yield from _constants(constant)
