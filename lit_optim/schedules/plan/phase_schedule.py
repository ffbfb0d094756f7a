"""Build the schedule of one phase: call its shape with lengths in optimizer steps and values in factors."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lit_optim.duration import LengthUnknown, RunLength, parse
from lit_optim.errors import ConfigError, wrong
from lit_optim.schedules.base import Schedule, ScheduleFactory
from lit_optim.schedules.checks import is_number
from lit_optim.schedules.combine import ramp
from lit_optim.schedules.plan.foreign_names import meaning_elsewhere
from lit_optim.schedules.plan.phase_configs import PhaseConfig
from lit_optim.schedules.plan.shape_factory import accepted_arguments, length_arguments, shape_factory
from lit_optim.schedules.shapes.plateau import plateau

AS_WARMUP = "warmup"  # as a length: that of the warmup


@dataclass(frozen=True)
class ScheduleContext:
    """Holds what the phases of one schedule share.

    Args:
        run_length: the length of the run and of an epoch.
        base_lr: the optimizer's absolute lr (or other value), to which absolute ones are related.
        mode: ``min`` or ``max``, for shapes that follow a metric.
        key: dotted name of the scheduler.
        warmup_steps: optimizer steps of the warmup before the phase; what ``warmup`` as a length means.
    """

    run_length: RunLength
    base_lr: float = 1.0
    mode: str = "min"
    key: str = "scheduler"
    warmup_steps: int = 0

    def steps(self, value: Any, key: str) -> int:
        """Convert a length among a shape's arguments to optimizer steps: at least one, unless the length is 0.

        Example:
            >>> context = ScheduleContext(RunLength(total_steps=100), warmup_steps=7)
            >>> [context.steps(value, "timescale") for value in ("warmup", "5%", "0.1%", 0)]
            [7, 5, 1, 0]
        """
        if value == AS_WARMUP:
            if not self.warmup_steps:
                raise ConfigError(wrong(key, value, "there is no warmup before it; write a length, e.g. 500 or 5%"))
            return self.warmup_steps
        exact = parse(value, key).exact_steps(self.run_length, key)
        return max(round(exact), 1) if exact else 0


def phase_schedule(phase: PhaseConfig, context: ScheduleContext, length: int | None, begin: float | None) -> Schedule:
    """Build the schedule of one phase.

    Args:
        phase: ``shape`` and its arguments, ``min_lr``, ``max_lr``; a warmup ends at factor 1.
        context: the schedule that it is a part of.
        length: optimizer steps of the phase; None: endless.
        begin: the factor at which the phase before it ends, if there is one; this one goes on from there.

    Raises:
        ConfigError: for unknown shapes, and for arguments that they do not have.
    """
    key, base_lr = phase.key, context.base_lr
    shape = shape_factory(phase.options["shape"], f"{key}.shape")
    if shape is plateau and phase.is_warmup:
        raise ConfigError(wrong(f"{key}.shape", "plateau", "a plateau cannot be a warmup; choose e.g. linear"))
    accepted, label = accepted_arguments(shape), getattr(shape, "__name__", repr(shape))
    arguments = {k: v for k, v in phase.options.items() if k not in ("steps", "shape")}
    floor = _take_min_lr(arguments, shape, phase.is_warmup, base_lr, key)
    _take_max_lr(arguments, accepted, base_lr, key)
    _check_arguments(arguments, accepted, label, key)
    for name, is_list in length_arguments(shape).items():
        if name in arguments:
            value, where = arguments[name], f"{key}.{name}"
            steps = [context.steps(item, where) for item in (_items(value, where) if is_list else [value])]
            arguments[name] = steps if is_list else steps[0]
    arguments |= {k: v for k, v in {"base_lr": base_lr, "mode": context.mode}.items() if k in accepted}
    scale = 1.0
    if begin is not None and "start_factor" in accepted:
        arguments.setdefault("start_factor", begin)
    elif begin is not None and "factor" not in arguments:
        scale = begin  # the shape begins at 1 by itself
    is_ramp = phase.is_warmup and "start_factor" in accepted
    try:
        schedule = _warmup(shape, arguments, length) if is_ramp else shape(length, **arguments)
    except LengthUnknown:
        context.run_length.total(context.key)
        raise
    except ConfigError as error:
        raise ConfigError(*(f"{key}.{problem}" for problem in error.problems)) from None
    except (TypeError, ValueError, ArithmeticError) as error:
        raise ConfigError(f"{key}: the shape {label!r} refused these values: {error}") from error
    if floor == 0.0 and scale == 1.0:
        return schedule
    return lambda step: max(schedule(step) * scale, floor)


def _items(value: Any, key: str) -> Iterable[Any]:
    if isinstance(value, (str, Mapping)) or not isinstance(value, Iterable):
        raise ConfigError(wrong(key, value, "a list of durations is needed; write e.g. [30%, 60%]"))
    return value


def _check_arguments(arguments: Mapping[str, Any], accepted: Sequence[str], label: str, key: str) -> None:
    for name, value in arguments.items():
        if name not in accepted:
            rule = f"the shape {label!r} has no argument {name!r}{meaning_elsewhere(name, accepted)}"
        elif name == "base_lr":
            rule = "it is the optimizer's lr; remove it"
        elif name == "mode":
            rule = f"write scheduler.mode={value}"
        else:
            continue
        raise ConfigError(wrong(f"{key}.{name}", value, rule))


def _warmup(shape: ScheduleFactory, arguments: dict[str, Any], length: int | None) -> Schedule:
    """Build a shape as a warmup: it ends at factor 1."""
    end, start = arguments.pop("end_factor", 1.0), arguments.pop("start_factor", None)
    if end != 1.0:
        raise ConfigError(wrong("end_factor", end, "a warmup ends at factor 1; remove it"))
    try:
        return ramp(functools.partial(shape, **arguments), start)(length)
    except ConfigError as error:
        if start is None and "start_factor" in str(error):
            raise ConfigError("start_factor: this shape cannot begin at 0; write e.g. start_factor: 0.01") from None
        raise


def _take_max_lr(arguments: dict[str, Any], accepted: Sequence[str], base_lr: float, key: str) -> None:
    """Replace ``max_lr`` by the shape's ``max_factor``."""
    if "max_lr" not in arguments or "max_lr" in accepted:
        return
    max_lr = arguments.pop("max_lr")
    if "max_factor" not in accepted:
        rule = "this shape has no peak; set optimizer.lr instead"
    elif not is_number(max_lr) or max_lr <= 0:
        rule = "an absolute lr above 0"
    elif arguments.get("max_factor", 1.0) != 1.0:
        rule = f"give either max_lr or max_factor={arguments['max_factor']}, not both"
    else:
        arguments["max_factor"] = max_lr / base_lr
        return
    raise ConfigError(wrong(f"{key}.max_lr", max_lr, rule))


