"""Check a scheduler spec without a run, and build the scheduler for one."""

from __future__ import annotations

import functools
import inspect
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import ChainedScheduler, LRScheduler, ReduceLROnPlateau, SequentialLR

from lit_optim.config.build.optimizer import check_nested
from lit_optim.config.checks.keyword_arguments import check_call
from lit_optim.config.checks.lightning_keys import LIGHTNING_KEYS, check_lightning_keys, check_reduce_on_plateau
from lit_optim.config.checks.locate import locate_class_or_factory
from lit_optim.config.checks.nested_objects import NestedCheck
from lit_optim.config.checks.schedule_arguments import check_schedule_arguments, configured_phases, has_plateau
from lit_optim.config.checks.scheduler_trial import try_scheduler
from lit_optim.config.checks.signature import named_arguments, only_kwargs_takes
from lit_optim.config.checks.slots import has_length
from lit_optim.config.checks.unused_kwargs import check_unused_kwargs
from lit_optim.config.read.spec import Spec
from lit_optim.duration import LengthUnknown, RunLength, RunTooShort
from lit_optim.errors import ConfigError, Problems
from lit_optim.lightning_api import rank_zero_warn
from lit_optim.scheduler.drive import later_groups
from lit_optim.scheduler.driven_value import parts_of_name
from lit_optim.scheduler.schedule_lr import ScheduleLR
from lit_optim.schedules.plan.phase_configs import PhaseConfig
from lit_optim.schedules.plan.timeline import Timeline

_CHAIN = "it is made of schedulers that are built already; write warmup, main and cooldown instead"
_BASE = "it is the base of all schedulers, and none itself"
OWN_KEYS = ("monitor", "mode", "interval", "frequency")  # that ScheduleLR takes too
_REJECTED: dict[type, str] = {LRScheduler: _BASE, ChainedScheduler: _CHAIN, SequentialLR: _CHAIN}


@dataclass(frozen=True)
class CheckedSchedule:
    """A checked scheduler spec: with its class, the keyword arguments for it, and the keys that are Lightning's.

    ``of_rules`` names those of its ``groups`` that rules of the param groups have brought.
    """

    spec: Spec
    cls: Any
    arguments: dict[str, Any]
    lightning_keys: dict[str, Any] = field(default_factory=dict)
    of_rules: frozenset[str] = frozenset()

    @functools.cached_property
    def phases(self) -> list[PhaseConfig]:
        """List the phases of all schedules of a ScheduleLR; of another class there are none."""
        return configured_phases(self.arguments) if self.own else []

    @property
    def own(self) -> bool:
        """Test whether it is a ScheduleLR, which counts optimizer steps."""
        return self.cls is ScheduleLR

    @property
    def moves(self) -> bool:
        """Test whether the lr changes at all during a run."""
        if not self.own:
            return True
        return any(
            part.options["shape"] != "constant" if part.name == "main" else has_length(part.steps)
            for part in self.phases
        )

    @property
    def lr_scheduler_entry(self) -> dict[str, Any]:
        """Return what goes beside ``scheduler`` into Lightning's ``lr_scheduler`` mapping."""
        if self.own:  # it counts optimizer steps, whatever rhythm its values have
            return {"name": self.lightning_keys.get("name", "lr"), "interval": "step"}
        ours = ("total_steps", "mode")  # a mode is that of a metric, which is the scheduler's own argument
        return {"name": "lr", **{k: v for k, v in self.lightning_keys.items() if k not in ours}}

    @property
    def fed_metric(self) -> str | None:
        """Return the metric that has to be fed to a ScheduleLR; None where none has."""
        return self.lightning_keys.get("monitor") if self.own and self.follows_metric else None

    @property
    def follows_metric(self) -> bool:
        """Test whether a metric drives it."""
        if self.own:
            return has_plateau(self.phases)
        by_class = isinstance(self.cls, type) and issubclass(self.cls, ReduceLROnPlateau)
        return by_class or self.lightning_keys.get("reduce_on_plateau") is True


def check_scheduler(spec: Spec, *, monitored: bool = True) -> CheckedSchedule:
    """Check and coerce the arguments of a scheduler spec, as far as the length of the run does not matter.

    Args:
        spec: what to check.
        monitored: whether a schedule that follows a metric has to name it, because Lightning will feed it.

    Raises:
        ConfigError: with all that is wrong.
    """
    cls = locate_class_or_factory(spec.target, LRScheduler, spec.key)
    if not isinstance(cls, type):
        return CheckedSchedule(spec, cls, dict(spec.arguments))  # the factory's result is checked
    if reason := _REJECTED.get(cls):
        raise ConfigError(f"{spec.key}._target_={spec.path}: {reason}")
    check = check_schedule_arguments if cls is ScheduleLR else functools.partial(_check_foreign_arguments, cls)
    arguments, lightning_keys = check(spec, check_nested)
    checked = CheckedSchedule(spec, cls, arguments, lightning_keys)
    if monitored and checked.follows_metric and "monitor" not in lightning_keys:
        rule = "missing; name the logged metric that the plateau follows, e.g. val/loss"
        raise ConfigError(f"{spec.key}.monitor: {rule}")
    return checked


