"""Check the keys of a scheduler spec that are not its class's: Lightning's, and the length of the run."""

from __future__ import annotations

from typing import Any

from lit_optim.duration import COUNT, is_count
from lit_optim.errors import Problems, did_you_mean

LIGHTNING_KEYS = ("monitor", "mode", "interval", "frequency", "strict", "reduce_on_plateau", "name", "total_steps")


def check_lightning_keys(lightning_keys: dict[str, Any], key: str, problems: Problems) -> None:
    """Collect what is wrong with the values of these keys.

    Example:
        >>> found = Problems()
        >>> check_lightning_keys({"interval": "steps"}, "scheduler", found); print(found[0])
        scheduler.interval='steps': must be one of step, epoch; did you mean 'step'?
    """
    for name, options in {"mode": ("min", "max"), "interval": ("step", "epoch")}.items():
        if name in lightning_keys and lightning_keys[name] not in options:
            rule = f"must be one of {', '.join(options)}{did_you_mean(str(lightning_keys[name]), options)}"
            problems.add(f"{key}.{name}", lightning_keys[name], rule)
    for name in ("monitor", "name"):
        if name in lightning_keys and not (isinstance(lightning_keys[name], str) and lightning_keys[name]):
            problems.add(f"{key}.{name}", lightning_keys[name], "must be a text")
    for name in ("strict", "reduce_on_plateau"):
        if not isinstance(lightning_keys.get(name, True), bool):
            problems.add(f"{key}.{name}", lightning_keys[name], "must be true or false")
    for name in ("total_steps", "frequency"):
        if not is_count(lightning_keys.get(name, 1)):
            problems.add(f"{key}.{name}", lightning_keys[name], COUNT)


def check_reduce_on_plateau(lightning_keys: dict[str, Any], key: str, problems: Problems, *, by_metric: bool) -> None:
    """Collect a ``reduce_on_plateau`` that contradicts its schedule.

    Args:
        lightning_keys: of the spec.
        key: dotted name of the spec.
        problems: collects what is wrong.
        by_metric: whether a metric can drive the schedule.

    Example:
        >>> found = Problems()
        >>> check_reduce_on_plateau({"reduce_on_plateau": True}, "scheduler", found, by_metric=False); print(found[0])
        scheduler.reduce_on_plateau=True: no metric drives this schedule; remove it, or choose scheduler=plateau
    """
    given = lightning_keys.get("reduce_on_plateau")
    if given is True and not by_metric:
        rule = "no metric drives this schedule; remove it, or choose scheduler=plateau"
        problems.add(f"{key}.reduce_on_plateau", given, rule)
    if given is False and by_metric:
        problems.add(f"{key}.reduce_on_plateau", given, "its metric drives this schedule; remove it")
