"""Check an optimizer spec without parameters, and build the optimizer with them."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.optim import LBFGS, Optimizer, SparseAdam

from lit_optim.config import capabilities
from lit_optim.config.build.given_groups import given_groups
from lit_optim.config.build.lr_scaling import check_lr_scaling, nearest_argument
from lit_optim.config.checks.check_by_building import check_by_building
from lit_optim.config.checks.keyword_arguments import check_call, checked_arguments
from lit_optim.config.checks.locate import locate_class_or_factory
from lit_optim.config.checks.parameters_fit import check_parameters_fit
from lit_optim.config.checks.ranges import check_ranges
from lit_optim.config.checks.signature import only_kwargs_takes
from lit_optim.config.checks.unused_kwargs import check_unused_kwargs, inherited_arguments
from lit_optim.config.read.plain_containers import import_path_of
from lit_optim.config.read.spec import Spec
from lit_optim.errors import ConfigError, Problems, did_you_mean
from lit_optim.gradients.noise import GROUP_KEY, eta_of_group
from lit_optim.optimizers import fastest, keep_exact
from lit_optim.param_groups import Rule, group_parameters, owned_parameters
from lit_optim.state_loading.parameter_names import module_names


class CheckedOptimizer(NamedTuple):
    """Holds the class or factory of a checked optimizer spec, and its keyword arguments."""

    spec: Spec
    cls: Any
    arguments: dict[str, Any]


def check_optimizer(spec: Spec) -> CheckedOptimizer:
    """Check and coerce the arguments of an optimizer spec, and try them on a dummy parameter.

    Raises:
        ConfigError: with all that is wrong.
    """
    cls = locate_class_or_factory(spec.target, Optimizer, spec.key)
    problems = Problems()
    if not isinstance(cls, type):
        check_lr_scaling(spec, cls, spec.arguments, problems)
        problems.raise_if_any()
        return CheckedOptimizer(spec, cls, dict(spec.arguments))  # the factory's result is checked
    arguments = check_call(
        cls, spec.arguments, spec.key, problems,
        supplied=1, finite=True, suggest=nearest_argument, check_nested=check_nested,
    )  # fmt: skip
    extra = only_kwargs_takes(cls, arguments, supplied=1)
    if not problems:
        check_ranges(cls, arguments, spec.key, problems)
        names = inherited_arguments(cls) if extra else ()
        build = functools.partial(build_on_dummy, cls)
        check_by_building(build, cls.__name__, arguments, spec.key, problems, names)
    if extra and not problems:
        _check_extra_arguments(cls, arguments, extra, spec.key, problems)
    check_lr_scaling(spec, cls, arguments, problems)
    problems.raise_if_any()
    return CheckedOptimizer(spec, cls, arguments)


def check_nested(cls: type, arguments: dict[str, Any], key: str) -> dict[str, Any]:
    """Check the arguments of an object inside a spec; check a nested optimizer as a top-level one.

    Raises:
        ConfigError: with all that is wrong.
    """
    if issubclass(cls, Optimizer):
        return check_optimizer(Spec(cls, arguments, key)).arguments
    return checked_arguments(cls, arguments, key, check_nested)


def _check_extra_arguments(
    cls: type[Optimizer], arguments: dict[str, Any], extra: dict[str, Any], key: str, problems: Problems
) -> None:
    """Compare the keys that only ``**kwargs`` takes with the defaults of an optimizer that is built without them."""
    try:
        defaults = build_on_dummy(cls, **{k: v for k, v in arguments.items() if k not in extra}).defaults
    except Exception:  # it needs one of them
        defaults = {}
    settings = build_on_dummy(cls, **arguments).defaults
    check_unused_kwargs(cls, extra, key, problems, supplied=1, defaults=defaults, settings=settings)


def build_on_dummy(cls: type[Optimizer], **arguments: Any) -> Optimizer:
    """Build an optimizer over one small parameter, and step it where it is torch's or a tested preset's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dummy = torch.zeros(2, 2, requires_grad=True)
        if arguments.get("capturable"):  # of a GPU, where the dummy is not
            arguments = {**arguments, "capturable": False}
        optimizer = cls([dummy], **arguments)
        if _can_step(cls):  # what some find out only when they step
            if hasattr(optimizer, "train"):  # schedule-free
                optimizer.train()
            dummy.grad = torch.zeros(2, 2) if cls is LBFGS else torch.ones(2, 2)  # at its optimum: LBFGS ends at once
            if cls is SparseAdam:
                dummy.grad = dummy.grad.to_sparse()
            optimizer.step(lambda: 0.0)
        return optimizer