def _take_min_lr(arguments: dict[str, Any], shape: ScheduleFactory, is_warmup: bool, base_lr: float, key: str) -> float:
    """Replace ``min_lr`` by the shape's lower end; return it as a floor, in factors, where the shape has none."""
    if "min_lr" not in arguments:
        return 0.0
    min_lr, max_lr = arguments["min_lr"], arguments.get("max_lr")
    accepted = accepted_arguments(shape)
    top = max_lr if isinstance(max_lr, (int, float)) else base_lr
    if not is_number(min_lr) or not 0 <= min_lr <= top:
        upper = f"the optimizer's lr={base_lr:g}" if max_lr is None else f"max_lr={max_lr}"
        raise ConfigError(wrong(f"{key}.min_lr", min_lr, f"must be an absolute lr between 0 and {upper}"))
    if "min_lr" in accepted:
        return 0.0
    floor: float = arguments.pop("min_lr") / base_lr
    end = "start_factor" if is_warmup else "base_factor" if "base_factor" in accepted else "end_factor"
    endless = end == "end_factor" and arguments.get("gamma") is not None  # such a decay has no end_factor
    if end not in accepted or endless:
        return floor
    usual = inspect.signature(shape).parameters[end].default  # presets spell it out: no choice of the user
    if arguments.get(end) and arguments[end] != usual:
        rule = f"give either min_lr or {end}={arguments[end]}, not both; remove that one with ~{key}.{end}"
        raise ConfigError(wrong(f"{key}.min_lr", min_lr, rule))
    arguments[end] = floor
    return 0.0
