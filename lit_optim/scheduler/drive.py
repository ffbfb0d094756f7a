"""Read which hyper-parameter of which groups follows which schedule."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from lit_optim.errors import ConfigError, did_you_mean, wrong
from lit_optim.scheduler.driven_value import LR, DrivenValue, is_tensor, parts_of_name, split
from lit_optim.scheduler.late_warmup import LateWarmup
from lit_optim.schedules.checks import is_number
from lit_optim.schedules.plan.plan import Plan

if TYPE_CHECKING:
    from torch.optim import Optimizer

PLAN_KEYS = ("warmup", "main", "cooldown", "phases", "order", "noise")
EXAMPLE = "{main: {shape: cosine}, values: [0.04, 0.4]}"
DECAYS = ("momentum", "betas", "average_decay")  # a running mean grows without bounds from decay 1 on
LATER = "_lit_optim_later_groups"  # on an optimizer: names of groups that may be added to it
SHARES = ("lookahead_alpha",)  # above 1 the weights grow without bounds


@dataclass(frozen=True)
class DrivePlan:
    """The configuration of one driven value.

    Args:
        key: the hyper-parameter.
        config: its schedule: slots, or phases and their order; noise.
        group: name of the groups; None for all.
        values: absolute values at factor 1 and 0.
        where: dotted name of the entry in the configuration.
    """

    key: str
    config: Mapping[str, Any]
    group: str | None = None
    values: Sequence[float] | None = None
    where: str = "scheduler"


@dataclass
class ScheduleConfig:
    """The configuration of a scheduler: schedules of the lr, of other keys, of single groups, and late warmups."""

    lr: Mapping[str, Any]
    drive: Mapping[str, Any] = field(default_factory=dict)
    groups: Mapping[str, Any] = field(default_factory=dict)
    late: Sequence[LateWarmup] = ()

    def plans(self, key: str = "scheduler") -> list[DrivePlan]:
        """List all that is driven, the lr of all groups first.

        Raises:
            ConfigError: for entries that are no schedules.

        Example:
            >>> drive = {"weight_decay": {"main": {"shape": "cosine"}, "values": [0.04, 0.4]}}
            >>> [(plan.key, plan.values) for plan in ScheduleConfig({}, drive).plans()]
            [('lr', None), ('weight_decay', (0.04, 0.4))]
        """
        plans = [DrivePlan(LR, self.lr, where=key), *_drive_plans(self.drive, None, f"{key}.drive")]
        if not isinstance(self.groups, Mapping):
            raise ConfigError(wrong(f"{key}.groups", self.groups, "expects a mapping: name of a group -> schedule"))
        for name, entry in self.groups.items():
            where = f"{key}.groups.{name}"
            if not isinstance(entry, Mapping):
                rule = "expects a preset's name or slots, e.g. {main: {shape: constant}}"
                raise ConfigError(wrong(where, entry, rule))
            if not entry.keys().isdisjoint(PLAN_KEYS) or not entry.get("drive"):
                plans.append(DrivePlan(LR, _schedule_of(entry, where, "drive"), str(name), where=where))
            plans += _drive_plans(entry.get("drive") or {}, str(name), f"{where}.drive")
        return plans


def _drive_plans(drive: Any, group: str | None, where: str) -> list[DrivePlan]:
    if not isinstance(drive, Mapping):
        raise ConfigError(wrong(where, drive, "expects a mapping: key of the groups -> schedule"))
    plans = []
    for key, entry in drive.items():
        inside = f"{where}.{key}"
        if key == LR:
            raise ConfigError(f"{inside}: the lr has the scheduler's own slots; move it there")
        if not isinstance(entry, Mapping):
            raise ConfigError(wrong(inside, entry, f"expects slots, e.g. {EXAMPLE}"))
        config, main = dict(entry), entry.get("main")
        values = config.pop("values", None)
        if isinstance(main, Mapping) and "values" in main:  # where they are understood as well
            config["main"] = {k: v for k, v in main.items() if k != "values"}
            values = main["values"] if values is None else values
        pair = None if values is None else _checked_values(values, str(key), f"{inside}.values")
        plans.append(DrivePlan(str(key), _schedule_of(config, inside, "values"), group, pair, inside))
    return plans


def _checked_values(values: Any, key: str, where: str) -> tuple[float, float]:
    if not isinstance(values, (list, tuple)) or len(values) != 2 or not all(map(is_number, values)):
        raise ConfigError(wrong(where, values, "expects two numbers, at factor 1 and at factor 0"))
    if split(key)[0] in DECAYS and not all(0 <= value < 1 for value in values):
        raise ConfigError(wrong(where, values, "both must be at least 0 and below 1"))
    if key in SHARES and not all(0 <= value <= 1 for value in values):
        raise ConfigError(wrong(where, values, "both must be at least 0 and at most 1"))
    return float(values[0]), float(values[1])


def _schedule_of(entry: Mapping[str, Any], where: str, also: str) -> dict[str, Any]:
    """Return the schedule in an entry; ``also`` is the key that may stand beside it."""
    for name in entry:
        if name not in PLAN_KEYS and name != also:
            hint = did_you_mean(str(name), [*PLAN_KEYS, also])
            if "shape" in entry:  # a slot in place of the mapping of slots
                hint = f"; write main: {{shape: {entry['shape']}, ...}}"
            raise ConfigError(wrong(f"{where}.{name}", entry[name], f"no such key{hint}"))
    return {name: value for name, value in entry.items() if name in PLAN_KEYS}


def build_driven_values(
    plans: Sequence[DrivePlan],
    optimizer: Optimizer,
    compose: Callable[..., Plan],
    hold: int,
    frequency: int = 1,
    key: str = "scheduler",
    late: Sequence[LateWarmup] = (),
) -> list[DrivenValue]:
    """Build what drives the groups of an optimizer.

    Args:
        plans: as configured.
        optimizer: whose groups are driven.
        compose: ``(config, base_lr=, key=) -> Plan``.
        hold: optimizer steps for which each value is held.
        frequency: multiplies ``hold``, but where a metric drives the value: there it counts values of the metric.
        key: dotted name of the scheduler.
        late: warmups of single groups, which multiply whatever schedule of the lr those have.

    Raises:
        ConfigError: for keys that the groups do not have or that are driven twice, and names that no group has.
    """
    values: list[DrivenValue] = []
    where: dict[tuple[str, str | None], str] = {}
    check_group_names(plans, optimizer, key)
    for plan in plans:
        for driven, having in _keys_in_groups(plan, optimizer).items():
            first = where.setdefault((driven, plan.group), plan.where)
            if first != plan.where:  # momentum and betas[0] of an Adam
                rule = f"the same value as {first.rpartition('.')[2]}, which has a schedule already; remove one of them"
                raise ConfigError(f"{plan.where}: {rule}")
            default = _number_at(optimizer.defaults, driven)
            default = float(_number_at(having[0], driven) if default is None else default)
            composed = compose(plan.config, base_lr=(default or 1.0) if driven == LR else 1.0, key=plan.where)
            held = hold if composed.plateaus else hold * frequency
            value = DrivenValue(driven, composed, group=plan.group, hold=held, default=default, values=plan.values)
            value.everywhere = len(having) == len(optimizer.param_groups)
            values.append(value)
    for i, value in enumerate(values):  # of two that drive a group, the later one counts
        value.excluded = tuple(v.group for v in values[i + 1 :] if v.key == value.key and v.group is not None)
    return values + [warmed for value in values if value.key == LR for warmed in _with_late_warmups(value, late)]


def check_group_names(plans: Iterable[DrivePlan], optimizer: Optimizer, key: str = "scheduler") -> None:
    """Reject schedules of groups that an optimizer does not have.

    Raises:
        ConfigError: for the first of them, with the nearest name.
    """
    names = set().union(later_groups(optimizer), *map(parts_of_name, optimizer.param_groups))
    for plan in plans:
        if plan.group is not None and plan.group not in names:
            hint = did_you_mean(plan.group, names, list_all=True) or "; the groups have no names, see param_groups"
            raise ConfigError(f"{key}.groups.{plan.group}: no group of that name{hint}")


def later_groups(optimizer: Optimizer) -> set[str]:
    """Return the names of groups that may be added to an optimizer, where they are known."""
    return {*getattr(optimizer, "__dict__", {}).get(LATER, ())}


def _with_late_warmups(value: DrivenValue, late: Sequence[LateWarmup]) -> list[DrivenValue]:
    """Return a schedule once more for each warmup, whose groups it leaves to the copy."""
    copies = [replace(value, late=each) for each in late]
    for copy in copies:
        copy.excluded, copy.everywhere = value.excluded, value.everywhere
    value.excluded = (*value.excluded, *(each.group for each in late))
    return copies


def _keys_in_groups(plan: DrivePlan, optimizer: Optimizer) -> dict[str, list[Mapping[str, Any]]]:
    """Return the groups by the key that they have: ``momentum`` means ``betas[0]`` where they have betas instead.

    The parts of a composite may have different keys, or lack one.
    """
    found: dict[str, list[Mapping[str, Any]]] = {}
    groups = [g for g in optimizer.param_groups if plan.group is None or plan.group in parts_of_name(g)]
    for group in groups or optimizer.param_groups:  # one that is added later is like the others
        by_betas = plan.key == "momentum" and "momentum" not in group and "betas" in group
        key = "betas[0]" if by_betas else plan.key
        if _number_at(group, key) is not None:
            found.setdefault(key, []).append(group)
    if not found:
        known = dict.fromkeys(key for group in groups for key in _keys(group) if _number_at(group, key) is not None)
        hint = did_you_mean(f"{plan.key}[0]" if f"{plan.key}[0]" in known else plan.key, known, list_all=True)
        rule = f"{type(optimizer).__name__} has no number {plan.key!r} in its param groups{hint}"
        raise ConfigError(f"{plan.where}: {rule}")
    return found


def _number_at(group: Mapping[str, Any], key: str) -> Any:
    """Look up the value of a key such as `betas[0]`; None if the group lacks it."""
    name, index = split(key)
    value = group.get(name)
    if index is not None:
        value = value[index] if isinstance(value, (tuple, list)) and index < len(value) else None
    is_real = isinstance(value, (int, float)) and not isinstance(value, bool)
    return value if is_real or is_tensor(value) else None


def _keys(group: Mapping[str, Any]) -> Iterator[str]:
    """List the keys of a group that may be driven, each item of a tuple by itself."""
    for key, value in group.items():
        if key not in ("params", LR) and not key.startswith("initial_"):
            yield from (f"{key}[{i}]" for i in range(len(value))) if isinstance(value, (tuple, list)) else (key,)
