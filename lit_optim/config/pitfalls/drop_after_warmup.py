"""Finds a warmup before a shape that begins below its peak: the lr falls between two ramps."""

from __future__ import annotations

from lit_optim.config.checks.slots import TRIAL_RUN
from lit_optim.config.pitfalls.classes import slots_of
from lit_optim.config.pitfalls.finding import Finding
from lit_optim.config.read import presets
from lit_optim.config.read.spec import Spec
from lit_optim.errors import ConfigError
from lit_optim.schedules.plan.compose_plan import compose_plan
from lit_optim.schedules.plan.phase_configs import SLOTS, slot

CHECK = "drop_after_warmup"


def drop_after_warmup(scheduler: Spec) -> list[Finding]:
    """Find a warmup after which the lr falls, because ``main`` (noam, one_cycle, triangular) begins with another ramp.

    Args:
        scheduler: its spec.

    Example:
        >>> slots = {"warmup": {"steps": 50}, "main": {"shape": "one_cycle", "start_factor": 0.04}}
        >>> print(*drop_after_warmup(Spec("lit_optim.ScheduleLR", slots, "scheduler")))
        scheduler.main: begins at 0.04 of the lr, right after a warmup has led to all of it; \
choose scheduler=warmup_one_cycle, which goes on from there, or write scheduler.warmup.steps=0
    """
    given = slots_of(scheduler)
    if given is None:
        return []
    try:
        main = slot(given.get("main"), "main")
        plan = compose_plan({name: given.get(name) for name in SLOTS}, TRIAL_RUN, base_lr=_lr_of(main))
    except ConfigError:
        return []  # the check of its values reports it, or it does not fit a run of this length
    begin = plan.falls_after_warmup()
    if begin is None:
        return []
    problem = f"begins at {begin:.2g} of the lr, right after a warmup has led to all of it"
    name, remedy = f"warmup_{main['shape']}", f"write {scheduler.key}.warmup.steps=0"
    if name in presets.preset_names("scheduler"):
        remedy = f"choose scheduler={name}, which goes on from there, or {remedy}"
    return [Finding(CHECK, "warning", f"{scheduler.key}.main", problem, remedy)]


def _lr_of(main: dict[str, object]) -> float:
    """Return an lr that is at least as high as the absolute values of the slot."""
    absolute = [main.get("min_lr"), main.get("max_lr")]
    return max([1.0, *(value for value in absolute if isinstance(value, (int, float)))])
