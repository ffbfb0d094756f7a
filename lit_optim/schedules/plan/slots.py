"""A scheduler's configuration to one schedule over a whole run.

Three slots - warmup, main, cooldown - or a chain of named phases. Durations become steps (edges are rounded
cumulatively, so that the lengths sum to the run), names become shapes, absolute learning rates become factors.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from lit_optim.duration import Clock, parse
from lit_optim.errors import ConfigError, did_you_mean, wrong
from lit_optim.schedules.base import Schedule, ScheduleFactory
from lit_optim.schedules.combine import join
from lit_optim.schedules.noise import noise
from lit_optim.schedules.plan.phase_factory import Surroundings, phase_factory
from lit_optim.schedules.plan.phases import phases_in_order
from lit_optim.schedules.plan.plan import Phase, Plan
from lit_optim.schedules.shapes.plateau import Plateau

SLOTS = ("warmup", "main", "cooldown")
DEFAULT_SHAPES = {"warmup": "linear", "main": "constant", "cooldown": "linear"}
FAR = 10_000  # steps; how far an endless schedule is tried
SLOT_KEYS = ("steps", "shape", "min_lr", "max_lr")  # beside the shape's own arguments


@dataclass(frozen=True)
class PhaseConfig:
    """One phase as it is configured; ``steps`` None: it takes what the others leave."""

    name: str
    key: str
    options: Mapping[str, Any]
    steps: Any

    @property
    def rises(self) -> bool:
        """Whether it is a warmup."""
        return self.name == "warmup"

    @property
    def steps_key(self) -> str:
        """Dotted name of its duration; a number in place of a warmup or a cooldown is one."""
        return self.key if "phases" not in self.key.split(".") and self.name != "main" else f"{self.key}.steps"


def slot(value: Any, name: str) -> dict[str, Any]:
    """A slot in its full form; a scalar in place of the mapping is its duration.

    Example:
        >>> slot("5%", "warmup")
        {'shape': 'linear', 'steps': '5%'}
    """
    if name == "main" and not isinstance(value, Mapping) and value is not None:
        if value in importlib.import_module("lit_optim.schedules").shape_names():
            raise ConfigError(wrong("scheduler.main", value, f"expects a mapping; write main.shape={value}"))
        rule = f"a length in place of the whole slot drops its shape; write main.steps={value}, or {{shape: cosine}}"
        raise ConfigError(wrong("scheduler.main", value, rule))
    given = dict(value) if isinstance(value, Mapping) else {} if value is None else {"steps": value}
    default: dict[str, Any] = {"shape": DEFAULT_SHAPES[name]}
    if name != "main":
        default["steps"] = 0
    return {**default, **given}


def parts_of(slots: Mapping[str, Any], key: str) -> list[PhaseConfig]:
    """The phases of a configuration, in their order.

    Args:
        slots: ``warmup``, ``main``, ``cooldown``, or ``phases`` and ``order``.
        key: dotted name of the scheduler.

    Raises:
        ConfigError: for phases and an order that do not go together.

    Example:
        >>> [part.name for part in parts_of({"warmup": 5, "main": {"shape": "cosine"}}, "scheduler")]
        ['warmup', 'main', 'cooldown']
    """
    if slots.get("phases"):
        named = phases_in_order(slots, SLOTS, key)
        return [
            PhaseConfig(name, f"{key}.phases.{name}", options, options.get("steps")) for name, options in named.items()
        ]
    if slots.get("order"):
        raise ConfigError(wrong(f"{key}.order", slots["order"], "there are no phases to be put in order"))
    full = {name: slot(slots.get(name), name) for name in SLOTS}
    return [PhaseConfig(name, f"{key}.{name}", options, options.get("steps")) for name, options in full.items()]


def compose(
    slots: Mapping[str, Any], clock: Clock, *, base_lr: float = 1.0, mode: str = "min", key: str = "scheduler"
) -> Plan:
    """Builds the schedule of a whole run.

    Args:
        slots: ``warmup``, ``main``, ``cooldown`` as in a preset (mappings, or durations), or ``phases`` and ``order``.
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
    parts = parts_of(slots, key)
    edges = _edges(parts, clock, key)
    if edges[-1] == 0:
        longest = next((part for part in parts if part.name == "main"), parts[-1])
        raise ConfigError(f"{key}: none of its phases has any steps; leave {longest.key}.steps out, or write a length")
    built: list[tuple[Phase, Schedule]] = []
    before: Callable[[], float] | None = None  # where the phase before this one ends
    warm = 0  # steps of the warmup that is behind
    for part, start, stop in zip(parts, edges, edges[1:], strict=False):
        if start is None:
            break  # after an endless phase
        length = None if stop is None else stop - start
        begin = before() if before is not None and length != 0 else None
        around = Surroundings(clock, base_lr, mode, key, warm)
        schedule = phase_factory(part.options, part.key, around, begin=begin, rises=part.rises)(length)
        if length != 0 or (part is parts[-1] and not built):
            built.append((Phase(part.name, start, stop), schedule))
        if length:  # one of no steps is as good as not there
            before = functools.partial(_end, 1.0 if part.rises else schedule, length)
            warm = length if part.rises else warm
        elif length == 0 and part.rises and parse(part.steps, part.key).amount:
            warm = 1  # a share of a very short run
    whole = join(
        phases=[_already(schedule) for _, schedule in built],
        lengths=[None if phase.stop is None else phase.stop - phase.start for phase, _ in built],
    )
    if slots.get("noise"):
        whole = _noisy(whole, slots["noise"], f"{key}.noise", clock)
    stop = edges[-1]
    _check_finite(whole, stop if stop is not None else built[-1][0].start + FAR, parts, key)
    plateaus = tuple((phase, schedule) for phase, schedule in built if isinstance(schedule, Plateau))
    return Plan(whole, tuple(phase for phase, _ in built), stop, plateaus)


