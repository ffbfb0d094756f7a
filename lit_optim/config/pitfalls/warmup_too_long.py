"""Finds a warmup that is as long as the run, and a planned change of optimizer that comes after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lit_optim.config.pitfalls.classes import as_number, slots_of
from lit_optim.config.pitfalls.finding import Finding
from lit_optim.config.read.spec import Spec, merge_presets
from lit_optim.duration import Duration, LengthUnknown, RunLength, parse
from lit_optim.errors import ConfigError
from lit_optim.schedules.plan.phase_configs import slot

CHECK = "warmup_too_long"
LATE = "switch_after_the_end"


def warmup_too_long(scheduler: Spec, run: RunLength) -> list[Finding]:
    """Find a warmup that leaves no step for ``main``, where the length of the run is known.

    Args:
        scheduler: its spec.
        run: how long the run is; ``total_steps`` in the spec goes before it.

    Example:
        >>> spec = Spec("lit_optim.ScheduleLR", {"warmup": {"steps": 2000}}, "scheduler")
        >>> print(*warmup_too_long(spec, RunLength(total_steps=1000)))
        scheduler.warmup.steps=2000: a warmup of 2000 optimizer steps fills the whole run of 1000; \
write a share of the run, e.g. scheduler.warmup.steps=5%
    """
    given = slots_of(scheduler)
    if given is None:
        return []
    total = as_number(scheduler.arguments.get("total_steps"))
    run = replace(run, total_steps=int(total)) if total else run
    try:
        value = slot(given.get("warmup"), "warmup")["steps"]
        length = parse(value)
    except ConfigError:
        return []  # the check of its values reports it
    lengths = _lengths(length, run)
    if lengths is None or lengths[0] < lengths[1]:
        return []
    warmup, whole, unit = lengths
    problem = f"a warmup of {warmup:g} {unit} fills the whole run of {whole:g}"
    remedy = f"write a share of the run, e.g. {scheduler.key}.warmup.steps=5%"
    return [Finding(CHECK, "error", f"{scheduler.key}.warmup.steps={value}", problem, remedy)]


def switch_after_the_end(callbacks: Any, run: RunLength, key: str = "optim_callbacks") -> list[Finding]:
    """Find callbacks whose ``at`` is no earlier than the end of the run, where its length is known.

    Args:
        callbacks: the spec of ``optim_callbacks``.
        run: how long the run is.
        key: dotted name of the spec.

    Example:
        >>> print(*switch_after_the_end({"switch": {"at": 2000}}, RunLength(total_steps=1000)))
        optim_callbacks.switch.at=2000: a change after 2000 optimizer steps never comes in a run of 1000; \
write a share of it, e.g. optim_callbacks.switch.at=60%
    """
    findings = []
    for name, entry in merge_presets(callbacks, "optim_callbacks").items():
        at = entry.get("at") if isinstance(entry, Mapping) else None
        try:
            lengths = None if at is None or at == "never" else _lengths(parse(at), run)
        except ConfigError:
            continue  # the check of its values reports it
        if lengths is not None and lengths[0] >= lengths[1]:
            problem = f"a change after {lengths[0]:g} {lengths[2]} never comes in a run of {lengths[1]:g}"
            remedy = f"write a share of it, e.g. {key}.{name}.at=60%"
            findings.append(Finding(LATE, "error", f"{key}.{name}.at={at}", problem, remedy))
    return findings


def _lengths(length: Duration, run: RunLength) -> tuple[float, float, str] | None:
    """Return the lengths of the warmup and of the run in one unit, where both are known."""
    if length.amount == 0:
        return None
    if length.unit == "share":
        return float(length.amount * 100), 100.0, "percent"
    try:
        steps = float(length.exact_steps(run))
        if run.total_steps is not None:
            return steps, run.total_steps, "optimizer steps"
    except LengthUnknown:
        pass
    if length.unit == "ep" and run.epochs is not None:
        return float(length.amount), run.epochs, "epochs"
    return None
