"""The only LRScheduler: reads the groups live, writes ``group["lr"]``, remembers nothing but counters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Literal

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lit_optim.duration import COUNT, Clock, is_count
from lit_optim.errors import ConfigError, did_you_mean, wrong
from lit_optim.scheduler.drive import ScheduleConfig, build
from lit_optim.scheduler.driven_value import DrivenValue
from lit_optim.scheduler.write_lr import lr_writer
from lit_optim.schedules.plan.plan import Phase, Plan
from lit_optim.schedules.plan.slots import compose
from lit_optim.schedules.shapes.plateau import PlateauState


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
        phases: in place of the slots, any number of phases: name -> ``steps`` (a duration, or ``rest``), ``shape``, ...
        order: the order of the phases, by name.
        noise: multiplies the schedule, see `lit_optim.schedules.noise`: ``std``, ``limit``, ``seed``.
        drive: further keys of the groups on the same clock: ``weight_decay``, ``momentum`` (where there is none, the
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
        clock = Clock(total_steps, steps_per_epoch)
        slots = {"warmup": warmup, "main": main, "cooldown": cooldown, "phases": phases, "order": order, "noise": noise}
        self._configured = ScheduleConfig(slots, drive or {}, groups or {})
        self._compose = partial(compose, clock=clock, mode=mode)
        self._hold = clock.epoch("scheduler.interval") if interval == "epoch" else 1
        self._lanes: list[DrivenValue] = []
        self._replan()
        self.rewrite()

    def _replan(self) -> None:
        """Builds the lanes, and keeps what the present ones know."""
        before = {lane.id: lane for lane in self._lanes}
        self._lanes = build(self._configured.lanes(), self.optimizer, self._plan_of, self._hold)
        for lane in self._lanes:
            if lane.id in before:
                lane.states, lane.loaded, lane.tensors = (
                    before[lane.id].states,
                    before[lane.id].loaded,
                    before[lane.id].tensors,
                )
            lane.rescale()
            lane.now = lane.scaled(self.last_epoch)
            lane.shared = any(other.key == lane.key and other is not lane for other in self._lanes)
        self._main, *self._others = self._lanes

    def _choose_step(self) -> None:
        self._move_to = lr_writer(self._lanes, self.optimizer, self._write, self._move_all) or self._move_all

    def _plan_of(self, slots: Mapping[str, Any], base: float, key: str) -> Plan:
        return self._compose(slots, base_lr=base, key=key)

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The phases of the lr with their first and last + 1 optimizer step."""
        return self._main.plan.phases

    @property
    def lanes(self) -> tuple[DrivenValue, ...]:
        """What is driven: the lr first, then other hyper-parameters and single groups."""
        return tuple(self._lanes)

    @property
    def follows_metric(self) -> bool:
        """Whether `step_metric` has to be called after every validation."""
        return any(lane.states for lane in self._lanes)

    @property
    def plateau(self) -> PlateauState:
        """The counters of the lr's first plateau."""
        return self._main.states[0] if self._main.states else PlateauState()

    def factor(self, step: int) -> float:
        """The lr's factor of optimizer step ``step``, without a plateau's scale."""
        return self._main.factor(step)

    def step(self, epoch: int | None = None) -> None:
        """Moves on by one optimizer step, or to ``epoch`` (a step index, as in torch)."""
        self.last_epoch = step = self.last_epoch + 1 if epoch is None else epoch
        self._move_to(step)

    def _move_all(self, step: int) -> None:
        """Moves all groups, whatever has happened to them."""
        restored = self._main.loaded is not None
        for lane in self._lanes:
            self._move(lane, step)
        if restored:
            self._choose_step()

    def _move(self, lane: DrivenValue, step: int) -> None:
        before, lane.now = lane.now, lane.scaled(step)
        if lane.careful:
            self._write_all(lane, before, lane.now)
            lane.loaded = None
            return
        factor, name, index, initial_name = lane.now, lane.name, lane.index, lane.initial
        for group in self.optimizer.param_groups:
            initial, value = group.get(initial_name), group[name]
            item = value if index is None else value[index]
            if initial is None or item != initial * before or "scheduled" in group:
                self._write(lane, group, before, factor)
            elif index is None:
                group[name] = initial * factor
            else:
                group[name] = (*value[:index], initial * factor, *value[index + 1 :])

    def step_metric(self, value: float) -> None:
        """Feeds plateaus with one more value of their metric; values outside of their phases are not counted."""
        for lane in self._lanes:
            if lane.observe(self.last_epoch, float(value)):
                before, lane.now = lane.now, lane.scaled(self.last_epoch)
                self._write_all(lane, before, lane.now)

    def _write_all(self, lane: DrivenValue, before: float, factor: float) -> None:
        for group in self.optimizer.param_groups:
            self._write(lane, group, before, factor)

    def _write(self, lane: DrivenValue, group: dict[str, Any], before: float, factor: float) -> None:
        """Moves one group, if it is one of the lane's."""
        if not lane.drives(group) or (lane.group is None and self._has_own(lane.key, group)):
            return
        value = self.optimizer.defaults.get(lane.name, float("nan"))
        lane.write(group, before, factor, float(value if lane.index is None else value[lane.index]))
        if lane.tensors:
            self._move_to = self._move_all  # the fast step would put a number in its place

    def _has_own(self, key: str, group: dict[str, Any]) -> bool:
        name = group.get("name")
        return name is not None and any(lane.key == key and lane.group == name for lane in self._others)

    def rewrite(self) -> None:
        """Writes the values of the present step into every scheduled group, from its initial ones."""
        for lane in self._lanes:
            for group in self.optimizer.param_groups:
                if lane.group is None and self._has_own(lane.key, group):
                    continue
                if lane.group is None or lane.group == group.get("name"):
                    lane.begin(group)
        self._choose_step()

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
        state: dict[str, Any] = {"last_epoch": self.last_epoch, **self._main.state_dict()}
        if self._others:
            state["lanes"] = {lane.id: lane.state_dict() for lane in self._others}
        return state

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Restores the counters; groups whose values nobody else has written get those of the restored step.

        The optimizer may be restored before or after; the schedule may be another one than the checkpoint's.
        """
        self.last_epoch = int(state_dict["last_epoch"])
        states = {self._main.id: dict(state_dict), **state_dict.get("lanes", {})}
        for lane in self._lanes:
            before = lane.now
            lane.load_state_dict(states.get(lane.id, {}), self.last_epoch)
            self._write_all(lane, before, lane.now)
        self._choose_step()

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the lanes' closures, which `__setstate__` builds again."""
        kept = {k: v for k, v in self.__dict__.items() if k not in ("_lanes", "_main", "_others", "_move_to")}
        return {**kept, "_kept": {lane.id: (lane.states, lane.loaded, lane.tensors) for lane in self._lanes}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restores a pickled or copied scheduler."""
        kept = state.pop("_kept")
        self.__dict__.update(state, _lanes=[])
        self._replan()
        for lane in self._lanes:
            lane.states, lane.loaded, lane.tensors = kept[lane.id]
            lane.rescale()
            lane.now = lane.scaled(self.last_epoch)
        self._choose_step()


def rescale(optimizer: Optimizer, lr: float) -> None:
    """Makes ``lr`` the optimizer's own, and scales the initial and the present lr of every group along.

    So it does with AdaBound's ``base_lr``: its bounds are final_lr * lr / base_lr, and are not to move.
    """
    before = float(optimizer.defaults["lr"])
    for group in optimizer.param_groups:
        for name in [name for name in ("initial_lr", "base_lr", "lr") if name in group]:
            group[name] = group[name] * (lr / before) if before else lr  # nothing is in proportion to 0
    optimizer.defaults["lr"] = lr


def _count(value: Any, name: str) -> int | None:
    """A number of optimizer steps, or None."""
    if value is None:
        return None
    if not is_count(value):
        raise ConfigError(wrong(f"scheduler.{name}", value, COUNT))
    return int(value)
