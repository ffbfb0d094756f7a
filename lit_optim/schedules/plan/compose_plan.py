"""Compose a scheduler's configuration to one schedule over a whole run.

Durations become steps (edges are rounded cumulatively, so that the lengths sum to the run), names become shapes,
absolute learning rates become factors.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from lit_optim.duration import RunLength, RunTooShort, parse
from lit_optim.errors import ConfigError, did_you_mean, wrong
from lit_optim.schedules.base import Schedule, ScheduleFactory
from lit_optim.schedules.combine import join
from lit_optim.schedules.noise import noise
from lit_optim.schedules.plan.epochs import by_epochs, counts_epochs
from lit_optim.schedules.plan.phase_configs import PhaseConfig, phase_configs
from lit_optim.schedules.plan.phase_schedule import ScheduleContext, phase_schedule
from lit_optim.schedules.plan.plan import Phase, Plan
from lit_optim.schedules.shapes.plateau import Plateau

FAR = 10_000  # steps; how far an endless schedule is tried


def compose_plan(
    config: Mapping[str, Any], run_length: RunLength, *, base_lr: float = 1.0, mode: str = "min", key: str = "scheduler"
) -> Plan:
    """Build the schedule of a whole run.

    Args:
        config: ``warmup``, ``main``, ``cooldown`` as in a preset (mappings, or durations), or ``phases`` and ``order``;
            ``noise``.
        run_length: the length of the run and of an epoch, in optimizer steps.
        base_lr: the optimizer's absolute lr, to which absolute values (``min_lr``) are related.
        mode: ``min`` or ``max``, for shapes that follow a metric.
        key: dotted name of the scheduler, for messages.

    Raises:
        ConfigError: for phases that are longer than the run, unknown shapes and arguments, values out of range.
        LengthUnknown: where the schedule needs a length that is not known.

    Example:
        >>> plan = compose_plan({"warmup": 2, "main": {"shape": "linear"}}, RunLength(total_steps=6))
        >>> [plan.schedule(t) for t in range(7)]
        [0.5, 1.0, 1.0, 0.75, 0.5, 0.25, 0.0]
    """
    configs = phase_configs(config, key)
    edges = _edges(configs, run_length, key)
    if edges[-1] == 0:
        longest = next((phase for phase in configs if phase.name == "main"), configs[-1])
        raise ConfigError(f"{key}: none of its phases has any steps; leave {longest.key}.steps out, or write a length")
    built: list[tuple[Phase, Schedule]] = []
    shapes: list[str] = []
    before: tuple[Schedule, int] | None = None  # the phase before, and its length
    warm = 0  # steps of the warmup that is behind
    for phase, start, stop in zip(configs, edges, edges[1:], strict=False):
        if start is None:
            break  # after an endless phase
        length = None if stop is None else stop - start
        begin = before[0](before[1]) if before is not None and length != 0 else None
        context = ScheduleContext(run_length, base_lr, mode, key, warm)
        if run_length.knots and start < run_length.knots[-1][0] and counts_epochs(phase):
            schedule = by_epochs(phase, context, start, stop, begin)
        else:
            schedule = phase_schedule(phase, context, length, begin)
        if length != 0 or (phase is configs[-1] and not built):
            built.append((Phase(phase.name, start, stop), schedule))
            shapes.append(phase.shape_name)
        if length:  # a phase of no steps is skipped
            before = ((lambda _: 1.0) if phase.is_warmup else schedule, length)
            warm = length if phase.is_warmup else warm
        elif length == 0 and phase.is_warmup and (phase.steps is None or parse(phase.steps, phase.key).amount):
            warm = 1  # a share of a very short run, or a rest of which nothing is left
    phases, schedules = zip(*built, strict=True)
    lengths = [None if phase.stop is None else phase.stop - phase.start for phase in phases]
    whole = join(phases=[_factory_of(schedule) for schedule in schedules], lengths=lengths)
    if config.get("noise"):
        whole = _with_noise(whole, config["noise"], f"{key}.noise", run_length)
    end = edges[-1]
    _check_finite(whole, end if end is not None else phases[-1].start + FAR, configs, key)
    plateaus = tuple((phase, made) for phase, made in built if isinstance(made, Plateau))
    return Plan(whole, phases, end, plateaus, tuple(shapes))


def _factory_of(schedule: Schedule) -> ScheduleFactory:
    return lambda total_steps=None: schedule


def _with_noise(schedule: Schedule, options: Any, key: str, run_length: RunLength) -> Schedule:
    if not isinstance(options, Mapping):
        raise ConfigError(wrong(key, options, "expects a mapping, e.g. {std: 0.1, limit: 0.3, seed: 42}"))
    arguments = dict(options)
    if "every" in arguments:
        arguments["every"] = parse(arguments["every"], f"{key}.every").steps(run_length, f"{key}.every")
    accepted = inspect.signature(noise).parameters
    for name, value in arguments.items():
        if name not in accepted:
            rule = f"no such key{did_you_mean(name, accepted, list_all=True)}"
            raise ConfigError(wrong(f"{key}.{name}", value, rule))
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ConfigError(wrong(f"{key}.{name}", value, "expects a number"))
    try:
        factor = noise(**arguments)
    except ConfigError as error:
        raise ConfigError(*(f"{key}.{problem}" for problem in error.problems)) from None
    return lambda step: schedule(step) * factor(step)


def _check_finite(schedule: Schedule, end: int, configs: Sequence[PhaseConfig], key: str) -> None:
    """Raise ConfigError for a schedule that grows beyond all bounds before the end of the run."""
    try:
        value = schedule(end)
    except OverflowError:
        value = math.inf
    except Exception:  # a user's shape may end with the run; if that step is used, it raises the error itself
        return
    if not math.isfinite(value):
        where = next((phase.key for phase in configs if phase.key == f"{key}.main"), configs[-1].key)
        raise ConfigError(f"{where}: grows beyond all bounds within {end} optimizer steps; see its gamma")


def _edges(configs: Sequence[PhaseConfig], run_length: RunLength, key: str) -> list[int | None]:
    """Compute where the phases begin, and where the last one ends; None from the end of an endless phase on."""
    exact: list[Fraction | None] = [None] * len(configs)
    for i, phase in enumerate(configs):
        if phase.steps is not None:
            duration = parse(phase.steps, phase.steps_key)
            where = key if duration.unit == "share" else phase.steps_key
            if run_length.knots and duration.unit == "ep" and None not in exact[:i]:
                begin = sum(filter(None, exact[:i]), Fraction(0))
                exact[i] = run_length.step_at(run_length.epochs_at(begin, where) + duration.amount, where) - begin
            else:
                exact[i] = duration.exact_steps(run_length, where)
    _check_total(configs, exact, run_length.total_steps)
    rest = exact.index(None) if None in exact else len(exact)
    edges = _cumulated(Fraction(0), exact[:rest])
    if rest < len(exact):
        after = exact[rest + 1 :]
        total = run_length.total(key) if any(after) else run_length.total_steps
        edges += _cumulated(None if total is None else total - sum(filter(None, after), Fraction(0)), after)
    return [None if edge is None else round(edge) for edge in edges]


def _cumulated(begin: Fraction | None, lengths: Sequence[Fraction | None]) -> list[Fraction | None]:
    edges = [begin]
    for length in lengths:
        edges.append(None if edges[-1] is None or length is None else edges[-1] + length)
    return edges


def _check_total(configs: Sequence[PhaseConfig], exact: Sequence[Fraction | None], total: int | None) -> None:
    known = [(length, phase) for phase, length in zip(configs, exact, strict=True) if length is not None]
    named = sum((length for length, _ in known), Fraction(0))
    if total is None or named <= total:
        return
    most, longest = max(known, key=lambda item: item[0])
    names = ", ".join(phase.name for _, phase in known)
    rule = f"longer than the run, which has {total} optimizer steps"
    rule += "" if most > total else f" ({names} together: {float(named):g})"
    if most > total and longest.name != "warmup":  # a share of a longer run would be longer too
        rule += f"; scheduler.total_steps={math.ceil(named)} plans past its end"
    else:
        rule += "; write a share of the run, e.g. 5%"
    error = RunTooShort(wrong(longest.steps_key, longest.steps, rule))
    error.steps = math.ceil(named)
    raise error
