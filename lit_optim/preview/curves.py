"""The curves that a training would follow, from its configuration alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from lit_optim.config import capabilities
from lit_optim.config.checks.drive import check_lanes, schedule_config
from lit_optim.config.checks.lightning_keys import LIGHTNING_KEYS, check_lightning_keys
from lit_optim.config.checks.slots import take_misplaced, without_aliases
from lit_optim.config.read import presets
from lit_optim.config.read.command_line import Choice
from lit_optim.config.read.spec import DEFAULT_TARGETS, Spec, merge, read_spec
from lit_optim.duration import COUNT, Clock, is_count
from lit_optim.errors import ConfigError, Problems, did_you_mean, wrong
from lit_optim.preview.optimizer_stub import REST, OptimizerStub, optimizer_stub
from lit_optim.scheduler.drive import PLAN_KEYS, build
from lit_optim.scheduler.driven_value import DrivenValue
from lit_optim.schedules.plan.plan import Phase, Plan
from lit_optim.schedules.plan.slots import compose

DEFAULTS = {"optimizer": "adamw", "scheduler": "none", "param_groups": "all"}  # those of conf/lit_optim.yaml
KEYS = (*PLAN_KEYS, "drive", "groups")  # of a ScheduleLR
OWN = (DEFAULT_TARGETS["scheduler"], "lit_optim.scheduler.schedule_lr.ScheduleLR")
UNKNOWN = "total_steps is unknown; write total_steps=10000, the optimizer steps of the run"


@dataclass(frozen=True)
class Curve:
    """One hyper-parameter of one group.

    Args:
        key: of the group, ``lr``.
        group: its name.
        initial: its value at factor 1.
        lane: what drives it.
    """

    key: str
    group: str
    initial: float
    lane: DrivenValue

    @property
    def name(self) -> str:
        """The column in a table."""
        return f"{self.key}/{self.group}"

    def value(self, step: int) -> float:
        """The value that optimizer step ``step`` uses, in the very operations of a training."""
        return self.initial * self.lane.factor(step)


@dataclass(frozen=True)
class Preview:
    """The curves of one configuration over the optimizer steps ``0 .. total_steps - 1``."""

    label: str
    curves: tuple[Curve, ...]
    total_steps: int
    steps_per_epoch: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def phases(self) -> tuple[Phase, ...]:
        """Those of the lr."""
        return self.curves[0].lane.plan.phases


def preview(choice: Choice) -> Preview:
    """The curves of one configuration.

    Args:
        choice: presets and overrides.

    Raises:
        ConfigError: for all that is wrong with it, and where the length of the run is not known.

    Example:
        >>> from lit_optim.config.read.command_line import choices
        >>> [choice] = choices(["optimizer=sgd", "scheduler=linear", "total_steps=4"])
        >>> [(curve.name, [curve.value(step) for step in range(4)]) for curve in preview(choice).curves]
        [('lr/default', [0.01, 0.0075, 0.005, 0.0025])]
    """
    chosen = {**DEFAULTS, **{name: choice.chosen[name] for name in DEFAULTS if name in choice.chosen}}
    chosen |= {name: DEFAULTS[name] for name in ("scheduler", "param_groups") if chosen[name] is None}
    spec = _spec("scheduler", chosen, choice)
    arguments, reserved = _checked(spec)
    problems = Problems()
    lengths = {name: choice.chosen[name] for name in ("total_steps", "steps_per_epoch") if name in choice.chosen}
    for name, value in lengths.items():
        if not is_count(value):
            problems.add(name, value, COUNT)
    problems.raise_if_any()
    counted = {name: int(value) for name, value in {**reserved, **lengths}.items() if name in ("total_steps", *lengths)}
    clock = Clock(counted.get("total_steps"), counted.get("steps_per_epoch"), UNKNOWN)
    plans = schedule_config(arguments).lanes()
    optimizer_spec = _spec("optimizer", chosen, choice)
    rules = _rules(chosen["param_groups"], choice.overrides.get("param_groups"))
    optimizer = optimizer_stub(chosen["optimizer"], optimizer_spec, rules, [plan.key for plan in plans])
    hold = clock.epoch("scheduler.interval") if reserved.get("interval") == "epoch" else 1
    composed = partial(compose, clock=clock, mode=reserved.get("mode", "min"))

    def plan_of(slots: Mapping[str, Any], base: float, key: str) -> Plan:
        return composed(slots, base_lr=base, key=key)

    lanes = build(plans, cast("Any", optimizer), plan_of, hold)
    curves = tuple(_curves(lanes, optimizer))
    notes = _notes(curves, optimizer_spec)
    if "swats" in str(choice.chosen.get("optim_callbacks", "")):
        notes = (*notes, "SWATS: at its switch, which nobody knows before, all lrs are multiplied by one factor")
    return Preview(choice.label, curves, _length(clock, lanes), clock.steps_per_epoch, notes)


def _spec(group: str, chosen: dict[str, Any], choice: Choice) -> Spec:
    """The spec of a group; another class in place of a preset's keeps the preset's values, as with Hydra."""
    changes = choice.overrides.get(group, {})
    if "_target_" in changes and chosen[group] in presets.preset_names(group):
        chosen[group] = merge(presets.load_preset(group, chosen[group]), {"_target_": changes["_target_"]})
    return read_spec(chosen[group], group, overrides={k: v for k, v in changes.items() if k != "_target_"})


def _checked(spec: Spec) -> tuple[dict[str, Any], dict[str, Any]]:
    """The arguments of a ScheduleLR and the keys beside them, checked as a training would."""
    if spec.target not in OWN:
        target = spec.target if isinstance(spec.target, str) else spec.path
        raise ConfigError(f"scheduler._target_={target}: only schedules of lit_optim.ScheduleLR can be previewed")
    problems = Problems()
    given = without_aliases(spec.arguments)
    reserved = {name: given.pop(name) for name in LIGHTNING_KEYS if name in given}
    check_lightning_keys(reserved, spec.key, problems)
    take_misplaced(given, spec.key, problems)
    for name in [name for name in given if name not in KEYS]:
        value, hint = given.pop(name), did_you_mean(name, [*KEYS, *LIGHTNING_KEYS], list_all=True)
        problems.add(f"{spec.key}.{name}", value, f"ScheduleLR has no argument {name!r}{hint}")
    arguments = check_lanes(given, spec.key, problems)
    problems.raise_if_any()
    return arguments, reserved


def _rules(spec: Any, overrides: Mapping[str, Any] | None) -> Any:
    if not overrides:
        return spec
    if set(overrides) != {"rules"}:
        name = next(name for name in overrides if name != "rules")
        raise ConfigError(wrong(f"param_groups.{name}", overrides[name], "the only key here is 'rules', a list"))
    return dict(overrides)


def _curves(lanes: list[DrivenValue], optimizer: OptimizerStub) -> list[Curve]:
    """Lanes of single groups go before those of all, as in ScheduleLR."""
    own = {(lane.key, lane.group) for lane in lanes if lane.group is not None}
    keys = list(dict.fromkeys(lane.key for lane in lanes))
    return [
        Curve(lane.key, group.get("name", REST), 1.0 if lane.absolute else lane.read(group), lane)
        for key in keys
        for group in optimizer.param_groups
        for lane in lanes
        if lane.key == key and lane.drives(group) and (lane.group or (key, group.get("name")) not in own)
    ]


def _length(clock: Clock, lanes: list[DrivenValue]) -> int:
    """The run, or where all schedules have come to their end."""
    stops = [lane.plan.stop for lane in lanes]
    if clock.total_steps is not None:
        return clock.total_steps
    if any(stop is None for stop in stops):
        raise ConfigError(UNKNOWN)
    return max(1, *(stop for stop in stops if stop is not None))


def _notes(curves: tuple[Curve, ...], spec: Spec) -> tuple[str, ...]:
    notes = []
    if any(curve.lane.plan.plateaus for curve in curves):
        notes.append("a plateau follows its metric, which is not known here: it is drawn at scale 1")
    falls = [begin for curve in curves if (begin := curve.lane.plan.falls_after_warmup()) is not None]
    if falls:
        notes.append(f"after the warmup it begins at {falls[0]:.2g} again; is a preset with warmup_ in front meant?")
    if isinstance(spec.target, str) and (reason := capabilities.of_target(spec.target).against_schedules):
        notes.append(f"{spec.target.rpartition('.')[2]} {reason}")
    return tuple(notes)