def _can_step(cls: type[Optimizer]) -> bool:
    if cls.__module__.startswith("torch.optim."):
        return True
    needs = capabilities.capabilities_of_target(import_path_of(cls))
    return needs.measured is not None and not needs.second_order  # not measured: what it needs is unknown


def build_checked(checked: CheckedOptimizer, params_or_module: Any, rules: Sequence[Rule] = ()) -> Optimizer:
    """Build an optimizer in its fastest exact implementation.

    Args:
        checked: its spec, checked.
        params_or_module: a module, parameters, or param groups.
        rules: of the param groups, checked; they need a module.

    Raises:
        ConfigError: for parameters that the optimizer cannot take.
    """
    spec, cls, arguments = checked
    if isinstance(params_or_module, nn.Module):
        owned = list(owned_parameters(params_or_module))
        groups, names = group_parameters(owned, rules), module_names(params_or_module)
        if len(groups) == 1 and groups[0]["name"] == "default":
            del groups[0]["name"]
    elif rules:
        raise ConfigError("param_groups: rules need the module; pass it in place of its parameters")
    else:
        owned = []
        groups, names = given_groups(params_or_module)
    check_parameters_fit(spec, groups, owned)
    if arguments.get("capturable") is True and not torch.accelerator.is_available():
        raise ConfigError(f"{spec.key}.capturable=True: is for parameters on a GPU, and there is none; remove it")
    if isinstance(cls, type):
        parameters = [p for group in groups for p in group["params"]]
        arguments = {**arguments, **fastest(cls, parameters, arguments)}
    try:
        optimizer = cls(groups, **arguments)
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError(f"{spec.key}: {getattr(cls, '__name__', cls)} refused these parameters: {error}") from error
    if not isinstance(optimizer, Optimizer):
        raise ConfigError(f"{spec.key}: {spec.path} returned a {type(optimizer).__name__}, not a torch.optim.Optimizer")
    return keep_exact(optimizer, names)


def check_rules(rules: list[Rule], checked: CheckedOptimizer, key: str = "param_groups") -> list[Rule]:
    """Check and coerce the options of rules; a ``weight_decay: 0`` is dropped where the optimizer has no decay.

    Raises:
        ConfigError: for options that the optimizer does not have, or whose values it rejects.
    """
    _, cls, arguments = checked
    if not rules or not isinstance(cls, type):
        return rules
    defaults = build_on_dummy(cls, **arguments).defaults
    problems, checked_rules = Problems(), []
    for i, rule in enumerate(rules):
        where, found = f"{key}.rules[{i}]", Problems()
        options = {k: v for k, v in rule.options.items() if k in defaults or k != "weight_decay" or v != 0}
        ours = _keys_of_callbacks(options, where, found)
        for name in [name for name in options if name not in defaults]:
            found.add(f"{where}.{name}", options[name], f"{cls.__name__} has no {name!r}{did_you_mean(name, defaults)}")
        if not found:
            given = {**arguments, **options}
            whole = check_call(cls, given, where, found, supplied=1, finite=True, check_nested=check_nested)
            options = {k: v for k, v in whole.items() if k in options}
        if not found:
            check_ranges(cls, options, where, found)
            build = functools.partial(build_on_dummy, cls, **arguments)
            check_by_building(build, cls.__name__, options, where, found)
        problems.extend(found)
        checked_rules.append(Rule(rule.types, {**options, **ours}, rule.name))
    problems.raise_if_any()
    return checked_rules


def _keys_of_callbacks(options: dict[str, Any], key: str, problems: Problems) -> dict[str, Any]:
    """Remove and return the options that a callback, not the optimizer, reads from the groups."""
    if GROUP_KEY not in options:
        return {}
    try:
        return {GROUP_KEY: eta_of_group(options.pop(GROUP_KEY), key)}
    except ConfigError as error:
        problems.take(error)
        return {}
