"""Drive one hyper-parameter of the param groups by a schedule, from its last factor to its next one."""

from __future__ import annotations

import math
import re
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lit_optim.scheduler.late_warmup import LateWarmup
from lit_optim.schedules.plan.plan import Plan
from lit_optim.schedules.shapes.plateau import PlateauState

LR = "lr"
SAME = 1e-6  # relative: two values that differ by less may be one number, rounded to 32 bits


@dataclass(eq=False)
class DrivenValue:
    """Drives ``group[key] = initial * factor(step)``, and goes on from values that other code has written.

    Args:
        key: key of the groups; ``betas[0]`` is the first item of a tuple.
        plan: the schedule.
        group: name of the groups that it drives, whole or as a part of ``head/no_decay``; None: of all groups.
        hold: optimizer steps for which each value is held.
        default: the optimizer's default, to which absolute values are related; 0: factors are the values themselves.
        values: absolute values at factor 1 and at factor 0, in place of shares of the initial value.
        late: a warmup that multiplies the schedule; only its groups among those of ``group`` are driven.
    """

    key: str
    plan: Plan
    group: str | None = None
    hold: int = 1
    default: float = 1.0
    values: Sequence[float] | None = None
    late: LateWarmup | None = None

    def __post_init__(self) -> None:
        """Derive offset and span of the factors from the configured values, and reset the counters."""
        self.name, self.index = split(self.key)
        self.initial = f"initial_{self.key}"
        self.absolute = self.values is not None and self.default == 0
        at_one, at_zero = (1.0, 0.0) if self.values is None else self.values
        unit = 1.0 if self.values is None or self.absolute else self.default
        self.offset, self.span = at_zero / unit, (at_one - at_zero) / unit  # factor = offset + span * schedule
        self.excluded: tuple[str, ...] = ()  # names of groups for which another schedule of the same key counts
        self.everywhere = True  # whether all groups have the key: parts of a composite may lack it
        self.states = [PlateauState() for _ in self.plan.plateaus]
        self.scale = 1.0  # of all plateaus
        self.loaded: float | None = None  # the factor behind a checkpoint's values, until the first step after it
        self.tensors = False
        self.now = 1.0  # the factor that was written last

    @property
    def id(self) -> str:
        """Return the name in a state dict: ``lr``, ``weight_decay@head``, with a late warmup ``lr*body``."""
        name = self.key if self.group is None else f"{self.key}@{self.group}"
        return name if self.late is None else f"{name}*{self.late.group}"

    @property
    def careful(self) -> bool:
        """Return whether each group must be checked before it is written."""
        single = self.group is not None or self.late is not None or bool(self.excluded) or not self.everywhere
        return self.tensors or self.loaded is not None or single

    def factor(self, step: int, scale: float = 1.0) -> float:
        """Return the factor of optimizer step ``step``; `scale` shrinks the distance to the value at factor 0."""
        late = 1.0 if self.late is None else self.late.factor(step)
        if self.hold > 1:
            step -= step % self.hold
        stop = self.plan.stop
        if stop is not None and step > stop:  # also within an interval: the next one holds the last value
            step = stop
        return (self.offset + self.span * (self.plan.schedule(step) * scale)) * late

    def selects(self, group: Mapping[str, Any]) -> bool:
        """Return whether the group has this schedule."""
        if not self.everywhere and self.name not in group:
            return False
        needed = {self.group, self.late and self.late.group} - {None}
        if not needed and not self.excluded:
            return True
        names = parts_of_name(group)
        return needed <= names and names.isdisjoint(self.excluded)

    def drives(self, group: Mapping[str, Any]) -> bool:
        """Return whether the group has this schedule and is not switched off by ``scheduled: False``."""
        return group.get("scheduled", True) and self.selects(group)

    def read(self, group: Mapping[str, Any]) -> float:
        """Read the present value."""
        value = group[self.name]
        return float(value if self.index is None else value[self.index])

    def fill(self, group: dict[str, Any], factor: float) -> None:
        """Write ``initial * factor``, in place where the value is a tensor."""
        value, before = group[self.initial] * factor, group[self.name]
        if self.index is not None:
            value = (*before[: self.index], value, *before[self.index + 1 :])
        group[self.name] = before.fill_(value) if is_tensor(before) else value

    def begin(self, group: dict[str, Any]) -> None:
        """Set a missing initial value to the present one, and write the value of the present step."""
        group.setdefault(self.initial, 1.0 if self.absolute else self.read(group))
        if is_tensor(group[self.name]):
            self.tensors = True
            group[self.name] = group[self.name].clone()  # groups may share one tensor, and must not from here on
        if self.drives(group):
            self.fill(group, self.now)

    def write(self, group: dict[str, Any], before: float, factor: float, defaults: Mapping[str, Any]) -> None:
        """Move a group from factor ``before`` to ``factor``; a value of other code counts as that at ``before``.

        If the initial value was scaled alike, nothing has to be taken over.

        Args:
            group: one that it drives.
            before: the factor that was written last.
            factor: the one to write.
            defaults: those of the optimizer, which torch fills into groups that are added without a value.
        """
        value, initial = self.read(group), group.get(self.initial)
        factors = (before,) if self.loaded is None else (before, self.loaded)
        written = [] if initial is None else [initial * past for past in factors]
        if is_tensor(group[self.name]):
            self.tensors = True
            written = [float(group[self.name].new_tensor(item)) for item in written]
        if initial is None and (self.absolute or (self.name in defaults and value == self.read(defaults))):
            group[self.initial] = 1.0 if self.absolute else value
        elif not any(math.isclose(value, item, rel_tol=SAME) for item in written):
            group[self.initial] = value / before if before else value
            if 0 < before < 0.1:
                text = f"{self.key}={value:g} was written where the schedule stands at factor {before:.2g}"
                warnings.warn(f"{text}; it goes on from there, towards {value / before:g} at factor 1", stacklevel=5)
        self.fill(group, factor)

    def observe(self, step: int, value: float) -> bool:
        """Feed the plateau of this step with its metric; return whether the scale has changed."""
        active = self.plan.plateau_at(step)
        if active is None:
            return False
        self.states[active] = self.plan.plateaus[active][1].observe(self.states[active], value)
        before, self.scale = self.scale, self._product()
        return self.scale != before

    def _product(self) -> float:
        return math.prod((state.scale for state in self.states), start=1.0)

    def continue_from(self, previous: DrivenValue | None, step: int) -> None:
        """Take the counters of the value that this one replaces, and move to ``step`` without writing."""
        if previous is not None:
            self.loaded, self.tensors = previous.loaded, previous.tensors
            if len(previous.states) == len(self.states):
                self.states = previous.states
        self.scale = self._product()
        self.now = self.factor(step, self.scale)

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without the plan, whose closures cannot be pickled; the scheduler builds it again."""
        return {k: v for k, v in self.__dict__.items() if k != "plan"}

    def state_dict(self) -> dict[str, Any]:
        """Return the last factor and the counters of plateaus, in numbers."""
        state: dict[str, Any] = {"factor": self.now}
        if len(self.states) == 1:
            state["plateau"] = self.states[0]._asdict()
        elif self.states:
            state["plateaus"] = [plateau._asdict() for plateau in self.states]
        return state

    def load_state_dict(self, state: dict[str, Any], step: int) -> None:
        """Restore the counters if this schedule has as many plateaus."""
        saved = state.get("plateaus", [state["plateau"]] if "plateau" in state else [])
        known = saved if len(saved) == len(self.states) else [{} for _ in self.states]
        self.states = [PlateauState(**plateau) for plateau in known]
        self.scale = self._product()
        self.loaded = float(state.get("factor", self.factor(step, self.scale)))


def is_tensor(value: Any) -> bool:
    """Return whether a hyper-parameter is a tensor; do not import torch, which every tensor has imported already."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def split(key: str) -> tuple[str, int | None]:
    """Split ``betas[0]`` into the key of the groups and the index into its tuple.

    Example:
        >>> split("betas[0]"), split("weight_decay")
        (('betas', 0), ('weight_decay', None))
    """
    found = re.fullmatch(r"(\w+)\[(\d+)\]", key)
    return (found[1], int(found[2])) if found else (key, None)


def parts_of_name(group: Mapping[str, Any]) -> set[str]:
    """Return the name of a group and the names that it joins.

    Example:
        >>> sorted(parts_of_name({"name": "head/no_decay"}))
        ['head', 'head/no_decay', 'no_decay']
    """
    name = group.get("name")
    return {name, *name.split("/")} if isinstance(name, str) else set()
