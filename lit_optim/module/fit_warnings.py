"""What the doctor finds in a configuration is told at the beginning of a fit too, with the run's own length."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lit_optim.config.pitfalls import find
from lit_optim.config.pitfalls.logged import Logged
from lit_optim.duration import RunLength
from lit_optim.errors import ConfigError
from lit_optim.lightning_api import Trainer, rank_zero_warn

FATAL = (
    "two_owners",
    "one_cycle_too_short",
)  # what no value of a schedule mends; the rest may be meant, in a short run say


def warn_at_fit_start(specs: Mapping[str, Any], trainer: Trainer, run_length: RunLength) -> None:
    """Warns of what is right by every signature and still goes wrong.

    Args:
        specs: by group.
        trainer: for its limits and its strategy.
        run_length: the length of the run, where it is known.

    Raises:
        ConfigError: where DeepSpeed has a schedule of its own, or a schedule ends before the run.
    """
    if vars(trainer).get("fast_dev_run"):
        return
    run = {
        "total_steps": run_length.total_steps,
        "steps_per_epoch": run_length.steps_per_epoch,
        "trainer": {"max_epochs": trainer.max_epochs, "max_steps": trainer.max_steps, "strategy": _strategy(trainer)},
    }
    unknown = Logged(unknown=("found out when it is fed",))
    findings = [found for found in find({**specs, **run}, unknown) if found.severity != "note"]
    fatal = [str(found) for found in findings if found.check in FATAL]
    if fatal:
        raise ConfigError(*fatal)
    for found in findings:
        rank_zero_warn(str(found))


def _strategy(trainer: Trainer) -> dict[str, Any]:
    config = getattr(trainer.strategy, "config", None)  # DeepSpeed's
    return {"_target_": type(trainer.strategy).__name__, "config": config if isinstance(config, Mapping) else {}}
