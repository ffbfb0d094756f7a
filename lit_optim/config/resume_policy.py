"""Read the `resume` group: what a resumed run takes from its checkpoint, and what from the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lit_optim.config.read.plain_containers import to_plain
from lit_optim.config.read.presets import load_preset
from lit_optim.config.read.spec import merge, merge_presets
from lit_optim.duration import RunLength, parse
from lit_optim.errors import ConfigError, Problems, did_you_mean, wrong
from lit_optim.schedules.plan.phase_configs import PhaseConfig
from lit_optim.schedules.plan.phase_schedule import ScheduleContext, phase_schedule

CHOICES = {
    "lr": ("checkpoint", "config"),
    "schedule": ("continue", "stretch", "restart", "cooldown"),
    "optimizer": ("checkpoint", "config", "reset"),
    "groups": ("config", "checkpoint"),
}
COOLDOWN = "cooldown"
DEFAULT = "continue"


@dataclass(frozen=True)
class ResumePolicy:
    """What a resumed run takes from where.

    Args:
        lr: learning rates of the groups.
        schedule: where the schedule goes on.
        optimizer: class, other hyper-parameters and state.
        groups: the param groups.
        cooldown: the length and the shape of a cooldown.
    """

    lr: str = "checkpoint"
    schedule: str = "continue"
    optimizer: str = "checkpoint"
    groups: str = "config"
    cooldown: Mapping[str, Any] = field(default_factory=dict)

    def cooldown_steps(self, done: int, per_epoch: int | None) -> int:
        """Return the optimizer steps of the cooldown of a run with so many steps done.

        A share is one of the whole run, which ends with the cooldown.

        Example:
            >>> ResumePolicy(schedule="cooldown", cooldown={"steps": "20%"}).cooldown_steps(80, None)
            20
        """
        duration = parse(self.cooldown["steps"], "resume.cooldown.steps")
        if duration.unit == "share":
            steps = round(done * duration.amount / (1 - duration.amount))
        else:
            steps = duration.steps(RunLength(None, per_epoch), "resume.cooldown.steps")
        return max(1, steps)

    @property
    def cooldown_options(self) -> dict[str, Any]:
        """Return the shape of the cooldown with its arguments."""
        return {name: value for name, value in self.cooldown.items() if name != "steps"}


def read_policy(spec: Any, key: str = "resume") -> ResumePolicy:
    """Read the group: a preset's name, a mapping (``name`` may be a preset's), or a list of both.

    Keys that are left out are those of `continue`.

    Raises:
        ConfigError: with all that is wrong.

    Example:
        >>> read_policy("lr_from_config").lr, read_policy({"schedule": "stretch"}).schedule
        ('config', 'stretch')
        >>> read_policy({"schedule": "strech"})
        Traceback (most recent call last):
        lit_optim.errors.ConfigError: resume.schedule='strech': no such choice; did you mean 'stretch'?
    """
    given = to_plain(spec, key)
    if given is None:
        return ResumePolicy()
    if not isinstance(given, (str, Mapping, list)):
        raise ConfigError(wrong(key, given, "expects the name of a preset, e.g. lr_from_config, or a mapping"))
    default = merge_presets(DEFAULT, "resume")
    merged = merge(default, merge_presets(_by_name(given, default, key), "resume"))
    if merged["schedule"] != COOLDOWN and merged.get(COOLDOWN) is not None:
        rule = f"counts with {key}.schedule={COOLDOWN} only; write {key}={COOLDOWN}, or leave it out"
        raise ConfigError(wrong(f"{key}.{COOLDOWN}", merged[COOLDOWN], rule))
    if merged["schedule"] == COOLDOWN and not isinstance(merged.get(COOLDOWN), (int, float, str)):
        merged = merge(merge_presets(COOLDOWN, "resume"), merged)
    if not isinstance(cooldown := merged.get(COOLDOWN, {}), Mapping):
        merged[COOLDOWN] = {**merge_presets(COOLDOWN, "resume")[COOLDOWN], "steps": cooldown}
    problems = Problems()
    for name, value in merged.items():
        known = (*CHOICES, COOLDOWN)
        if name not in known:
            problems.append(
                wrong(f"{key}.{name}", value, f"no such key{did_you_mean(str(name), known, list_all=True)}")
            )
        elif name in CHOICES and value not in CHOICES[name]:
            hint = did_you_mean(str(value), CHOICES[name], list_all=True)
            problems.append(wrong(f"{key}.{name}", value, f"no such choice{hint}"))
    if merged["schedule"] == COOLDOWN:
        try:
            _check_cooldown(merged[COOLDOWN], f"{key}.{COOLDOWN}")
        except ConfigError as error:
            problems.take(error)
    problems.raise_if_any()
    return ResumePolicy(**merged)


def _by_name(given: Any, default: Mapping[str, Any], key: str) -> Any:
    """Split a mapping with ``name`` (or ``_target_``) into the preset and what changes it; any other spec as it is.

    Raises:
        ConfigError: for a default that undoes the preset, as where Hydra has merged the name into `continue`.
    """
    named = next((name for name in ("name", "_target_") if isinstance(given, Mapping) and name in given), None)
    if named is None:
        return given
    preset = load_preset("resume", str(given[named]), f"{key}.{named}")
    changes = {name: value for name, value in given.items() if name != named}
    for name, value in changes.items():
        if name in default and value == default[name] != preset.get(name, value):
            raise ConfigError(wrong(f"{key}.{name}", value, f"undoes {given[named]}; write {key}={given[named]}"))
    return [given[named], changes]


def _check_cooldown(options: Mapping[str, Any], key: str) -> None:
    duration = parse(options.get("steps"), f"{key}.steps")
    if not duration.amount or (duration.unit == "share" and duration.amount == 1):
        raise ConfigError(wrong(f"{key}.steps", options.get("steps"), "must be above 0, and below 100%"))
    shape = {name: value for name, value in options.items() if name != "steps"}
    phase_schedule(PhaseConfig(COOLDOWN, key, shape), ScheduleContext(RunLength(8), key=key), 8, 1.0)
