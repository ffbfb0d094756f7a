"""One phase of a configuration -> the factory of its schedule, with everything but its length filled in."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from lit_optim.duration import Clock, LengthUnknown, parse
from lit_optim.errors import ConfigError, wrong
from lit_optim.schedules.base import Schedule, ScheduleFactory
from lit_optim.schedules.combine import ramp
from lit_optim.schedules.plan.foreign_names import meaning_elsewhere
from lit_optim.schedules.plan.shape_factory import accepted_arguments, length_arguments, shape_factory
from lit_optim.schedules.shapes.plateau import plateau

AS_WARMUP = "warmup"  # as a length: that of the warmup


@dataclass(frozen=True)
class Surroundings:
    """What a phase has to know of the schedule that it is a part of.

    Args:
        clock: the length of the run and of an epoch.
        base_lr: the optimizer's absolute lr (or other value), to which absolute ones are related.
        mode: ``min`` or ``max``, for shapes that follow a metric.
        key: dotted name of the scheduler.
        warmup_steps: optimizer steps of the warmup before the phase; what ``warmup`` as a length means.
    """

    clock: Clock
    base_lr: float = 1.0
    mode: str = "min"
    key: str = "scheduler"
    warmup_steps: int = 0

    def steps(self, value: Any, key: str) -> Fraction:
        """A length that an argument of the phase's shape has, in optimizer steps.

        Example:
            >>> around = Surroundings(Clock(total_steps=100), warmup_steps=7)
            >>> around.steps("warmup", "timescale"), around.steps("5%", "timescale")
            (Fraction(7, 1), Fraction(5, 1))
        """
        if value != AS_WARMUP:
            return parse(value, key).exact_steps(self.clock, key)
        if not self.warmup_steps:
            raise ConfigError(wrong(key, value, "there is no warmup before it; write a length, e.g. 500 or 5%"))
        return Fraction(self.warmup_steps)


def phase_factory(
    options: Mapping[str, Any], key: str, around: Surroundings, *, begin: float | None, rises: bool
) -> ScheduleFactory:
    """The factory of one phase.

    Args:
        options: ``shape`` and its arguments, ``min_lr``, ``max_lr``.
        key: dotted name of the phase.
        around: the schedule that it is a part of.
        begin: the factor at which the phase before it ends, if there is one; this one goes on from there.
        rises: whether it is a warmup, which ends at factor 1.

    Raises:
        ConfigError: for unknown shapes, and for arguments that they do not have.
    """
    clock, base_lr = around.clock, around.base_lr
    shape = shape_factory(options["shape"], f"{key}.shape")
    if shape is plateau and rises:
        raise ConfigError(wrong(f"{key}.shape", "plateau", "a plateau cannot be a warmup; choose e.g. linear"))
    accepted, label = accepted_arguments(shape), getattr(shape, "__name__", repr(shape))
    arguments = {k: v for k, v in options.items() if k not in ("steps", "shape")}
    floor = _absolute_floor(arguments, shape, rises, base_lr, key)
    _absolute_peak(arguments, accepted, base_lr, key)
    _check_names(arguments, accepted, label, key)
    for argument, many in length_arguments(shape).items():
        if argument in arguments:
            arguments[argument] = _in_steps(arguments[argument], many, f"{key}.{argument}", around)
    arguments |= {k: v for k, v in {"base_lr": base_lr, "mode": around.mode}.items() if k in accepted}
    scale = 1.0
    if begin is not None and "start_factor" in accepted:
        arguments.setdefault("start_factor", begin)
    elif begin is not None and "factor" not in arguments:
        scale = begin  # a shape that begins at 1 by itself
    if rises and "start_factor" in accepted:
        shape, arguments = _upwards(shape, arguments, key), {}

    def built(total_steps: int | None = None) -> Schedule:
        try:
            schedule = shape(total_steps, **arguments)
        except LengthUnknown:
            clock.total(around.key)
            raise
        except ConfigError as error:
            raise ConfigError(*(f"{key}.{problem}" for problem in error.problems)) from None
        except (TypeError, ValueError, ArithmeticError) as error:
            raise ConfigError(f"{key}: the shape {label!r} refused these values: {error}") from error
        if floor == 0.0 and scale == 1.0:
            return schedule
        return lambda step: max(schedule(step) * scale, floor)

    return built


def _check_names(arguments: Mapping[str, Any], accepted: Sequence[str], label: str, key: str) -> None:
    for argument, value in arguments.items():
        if argument == "base_lr" and argument in accepted:
            raise ConfigError(wrong(f"{key}.{argument}", value, "it is the optimizer's lr; remove it"))
        if argument == "mode" and argument in accepted:
            raise ConfigError(wrong(f"{key}.{argument}", value, f"write scheduler.mode={value}"))
        if argument not in accepted:
            rule = f"the shape {label!r} has no argument {argument!r}{meaning_elsewhere(argument, accepted)}"
            raise ConfigError(wrong(f"{key}.{argument}", value, rule))


def _upwards(shape: ScheduleFactory, arguments: dict[str, Any], key: str) -> ScheduleFactory:
    """The shape as a warmup: it ends at factor 1."""
    end = arguments.pop("end_factor", 1.0)
    if end != 1.0:
        raise ConfigError(wrong(f"{key}.end_factor", end, "a warmup ends at factor 1; remove it"))
    start = arguments.pop("start_factor", None)
    upwards = ramp(functools.partial(shape, **arguments), start)

    def named(total_steps: int | None = None) -> Schedule:
        try:
            return upwards(total_steps)
        except ConfigError as error:
            if start is None and "start_factor" in str(error):
                raise ConfigError("start_factor: this shape cannot begin at 0; write e.g. start_factor: 0.01") from None
            raise

    return named


def _absolute_peak(arguments: dict[str, Any], accepted: Sequence[str], base_lr: float, key: str) -> None:
    """Takes ``max_lr`` out: it becomes the shape's ``max_factor``."""
    if "max_lr" not in arguments or "max_lr" in accepted:
        return
    max_lr = arguments.pop("max_lr")
    if "max_factor" not in accepted:
        raise ConfigError(wrong(f"{key}.max_lr", max_lr, "this shape has no peak; set optimizer.lr instead"))
    if not isinstance(max_lr, (int, float)) or isinstance(max_lr, bool) or not 0 < max_lr < float("inf"):
        raise ConfigError(wrong(f"{key}.max_lr", max_lr, "an absolute lr above 0"))
    if arguments.get("max_factor", 1.0) != 1.0:
        rule = f"give either max_lr or max_factor={arguments['max_factor']}, not both"
        raise ConfigError(wrong(f"{key}.max_lr", max_lr, rule))
    arguments["max_factor"] = max_lr / base_lr


