"""Define `ScheduleLR`, the only LRScheduler: it reads the groups at each step and stores counters only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal

from torch.optim import Optimizer

from lit_optim.duration import RunLength
from lit_optim.errors import ConfigError
from lit_optim.scheduler.clock import Clock
from lit_optim.scheduler.drive import ScheduleConfig, build_driven_values
from lit_optim.scheduler.driven_value import DrivenValue
from lit_optim.scheduler.live_lrs import LiveLrs
from lit_optim.scheduler.rescale_lr import rescale_lr
from lit_optim.scheduler.write_lr import lr_writer
from lit_optim.schedules.checks import check_choices, check_counts
from lit_optim.schedules.plan.plan import Phase
from lit_optim.schedules.shapes.plateau import PlateauState


class ScheduleLR(LiveLrs):
    """Schedules every param group in optimizer steps: warmup, main schedule and cooldown.

    Before the optimizer step with 0-based index t each group holds ``lr = initial_lr * schedule(t) * scale`` (``scale``
    is 1 but for a plateau); past the end the last value holds. The schedule goes on from a value that other code writes
    into ``group["lr"]``. A group with ``scheduled: False`` is left alone, one that is added later is scheduled.

    Args:
        optimizer: whose groups are scheduled.
        warmup: slot - a mapping with ``steps``, ``shape``, ``start_factor``, or just its duration.
        main: slot - a mapping with ``shape``, ``end_factor``, ``min_lr`` (absolute), and the shape's own arguments.
        cooldown: slot - as ``main``; begins where ``main`` ends.
        total_steps: length of the run in optimizer steps, warmup included; None where the schedule does not need it.
        steps_per_epoch: optimizer steps an epoch; needed for durations in epochs only.
        monitor: the metric that drives a plateau, for the code that feeds `step_metric`.
        mode: ``min`` or ``max``: when that metric is better.
        interval: ``step``, or ``epoch`` to hold each value for a whole epoch.
        frequency: hold each value for that many intervals; a plateau counts every n-th value of its metric instead.
        phases: in place of the slots, any number of phases: name -> ``steps`` (a duration, or ``rest``), ``shape``, ...
        order: the order of the phases, by name.
        noise: multiplies the schedule, see `lit_optim.schedules.noise`: ``std``, ``limit``, ``seed``.
        drive: schedules of other keys of the groups: ``weight_decay``, ``momentum`` (where there is none, the
            first beta), ``betas[1]`` -> slots, and ``values``: absolute values at factor 1 and at factor 0.
        groups: schedules of single groups, by their name: slots, and ``drive``.

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

    _write_step: Callable[[int], None]

    def __init__(
        self,
        optimizer: Optimizer,
        warmup: Any = None,
        main: Any = None,
        cooldown: Any = None,
        *,
        phases: Mapping[str, Any] | None = None,
        order: Sequence[str] | None = None,
        noise: Mapping[str, Any] | None = None,
        drive: Mapping[str, Any] | None = None,
        groups: Mapping[str, Any] | None = None,
        total_steps: int | None = None,
        steps_per_epoch: int | None = None,
        monitor: str | None = None,
        mode: Literal["min", "max"] = "min",
        interval: Literal["step", "epoch"] = "step",
        frequency: int = 1,
    ) -> None:
        # LRScheduler.__init__ is not called: it wraps optimizer.step and steps once, and all it would set is set here
        if not isinstance(optimizer, Optimizer):
            raise ConfigError(f"optimizer: expected a torch.optim.Optimizer, got {type(optimizer).__name__}")
        check_choices(mode=(mode, ("min", "max")), interval=(interval, ("step", "epoch")))
        check_counts(total_steps=total_steps, steps_per_epoch=steps_per_epoch, frequency=frequency)
        self.optimizer = optimizer
        self.monitor = monitor
        self.last_epoch = 0  # torch's name of the step counter
        run_length = RunLength(total_steps and int(total_steps), steps_per_epoch and int(steps_per_epoch))
        lr = {"warmup": warmup, "main": main, "cooldown": cooldown, "phases": phases, "order": order, "noise": noise}
        self._config = ScheduleConfig(lr, drive or {}, groups or {})
        self.clock = Clock(run_length, interval, int(frequency))
        self._mode = mode
        self._metrics_seen = 0
        self._values: list[DrivenValue] = []
        self._replan(self.clock)
        self.rewrite()

    def _replan(self, clock: Clock) -> None:
        """Build the driven values, and keep the counters of the present ones."""
        plans, before = self._config.plans(), {value.id: value for value in self._values}
        compose = partial(clock.compose, mode=self._mode)
        values = build_driven_values(plans, self.optimizer, compose, *clock.rhythm, late=self._config.late)
        if clock.decay is not None:
            clock.decay.replace_lrs(values)
        for value in values:
            value.continue_from(before.get(value.id), self.last_epoch)
        self.clock, self._values = clock, values

    def _choose_step(self) -> None:
        """Choose the function with the fewest operations that can write the next steps."""
        if any(value.careful for value in self._values):
            self._write_step = self._write_all
        elif len(self._values) > 1 or self._values[0].hold > 1:
            self._write_step = self._write_expected
        else:
            self._write_step = lr_writer(self._values[0], self.optimizer, self._write, self._write_expected)

    @property
    def phases(self) -> tuple[Phase, ...]:
        """Return the lr's phases with the optimizer steps at which they start and stop."""
        return self._values[0].plan.phases

    @property
    def driven_values(self) -> tuple[DrivenValue, ...]:
        """Return the driven values: the lr first, then other hyper-parameters and single groups."""
        return tuple(self._values)

    @property
    def follows_metric(self) -> bool:
        """Return whether `step_metric` has to be called after every validation."""
        return any(value.states for value in self._values)

    @property
    def plateau(self) -> PlateauState:
        """Return the counters of the lr's first plateau."""
        return next(iter(self._values[0].states), PlateauState())

    def factor(self, step: int) -> float:
        """Return the lr's factor of optimizer step ``step``, without a plateau's scale."""
        return self._values[0].factor(step)

    def step(self, epoch: int | None = None) -> None:
        """Move on by one optimizer step, or to ``epoch`` (a step index, as in torch)."""
        self.last_epoch = step = self.last_epoch + 1 if epoch is None else epoch
        self._write_step(step)

    def _write_expected(self, step: int) -> None:
        """Write an optimizer step; check only groups that are new, not scheduled, or written by other code."""
        for value in self._values:
            before, value.now = value.now, value.factor(step, value.scale)
            factor, name, index, initial_name = value.now, value.name, value.index, value.initial
            for group in self.optimizer.param_groups:
                initial, present = group.get(initial_name), group[name]
                item = present if index is None else present[index]
                if initial is None or item != initial * before or "scheduled" in group:
                    self._write(value, group, before, factor)
                elif index is None:
                    group[name] = initial * factor
                else:
                    items = [*present]  # less work than two slices
                    items[index] = initial * factor
                    group[name] = (*items,)

    def _write_all(self, step: int) -> None:
        """Write an optimizer step and check every group."""
        restored = self._values[0].loaded is not None
        for value in self._values:
            self._write_value(value, step)
            value.loaded = None
        if restored:
            self._choose_step()

    def _write_value(self, value: DrivenValue, step: int) -> None:
        """Write one value of an optimizer step and check every group."""
        before, value.now = value.now, value.factor(step, value.scale)
        for group in self.optimizer.param_groups:
            self._write(value, group, before, value.now)

    def _write(self, value: DrivenValue, group: dict[str, Any], before: float, factor: float) -> None:
        """Write one driven value into one group, if the group follows it."""
        if value.drives(group):
            value.write(group, before, factor, self.optimizer.defaults)
            if value.tensors:
                self._write_step = self._write_all  # `write_lr` would put a number in its place

    def step_metric(self, value: float) -> None:
        """Feed plateaus with one more value of their metric; values outside of their phases are not counted."""
        self._metrics_seen += 1
        for driven in self._values:
            if self._metrics_seen % self.clock.frequency == 0 and driven.observe(self.last_epoch, float(value)):
                self._write_value(driven, self.last_epoch)

    def rewrite(self) -> None:
        """Write the values of the present step into every scheduled group, from its initial ones."""
        for value in self._values:
            for group in filter(value.selects, self.optimizer.param_groups):
                value.begin(group)
        self._choose_step()

    def rescale(self, lr: float) -> None:
        """Make ``lr`` the optimizer's default; groups keep their ratios to it, absolute floors stay."""
        rescale_lr(self.optimizer, lr)
        self._replan(self.clock)
        self.rewrite()

    def replan(self, clock: Clock) -> None:
        """Go on by another clock, in a run of another length or at another place of the schedule.

        Raises:
            ConfigError: where the phases do not fit the run; then nothing is changed.
        """
        written = {value.id: value.now for value in self._values}
        self._replan(clock)
        for value in self._values:
            value.loaded = written.get(value.id, value.loaded)
            self._write_value(value, self.last_epoch)
        self._choose_step()

    def state_dict(self) -> dict[str, Any]:
        """Return the counters; everything else comes from the configuration and the optimizer's groups."""
        lr, *others = self._values
        seen = {"metrics_seen": self._metrics_seen} if self.clock.frequency > 1 else {}
        state: dict[str, Any] = {"last_epoch": self.last_epoch, **lr.state_dict(), **seen}
        if others:
            state["lanes"] = {value.id: value.state_dict() for value in others}
        return state

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Restore the counters; groups that no other code has written get the values of the restored step.

        The optimizer may be restored before or after; the schedule may be another one than the checkpoint's.
        """
        self.last_epoch = int(state_dict["last_epoch"])
        self._metrics_seen = int(state_dict.get("metrics_seen", 0))
        states = {self._values[0].id: dict(state_dict), **state_dict.get("lanes", {})}
        for value in self._values:
            value.load_state_dict(states.get(value.id, {}), self.last_epoch)
            self._write_value(value, self.last_epoch)
        self._choose_step()

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without the function that writes a step; `__setstate__` chooses it again."""
        return {k: v for k, v in self.__dict__.items() if k != "_write_step"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore a pickled or copied scheduler."""
        self.__dict__.update(state)
        self._replan(self.clock)
        self._choose_step()
