"""A scheduler spec: checked without a run, built with one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import ChainedScheduler, LRScheduler, ReduceLROnPlateau, SequentialLR

from lit_optim.config.build.optimizer import check_nested
from lit_optim.config.checks.call import check_call, named_arguments, swallows
from lit_optim.config.checks.drive import check_driven_values, parts
from lit_optim.config.checks.factory import is_factory, own_factory
from lit_optim.config.checks.lightning_keys import RESERVED, check_reserved
from lit_optim.config.checks.locate import locate
from lit_optim.config.checks.scheduler_trial import try_scheduler
from lit_optim.config.checks.slots import take_misplaced, without_aliases
from lit_optim.config.checks.unused_kwargs import check_unused_kwargs
from lit_optim.config.read.spec import Spec
from lit_optim.duration import LengthUnknown, RunLength, parse
from lit_optim.errors import ConfigError, Problems
from lit_optim.scheduler.schedule_lr import ScheduleLR
from lit_optim.schedules.plan.shape_factory import shape_factory
from lit_optim.schedules.shapes.plateau import plateau

_CHAINS = "it is made of schedulers that are built already; write warmup, main and cooldown instead"
_NOT_ALONE: dict[type, str] = {
    LRScheduler: "it is the base of all schedulers, and none itself",
    ChainedScheduler: _CHAINS,
    SequentialLR: _CHAINS,
}


@dataclass(frozen=True)
class CheckedSchedule:
    """A scheduler spec that can be built: the class, its keyword arguments, and the keys that are Lightning's."""

    spec: Spec
    cls: Any
    arguments: dict[str, Any]
    reserved: dict[str, Any] = field(default_factory=dict)

    @property
    def own(self) -> bool:
        """Whether it is a ScheduleLR, which counts optimizer steps."""
        return self.cls is ScheduleLR

    @property
    def moves(self) -> bool:
        """Whether the lr changes at all during a run."""
        if not self.own:
            return True
        filled = (part for part in parts(self.arguments) if part.name == "main" or _long(part.steps))
        return any(part.options["shape"] != "constant" or part.name != "main" for part in filled)

    @property
    def lightning_keys(self) -> dict[str, Any]:
        """What goes beside ``scheduler`` into Lightning's ``lr_scheduler`` mapping."""
        if self.own:  # it counts optimizer steps, whatever rhythm its values have
            return {"name": self.reserved.get("name", "lr"), "interval": "step"}
        return {"name": "lr", **{k: v for k, v in self.reserved.items() if k != "total_steps"}}

    @property
    def fed_metric(self) -> str | None:
        """The metric that has to be fed to a ScheduleLR; None where none is."""
        return self.reserved.get("monitor") if self.own and self.follows_metric else None

    @property
    def follows_metric(self) -> bool:
        """Whether a metric drives it."""
        if self.own:
            return any(shape_factory(part.options["shape"], part.key) is plateau for part in parts(self.arguments))
        return isinstance(self.cls, type) and issubclass(self.cls, ReduceLROnPlateau)


def check_scheduler(spec: Spec, *, monitored: bool = True) -> CheckedSchedule:
    """Everything that can be told before the length of the run is known.

    Args:
        spec: what to check.
        monitored: whether a schedule that follows a metric has to name it, because Lightning will feed it.

    Raises:
        ConfigError: with all that is wrong.
    """
    if is_factory(spec.target):
        own = own_factory(spec.target, LRScheduler, spec.key)
        return CheckedSchedule(spec, own, dict(spec.arguments))  # its result is checked
    cls = locate(spec.target, LRScheduler, spec.key)
    if reason := _NOT_ALONE.get(cls):
        raise ConfigError(f"{spec.key}._target_={spec.path}: {reason}")
    problems = Problems()
    given = without_aliases(spec.arguments) if cls is ScheduleLR else _without_empty(spec.arguments)
    signature = named_arguments(cls, supplied=1)
    reserved = {k: given.pop(k) for k in RESERVED if k in given and (cls is ScheduleLR or k not in signature)}
    check_reserved(reserved, spec.key, problems)
    if cls is ScheduleLR:
        take_misplaced(given, spec.key, problems)
    names = [name for name in ("lr_lambda",) if isinstance(given.get(name), str)]  # try_scheduler says what to write
    arguments = check_call(
        cls, given, spec.key, problems, supplied=1, finite=True, unchecked=names, check_nested=check_nested
    )
    if not problems:
        arguments = try_scheduler(cls, arguments, spec.key, problems)
    if extra := swallows(cls, arguments, supplied=1):
        check_unused_kwargs(cls, extra, spec.key, problems, names=dict.fromkeys(named_arguments(cls, supplied=1)))
    if cls is ScheduleLR:
        arguments = check_driven_values(arguments, spec.key, problems)
        if reserved.pop("frequency", 1) != 1:
            problems.append(f"{spec.key}.frequency: a ScheduleLR moves at every optimizer step; remove it")
    problems.raise_if_any()
    checked = CheckedSchedule(spec, cls, arguments, reserved)
    if monitored and checked.follows_metric and "monitor" not in reserved:
        raise ConfigError(
            f"{spec.key}.monitor: missing; name the logged metric that the plateau follows, e.g. val/loss"
        )
    return checked


def build_checked_schedule(checked: CheckedSchedule, optimizer: Optimizer, run_length: RunLength) -> LRScheduler:
    """Builds the scheduler for an optimizer and a run.

    Raises:
        ConfigError: where the phases do not fit the run, or need a length that is not known.
    """
    arguments = dict(checked.arguments)
    if checked.own:
        total = checked.reserved.get("total_steps", run_length.total_steps)
        arguments = {
            "total_steps": total,
            "steps_per_epoch": run_length.steps_per_epoch,
            **arguments,
            **{k: checked.reserved[k] for k in ("monitor", "mode", "interval") if k in checked.reserved},
        }
    try:
        scheduler = checked.cls(optimizer, **arguments)
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


def _without_empty(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Without ``drive: {}`` and ``groups: {}``, which a preset leaves behind where only ``_target_`` was changed."""
    return {k: v for k, v in arguments.items() if k not in ("drive", "groups") or v}


def _long(steps: Any) -> bool:
    return steps is None or parse(steps).amount > 0
