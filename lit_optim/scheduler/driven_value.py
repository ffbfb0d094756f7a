"""One hyper-parameter of the groups on a schedule's clock: who wrote it last, and what it is next."""

from __future__ import annotations

import math
import re
import sys
import warnings
from collections.abc import Sequence
from typing import Any

from lit_optim.schedules.plan.plan import Plan
from lit_optim.schedules.shapes.plateau import PlateauState

LR = "lr"
SAME = 1e-6  # relative: what rounding makes of one number in 32 bits


class DrivenValue:
    """Drives ``group[key] = initial * factor(step)``, and takes over what anybody else has written.

    Args:
        key: of the groups; ``betas[0]`` is the first item of a tuple.
        plan: the schedule.
        group: name of the only group that it drives; None for all that no other lane drives.
        hold: optimizer steps for which each value is held.
        default: the optimizer's own value, to which absolute ones are related; 0: factors are the values themselves.
        values: absolute values at factor 1 and at factor 0, in place of shares of the initial value.
    """

    def __init__(
        self,
        key: str,
        plan: Plan,
        *,
        group: str | None = None,
        hold: int = 1,
        default: float = 1.0,
        values: Sequence[float] | None = None,
    ) -> None:
        self.key, self.plan, self.group, self.hold, self.values = key, plan, group, hold, values
        self.name, self.index = split(key)
        self.initial = f"initial_{key}"
        self.default = default
        self.absolute = values is not None and default == 0
        self.offset, self.span = _line(values, 1.0 if self.absolute else default)  # factor = offset + span * schedule
        self.states = [PlateauState() for _ in plan.plateaus]
        self.scale = 1.0
        self.loaded: float | None = None  # the factor behind a checkpoint's values, until the first step after it
        self.tensors = False
        self.shared = False  # whether lanes of single groups drive the same key
        self.now = 1.0  # the factor that was written last

    @property
    def id(self) -> str:
        """Its name in a state: ``lr``, ``weight_decay@head``."""
        return self.key if self.group is None else f"{self.key}@{self.group}"

    @property
    def careful(self) -> bool:
        """Whether every group has to be looked at closely, and not only those that somebody else has written."""
        return self.tensors or self.loaded is not None or self.group is not None or self.shared

    def factor(self, step: int) -> float:
        """The factor of optimizer step ``step``, without the scale of plateaus."""
        return self.offset + self.span * self._schedule(step)

    def scaled(self, step: int) -> float:
        """The factor of optimizer step ``step``; plateaus lead it to the value at factor 0."""
        return self.offset + self.span * (self._schedule(step) * self.scale)

    def _schedule(self, step: int) -> float:
        stop = self.plan.stop
        if stop is not None and step > stop:
            step = stop
        return self.plan.schedule(step - step % self.hold if self.hold > 1 else step)

    def drives(self, group: dict[str, Any]) -> bool:
        """Whether the group is one of its own and may be moved."""
        return group.get("scheduled", True) and (self.group is None or group.get("name") == self.group)

    def read(self, group: dict[str, Any]) -> float:
        """The present value."""
        value = group[self.name]
        return float(value if self.index is None else value[self.index])

    def fill(self, group: dict[str, Any], factor: float) -> None:
        """Writes ``initial * factor``, in place where the value is a tensor."""
        value, before = group[self.initial] * factor, group[self.name]
        if self.index is not None:
            value = (*before[: self.index], value, *before[self.index + 1 :])
        group[self.name] = before.fill_(value) if is_tensor(before) else value

    def begin(self, group: dict[str, Any]) -> None:
        """Takes the present value as the initial one, if there is none yet, and writes that of the present step."""
        group.setdefault(self.initial, 1.0 if self.absolute else self.read(group))
        if is_tensor(group[self.name]):
            self.tensors = True
            group[self.name] = group[self.name].clone()  # groups may share one tensor, and must not from here on
        if self.drives(group):
            self.fill(group, self.now)

    def write(self, group: dict[str, Any], before: float, factor: float, own: float) -> None:
        """Moves a group from the factor ``before`` to ``factor``; a foreign value becomes the one at ``before``.

        Whoever scales value and initial value alike, as SWATS does, is none: the schedule goes on from that.

        Args:
            group: one that it drives.
            before: the factor that was written last.
            factor: the one to write.
            own: the value that torch fills into groups that were added without one.
        """
        value, initial = self.read(group), group.get(self.initial)
        factors = (before,) if self.loaded is None else (before, self.loaded)
        written = [] if initial is None else [initial * past for past in factors]
        if is_tensor(group[self.name]):
            self.tensors = True
            written = [float(group[self.name].new_tensor(item)) for item in written]
        if initial is None and (self.absolute or value == own):
            group[self.initial] = 1.0 if self.absolute else value
        elif not any(math.isclose(value, item, rel_tol=SAME) for item in written):
            group[self.initial] = value / before if before else value
            if 0 < before < 0.1:
                text = f"{self.key}={value:g} was written where the schedule stands at factor {before:.2g}"
                warnings.warn(f"{text}; it goes on from there, towards {value / before:g} at factor 1", stacklevel=5)
        self.fill(group, factor)

    def observe(self, step: int, value: float) -> bool:
        """Feeds the plateau of this step with its metric; whether the scale has changed."""
        active = self.plan.plateau_at(step)
        if active is None:
            return False
        self.states[active] = self.plan.plateaus[active][1].observe(self.states[active], value)
        return self.rescale()

    def rescale(self) -> bool:
        """Computes the scale of all plateaus; whether it has changed."""
        before, self.scale = self.scale, 1.0
        for state in self.states:
            self.scale *= state.scale
        return self.scale != before

    def state_dict(self) -> dict[str, Any]:
        """The last factor and the counters of plateaus, in numbers."""
        state: dict[str, Any] = {"factor": self.now}
        if len(self.states) == 1:
            state["plateau"] = self.states[0]._asdict()
        elif self.states:
            state["plateaus"] = [plateau._asdict() for plateau in self.states]
        return state

    def load_state_dict(self, state: dict[str, Any], step: int) -> None:
        """Restores the counters, as far as they are those of this schedule."""
        saved = state.get("plateaus", [state["plateau"]] if "plateau" in state else [])
        if len(saved) == len(self.states):
            self.states = [PlateauState(**plateau) for plateau in saved]
        else:
            self.states = [PlateauState() for _ in self.states]
        self.rescale()
        factor = self.scaled(step)
        self.loaded = float(state.get("factor", factor))
        self.now = factor


def _line(values: Sequence[float] | None, unit: float) -> tuple[float, float]:
    """Where factor 0 is, and how far it is from there to factor 1, in units of the initial value."""
    if values is None:
        return 0.0, 1.0
    at_one, at_zero = values
    return at_zero / unit, (at_one - at_zero) / unit


def is_tensor(value: Any) -> bool:
    """Whether a hyper-parameter is a tensor; imports nothing, for if it is one, torch is loaded."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def split(key: str) -> tuple[str, int | None]:
    """``betas[0]`` -> the name of a group's key, and the place in its tuple.

    Example:
        >>> split("betas[0]"), split("weight_decay")
        (('betas', 0), ('weight_decay', None))
    """
    found = re.fullmatch(r"(\w+)\[(\d+)\]", key)
    return (found[1], int(found[2])) if found else (key, None)
