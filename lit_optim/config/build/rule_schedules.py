"""Give the schedules of single rules to the scheduler, whose ``groups`` drive groups by the names of rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from torch.optim import Optimizer

from lit_optim.config.build.scheduler import CheckedSchedule, check_scheduler
from lit_optim.config.checks.locate import locate_class_or_factory
from lit_optim.config.read.spec import Spec
from lit_optim.errors import ConfigError
from lit_optim.param_groups import Rule
from lit_optim.scheduler.schedule_lr import ScheduleLR

_RULES = "_lit_optim_rules"  # on an optimizer: the rules with a schedule that it was built with


def check_with_rules(spec: Spec, rules: Sequence[Rule], monitored: bool = True) -> CheckedSchedule:
    """Check a scheduler's spec together with the schedules of rules; its ``groups`` beat those of rules.

    Args:
        spec: of the scheduler.
        rules: those of the param groups that have a schedule.
        monitored: whether a schedule that follows a metric has to name it.

    Raises:
        ConfigError: with all that is wrong, and where the scheduler has no schedules of single groups.
    """
    own = spec.arguments.get("groups") or {}
    given = {rule.name: rule for rule in rules}
    if not given or not isinstance(own, Mapping):
        return check_scheduler(spec, monitored=monitored)
    if locate_class_or_factory(spec.target, object, spec.key) is not ScheduleLR:
        keys = ", ".join(f"{rule.key}.schedule" for rule in given.values())
        raise ConfigError(
            f"{keys}: {spec.path} has one schedule for all groups; choose a preset, e.g. scheduler=cosine"
        )
    groups = {**{name: rule.schedule for name, rule in given.items()}, **own}
    try:
        checked = check_scheduler(replace(spec, arguments={**spec.arguments, "groups": groups}), monitored=monitored)
    except ConfigError as error:
        raise ConfigError(*(_by_rule(problem, spec.key, given, own) for problem in error.problems)) from None
    return replace(checked, of_rules=frozenset(given) - {*own})


def _by_rule(problem: str, key: str, given: Mapping[str, Rule], own: Mapping[str, object]) -> str:
    """Put the rule's key in place of that of the scheduler's group where the schedule is the rule's."""
    for name, rule in given.items():
        before = f"{key}.groups.{name}"
        if name not in own and problem.startswith(before):
            return f"{rule.key}.schedule{problem[len(before) :]}"
    return problem


def remember_rules(optimizer: Optimizer, rules: Sequence[Rule]) -> None:
    """Keep the rules with a schedule on the optimizer, for a scheduler that is built later from the optimizer alone."""
    optimizer.__dict__[_RULES] = [rule for rule in rules if rule.schedule is not None]


def remembered_rules(optimizer: Optimizer) -> Sequence[Rule]:
    """Return the rules with a schedule that an optimizer was built with."""
    found: Sequence[Rule] = optimizer.__dict__.get(_RULES, ())
    return found
