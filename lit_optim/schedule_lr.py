"""The only LRScheduler: reads the groups live, writes ``group["lr"]``, remembers nothing but counters."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lit_optim.duration import Clock
from lit_optim.errors import ConfigError, did_you_mean, wrong
from lit_optim.schedules.shapes.plateau import PlateauState
from lit_optim.schedules.slots import Phase, Plan, compose


class ScheduleLR(LRScheduler):
    """Warmup, main schedule and cooldown of every param group, one factor per optimizer step.

    Before the optimizer step with 0-based index t each group holds ``lr = initial_lr * schedule(t) * scale``, where
    ``scale`` is 1 unless ``main`` is a plateau. Past the end the last value holds. Whoever else writes ``group["lr"]``
    wins: the schedule goes on from that value (``initial_lr = lr / factor``). A group with ``scheduled: False`` is left
    alone, one that is added later is scheduled from its first step.

    Args:
        optimizer: whose groups are scheduled.
        warmup: slot - a mapping with ``steps``, ``shape``, ``start_factor``, or just its duration.
        main: slot - a mapping with ``shape``, ``end_factor``, ``min_lr`` (absolute), and the shape's own arguments.
        cooldown: slot - as ``main``; begins where ``main`` ends.
        total_steps: length of the run in optimizer steps, warmup included; None where the schedule does not need it.
        steps_per_epoch: optimizer steps an epoch; needed for durations in epochs only.
        monitor: the metric that drives a plateau, for whoever feeds `step_metric`.
        mode: ``min`` or ``max``: when that metric is better.
        interval: ``step``, or ``epoch`` to hold each value for a whole epoch.

    Raises:
        ConfigError: for anything that cannot be a schedule of this run.

    Example:
        >>> import torch
        >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
        >>> scheduler = ScheduleLR(optimizer, warmup=2, main={"shape": "linear"}, total_steps=6)
        >>> for _ in range(6):
        ...     print(round(optimizer.param_groups[0]["lr"], 3), end=" ")
        ...     optimizer.step(); scheduler.step()
        0.05 0.1 0.1 0.075 0.05 0.025
    """

    def __init__(
        self,
        optimizer: Optimizer,
        warmup: Any = None,
        main: Any = None,
        cooldown: Any = None,
        *,
        total_steps: int | None = None,
        steps_per_epoch: int | None = None,
        monitor: str | None = None,
        mode: Literal["min", "max"] = "min",
        interval: Literal["step", "epoch"] = "step",
    ) -> None:
        # LRScheduler.__init__ is not called: it wraps optimizer.step and steps once, and all it would set is set here
        if not isinstance(optimizer, Optimizer):
            raise ConfigError(f"optimizer: expected a torch.optim.Optimizer, got {type(optimizer).__name__}")
        for name, choice, allowed in (("mode", mode, ("min", "max")), ("interval", interval, ("step", "epoch"))):
            if choice not in allowed:
                rule = f"must be one of {', '.join(allowed)}{did_you_mean(str(choice), allowed)}"
                raise ConfigError(wrong(f"scheduler.{name}", choice, rule))
        total_steps = _count(total_steps, "total_steps")
        steps_per_epoch = _count(steps_per_epoch, "steps_per_epoch")
        self.optimizer = optimizer
        self.monitor = monitor
        self.last_epoch = 0  # torch's name of the step counter
        self.plateau = PlateauState()
        clock = Clock(total_steps, steps_per_epoch)
        slots = {"warmup": warmup, "main": main, "cooldown": cooldown}
        self._tensors = False
        self._loaded: float | None = None
        self._compose = partial(compose, slots, clock, mode=mode)
        self._hold = clock.epoch("scheduler.interval") if interval == "epoch" else 1
        self._replan()
        self.rewrite()

    def _replan(self) -> None:
        base_lr = float(self.optimizer.defaults.get("lr", self.optimizer.param_groups[0]["lr"]))
        self._plan: Plan = self._compose(base_lr=base_lr or 1.0)
        self._schedule, self._stop = self._plan.schedule, self._plan.stop
        self._factor = self.factor(self.last_epoch) * self.plateau.scale

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The phases with their first and last + 1 optimizer step."""
        return self._plan.phases

    @property
    def follows_metric(self) -> bool:
        """Whether `step_metric` has to be called after every validation."""
        return self._plan.plateau is not None

    def factor(self, step: int) -> float:
        """The factor of optimizer step ``step``, without a plateau's scale."""
        if self._stop is not None and step > self._stop:
            step = self._stop
        return self._schedule(step - step % self._hold)

    def step(self, epoch: int | None = None) -> None:
        """Moves on by one optimizer step, or to ``epoch`` (a step index, as in torch)."""
        self.last_epoch = step = self.last_epoch + 1 if epoch is None else epoch
        if self._stop is not None and step > self._stop:
            step = self._stop
        factor = self._schedule(step - step % self._hold if self._hold > 1 else step) * self.plateau.scale
        before, self._factor = self._factor, factor
        if self._tensors or self._loaded is not None:  # tensor lrs, or the first step after a restore
            for group in self.optimizer.param_groups:
                self._write(group, before, factor)
            self._loaded = None
            return
        for group in self.optimizer.param_groups:
            try:
                initial = group["initial_lr"]
            except KeyError:  # a group that was added since the last step
                self._write(group, before, factor)
                continue
            if group["lr"] != initial * before or "scheduled" in group:
                self._write(group, before, factor)
            else:
                group["lr"] = initial * factor

    def step_metric(self, value: float) -> None:
        """Feeds a plateau with one more value of its metric; values that come before it begins are not counted."""
        plateau = self._plan.plateau
        if plateau is None or self.last_epoch < self._plan.plateau_begins:
            return
        self._set_plateau(plateau.observe(self.plateau, float(value)))

    def _set_plateau(self, state: PlateauState) -> None:
        before, self.plateau = self._factor, state
        self._factor = self.factor(self.last_epoch) * state.scale
        if self._factor != before:
            for group in self.optimizer.param_groups:
                self._write(group, before, self._factor)

    def _write(self, group: dict[str, Any], before: float, factor: float) -> None:
        """Moves one group from the factor ``before`` to ``factor``; a foreign lr becomes the value at ``before``."""
        if not group.get("scheduled", True):
            return
        lr, initial = float(group["lr"]), group.get("initial_lr")
        factors = (before,) if self._loaded is None else (before, self._loaded)
        written = [] if initial is None else [initial * past for past in factors]
        if isinstance(group["lr"], Tensor):
            self._tensors = True
            written = [float(torch.tensor(value, dtype=group["lr"].dtype)) for value in written]
        if initial is None and lr == float(self.optimizer.defaults.get("lr", float("nan"))):
            group["initial_lr"] = lr  # added without an lr of its own: torch filled the optimizer's in
        elif lr not in written:
            group["initial_lr"] = lr / before if before else lr
            if 0 < before < 0.1:
                text = f"lr={lr:g} was written where the schedule stands at factor {before:.2g}; it goes on from there"
                warnings.warn(f"{text}, towards {lr / before:g} at factor 1", stacklevel=3)
        _fill(group, factor)

    def rewrite(self) -> None:
        """Writes the lr of the present step into every scheduled group, from its ``initial_lr``."""
        for group in self.optimizer.param_groups:
            group.setdefault("initial_lr", float(group["lr"]))
            if isinstance(group["lr"], Tensor):
                self._tensors = True
                group["lr"] = group["lr"].clone()  # groups may share one tensor, and must not from here on
            if group.get("scheduled", True):
                _fill(group, self._factor)

    def rescale(self, lr: float) -> None:
        """Makes ``lr`` the optimizer's own; groups keep their ratios to it, absolute floors stay."""
        rescale(self.optimizer, lr)
        self._replan()
        self.rewrite()

    def get_last_lr(self) -> list[float | Tensor]:
        """The groups' lrs as they are now."""
        return [g["lr"].clone() if isinstance(g["lr"], Tensor) else g["lr"] for g in self.optimizer.param_groups]

    def get_lr(self) -> list[float | Tensor]:
        """The same as `get_last_lr`: there is no other value."""
        return self.get_last_lr()

    @property
    def base_lrs(self) -> list[float | Tensor]:  # type: ignore[override]  # torch stores a copy, which goes stale
        """The groups' initial lrs as they are now."""
        return [group["initial_lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """The counters; everything else comes from the configuration and the optimizer's groups."""
        state: dict[str, Any] = {"last_epoch": self.last_epoch, "factor": self._factor}
        if self.follows_metric:
            state["plateau"] = self.plateau._asdict()
        return state

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Restores the counters; groups whose lr nobody else has written get the lr of the restored step.

        The optimizer may be restored before or after; the schedule may be another one than the checkpoint's.
        """
        self.last_epoch = int(state_dict["last_epoch"])
        self.plateau = PlateauState(**state_dict.get("plateau", {})) if self.follows_metric else PlateauState()
        before, self._factor = self._factor, self.factor(self.last_epoch) * self.plateau.scale
        # the factor behind the checkpoint's lrs: with it they are told from foreign ones, even under another schedule
        self._loaded = float(state_dict.get("factor", self._factor))
        for group in self.optimizer.param_groups:
            self._write(group, before, self._factor)

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the closures, which `__setstate__` builds again."""
        return {k: v for k, v in self.__dict__.items() if k not in ("_plan", "_schedule")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restores a pickled or copied scheduler."""
        self.__dict__.update(state)
        self._replan()


def rescale(optimizer: Optimizer, lr: float) -> None:
    """Makes ``lr`` the optimizer's own, and scales the initial and the present lr of every group along."""
    before = float(optimizer.defaults["lr"])
    for group in optimizer.param_groups:
        for name in ("initial_lr", "lr") if "initial_lr" in group else ("lr",):
            group[name] = group[name] * (lr / before) if before else lr  # nothing is in proportion to 0
    optimizer.defaults["lr"] = lr


def _count(value: Any, name: str) -> int | None:
    """A number of optimizer steps, or None."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 1 <= value < float("inf") or value % 1:
        raise ConfigError(wrong(f"scheduler.{name}", value, "must be a whole number of at least 1"))
    return int(value)


def _fill(group: dict[str, Any], factor: float) -> None:
    """Writes ``initial_lr * factor``, in place where the lr is a tensor."""
    lr = group["initial_lr"] * factor
    group["lr"] = group["lr"].fill_(lr) if isinstance(group["lr"], Tensor) else lr
