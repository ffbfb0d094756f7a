"""A warmup that never ends."""

from __future__ import annotations

from dataclasses import replace

from torch.optim.lr_scheduler import LRScheduler

from lit_optim.config.checks.slots import without_aliases
from lit_optim.config.pitfalls.classes import called, number
from lit_optim.config.pitfalls.finding import Finding
from lit_optim.config.read.spec import Spec
from lit_optim.duration import Duration, LengthUnknown, RunLength, parse
from lit_optim.errors import ConfigError
from lit_optim.scheduler.schedule_lr import ScheduleLR
from lit_optim.schedules.plan.slots import slot


def warmup_too_long(scheduler: Spec, run: RunLength) -> list[Finding]:
    """A warmup that leaves nothing of the run, where its length is known.

    Args:
        scheduler: its spec.
        run: how long the run is; ``total_steps`` in the spec goes before it.

    Example:
        >>> spec = Spec("lit_optim.ScheduleLR", {"warmup": {"steps": 2000}}, "scheduler")
        >>> print(*warmup_too_long(spec, RunLength(total_steps=1000)))
        scheduler.warmup.steps=2000: a warmup of 2000 optimizer steps fills the whole run of 1000; \
write a share of the run, e.g. scheduler.warmup.steps=5%
    """
    found = called(scheduler, LRScheduler)
    if found is None or found[0] is not ScheduleLR:
        return []
    total = number(scheduler.arguments.get("total_steps"))
    run = replace(run, total_steps=int(total)) if total else run
    try:
        value = slot(without_aliases(scheduler.arguments).get("warmup"), "warmup")["steps"]
        length = parse(value)
    except ConfigError:
        return []  # told by the check of its values
    lengths = _lengths(length, run)
    if lengths is None or lengths[0] < lengths[1]:
        return []
    warmup, whole, unit = lengths
    problem = f"a warmup of {warmup:g} {unit} fills the whole run of {whole:g}"
    remedy = f"write a share of the run, e.g. {scheduler.key}.warmup.steps=5%"
    return [Finding("warmup_too_long", "error", f"{scheduler.key}.warmup.steps={value}", problem, remedy)]


def _lengths(length: Duration, run: RunLength) -> tuple[float, float, str] | None:
    """The warmup and the run in one unit, where both are known."""
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
