"""Choose between the specs of a checkpoint and those of the configuration."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from torch.optim import Optimizer

from lit_optim.config.build.param_groups import read_grouping
from lit_optim.config.checks.locate import locate
from lit_optim.config.read.named_specs import specs_by_name
from lit_optim.config.read.plain_containers import to_serializable
from lit_optim.config.read.spec import read_spec
from lit_optim.config.resume_policy import ResumePolicy
from lit_optim.errors import ConfigError
from lit_optim.imports import only_known_packages
from lit_optim.resume.diff import Difference
from lit_optim.torch_backend.implementation import FLAGS


def resumed_specs(
    saved: Mapping[str, Any], now: Mapping[str, Any], policy: ResumePolicy
) -> tuple[dict[str, Any], list[Difference]]:
    """Return the specs that a resumed run is built from, and where they differ from the checkpoint's or the configured.

    Args:
        saved: the specs of the checkpoint.
        now: the configured ones.
        policy: which of them count.

    Raises:
        ConfigError: for an optimizer of a package that a checkpoint may not import.
    """
    if not saved.get("optimizer"):
        return dict(now), []
    used, rows = dict(now), []
    named, here = specs_by_name(saved["optimizer"]), specs_by_name(now["optimizer"])
    if named is not None and here is not None:  # in the order of the configuration, as the states are by now
        chosen = {name: _resumed_optimizer(named[name], one, f"optimizer.{name}", policy) for name, one in here.items()}
        used["optimizer"] = {name: spec for name, (spec, _) in chosen.items()}
        rows += [row for _, found in chosen.values() for row in found]
    else:
        used["optimizer"], rows = _resumed_optimizer(saved["optimizer"], now["optimizer"], "optimizer", policy)
    if policy.groups == "checkpoint":
        used["param_groups"] = saved.get("param_groups")
    rows += _group_difference(saved.get("param_groups"), now.get("param_groups"), used.get("param_groups"))
    before, after = (_schedule(each.get("scheduler")) for each in (saved, now))
    rows += _rows_of_keys("scheduler", before, after)
    return (used if to_serializable(used) != to_serializable(dict(now)) else dict(now)), rows


def _resumed_optimizer(saved: Any, now: Any, key: str, policy: ResumePolicy) -> tuple[Any, list[Difference]]:
    """Return the spec of one optimizer of a resumed run, and how it differs."""
    before, after = (read_spec(each, "optimizer", key) for each in (saved, now))
    same = before.path == after.path
    then, here = to_serializable(before.as_dict()), to_serializable(after.as_dict())
    names = [name for name in sorted({*then, *here} - {*FLAGS}) if _listed(then.get(name)) != _listed(here.get(name))]
    if not names:
        return now, []
    used = here
    if policy.optimizer == "checkpoint":
        with only_known_packages():
            locate(before.target, Optimizer, "ckpt_path: the checkpoint's optimizer")
        used = {name: value for name, value in before.as_dict().items() if name not in FLAGS}
        used |= {name: value for name, value in after.arguments.items() if name in FLAGS and same}
        used |= {"lr": here["lr"]} if policy.lr == "config" and same and "lr" in here else {}
    shown = names if same else ["_target_"]
    return used, [Difference(f"{key}.{name}", then.get(name), here.get(name), used.get(name)) for name in shown]


def _rows_of_keys(key: str, old: Any, new: Any) -> list[Difference]:
    """Return a row for each key, however deep, whose configured value is another one than the checkpoint's."""
    if not (isinstance(old, Mapping) and isinstance(new, Mapping)):
        return [] if old == new else [Difference(key, old, new, new)]
    names = sorted({*old, *new})
    return [row for name in names for row in _rows_of_keys(f"{key}.{name}", old.get(name), new.get(name))]


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _group_difference(before: Any, now: Any, used: Any) -> list[Difference]:
    if to_serializable(before) == to_serializable(now):  # in the checkpoint, a function is its path
        return []
    here, chosen, then = read_grouping(now), read_grouping(used), None
    with contextlib.suppress(ConfigError):  # it may name what it must not, and need not be used
        then = read_grouping(before)
    if then == here:
        return []
    names = [
        "not read" if each is None else ", ".join(r.name for r in each.rules) or "no rules" for each in (then, here)
    ]
    labels = [*names, "the checkpoint's" if chosen == then else "the configured ones"]
    return [Difference("param_groups", *labels)]


def _schedule(spec: Any) -> dict[str, Any]:
    try:
        given = {} if spec is None else read_spec(spec, "scheduler", "scheduler").as_dict()
    except ConfigError:  # of a package that is not installed here
        return {}
    plain: dict[str, Any] = to_serializable(given)
    return plain