def _check_foreign_arguments(
    cls: type[LRScheduler], spec: Spec, check_nested: NestedCheck
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Check and coerce the arguments of a scheduler that is no ScheduleLR; return Lightning's keys beside them."""
    problems, named = Problems(), named_arguments(cls, supplied=1)
    # a preset leaves `drive: {}` and `groups: {}` behind where only `_target_` was changed
    given = {k: v for k, v in spec.arguments.items() if k not in ("drive", "groups") or v != {}}
    lightning_keys = {k: given.pop(k) for k in LIGHTNING_KEYS if k in given and k not in named}
    check_lightning_keys(lightning_keys, spec.key, problems)
    check_reduce_on_plateau(lightning_keys, spec.key, problems, by_metric=_takes_metric(cls))
    names = [name for name in ("lr_lambda",) if isinstance(given.get(name), str)]  # try_scheduler says what to write
    arguments = check_call(
        cls, given, spec.key, problems, supplied=1, finite=True, unchecked=names, check_nested=check_nested
    )
    if not problems:
        arguments = try_scheduler(cls, arguments, spec.key, problems)
    if extra := only_kwargs_takes(cls, arguments, supplied=1):
        check_unused_kwargs(cls, extra, spec.key, problems, supplied=1)
    problems.raise_if_any()
    return arguments, lightning_keys


def _takes_metric(cls: type[LRScheduler]) -> bool:
    """Return whether ``step`` takes a metric: of torch's schedulers, only one does."""
    first = list(inspect.signature(cls.step).parameters)[1:2]
    return issubclass(cls, ReduceLROnPlateau) or first not in ([], ["epoch"])


def build_checked_schedule(checked: CheckedSchedule, optimizer: Optimizer, run_length: RunLength) -> LRScheduler:
    """Build the scheduler of an optimizer for a run.

    Raises:
        ConfigError: where the phases do not fit the run, or need a length that is not known.
    """
    arguments = dict(checked.arguments)
    if checked.of_rules:  # a rule of frozen parameters has no group
        unused = checked.of_rules.difference(later_groups(optimizer), *map(parts_of_name, optimizer.param_groups))
        arguments["groups"] = {name: entry for name, entry in arguments["groups"].items() if name not in unused}
    if checked.own:
        arguments = {
            "total_steps": checked.lightning_keys.get("total_steps", run_length.total_steps),
            "steps_per_epoch": run_length.steps_per_epoch,
            **arguments,
            **{k: checked.lightning_keys[k] for k in OWN_KEYS if k in checked.lightning_keys},
        }
    try:
        scheduler = checked.cls(optimizer, **arguments)
    except RunTooShort as error:
        if not run_length.shortened_by or arguments["total_steps"] != run_length.total_steps:
            raise
        return _shortened(checked.cls(optimizer, **{**arguments, "total_steps": error.steps + 1}), run_length)
    except LengthUnknown as error:
        if arguments.get("total_steps") is None and RunLength.unknown_because in str(error):
            raise LengthUnknown(f"scheduler: {run_length.unknown_because}") from None
        raise
    except ConfigError:
        raise
    except (ValueError, TypeError, KeyError, ArithmeticError) as error:
        name = getattr(checked.cls, "__name__", str(checked.cls))
        raise ConfigError(f"scheduler: {name} refused these values: {error}") from error
    if not isinstance(scheduler, LRScheduler):
        raise ConfigError(f"scheduler: got a {type(scheduler).__name__}, not a torch LRScheduler")
    return scheduler


def _shortened(scheduler: ScheduleLR, run_length: RunLength) -> ScheduleLR:
    """Let a schedule whose lengths need a longer run pass in a short trial of it, and say so."""
    needed, steps = scheduler.clock.run_length.total("scheduler"), run_length.total("scheduler")
    rule = f"its lengths need {needed - 1} optimizer steps, and this run has {steps}"
    rank_zero_warn(f"scheduler: {rule} (trainer.{run_length.shortened_by}): they are shortened in proportion")
    scheduler.replan(replace(scheduler.clock, timeline=Timeline(rate=Fraction(needed, steps))))
    return scheduler
