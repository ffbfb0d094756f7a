"""Build the objects that may stand inside the arguments of a spec: optimizers, and what a type hint names."""

from __future__ import annotations

import datetime
import functools
import inspect
import sys
from collections.abc import Callable, Mapping
from typing import Any, get_args

from lit_optim.config.checks.locate import locate
from lit_optim.config.read.class_path import is_name
from lit_optim.config.read.presets import preset_names
from lit_optim.config.read.spec import HYDRA_KEYS, read_spec
from lit_optim.errors import ConfigError, Problems

NestedCheck = Callable[[type, dict[str, Any], str], dict[str, Any]]


def build_nested(value: Any, key: str, problems: Problems, check: NestedCheck, hint: Any = Any) -> Any:
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
            return _build_object(value, key, problems, check, hint)
        if datetime.timedelta in _classes_in(hint) and value:
            return _build_timedelta(value, key, problems)
        return {name: build_nested(item, f"{key}.{name}", problems, check) for name, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(build_nested(item, f"{key}[{i}]", problems, check) for i, item in enumerate(value))
    return value


def _build_object(spec: Mapping[str, Any], key: str, problems: Problems, check: NestedCheck, hint: Any) -> Any:
    from torch.optim import Optimizer

    if is_name(spec["_target_"]) and spec["_target_"] in preset_names("optimizer"):
        spec = read_spec(spec, "optimizer", key).as_dict()
    target = spec["_target_"]
    arguments = {name: item for name, item in spec.items() if name not in HYDRA_KEYS}
    try:
        rule = "inside a spec stands nothing but values and optimizers"
        cls = locate(target, (Optimizer, *_classes_in(hint)), key, rule)
        checked = check(cls, arguments, key)
        if not issubclass(cls, Optimizer):
            return cls(**checked)
        return functools.partial(cls, **checked) if checked else cls
    except ConfigError as error:
        problems.take(error)
    except Exception as error:
        problems.append(f"{key}: {target} refused these values: {error}")
    return spec


def _build_timedelta(value: Mapping[str, Any], key: str, problems: Problems) -> Any:
    try:
        return datetime.timedelta(**{str(name): item for name, item in value.items()})
    except (TypeError, ValueError, OverflowError):
        problems.add(key, dict(value), "a length of time is written e.g. {hours: 1, minutes: 30}")
        return value


def _classes_in(hint: Any) -> tuple[type, ...]:
    """List the classes that a hint names, except those of Python and torch, which are too general."""
    found = [hint] if inspect.isclass(hint) else [cls for part in get_args(hint) for cls in _classes_in(part)]
    general = {*sys.stdlib_module_names, "torch"}
    return tuple(cls for cls in found if cls is datetime.timedelta or cls.__module__.partition(".")[0] not in general)
