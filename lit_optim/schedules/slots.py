"""Three slots of a config - warmup, main, cooldown - to one schedule over a whole run.

Durations become steps (edges are rounded cumulatively, so that the lengths sum to the run), names become shapes,
absolute learning rates become factors.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, cast, get_args, get_type_hints

from lit_optim.duration import Clock, LengthUnknown, parse
from lit_optim.errors import ConfigError, did_you_mean, wrong
from lit_optim.imports import resolve
from lit_optim.schedules.base import Schedule, ScheduleFactory, Steps
from lit_optim.schedules.combine import join, ramp
from lit_optim.schedules.shapes.plateau import Plateau, plateau

SLOTS = ("warmup", "main", "cooldown")
DEFAULT_SHAPES = {"warmup": "linear", "main": "constant", "cooldown": "linear"}
FAR = 10_000  # steps; how far an endless schedule is tried
SLOT_KEYS = ("steps", "shape", "min_lr")  # beside the shape's own arguments


@dataclass(frozen=True)
class Phase:
    """One filled slot: its shape and the optimizer steps ``start <= t < stop`` (None: endless)."""

    name: str
    start: int
    stop: int | None


@dataclass(frozen=True)
class Plan:
    """What a run's schedule comes to: ``schedule`` over all steps, where its phases lie, what a metric drives."""

    schedule: Schedule
    phases: tuple[Phase, ...]
    stop: int | None  # optimizer steps of all phases together; None: endless
    plateau: Plateau | None = None

    @property
    def plateau_begins(self) -> int:
        """The first step of the plateau: metrics that arrive earlier are not its business."""
        return next((phase.start for phase in self.phases if phase.name == "main"), 0)


def slot(value: Any, name: str) -> dict[str, Any]:
    """A slot in its full form; a scalar in place of the mapping is its duration.

    Example:
        >>> slot("5%", "warmup")
        {'shape': 'linear', 'steps': '5%'}
    """
    if name == "main" and not isinstance(value, Mapping) and value is not None:
        rule = f"a length in place of the whole slot drops its shape; write main.steps={value}, or {{shape: cosine}}"
        raise ConfigError(wrong("scheduler.main", value, rule))
    given = dict(value) if isinstance(value, Mapping) else {} if value is None else {"steps": value}
    default: dict[str, Any] = {"shape": DEFAULT_SHAPES[name]}
    if name != "main":
        default["steps"] = 0
    return {**default, **given}


def compose(
    slots: Mapping[str, Any], clock: Clock, *, base_lr: float = 1.0, mode: str = "min", key: str = "scheduler"
) -> Plan:
    """Builds the schedule of a whole run.

    Args:
        slots: ``warmup``, ``main``, ``cooldown`` as in a preset (mappings, or durations).
        clock: the length of the run and of an epoch, in optimizer steps.
        base_lr: the optimizer's absolute lr, to which absolute values (``min_lr``) are related.
        mode: ``min`` or ``max``, for shapes that follow a metric.
        key: dotted name of the scheduler, for messages.

    Raises:
        ConfigError: for phases that are longer than the run, unknown shapes and arguments, values out of range.
        LengthUnknown: where the schedule needs a length that the clock does not know.

    Example:
        >>> plan = compose({"warmup": 2, "main": {"shape": "linear"}}, Clock(total_steps=6))
        >>> [plan.schedule(t) for t in range(7)]
        [0.5, 1.0, 1.0, 0.75, 0.5, 0.25, 0.0]
    """
    full = {name: slot(slots.get(name), name) for name in SLOTS}
    warmup_steps, main_end, stop = _edges(full, clock, key)
    lengths = {
        "warmup": warmup_steps,
        "main": None if main_end is None else main_end - warmup_steps,
        "cooldown": 0 if main_end is None or stop is None else stop - main_end,
    }
    build = functools.partial(_factory, clock=clock, base_lr=base_lr, mode=mode, scheduler_key=key)
    main = build(full["main"], "main")(lengths["main"])
    parts: list[tuple[Phase, ScheduleFactory]] = []
    if warmup_steps:
        parts.append((Phase("warmup", 0, warmup_steps), build(full["warmup"], "warmup")))
    if lengths["main"] != 0 or not parts:
        parts.append((Phase("main", warmup_steps, main_end), lambda n: main))
    if lengths["cooldown"]:
        assert main_end is not None
        begin = main(main_end - warmup_steps)
        parts.append((Phase("cooldown", main_end, stop), build(full["cooldown"], "cooldown", begin=begin)))
    schedule = join(phases=[factory for _, factory in parts], lengths=[lengths[phase.name] for phase, _ in parts])
    _check_finite(schedule, stop if stop is not None else warmup_steps + FAR, key)
    return Plan(schedule, tuple(phase for phase, _ in parts), stop, main if isinstance(main, Plateau) else None)


