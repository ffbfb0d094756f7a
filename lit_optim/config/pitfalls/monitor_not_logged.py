"""Finds a schedule that follows a metric which the module does not log."""

from __future__ import annotations

from lit_optim.config.build.scheduler import CheckedSchedule
from lit_optim.config.pitfalls.finding import Finding
from lit_optim.config.pitfalls.logged import Logged
from lit_optim.errors import did_you_mean

CHECK = "monitor_not_logged"


def monitor_not_logged(scheduler: CheckedSchedule, logged: Logged) -> list[Finding]:
    """Find a plateau whose metric is not among the names that the module logs.

    Args:
        scheduler: its checked spec; only one that follows a metric is looked at.
        logged: what is logged.

    Example:
        >>> from lit_optim.config.build.scheduler import check_scheduler
        >>> from lit_optim.config.read.spec import Spec
        >>> plateau = Spec("lit_optim.ScheduleLR", {"main": {"shape": "plateau"}, "monitor": "val_loss"}, "scheduler")
        >>> print(*monitor_not_logged(check_scheduler(plateau), Logged(("val/loss", "val/acc"))))
        scheduler.monitor=val_loss: the module logs no such name, only val/loss, val/acc; did you mean 'val/loss'?
    """
    monitor = scheduler.lightning_keys.get("monitor")
    if not scheduler.follows_metric or monitor is None or logged.has(monitor):
        return []
    key = f"{scheduler.spec.key}.monitor={monitor}"
    if logged.unknown:
        problem = f"cannot tell whether it is logged ({'; '.join(logged.unknown[:3])})"
        return [Finding(CHECK, "note", key, problem, "give the names with --logged to be sure")]
    names = ", ".join(logged.names[:12]) + (", ..." if len(logged.names) > 12 else "")
    problem = f"the module logs no such name, only {names}" if names else "the module logs nothing"
    hint = did_you_mean(monitor, logged.names).removeprefix("; ") or "log it with self.log, or name another one"
    return [Finding(CHECK, "error", key, problem, hint)]
