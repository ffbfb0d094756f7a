"""An optimizer spec: checked without parameters, built with them."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from lit_optim.config import capabilities
from lit_optim.config.check import check_call, trial
from lit_optim.config.coerce import Mismatch, coerce
from lit_optim.config.groups import read_rules
from lit_optim.config.locate import locate
from lit_optim.config.plain import plain
from lit_optim.config.spec import Spec
from lit_optim.errors import ConfigError, Problems
from lit_optim.optimizers import fastest, keep_exact
from lit_optim.param_groups import Rule, group_parameters, owned_parameters
from lit_optim.param_groups.match import OwnedParameter


def check_optimizer(spec: Spec) -> tuple[Any, dict[str, Any]]:
    """The class and its keyword arguments, checked and coerced, after a dry run on a dummy parameter.

    Raises:
        ConfigError: with all that is wrong.
    """
    if callable(spec.target) and not isinstance(spec.target, type):
        return spec.target, dict(spec.arguments)  # the user's own factory: its result is checked
    cls = locate(spec.target, Optimizer, spec.key)
    problems = Problems()
    arguments = check_call(cls, spec.arguments, spec.key, problems, supplied=1, finite=True)
    if not problems:
        build = functools.partial(_on_dummy, cls)
        trial(build, cls.__name__, arguments, spec.key, problems)
    problems.raise_if_any()
    return cls, arguments


def _on_dummy(cls: type[Optimizer], **arguments: Any) -> Optimizer:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return cls([torch.zeros(2, 2, requires_grad=True)], **arguments)


def make_optimizer(spec: Spec, params_or_module: Any, rules: Any = None) -> Optimizer:
    """Builds the optimizer of a spec, with groups, in its fastest exact implementation."""
    cls, arguments = check_optimizer(spec)
    if isinstance(params_or_module, nn.Module):
        groups = _groups(params_or_module, read_rules(rules), cls, arguments, spec)
    else:
        if read_rules(rules):
            raise ConfigError("param_groups: rules need the module; pass it in place of its parameters")
        groups = _given_groups(params_or_module)
    parameters = [p for group in groups for p in group["params"]]
    _suit(spec, parameters, groups)
    if isinstance(cls, type):
        arguments = {**arguments, **fastest(cls, parameters, arguments)}
    try:
        optimizer = cls(groups, **arguments)
    except (ValueError, TypeError, RuntimeError) as error:
        raise ConfigError(f"{spec.key}: {getattr(cls, '__name__', cls)} refused these parameters: {error}") from error
    if not isinstance(optimizer, Optimizer):
        raise ConfigError(f"{spec.key}: {spec.path} returned a {type(optimizer).__name__}, not a torch.optim.Optimizer")
    return keep_exact(optimizer)


def _given_groups(params: Any) -> list[dict[str, Any]]:
    if isinstance(params, Tensor) or not isinstance(params, Iterable):
        raise ConfigError("params: give a module, an iterable of tensors, or a list of param groups")
    items = list(params)
    if any(isinstance(item, Mapping) for item in items):
        return [{**group, "params": _tensors(group["params"])} for group in items]
    return [{"params": _tensors(items)}]


def _tensors(params: Any) -> list[Tensor]:
    listed = [params] if isinstance(params, Tensor) else list(params)
    tensors = [item[1] if isinstance(item, tuple) else item for item in listed]
    if not tensors:
        raise ConfigError("params: empty, so there is nothing to train")
    return tensors


def _groups(
    module: nn.Module, rules: list[Rule], cls: Any, arguments: dict[str, Any], spec: Spec
) -> list[dict[str, Any]]:
    owned = list(owned_parameters(module))
    defaults = _on_dummy(cls, **arguments).defaults if isinstance(cls, type) and rules else None
    if defaults is not None:
        problems = Problems()
        rules = [_known_options(rule, i, defaults, cls, problems) for i, rule in enumerate(rules)]
        problems.raise_if_any()
    groups = group_parameters(owned, [rule for rule in rules if rule.options])
    if len(groups) == 1 and groups[0]["name"] == "default":
        del groups[0]["name"]
    _check_sparse(owned, spec)
    return groups


def _known_options(rule: Rule, index: int, defaults: dict[str, Any], cls: Any, problems: Problems) -> Rule:
    """A rule's options as the optimizer knows them; no decay is granted where there is none to begin with."""
    options = {}
    for name, value in rule.options.items():
        where = f"param_groups.rules[{index}].{name}"
        if name in defaults:
            try:
                options[name] = (
                    coerce(value, type(defaults[name])) if isinstance(defaults[name], float) else plain(value)
                )
            except Mismatch as mismatch:
                problems.add(where, value, f"{cls.__name__} {mismatch}")
        elif not (name == "weight_decay" and value == 0):
            problems.add(where, value, f"{cls.__name__} has no {name!r}")
    return Rule(rule.types, options, rule.name)


def _suit(spec: Spec, parameters: list[Tensor], groups: list[dict[str, Any]]) -> None:
    """Refuses parameters that the optimizer cannot take, by its entry in the capability table."""
    needs = capabilities.of_target(spec.path)
    name = spec.path.rpartition(".")[2]
    if needs.two_d:
        others = [p for p in parameters if p.ndim != 2]
        if others:
            shapes = ", ".join(str(tuple(p.shape)) for p in others[:3])
            raise ConfigError(
                f"{spec.key}: {name} takes 2-D parameters only, and {len(others)} of {len(parameters)} are not "
                f"(e.g. {shapes}); give it the matrices alone, or choose e.g. optimizer=adamw"
            )
    if needs.one_group and len(groups) > 1:
        raise ConfigError(f"param_groups: {name} takes one group only; choose param_groups=all")


def _check_sparse(owned: list[OwnedParameter], spec: Spec) -> None:
    if not capabilities.of_target(spec.path).sparse:
        return
    dense = [p.name for p in owned if not getattr(p.owner, "sparse", False)]
    if dense:
        name = spec.path.rpartition(".")[2]
        rule = f"{name} takes sparse gradients only, and {len(dense)} of {len(owned)} parameters have dense ones"
        raise ConfigError(f"{spec.key}: {rule} (e.g. {dense[0]}); choose e.g. optimizer=adam")
