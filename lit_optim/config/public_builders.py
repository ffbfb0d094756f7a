"""Build optimizers, schedulers and callbacks without our Lightning module."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lit_optim.config.build.callbacks import callbacks_from_spec
from lit_optim.config.build.lr_scaling import scale_lr
from lit_optim.config.build.rule_schedules import check_with_rules, remembered_rules
from lit_optim.config.build.scheduler import build_checked_schedule
from lit_optim.config.read.named_specs import specs_by_name
from lit_optim.config.read.spec import read_spec
from lit_optim.config.resolve import resolve_specs
from lit_optim.duration import RunLength
from lit_optim.errors import ConfigError

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

    from lit_optim.lightning_api import Callback


def build_optimizer(spec: Any, params_or_module: Any, *, param_groups: Any = None, **overrides: Any) -> Optimizer:
    """Build an optimizer, in the fastest implementation that is right for its parameters.

    Args:
        spec: a preset's name, a mapping with ``_target_``, a Hydra partial, or a class; its ``lr_scaling`` needs a
            ``batch_size``, the samples of an optimizer step.
        params_or_module: a module (only what requires grad is taken), an iterable of parameters, or param groups.
        param_groups: a preset's name (``no_decay``), or rules; needs a module.
        overrides: beat the spec's keys.

    Raises:
        ConfigError: with everything that is wrong.

    Example:
        >>> import torch
        >>> optimizer = build_optimizer("adamw", torch.nn.Linear(2, 2), param_groups="no_decay", lr=3e-4)
        >>> [(group["lr"], group["weight_decay"]) for group in optimizer.param_groups]
        [(0.0003, 0.01), (0.0003, 0.0)]
    """
    if named := specs_by_name(spec):
        first = next(iter(named))
        example = f"build_optimizer(optimizer[{first!r}], module.{first})"
        raise ConfigError(f"optimizer: it holds several ({', '.join(named)}); build each by itself: {example}")
    resolved = resolve_specs({"optimizer": spec, "param_groups": param_groups}, overrides=overrides)
    optimizer = resolved.build_optimizer(params_or_module)
    if (scaling := resolved.lr_scaling) is not None:
        scale_lr(scaling, optimizer, None)
    return optimizer


def build_scheduler(
    spec: Any,
    optimizer: Optimizer,
    *,
    total_steps: int | None = None,
    steps_per_epoch: int | None = None,
    **overrides: Any,
) -> LRScheduler:
    """Build a scheduler; call its ``step()`` after every optimizer step, a plateau's ``step_metric(value)`` too.

    Args:
        spec: a preset's name, a mapping, a Hydra partial, or a class.
        optimizer: whose groups it drives.
        total_steps: optimizer steps of the run; needed by schedules with an end.
        steps_per_epoch: optimizer steps of an epoch; needed for durations like ``2ep``.
        overrides: beat the spec's keys; ``warmup=100`` is a duration, ``main={...}`` is merged.

    Raises:
        ConfigError: with everything that is wrong.

    Example:
        >>> import torch
        >>> optimizer = build_optimizer("sgd", torch.nn.Linear(2, 2), lr=1.0)
        >>> scheduler = build_scheduler("warmup_cosine", optimizer, total_steps=100, warmup=4)
        >>> optimizer.param_groups[0]["lr"], scheduler.factor(3), scheduler.factor(52)
        (0.25, 1.0, 0.5)
    """
    given = read_spec(spec, "scheduler", overrides=overrides)
    checked = check_with_rules(given, remembered_rules(optimizer), False)
    if total_steps is not None:
        checked.lightning_keys.pop("total_steps", None)
    return build_checked_schedule(checked, optimizer, RunLength(total_steps, steps_per_epoch))


def build_callbacks(spec: Any) -> list[Callback]:
    """Build Lightning callbacks.

    Args:
        spec: a preset's name, a list of names or callbacks, a mapping name -> spec, or None.

    Raises:
        ConfigError: with everything that is wrong.

    Example:
        >>> build_callbacks(None)
        []
    """
    return callbacks_from_spec(spec)
