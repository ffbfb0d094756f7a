"""Name the schedule that drives the lr of a param group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lit_optim.config.build.scheduler import CheckedSchedule
from lit_optim.config.checks.schedule_arguments import schedule_config
from lit_optim.config.checks.slots import has_length
from lit_optim.scheduler.driven_value import LR, parts_of_name
from lit_optim.schedules.plan.phase_configs import SLOTS, phase_configs


def schedule_label(checked: CheckedSchedule, group: Mapping[str, Any]) -> str:
    """Return the phases with a length of the schedule of a param group, or the class of a scheduler that is not ours.

    Example:
        >>> from lit_optim.config.build.scheduler import check_scheduler
        >>> from lit_optim.config.read.spec import read_spec
        >>> spec = read_spec("warmup_cosine", "scheduler", overrides={"groups": {"head": "constant"}})
        >>> checked = check_scheduler(spec)
        >>> schedule_label(checked, {"name": "default"}), schedule_label(checked, {"name": "head/no_decay"})
        ('warmup + cosine', 'constant')
    """
    if not checked.own:
        return checked.spec.path.rpartition(".")[2]
    names = parts_of_name(group)
    plans = [plan for plan in schedule_config(checked.arguments).plans() if plan.key == LR]
    config = [plan.config for plan in plans if plan.group is None or plan.group in names][-1]
    words = []
    for phase in phase_configs(config, checked.spec.key):
        if phase.name == "main":
            words.append(str(phase.options["shape"]))
        elif phase.name not in SLOTS or has_length(phase.steps):
            words.append(phase.name)
    return " + ".join(words)