def _absolute_floor(arguments: dict[str, Any], shape: ScheduleFactory, rises: bool, base_lr: float, key: str) -> float:
    """Takes ``min_lr`` out: it becomes the shape's lower end, or where it has none, a floor under it."""
    if "min_lr" not in arguments:
        return 0.0
    min_lr, accepted = arguments["min_lr"], accepted_arguments(shape)
    max_lr = arguments.get("max_lr")
    top = max_lr if isinstance(max_lr, (int, float)) else base_lr
    if not isinstance(min_lr, (int, float)) or isinstance(min_lr, bool) or not 0 <= min_lr <= top:
        upper = f"the optimizer's lr={base_lr:g}" if max_lr is None else f"max_lr={max_lr}"
        raise ConfigError(wrong(f"{key}.min_lr", min_lr, f"must be an absolute lr between 0 and {upper}"))
    if "min_lr" in accepted:
        return 0.0
    del arguments["min_lr"]
    end = "start_factor" if rises else "base_factor" if "base_factor" in accepted else "end_factor"
    endless = end == "end_factor" and arguments.get("gamma") is not None  # it comes to no end of its own
    if end not in accepted or endless:
        return min_lr / base_lr
    usual = inspect.signature(shape).parameters[end].default  # presets spell it out; it is nobody's choice
    if arguments.get(end) and arguments[end] != usual:
        rule = f"give either min_lr or {end}={arguments[end]}, not both; remove that one with ~{key}.{end}"
        raise ConfigError(wrong(f"{key}.min_lr", min_lr, rule))
    arguments[end] = min_lr / base_lr
    return 0.0


def _in_steps(value: Any, many: bool, key: str, around: Surroundings) -> Any:
    """A length (or a list of them) in optimizer steps."""
    if not many:
        return _at_least_one(around.steps(value, key))
    if isinstance(value, (str, Mapping)) or not isinstance(value, Iterable):
        raise ConfigError(wrong(key, value, "a list of durations is needed; write e.g. [30%, 60%]"))
    return [_at_least_one(around.steps(item, key)) for item in value]


def _at_least_one(steps: Fraction) -> int:
    """Rounded, but never down to 0: a share of a very short run is a step all the same."""
    return max(round(steps), 1) if steps else 0
