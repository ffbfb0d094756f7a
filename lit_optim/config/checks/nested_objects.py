"""What may stand inside the arguments of a spec: values, optimizers, and objects of the class that is asked for."""

from __future__ import annotations

import datetime
import functools
import inspect
import sys
from collections.abc import Callable, Mapping
from typing import Any, get_args

from lit_optim.config.checks.locate import describe_object, locate
from lit_optim.config.read.spec import HYDRA_KEYS
from lit_optim.errors import ConfigError, Problems

Check = Callable[[type, dict[str, Any], str], dict[str, Any]]


def build_nested(value: Any, key: str, problems: Problems, check: Check, hint: Any = Any) -> Any:
    """Build the objects that stand inside an argument of a spec.

    An optimizer (``base_optimizer: {_target_: torch.optim.SGD}``) becomes its class, or with arguments a partial; a
    class that the argument's own hint names, a third party's settings say, becomes an object. Nothing else is called.

    Args:
        value: an argument of a spec, or a part of one.
        key: its dotted name.
        problems: collects targets of any other kind.
        check: ``(class, its arguments, key) -> the arguments``, checked and coerced.
        hint: the argument's type hint.

    Example:
        >>> found, check = Problems(), lambda cls, arguments, key: arguments
        >>> build_nested({"_target_": "torch.optim.SGD", "lr": 0.1}, "optimizer.base_optimizer", found, check)
        functools.partial(<class 'torch.optim.sgd.SGD'>, lr=0.1)
        >>> _ = build_nested([{"_target_": "os.system", "command": "ls"}], "optimizer.betas", found, check)
        >>> print(found[0])
        optimizer.betas[0]._target_=os.system: inside a spec stands nothing but values and optimizers\
 (it is a builtin function)
    """
    if isinstance(value, Mapping):
        if "_target_" in value:
            return _built(value, key, problems, check, _classes(hint))
        if datetime.timedelta in _classes(hint) and value:
            return _timedelta(value, key, problems)
        return {name: build_nested(item, f"{key}.{name}", problems, check) for name, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(build_nested(item, f"{key}[{i}]", problems, check) for i, item in enumerate(value))
    return value


def _built(spec: Mapping[str, Any], key: str, problems: Problems, check: Check, classes: tuple[type, ...]) -> Any:
    from torch.optim import Optimizer

    target = spec["_target_"]
    arguments = {name: item for name, item in spec.items() if name not in HYDRA_KEYS}
    try:
        cls = locate(target, object, key)
        if issubclass(cls, Optimizer):
            checked = check(cls, arguments, key)
            return functools.partial(cls, **checked) if checked else cls
        if not issubclass(cls, classes):
            rule = f"inside a spec stands nothing but values and optimizers (it is {describe_object(cls)})"
            raise ConfigError(f"{key}._target_={target}: {rule}")
        return cls(**check(cls, arguments, key))
    except ConfigError as error:
        own = f"{key}._target_={target}: not a class "
        rule = f"{key}._target_={target}: inside a spec stands nothing but values and optimizers "
        problems.extend(problem.replace(own, rule) for problem in error.problems)
    except Exception as error:
        problems.append(f"{key}: {target} refused these values: {error}")
    return spec


def _timedelta(value: Mapping[str, Any], key: str, problems: Problems) -> Any:
    try:
        return datetime.timedelta(**{str(name): item for name, item in value.items()})
    except (TypeError, ValueError, OverflowError):
        problems.add(key, dict(value), "a length of time is written e.g. {hours: 1, minutes: 30}")
        return value


def _classes(hint: Any) -> tuple[type, ...]:
    """The classes that a hint names, but those of Python itself, of which everything is one."""
    found = [hint] if inspect.isclass(hint) else [cls for part in get_args(hint) for cls in _classes(part)]
    return tuple(
        cls
        for cls in found
        if cls is datetime.timedelta or cls.__module__.partition(".")[0] not in {*sys.stdlib_module_names, "torch"}
    )
