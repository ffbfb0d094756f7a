"""Check an optimizer spec without parameters, and build the optimizer with them."""

from __future__ import annotations

import functools
import warnings
import weakref
from collections.abc import Collection, Container, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import LBFGS, Optimizer, SparseAdam

from lit_optim.config import capabilities
from lit_optim.config.build.added_groups import NAME, Assign, add_by_rules, awaited_rules, follow_from_now
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
from lit_optim.errors import ConfigError, Problems
from lit_optim.optimizers import fastest, keep_exact
from lit_optim.param_groups import Assignment, Grouping, NamedModel, Relative, assign, merge_into_groups
from lit_optim.param_groups.grouping import DEFAULT, with_factors
from lit_optim.param_groups.mup import update_rule, width_labels
from lit_optim.scheduler.drive import LATER
from lit_optim.state_loading.parameter_names import module_names

ONE_GROUP = Grouping()


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
    if spec.lr_scaling is not None:
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


def build_checked(
    checked: CheckedOptimizer,
    params_or_module: Any,
    grouping: Grouping = ONE_GROUP,
    apart: Container[str] = (),
    *,
    name: str = "",
    only: Collection[Tensor] | None = None,
) -> Optimizer:
    """Build an optimizer in its fastest exact implementation.

    Args:
        checked: its spec, checked.
        params_or_module: a module, parameters, or param groups.
        grouping: the rules of the param groups, checked; they need a module. What they freeze no longer requires grad.
        apart: names of rules that a schedule drives by themselves.
        name: of the optimizer among several, which the names of its groups begin with.
        only: parameters of the module that it takes; None: all that require grad.

    Raises:
        ConfigError: for parameters that the optimizer cannot take, and for rules that match nothing.
    """
    spec, cls, arguments = checked
    if isinstance(params_or_module, nn.Module):
        model = NamedModel(params_or_module)
        assignments = _with_widths(checked, grouping, model, trained_by(model, grouping))
        assignments = [each for each in assignments if only is None or each.parameter.tensor in only]
        owned, names = [each.parameter for each in assignments], module_names(params_or_module)
        groups = merge_into_groups(assignments, _defaults(checked, assignments), apart=apart, part=name)
        if len(groups) == 1 and groups[0]["name"] == DEFAULT:
            del groups[0]["name"]
    else:
        owned = []
        groups, names = given_groups(params_or_module, grouping)
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
    keep_exact(optimizer, names)
    if isinstance(params_or_module, nn.Module) and (grouping.rules or grouping.layers or grouping.mup):
        route_added_groups(optimizer, model, grouping, functools.partial(_assigned, checked, grouping), apart, name)
    return optimizer


def route_added_groups(
    optimizer: Optimizer, model: NamedModel, grouping: Grouping, assigned: Assign, apart: Container[str], name: str = ""
) -> None:
    """Let groups that are added later obey the rules, e.g. those of Lightning's finetuning callbacks."""
    label = "/".join(filter(None, (name, NAME)))
    add = functools.partial(add_by_rules, weakref.ref(optimizer), weakref.ref(model.module), assigned, apart, label)
    optimizer.add_param_group = add  # type: ignore[method-assign]
    optimizer.register_load_state_dict_post_hook(follow_from_now)
    if scheduled := [rule.name for rule in grouping.rules if rule.schedule is not None]:
        optimizer.__dict__[LATER] = awaited_rules(assigned(model), scheduled)


def _assigned(checked: CheckedOptimizer, grouping: Grouping, model: NamedModel) -> list[Assignment]:
    """Apply rules and factors to all parameters of a model."""
    return _with_widths(checked, grouping, model, assign(model, grouping))


def _with_widths(
    checked: CheckedOptimizer, grouping: Grouping, model: NamedModel, assignments: list[Assignment]
) -> list[Assignment]:
    if not grouping.mup:
        return assignments
    update = update_rule(checked.cls, checked.arguments.get("adjust_lr_fn"), grouping.mup.key)
    return with_factors(assignments, width_labels(model, grouping.mup, update))


def trained_by(model: NamedModel, grouping: Grouping) -> list[Assignment]:
    """Apply rules to a model, freeze what they freeze, and return the assignments of what is trained.

    Raises:
        ConfigError: for patterns that match nothing, and where nothing is left to train.
    """
    assignments = assign(model, grouping)
    frozen = [each for each in assignments if each.frozen]
    for each in frozen:
        each.parameter.tensor.requires_grad_(False)
    trained = [each for each in assignments if each.parameter.tensor.requires_grad]
    if not trained:
        by = f": rules freeze {len(frozen)} of {len(assignments)}" if frozen else ""
        raise ConfigError(f"param_groups: no parameter requires grad, so there is nothing to train{by}")
    return trained


def _defaults(checked: CheckedOptimizer, assignments: Sequence[Assignment]) -> dict[str, Any]:
    """Return the optimizer's own values, where relative ones are related to them."""
    relative = any(each.factors or any(isinstance(v, Relative) for v in each.options.values()) for each in assignments)
    if not relative or not isinstance(checked.cls, type):
        return checked.arguments
    return build_on_dummy(checked.cls, **checked.arguments).defaults
