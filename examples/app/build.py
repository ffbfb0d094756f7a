"""A mapping with ``_target_`` -> the object, as strict as lit_optim is with its own groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from lit_optim.config.checks.call import check_call, named_arguments, trial
from lit_optim.config.checks.locate import locate
from lit_optim.config.read.plain_containers import to_plain
from lit_optim.errors import ConfigError, Problems, wrong

T = TypeVar("T")


@dataclass(frozen=True)
class Part(Generic[T]):
    """What can be built: the class, and its keyword arguments, whose names and types are right."""

    cls: type[T]
    arguments: dict[str, Any]
    key: str


def check(spec: Any, base: type[T], key: str, problems: Problems, *, given: Iterable[str] = ()) -> Part[T] | None:
    """Names and types against the class, without building it; None where something is wrong, which ``problems`` tells.

    Args:
        spec: mapping with ``_target_``.
        base: what the class must derive from.
        key: dotted name of the spec.
        problems: collects what is wrong.
        given: names of arguments that `build` is going to be handed.
    """
    found = Problems()
    try:
        spec = to_plain(spec, key)
        if not isinstance(spec, Mapping) or "_target_" not in spec:
            raise ConfigError(wrong(key, spec, "expects a mapping with _target_, the path of a class"))
        cls: type[T] = locate(spec["_target_"], base, key)
        arguments = {name: value for name, value in spec.items() if name != "_target_"}
        for name in given:
            if name in arguments:
                found.add(f"{key}.{name}", arguments.pop(name), "is given at run time; remove it")
        missing = [name for name in given if name not in named_arguments(cls)]
        if missing:
            rule = f"{cls.__name__} has no argument {missing[0]!r}, which it is given at run time; name another class"
            raise ConfigError(f"{key}._target_={spec['_target_']}: {rule}")
        checked = check_call(cls, {**dict.fromkeys(given), **arguments}, key, found, unchecked=tuple(given))
    except ConfigError as error:
        found.take(error)
    problems.extend(found)
    return None if found else Part(cls, {k: v for k, v in checked.items() if k not in given}, key)


def build(part: Part[T] | None, problems: Problems, **given: Any) -> T | None:
    """The object; None where there is no part, or where its class refuses the values, which ``problems`` tells."""
    if part is None:
        return None

    def constructor(**arguments: Any) -> T:
        fresh = {name: [*value] if isinstance(value, list) else value for name, value in given.items()}
        return part.cls(**fresh, **arguments)  # a Trainer adds to its list of callbacks, and `trial` builds several

    try:
        return constructor(**part.arguments)
    except ConfigError as error:
        own = tuple(part.arguments)
        for problem in error.problems:
            names_argument = problem.startswith(tuple(f"{name}{end}" for name in own for end in "=.:"))
            problems.append(f"{part.key}{'.' if names_argument else ': '}{problem}")
    except Exception:
        trial(constructor, part.cls.__name__, part.arguments, part.key, problems)
    return None
