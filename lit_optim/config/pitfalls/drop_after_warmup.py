"""A warmup in front of a shape that begins below its top: two ramps, and a fall between them."""

from __future__ import annotations

from torch.optim.lr_scheduler import LRScheduler

from lit_optim.config.checks.slots import TRIAL_RUN, without_aliases
from lit_optim.config.pitfalls.classes import called
from lit_optim.config.pitfalls.finding import Finding
from lit_optim.config.read import presets
from lit_optim.config.read.spec import Spec
from lit_optim.errors import ConfigError
from lit_optim.scheduler.schedule_lr import ScheduleLR
from lit_optim.schedules.plan.compose_plan import compose_plan
from lit_optim.schedules.plan.slots import SLOTS, slot

CHECK = "drop_after_warmup"


def drop_after_warmup(scheduler: Spec) -> list[Finding]:
    """A warmup whose lr falls where ``main`` begins: noam, one_cycle and triangular have a ramp of their own.

    Args:
        scheduler: its spec.

    Example:
        >>> slots = {"warmup": {"steps": 50}, "main": {"shape": "one_cycle", "start_factor": 0.04}}
        >>> print(*drop_after_warmup(Spec("lit_optim.ScheduleLR", slots, "scheduler")))
        scheduler.main: begins at 0.04 of the lr, right after a warmup has led to all of it; \
choose scheduler=warmup_one_cycle, which goes on from there, or write scheduler.warmup.steps=0
    """
    found = called(scheduler, LRScheduler)
    if found is None or found[0] is not ScheduleLR:
        return []
    try:
        given = without_aliases(scheduler.arguments)
        main = slot(given.get("main"), "main")
        plan = compose_plan({name: given.get(name) for name in SLOTS}, TRIAL_RUN, base_lr=_lr_of(main))
    except ConfigError:
        return []  # told by the check of its values, or not to be told on a run of this length
    begin = plan.falls_after_warmup()
    if begin is None:
        return []
    problem = f"begins at {begin:.2g} of the lr, right after a warmup has led to all of it"
    name, remedy = f"warmup_{main['shape']}", f"write {scheduler.key}.warmup.steps=0"
    if name in presets.preset_names("scheduler"):
        remedy = f"choose scheduler={name}, which goes on from there, or {remedy}"
    return [Finding(CHECK, "warning", f"{scheduler.key}.main", problem, remedy)]


def _lr_of(main: dict[str, object]) -> float:
    """An lr that absolute values of the slot are below."""
    absolute = [main.get("min_lr"), main.get("max_lr")]
    return max([1.0, *(value for value in absolute if isinstance(value, (int, float)))])
