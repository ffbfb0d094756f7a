"""Computes the curves that a training would follow, from its configuration alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

from lit_optim.config import capabilities
from lit_optim.config.checks.schedule_arguments import check_schedule_arguments, schedule_config
from lit_optim.config.read import presets
from lit_optim.config.read.command_line import NUMBERS, Choice
from lit_optim.config.read.named_specs import schedules_by_name, specs_by_name, split_of
from lit_optim.config.read.preset_header import fields
from lit_optim.config.read.spec import DEFAULT_TARGETS, Spec, merge, merge_presets, read_spec
from lit_optim.config.read.users_functions import users_functions
from lit_optim.duration import COUNT, RunLength, is_count
from lit_optim.errors import ConfigError, Problems, did_you_mean
from lit_optim.preview.optimizer_stub import REST, OptimizerStub, optimizer_stub, scale_stub
from lit_optim.scheduler.drive import build_driven_values
from lit_optim.scheduler.driven_value import DrivenValue
from lit_optim.schedules.plan.compose_plan import compose_plan
from lit_optim.schedules.plan.plan import Phase

DEFAULTS = {"optimizer": "adamw", "scheduler": "none", "param_groups": "all"}  # those of conf/lit_optim.yaml
OWN = (DEFAULT_TARGETS["scheduler"], "lit_optim.scheduler.schedule_lr.ScheduleLR")
UNKNOWN = "total_steps is unknown; write total_steps=10000, the optimizer steps of the run"
OF_EPOCHS = "total_steps is unknown; trainer.max_epochs={} needs steps_per_epoch=500, the optimizer steps of an epoch"


@dataclass(frozen=True)
class Curve:
    """One hyper-parameter of one group.

    Args:
        key: of the group, ``lr``.
        group: its name.
        initial: its value at factor 1.
        driven: what drives it.
    """

    key: str
    group: str
    initial: float
    driven: DrivenValue

    @property
    def name(self) -> str:
        """The name of its column in a table."""
        return f"{self.key}/{self.group}"

    def value(self, step: int) -> float:
        """Compute the value that optimizer step ``step`` uses, in the very operations of a training."""
        return self.initial * self.driven.factor(step)


@dataclass(frozen=True)
class Preview:
    """The curves of one configuration over the optimizer steps ``0 .. total_steps - 1``."""

    label: str
    curves: tuple[Curve, ...]
    total_steps: int
    steps_per_epoch: int | None = None
    notes: tuple[str, ...] = ()
    optimizer: str = ""  # its class

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The phases of the lr."""
        return self.curves[0].driven.plan.phases


def preview(choice: Choice) -> Preview:
    """Compute the curves of one configuration.

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
    if several := _choices_by_name(choice):
        return _joined({name: preview(one) for name, one in several.items()}, choice.label)
    given = {group: choice.chosen[group] for group in DEFAULTS if group in choice.chosen}
    chosen = DEFAULTS | {group: spec for group, spec in given.items() if spec is not None or group == "optimizer"}
    rules = _param_groups(chosen["param_groups"], choice.overrides.get("param_groups"))
    arguments, lightning_keys = _checked(_with_rule_schedules(_read_chosen("scheduler", chosen, choice), rules))
    run = _run_length(choice, {**arguments, **lightning_keys})
    plans = schedule_config(arguments).plans()
    optimizer_spec = _read_chosen("optimizer", chosen, choice)
    optimizer = optimizer_stub(chosen["optimizer"], optimizer_spec, rules, [plan.key for plan in plans])
    scaling_notes = scale_stub(optimizer, optimizer_spec)
    hold = run.epoch("scheduler.interval") if lightning_keys.get("interval") == "epoch" else 1
    composed = partial(compose_plan, run_length=run, mode=lightning_keys.get("mode", "min"))
    frequency = int(lightning_keys.get("frequency", 1))
    driven = build_driven_values(plans, cast("Any", optimizer), composed, hold, frequency)
    curves = tuple(_curves(driven, optimizer))
    called = [
        f"{key}={path}: your own function, called to draw it"
        for key, path in users_functions(arguments, "scheduler").items()
    ]
    more = (*_factor_notes(rules), *scaling_notes, *_callback_notes(choice.chosen.get("optim_callbacks")), *called)
    notes = (*_notes(curves, optimizer_spec), *more)
    return Preview(choice.label, curves, _length(run, driven), run.steps_per_epoch, notes, type(optimizer).__name__)


def _choices_by_name(choice: Choice) -> dict[str, Choice]:
    """Return the choice of each of several optimizers, by name; none where there is one."""
    named = specs_by_name(choice.chosen.get("optimizer")) or {}
    schedules = schedules_by_name(choice.chosen.get("scheduler"), named) if named else {}
    problems, found = Problems(), {}
    for name in (name for name in choice.overrides.get("optimizer", ()) if named and name not in named):
        problems.append(f"optimizer.{name}: no optimizer of that name{did_you_mean(name, named, list_all=True)}")
    problems.raise_if_any()
    for name, spec in named.items():
        schedule, key = schedules[name]
        changes = {group: choice.overrides.get(group, {}) for group in ("optimizer", "scheduler")}
        own = {group: each if group == key else each.get(name, {}) for group, each in changes.items()}
        chosen = {**choice.chosen, "optimizer": split_of(spec, name)[0], "scheduler": schedule}
        if "total_steps" in {**own["scheduler"], **(schedule if isinstance(schedule, Mapping) else {})}:
            chosen.pop("total_steps", None)  # that of the run
        found[name] = Choice(choice.label, chosen, {**choice.overrides, **own})
    return found


def _joined(previews: Mapping[str, Preview], label: str) -> Preview:
    """Join the curves of several optimizers; their groups are named as in a training."""
    curves = []
    for name, one in previews.items():
        for curve in one.curves:
            curves.append(replace(curve, group=name if curve.group == REST else f"{name}/{curve.group}"))
    notes = tuple(dict.fromkeys(note for one in previews.values() for note in one.notes))
    longest = max(previews.values(), key=lambda one: one.total_steps)
    classes = " / ".join(dict.fromkeys(one.optimizer for one in previews.values()))
    return Preview(label, tuple(curves), longest.total_steps, longest.steps_per_epoch, notes, classes)


def _run_length(choice: Choice, lightning_keys: Mapping[str, Any]) -> RunLength:
    """Read the length of the run and of an epoch; the command line's go before the scheduler's and the trainer's."""
    problems = Problems()
    given = {name: choice.chosen[name] for name in NUMBERS if name in choice.chosen}
    for name, value in given.items():
        if not is_count(value):
            problems.add(name, value, COUNT)
    problems.raise_if_any()
    counts = {**{name: lightning_keys.get(name) for name in NUMBERS}, **given}
    run = RunLength.from_config({**counts, "trainer": choice.overrides.get("trainer")})
    return replace(run, unknown_because=OF_EPOCHS.format(run.max_epochs) if run.max_epochs else UNKNOWN)