def _check_finite(schedule: Schedule, end: int, key: str) -> None:
    """Refuses what grows beyond all bounds before the end of the run."""
    try:
        value = schedule(end)
    except OverflowError:
        value = math.inf
    except Exception:  # a shape of the user's own that ends with the run; it will tell by itself if it is used there
        return
    if not math.isfinite(value):
        raise ConfigError(f"{key}.main: grows beyond all bounds within {end} optimizer steps; see its gamma")


def _edges(slots: Mapping[str, Mapping[str, Any]], clock: Clock, key: str) -> tuple[int, int | None, int | None]:
    """Ends of warmup, main and cooldown; None where the run is endless."""
    durations = {name: parse(slots[name]["steps"], f"{key}.{name}") for name in SLOTS if "steps" in slots[name]}
    exact = {name: d.exact_steps(clock, key if d.unit == "share" else f"{key}.{name}") for name, d in durations.items()}
    named = sum(exact.values(), Fraction(0))
    total = clock.total_steps
    if total is not None and named > total:
        longest = max(exact, key=lambda name: exact[name])
        rule = f"longer than the run, which has {total} optimizer steps" + (
            "" if exact[longest] > total else f" ({', '.join(exact)} together: {float(named):g})"
        )
        raise ConfigError(wrong(f"{key}.{longest}", slots[longest]["steps"], rule))
    warmup_end = round(exact["warmup"])
    if "main" in exact:  # an explicit length: the last value holds for what is left
        main_end = exact["warmup"] + exact["main"]
        return warmup_end, round(main_end), round(main_end + exact["cooldown"])
    if total is None:
        if exact["cooldown"]:
            clock.total(key)
        return warmup_end, None, None
    return warmup_end, round(total - exact["cooldown"]), total


def shape_factory(name: Any, key: str) -> ScheduleFactory:
    """The factory that a slot names: a shape of ours, a dotted path to the user's own, or a callable."""
    if callable(name):
        return cast("ScheduleFactory", name)
    schedules = importlib.import_module("lit_optim.schedules")
    names = schedules.shape_names()
    if name in names:
        return cast("ScheduleFactory", getattr(schedules, name))
    if not isinstance(name, str) or "." not in name:
        raise ConfigError(wrong(key, name, f"no shape of that name{did_you_mean(str(name), names, list_all=True)}"))
    factory = resolve(name, key)
    if not inspect.isfunction(factory) or next(iter(inspect.signature(factory).parameters), "") != "total_steps":
        raise ConfigError(wrong(key, name, "not a schedule factory: a function whose first argument is total_steps"))
    return factory


