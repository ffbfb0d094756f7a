"""The lanes of a scheduler: which hyper-parameter of which groups follows what."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lit_optim.errors import ConfigError, did_you_mean, wrong
from lit_optim.scheduler.driven_value import LR, DrivenValue, is_tensor, split
from lit_optim.schedules.plan.plan import Plan

if TYPE_CHECKING:
    from torch.optim import Optimizer

PLAN_KEYS = ("warmup", "main", "cooldown", "phases", "order", "noise")
DECAYS = ("momentum", "betas", "average_decay")  # of running means, which grow without bounds from 1 on
SHARES = ("lookahead_alpha",)  # of a way, beyond whose end weights grow without bounds


@dataclass(frozen=True)
class DrivePlan:
    """What one lane is built from.

    Args:
        key: the hyper-parameter.
        slots: its schedule, as configured.
        group: name of the only group; None for all.
        values: absolute values at factor 1 and 0.
        where: dotted name of the entry in the configuration.
    """

    key: str
    slots: Mapping[str, Any]
    group: str | None = None
    values: Sequence[float] | None = None
    where: str = "scheduler"


@dataclass
class ScheduleConfig:
    """What a scheduler was configured with: the schedule of the lr, of other keys, of single groups."""

    slots: Mapping[str, Any]
    drive: Mapping[str, Any] = field(default_factory=dict)
    groups: Mapping[str, Any] = field(default_factory=dict)

    def lanes(self, key: str = "scheduler") -> list[DrivePlan]:
        """All lanes, that of the lr of all groups first; those of single groups go before those of all.

        Raises:
            ConfigError: for entries that are no schedules.

        Example:
            >>> drive = {"weight_decay": {"main": {"shape": "cosine"}, "values": [0.04, 0.4]}}
            >>> [(lane.key, lane.values) for lane in ScheduleConfig({}, drive).lanes()]
            [('lr', None), ('weight_decay', (0.04, 0.4))]
        """
        found = [DrivePlan(LR, self.slots, where=key), *_driven(self.drive, None, f"{key}.drive")]
        if not isinstance(self.groups, Mapping):
            raise ConfigError(wrong(f"{key}.groups", self.groups, "expects a mapping: name of a group -> schedule"))
        for name, entry in self.groups.items():
            where = f"{key}.groups.{name}"
            if not isinstance(entry, Mapping):
                raise ConfigError(
                    wrong(where, entry, "expects a preset's name or slots, e.g. {main: {shape: constant}}")
                )
            if any(slot in entry for slot in PLAN_KEYS) or not entry.get("drive"):
                found.append(DrivePlan(LR, _only_slots(entry, where, ("drive",)), str(name), where=where))
            found += _driven(entry.get("drive") or {}, str(name), f"{where}.drive")
        return found


def _driven(drive: Any, group: str | None, where: str) -> list[DrivePlan]:
    if not isinstance(drive, Mapping):
        raise ConfigError(wrong(where, drive, "expects a mapping: key of the groups -> schedule"))
    found = []
    for key, entry in drive.items():
        inside = f"{where}.{key}"
        if key == LR:
            raise ConfigError(f"{inside}: the lr has the scheduler's own slots; move it there")
        if not isinstance(entry, Mapping):
            raise ConfigError(wrong(inside, entry, "expects slots, e.g. {main: {shape: cosine}, values: [0.04, 0.4]}"))
        slots, values = _lifted(entry)
        pair = _pair(values, str(key), inside)
        found.append(DrivePlan(str(key), _only_slots(slots, inside, ("values",)), group, pair, inside))
    return found


def _lifted(entry: Mapping[str, Any]) -> tuple[dict[str, Any], Any]:
    """The entry without ``values``, which may stand in ``main`` as well."""
    slots, main = dict(entry), entry.get("main")
    values = slots.pop("values", None)
    if isinstance(main, Mapping) and "values" in main:
        slots["main"] = {k: v for k, v in main.items() if k != "values"}
        values = main["values"] if values is None else values
    return slots, values


def _pair(values: Any, key: str, where: str) -> tuple[float, float] | None:
    if values is None:
        return None
    numbers = isinstance(values, (list, tuple)) and all(
        isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < float("inf")
        for value in values
    )
    if not numbers or len(values) != 2:
        raise ConfigError(wrong(f"{where}.values", values, "expects two numbers, at factor 1 and at factor 0"))
    if split(key)[0] in DECAYS and not all(0 <= value < 1 for value in values):
        raise ConfigError(wrong(f"{where}.values", values, "both must be at least 0 and below 1"))
    if key in SHARES and not all(0 <= value <= 1 for value in values):
        raise ConfigError(wrong(f"{where}.values", values, "both must be at least 0 and at most 1"))
    return float(values[0]), float(values[1])


def _only_slots(entry: Mapping[str, Any], where: str, also: tuple[str, ...]) -> dict[str, Any]:
    for name in entry:
        if name not in PLAN_KEYS and name not in also:
            hint = did_you_mean(str(name), [*PLAN_KEYS, *also])
            if "shape" in entry:  # a slot in place of the mapping of slots
                hint = f"; write main: {{shape: {entry['shape']}, ...}}"
            raise ConfigError(wrong(f"{where}.{name}", entry[name], f"no such key{hint}"))
    return {name: value for name, value in entry.items() if name in PLAN_KEYS}


def build(
    plans: Sequence[DrivePlan], optimizer: Optimizer, compose: Callable[..., Plan], hold: int, key: str = "scheduler"
) -> list[DrivenValue]:
    """The lanes on an optimizer.

    Args:
        plans: as configured.
        optimizer: whose groups are driven.
        compose: ``(slots, base value, dotted name) -> Plan``.
        hold: optimizer steps for which each value is held.
        key: dotted name of the scheduler.

    Raises:
        ConfigError: for keys that the groups do not have or that are driven twice, and names that no group has.
    """
    lanes: list[DrivenValue] = []
    where: dict[tuple[str, str | None], str] = {}
    names = [group["name"] for group in optimizer.param_groups if "name" in group]
    for plan in plans:
        if plan.group is not None and plan.group not in names:
            hint = did_you_mean(plan.group, names, list_all=True) or "; the groups have no names, see param_groups"
            raise ConfigError(f"{key}.groups.{plan.group}: no group of that name{hint}")
        driven = _existing(plan, optimizer)
        _check_once(plan, driven, where)
        default = _default(driven, optimizer)
        base = default if driven == LR else 1.0
        composed = compose(plan.slots, base or 1.0, plan.where)
        lanes.append(DrivenValue(driven, composed, group=plan.group, hold=hold, default=default, values=plan.values))
    return lanes


def _check_once(plan: DrivePlan, driven: str, where: dict[tuple[str, str | None], str]) -> None:
    """Refuses two schedules of one value: ``momentum`` and ``betas[0]`` of an Adam."""
    first = where.setdefault((driven, plan.group), plan.where)
    if first != plan.where:
        name = first.rpartition(".")[2]
        raise ConfigError(f"{plan.where}: the same value as {name}, which has a schedule already; remove one of them")


def _existing(plan: DrivePlan, optimizer: Optimizer) -> str:
    """The key as the groups have it; ``momentum`` is the first beta where there are betas instead."""
    name, index = split(plan.key)
    group = optimizer.param_groups[0]
    if plan.key == "momentum" and name not in group and "betas" in group:
        return "betas[0]"
    value = group.get(name)
    if index is not None and isinstance(value, (tuple, list)) and index < len(value):
        value = value[index]
    elif index is not None or isinstance(value, (tuple, list)):
        value = None
    if isinstance(value, bool) or not (isinstance(value, (int, float)) or is_tensor(value)):
        known = list(_numbers(group))
        hint = did_you_mean(f"{plan.key}[0]" if f"{plan.key}[0]" in known else plan.key, known, list_all=True)
        rule = f"{type(optimizer).__name__} has no number {plan.key!r} in its param groups{hint}"
        raise ConfigError(f"{plan.where}: {rule}")
    return plan.key


def _numbers(group: Mapping[str, Any]) -> Iterator[str]:
    """The keys of a group that can be driven."""
    for key, value in group.items():
        if key in ("params", LR) or key.startswith("initial_"):
            continue
        if isinstance(value, (tuple, list)):
            yield from (f"{key}[{i}]" for i, item in enumerate(value) if isinstance(item, (int, float)))
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield key


def _default(key: str, optimizer: Optimizer) -> float:
    name, index = split(key)
    value = optimizer.defaults.get(name, optimizer.param_groups[0].get(name))
    item: Any = value if index is None or value is None else value[index]
    return float(item)  # `_existing` has looked