def _read_chosen(group: str, chosen: dict[str, Any], choice: Choice) -> Spec:
    """Read the spec of a group; another class in place of a preset's keeps the preset's values, as with Hydra."""
    changes = dict(choice.overrides.get(group, {}))
    if "_target_" in changes and chosen[group] in presets.preset_names(group):
        chosen[group] = merge(presets.load_preset(group, chosen[group]), {"_target_": changes["_target_"]})
    changes.pop("_target_", None)
    return read_spec(chosen[group], group, overrides=changes)


def _checked(spec: Spec) -> tuple[dict[str, Any], dict[str, Any]]:
    """Check the arguments of a ScheduleLR and the keys beside them, as a training would."""
    if spec.target not in OWN:
        target = spec.target if isinstance(spec.target, str) else spec.path
        raise ConfigError(f"scheduler._target_={target}: only schedules of lit_optim.ScheduleLR can be previewed")
    return check_schedule_arguments(spec)


def _param_groups(spec: Any, overrides: Mapping[str, Any] | None) -> Any:
    """Merge overrides into the spec; without any it stays as it is, so that a preset is known by its name."""
    return merge(merge_presets(spec, "param_groups"), overrides) if overrides else spec


def _with_rule_schedules(spec: Spec, rules: Any) -> Spec:
    """Put the schedules of rules among those of the scheduler's groups, which beat them, as a training does."""
    if rules in presets.preset_names("param_groups") and "schedule" not in repr(
        presets.load_preset("param_groups", rules)
    ):
        return spec  # without an import of torch
    from lit_optim.config.build.param_groups import read_grouping

    found = read_grouping(rules).rules
    given = {rule.name: rule.schedule for rule in found if rule.schedule is not None and not rule.freeze}
    groups = {**given, **(spec.arguments.get("groups") or {})}
    return replace(spec, arguments={**spec.arguments, "groups": groups}) if given else spec


def _curves(driven: list[DrivenValue], optimizer: OptimizerStub) -> list[Curve]:
    """Make a curve of each key and group."""
    return [
        Curve(key, group.get("name", REST), 1.0 if one.absolute else one.read(group), one)
        for key in dict.fromkeys(one.key for one in driven)
        for group in optimizer.param_groups
        for one in driven
        if one.key == key and one.drives(group)
    ]


def _length(run: RunLength, driven: list[DrivenValue]) -> int:
    """Return the length of the run; where it is not known, the step at which all schedules have ended."""
    if run.total_steps is not None:
        return run.total_steps
    stops = [one.plan.stop for one in driven]
    if None in stops:
        raise ConfigError(run.unknown_because)
    return max(1, *cast("list[int]", stops))


def _notes(curves: tuple[Curve, ...], spec: Spec) -> list[str]:
    notes = []
    if any(curve.driven.plan.plateaus for curve in curves):
        notes.append("a plateau follows its metric, which is not known here: it is drawn at scale 1")
    falls = [begin for curve in curves if (begin := curve.driven.plan.falls_after_warmup()) is not None]
    if falls:
        notes.append(f"after the warmup it begins at {falls[0]:.2g} again; is a preset with warmup_ in front meant?")
    if isinstance(spec.target, str) and (reason := capabilities.capabilities_of_target(spec.target).against_schedules):
        notes.append(f"{spec.target.rpartition('.')[2]} {reason}")
    return notes


def _factor_notes(spec: Any) -> list[str]:
    """Name the factors of the lr that only the model's parameters tell."""
    found = [name for name in ("layers", "mup") if name in merge_presets(spec, "param_groups")]
    end = "multiplies the lr by the model's parameters, which are not known here; lit-optim card shows it"
    return [f"param_groups.{name} {end}" for name in found]


def _callback_notes(chosen: Any) -> list[str]:
    """Read what the presets of callbacks have in their ``# preview:`` line: how they change the curves in a run."""
    names = [name for name in presets.preset_names("optim_callbacks") if name in (chosen or ())]
    headers = [fields(presets.preset_text("optim_callbacks", name))[1] for name in names]
    return [header["preview"] for header in headers if "preview" in header]