def _factory(
    options: Mapping[str, Any],
    name: str,
    *,
    clock: Clock,
    base_lr: float,
    mode: str,
    scheduler_key: str,
    begin: float = 1.0,
) -> ScheduleFactory:
    """The factory of one slot, with everything but its length filled in."""
    key = f"{scheduler_key}.{name}"
    shape = shape_factory(options["shape"], f"{key}.shape")
    if shape is plateau and name != "main":
        raise ConfigError(wrong(f"{key}.shape", options["shape"], "a plateau follows a metric in the slot main only"))
    accepted, label = accepted_arguments(shape), getattr(shape, "__name__", repr(shape))
    arguments = {k: v for k, v in options.items() if k not in ("steps", "shape")}
    floor = _absolute_floor(arguments, accepted, name, base_lr, key)
    _check_names(arguments, accepted, label, key)
    for argument, many in length_arguments(shape).items():
        if argument in arguments:
            arguments[argument] = _in_steps(arguments[argument], many, f"{key}.{argument}", clock)
    arguments |= {k: v for k, v in {"base_lr": base_lr, "mode": mode}.items() if k in accepted}
    if name == "cooldown" and "start_factor" in accepted:
        arguments.setdefault("start_factor", begin)
    if name == "warmup" and "start_factor" in accepted:
        shape, arguments = _upwards(shape, arguments, key), {}

    def built(total_steps: int | None = None) -> Schedule:
        try:
            schedule = shape(total_steps, **arguments)
        except LengthUnknown:
            clock.total(scheduler_key)
            raise
        except ConfigError as error:
            raise ConfigError(*(f"{key}.{problem}" for problem in error.problems)) from None
        except (TypeError, ValueError, ArithmeticError) as error:
            raise ConfigError(f"{key}: the shape {label!r} refused these values: {error}") from error
        return schedule if floor == 0.0 else lambda step: max(schedule(step), floor)

    return built


def _check_names(arguments: Mapping[str, Any], accepted: Sequence[str], label: str, key: str) -> None:
    for argument, value in arguments.items():
        if argument == "base_lr" and argument in accepted:
            raise ConfigError(wrong(f"{key}.{argument}", value, "it is the optimizer's lr; remove it"))
        if argument == "mode" and argument in accepted:
            raise ConfigError(wrong(f"{key}.{argument}", value, f"write scheduler.mode={value}"))
        if argument not in accepted:
            rule = f"the shape {label!r} has no argument {argument!r}{did_you_mean(argument, accepted)}"
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


@functools.cache
def accepted_arguments(shape: Callable[..., Any]) -> tuple[str, ...]:
    """The keyword arguments of a shape."""
    return tuple(inspect.signature(shape).parameters)[1:]


def _absolute_floor(arguments: dict[str, Any], accepted: Sequence[str], name: str, base_lr: float, key: str) -> float:
    """Takes ``min_lr`` out: it becomes the shape's lower end, or where it has none, a floor under it."""
    if "min_lr" not in arguments:
        return 0.0
    min_lr = arguments["min_lr"]
    if not isinstance(min_lr, (int, float)) or isinstance(min_lr, bool) or not 0 <= min_lr <= base_lr:
        raise ConfigError(
            wrong(f"{key}.min_lr", min_lr, f"an absolute lr between 0 and the optimizer's lr={base_lr:g}")
        )
    if "min_lr" in accepted:
        return 0.0
    del arguments["min_lr"]
    end = "start_factor" if name == "warmup" else "end_factor"
    if end not in accepted or arguments.get("gamma") is not None:
        return min_lr / base_lr
    if arguments.get(end):
        raise ConfigError(wrong(f"{key}.min_lr", min_lr, f"give either min_lr or {end}={arguments[end]}, not both"))
    arguments[end] = min_lr / base_lr
    return 0.0


@functools.cache
def length_arguments(shape: Callable[..., Any]) -> dict[str, bool]:
    """The arguments of a shape that are lengths, by its annotations: name -> whether it is a list of them."""
    hints = get_type_hints(shape, include_extras=True)
    lengths = {name: False for name, hint in hints.items() if hint == Steps}
    return lengths | {name: True for name, hint in hints.items() if hint != Steps and Steps in get_args(hint)}


def _in_steps(value: Any, many: bool, key: str, clock: Clock) -> Any:
    """A length (or a list of them) in optimizer steps."""
    if not many:
        return parse(value, key).steps(clock, key)
    if isinstance(value, (str, Mapping)) or not isinstance(value, Iterable):
        raise ConfigError(wrong(key, value, "a list of durations is needed; write e.g. [30%, 60%]"))
    return [parse(item, key).steps(clock, key) for item in value]