def _end(schedule: Schedule | float, length: int) -> float:
    return schedule if isinstance(schedule, float) else schedule(length)


def _noisy(schedule: Schedule, options: Any, key: str, clock: Clock) -> Schedule:
    """The schedule times a noise."""
    if not isinstance(options, Mapping):
        raise ConfigError(wrong(key, options, "expects a mapping, e.g. {std: 0.1, limit: 0.3, seed: 42}"))
    arguments = dict(options)
    if "every" in arguments:
        arguments["every"] = parse(arguments["every"], f"{key}.every").steps(clock, f"{key}.every")
    accepted = inspect.signature(noise).parameters
    for name, value in arguments.items():
        if name not in accepted:
            raise ConfigError(
                wrong(f"{key}.{name}", value, f"no such key{did_you_mean(name, accepted, list_all=True)}")
            )
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ConfigError(wrong(f"{key}.{name}", value, "expects a number"))
    try:
        shaky = noise(**arguments)
    except ConfigError as error:
        raise ConfigError(*(f"{key}.{problem}" for problem in error.problems)) from None
    return lambda step: schedule(step) * shaky(step)


def _already(schedule: Schedule) -> ScheduleFactory:
    return lambda total_steps=None: schedule


def _check_finite(schedule: Schedule, end: int, parts: Sequence[PhaseConfig], key: str) -> None:
    """Refuses what grows beyond all bounds before the end of the run."""
    try:
        value = schedule(end)
    except OverflowError:
        value = math.inf
    except Exception:  # a shape of the user's own that ends with the run; it will tell by itself if it is used there
        return
    if not math.isfinite(value):
        where = parts[-1].key if len(parts) != len(SLOTS) or "phases" in parts[-1].key else f"{key}.main"
        raise ConfigError(f"{where}: grows beyond all bounds within {end} optimizer steps; see its gamma")


def _edges(parts: Sequence[PhaseConfig], clock: Clock, key: str) -> list[int | None]:
    """Where the phases begin, and where the last one ends; None from the end of an endless phase on."""
    exact: list[Fraction | None] = [None] * len(parts)
    for i, part in enumerate(parts):
        if part.steps is not None:
            duration = parse(part.steps, part.steps_key)
            exact[i] = duration.exact_steps(clock, key if duration.unit == "share" else part.steps_key)
    _check_total(parts, exact, clock, key)
    rest = next((i for i, length in enumerate(exact) if length is None), len(parts))
    edges: list[Fraction | None] = [Fraction(0)]
    for length in exact[:rest]:
        edges.append(_sum(edges[-1], length))
    if rest < len(parts):
        after = exact[rest + 1 :]
        total = clock.total_steps
        if total is None and any(after):
            total = clock.total(key)
        edges.append(None if total is None else total - sum(filter(None, after), Fraction(0)))
        for length in after:
            edges.append(_sum(edges[-1], length))
    return [None if edge is None else round(edge) for edge in edges]


def _sum(edge: Fraction | None, length: Fraction | None) -> Fraction | None:
    return None if edge is None or length is None else edge + length


def _check_total(parts: Sequence[PhaseConfig], exact: Sequence[Fraction | None], clock: Clock, key: str) -> None:
    total, named = clock.total_steps, sum(filter(None, exact), Fraction(0))
    if total is None or named <= total:
        return
    longest = max((i for i, length in enumerate(exact) if length is not None), key=lambda i: exact[i] or 0)
    names = ", ".join(part.name for part, length in zip(parts, exact, strict=True) if length is not None)
    alone = (exact[longest] or 0) > total
    rule = f"longer than the run, which has {total} optimizer steps"
    rule += "" if alone else f" ({names} together: {float(named):g})"
    raise ConfigError(wrong(parts[longest].steps_key, parts[longest].steps, rule))
